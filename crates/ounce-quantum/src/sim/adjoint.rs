//! Gradients by adjoint differentiation of one state: one sweep forward, one backward that undoes gates on two states.
//!
//! With `psi` the state after a gate `U` and `lambda` the observable's image of the final state with all later gates undone, the derivative of the expectation value is
//! `2 Re <lambda| dU/dangle U^-1 |psi>` (Jones and Gacon, "Efficient calculation of gradients in classical simulations of variational quantum algorithms",
//! 2020). So memory holds two states whatever the number of gates.

use ounce_kernels::Buffer;
use ounce_kernels::Team;
use ounce_kernels::amplitudes::{Program, Real, sweep};

use super::bind::Values;
use super::node::Node;
use super::observe::Terms;
use super::plan::passes;
use super::state::{StateVector, tile_size};
use crate::circuit::Symbol;

/// Rows of a chunk of the observable's image.
const ROWS: usize = 256;

/// Adds the gradient of `sum of weight * expectation value` to what `add` says. `state` is the state after all nodes, and is left as it was before them.
pub(super) fn backward<T: Real>(
    team: &mut Team<'_>,
    nodes: &[Node],
    values: Values<'_>,
    terms: &Terms,
    weights: &[f64],
    state: &mut StateVector<T>,
    mut add: impl FnMut(Symbol, f64),
) {
    let layout = state.layout;
    let weighted = terms.weighted(layout, |observable, _| weights[observable]);
    let mut bra = Buffer::zeroed(state.amplitudes.len());
    team.for_each_chunk_mut(&mut bra, ROWS * layout.row_len(), |chunk, out| {
        weighted.apply(&state.amplitudes, chunk * ROWS, out);
    });
    let reversed: Vec<Node> = nodes.iter().rev().cloned().collect();
    for pass in passes(&reversed, tile_size(layout, state.qubits, 2), Node::overlapped) {
        let mut program = Program::new(layout, &pass.tile);
        let mut overlaps = Vec::new();
        for node in pass.nodes.iter().map(|&node| &reversed[node]) {
            overlaps.extend(node.push_overlap(&mut program).map(|overlap| (node, overlap)));
            node.push_inverse(&mut program, values);
        }
        let sums = sweep(team, &program, &mut state.amplitudes, Some(&mut bra));
        for (node, overlap) in &overlaps {
            node.add_gradients(overlap, &sums, 0, values, &mut add);
        }
    }
}
