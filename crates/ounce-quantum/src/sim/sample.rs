//! Samples of measurements.

use ounce_kernels::ThreadPool;
use ounce_kernels::amplitudes::Real;
use ounce_random::Pcg32;

use super::state::{BLOCK, Plan, StateVector};
use crate::backend::BackendError;
use crate::circuit::Circuit;
use crate::counts::{Counts, Outcome};
use crate::measurement::sampled_measurements;

impl<T: Real> StateVector<T> {
    /// Measures all qubits `shots` times, leaving the state as it is; the basis states found, in order.
    pub fn sample(&self, pool: &mut ThreadPool, shots: usize, random: &mut Pcg32) -> Vec<usize> {
        let blocks = pool.region(|team| self.block_probabilities(team));
        let total: f64 = blocks.iter().sum();
        let mut draws: Vec<(f64, usize)> = (0..shots).map(|shot| (random.next_f64() * total, shot)).collect();
        draws.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut found = vec![0; shots];
        let mut probabilities = vec![0.0; BLOCK.min(1 << self.qubits())];
        let (mut next, mut below) = (0, 0.0);
        for (block, &sum) in blocks.iter().enumerate() {
            let last = block + 1 == blocks.len();
            let end = next + draws[next..].partition_point(|draw| draw.0 < below + sum || last);
            if next < end {
                self.write_probabilities(block * BLOCK, &mut probabilities);
                let (mut index, mut reached) = (0, below + probabilities[0]);
                for &(draw, shot) in &draws[next..end] {
                    while reached <= draw && index + 1 < probabilities.len() {
                        index += 1;
                        reached += probabilities[index];
                    }
                    // Rounding may lead past the last basis state that is possible.
                    let possible = (0..=index).rev().find(|&index| probabilities[index] > 0.0);
                    found[shot] = block * BLOCK + possible.unwrap_or(index);
                }
                next = end;
            }
            below += sum;
        }
        found
    }
}

/// Runs a circuit and counts its classical bits over `shots` runs. Where no gate or reset follows a measurement of its qubit, the state is computed once.
///
/// # Errors
/// As [`StateVector::zero`] and [`StateVector::run`].
pub fn counts<T: Real>(
    pool: &mut ThreadPool,
    circuit: &Circuit,
    parameters: &[f64],
    inputs: &[f64],
    shots: usize,
    seed: u64,
    limit: u128,
) -> Result<Counts, BackendError> {
    let kernels = pool.kernels();
    let mut random = Pcg32::new(seed);
    let mut counts = Counts::new(circuit.bits());
    let Some(measured) = sampled_measurements(circuit) else {
        let plan = Plan::new::<T>(circuit, kernels);
        for _ in 0..shots {
            let mut state = StateVector::<T>::zero(circuit.qubits(), kernels, limit)?;
            let bits = state.run(pool, &plan, parameters, inputs, &mut random)?;
            let mut outcome = Outcome::new(circuit.bits());
            bits.iter().enumerate().for_each(|(bit, &on)| outcome.set(bit, on));
            counts.add(outcome, 1);
        }
        return Ok(counts);
    };
    let gates = circuit.without_final_measurements();
    let mut state = StateVector::<T>::zero(circuit.qubits(), kernels, limit)?;
    state.run(pool, &Plan::new::<T>(&gates, kernels), parameters, inputs, &mut random)?;
    for index in state.sample(pool, shots, &mut random) {
        let mut outcome = Outcome::new(circuit.bits());
        measured.iter().for_each(|&(qubit, bit)| outcome.set(bit, index >> qubit & 1 == 1));
        counts.add(outcome, 1);
    }
    Ok(counts)
}
