//! Expectation values estimated from measurements, as a device gives them.

use ounce_kernels::ThreadPool;
use ounce_kernels::amplitudes::Real;
use ounce_random::Pcg32;

use super::Initial;
use super::backend::forward;
use super::node::{Node, string_mask};
use crate::backend::{BackendError, Request};
use crate::circuit::Circuit;
use crate::gate::Standard;
use crate::observable::{Pauli, PauliSum};

/// Estimates of all observables for all samples: terms that can be measured together are, by `shots` measurements of each group.
pub(super) fn estimates<T: Real>(
    pool: &mut ThreadPool,
    request: &Request<'_>,
    initial: &Initial<'_>,
    shots: u64,
    random: &mut Pcg32,
    limit: u128,
) -> Result<Vec<f64>, BackendError> {
    let width = request.observables.len();
    let mut values = vec![0.0; request.samples * width];
    let all = PauliSum::new(
        request
            .observables
            .iter()
            .flat_map(|sum| sum.terms().iter().map(|(_, string)| (1.0, string.clone()))),
    );
    let shots = usize::try_from(shots).unwrap_or(usize::MAX);
    for group in all.groups() {
        let strings: Vec<_> = group.iter().map(|&index| &all.terms()[index].1).collect();
        let circuit =
            in_basis_of(request.circuit, strings.iter().flat_map(|string| string.factors().iter().copied()))?;
        let nodes = Node::all(&circuit);
        let turned = Request { circuit: &circuit, ..*request };
        for sample in 0..request.samples {
            let state = forward::<T>(pool, &turned, &nodes, initial, sample, limit)?;
            let outcomes = state.sample(pool, shots, random);
            for string in &strings {
                let mask = string_mask(string);
                let support = mask.x | mask.z;
                let signs = outcomes
                    .iter()
                    .map(|&outcome| 1 - 2 * i64::from((outcome as u64 & support).count_ones() % 2));
                let mean = signs.sum::<i64>() as f64 / shots as f64;
                for (number, sum) in request.observables.iter().enumerate() {
                    let own = sum.terms().iter().filter(|(_, other)| other == *string);
                    values[sample * width + number] +=
                        own.map(|(coefficient, _)| coefficient * mean).sum::<f64>();
                }
            }
        }
    }
    Ok(values)
}

/// The circuit, and what turns the eigenstates of these Paulis into those of Z.
fn in_basis_of(
    circuit: &Circuit,
    factors: impl Iterator<Item = (usize, Pauli)>,
) -> Result<Circuit, BackendError> {
    let mut turned = circuit.clone();
    let mut done = 0u64;
    for (qubit, pauli) in factors {
        if done >> qubit & 1 == 1 {
            continue;
        }
        done |= 1 << qubit;
        let gates: &[Standard] = match pauli {
            Pauli::X => &[Standard::H],
            Pauli::Y => &[Standard::Sdg, Standard::H],
            Pauli::Z | Pauli::I => &[],
        };
        for &gate in gates {
            turned.apply(gate, &[qubit]).map_err(|error| BackendError::Failed(error.to_string()))?;
        }
    }
    Ok(turned)
}
