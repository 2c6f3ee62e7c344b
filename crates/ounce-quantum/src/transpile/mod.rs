//! From any circuit to one that a device can run.
//!
//! [`transpile`] takes a circuit apart into gates on at most two qubits ([`decompose`]), brings the qubits of these together on the device (`layout`,
//! `routing`), writes them in the device's gates (`basis`, `runs`) and leaves out what is not needed (`cancel`, `blocks`). Angles keep their parameters and
//! inputs, so that a circuit can be trained after it was transpiled. Global phases are not kept.

mod basis;
mod blocks;
mod build;
mod cancel;
mod controls;
mod coupling;
mod decompose;
mod euler;
mod layout;
mod multiplexed;
mod routing;
mod runs;
mod shannon;
mod state;
mod target;
mod two_qubit;

pub use decompose::{decompose, simpler};
pub use state::prepare_state;
pub use target::{Target, TargetError};

use crate::circuit::{Circuit, Instruction, Operation};
use coupling::Graph;
use ounce_random::Pcg32;
use routing::{Order, placed, route};

/// Where the qubits of a circuit start on the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Where few swaps are needed.
    Search,
    /// Qubit `q` of the circuit on qubit `q` of the device.
    Trivial,
    /// Qubit `q` of the circuit on the given one of the device.
    Given(Vec<usize>),
}

/// How a circuit is transpiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TranspileOptions {
    /// Where qubits start.
    pub layout: Layout,
    /// Random starts that the search for a layout tries.
    pub trials: usize,
    /// Seed of these, and of choices between equally good swaps.
    pub seed: u64,
    /// Whether gates that undo each other are left out, and stretches on two qubits made anew.
    pub optimize: bool,
}

impl Default for TranspileOptions {
    fn default() -> Self {
        Self { layout: Layout::Search, trials: 10, seed: 0, optimize: true }
    }
}

/// A circuit on the qubits of a device.
#[derive(Clone, PartialEq, Debug)]
pub struct Transpiled {
    /// The circuit, with as many qubits as the device has, and the parameters, inputs and bits of the original.
    pub circuit: Circuit,
    /// Where each qubit of the original starts.
    pub first: Vec<usize>,
    /// Where each qubit of the original is at the end, and where it is measured if nothing follows.
    pub last: Vec<usize>,
    /// Swaps that were put in.
    pub swaps: usize,
}

/// Why a circuit cannot be transpiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TranspileError {
    /// Too few qubits.
    #[error("the circuit has {circuit} qubits, the device {device}; take another device or fewer qubits")]
    Qubits {
        /// Qubits of the circuit.
        circuit: usize,
        /// Qubits of the device.
        device: usize,
    },
    /// Qubits that interact, without a path between their places.
    #[error(
        "no path of couplings joins all qubits that the circuit needs; take another layout or couple the parts of the device"
    )]
    NoPath,
    /// A layout that is none.
    #[error(
        "a layout must name a different qubit of the device for each of the {0} qubits of the circuit; correct it"
    )]
    Layout(usize),
}

/// Writes a circuit in the gates of a device, on its coupled qubits. The state that results is that of the original but for the places of qubits and a
/// global phase.
///
/// # Errors
/// If the circuit does not fit the device, or the layout not the circuit.
pub fn transpile(
    circuit: &Circuit,
    target: &Target,
    options: &TranspileOptions,
) -> Result<Transpiled, TranspileError> {
    let (own, device) = (circuit.qubits(), target.qubits());
    if own > device {
        return Err(TranspileError::Qubits { circuit: own, device });
    }
    let pairs = |operation: &Operation| operation.qubits.len() <= 2;
    let cancelled = |instructions: Vec<Instruction>, qubits: usize| match options.optimize {
        true => cancel::cancel(instructions, qubits),
        false => instructions,
    };
    let instructions = cancelled(lowered(circuit.instructions(), pairs), own);
    let (first, last, swaps, instructions) = place(&instructions, own, target, options)?;
    let mut instructions = lowered(&instructions, |operation| target.runs(operation));
    if options.optimize {
        // What the device runs on two qubits counts as one CNOT.
        let cost = |operation: &Operation| usize::from(operation.qubits.len() == 2);
        instructions = cancelled(instructions, device);
        instructions = blocks::resynthesize(instructions, device, cost);
        instructions = cancelled(instructions, device);
    }
    let mut written = circuit.emptied(device);
    written.extend_valid(basis::translate(&instructions, target));
    Ok(Transpiled { circuit: written, first, last, swaps })
}

/// The instructions with gates taken apart until `keep` wants them or they are on one qubit or CNOTs.
fn lowered(instructions: &[Instruction], keep: impl Fn(&Operation) -> bool) -> Vec<Instruction> {
    let mut lowered = Vec::with_capacity(instructions.len());
    for instruction in instructions {
        match instruction {
            Instruction::Gate(operation) => {
                let parts = decompose(std::slice::from_ref(operation), &keep);
                lowered
                    .extend(parts.into_iter().filter(|part| !part.qubits.is_empty()).map(Instruction::Gate));
            }
            other => lowered.push(other.clone()),
        }
    }
    lowered
}

type Placed = (Vec<usize>, Vec<usize>, usize, Vec<Instruction>);

/// Puts the circuit's qubits on those of the device.
fn place(
    instructions: &[Instruction],
    qubits: usize,
    target: &Target,
    options: &TranspileOptions,
) -> Result<Placed, TranspileError> {
    let given = match &options.layout {
        Layout::Search => None,
        Layout::Trivial => Some((0..qubits).collect()),
        Layout::Given(places) => {
            let valid = |(index, place): (usize, &usize)| {
                *place < target.qubits() && !places[..index].contains(place)
            };
            if places.len() != qubits || !places.iter().enumerate().all(valid) {
                return Err(TranspileError::Layout(qubits));
            }
            Some(places.clone())
        }
    };
    let Some(coupling) = &target.coupling else {
        let places: Vec<usize> = given.unwrap_or_else(|| (0..qubits).collect());
        let moved = instructions.iter().map(|instruction| placed(instruction, &places)).collect();
        return Ok((places.clone(), places, 0, moved));
    };
    let graph = Graph::new(target.qubits(), coupling);
    let (places, routed) = match given {
        Some(places) => {
            let order = Order::new(instructions.iter(), qubits);
            let routed = route(&order, &graph, &places, &mut Pcg32::new(options.seed));
            (places, routed.ok_or(TranspileError::NoPath)?)
        }
        None => layout::search(instructions, qubits, &graph, options.trials, options.seed)
            .ok_or(TranspileError::NoPath)?,
    };
    Ok((places, routed.last, routed.swaps, routed.instructions))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod transpile_tests;
