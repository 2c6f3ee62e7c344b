//! Trajectories: noisy circuits by drawing what happens, on state vectors.
//!
//! Every error of every gate has its own draw in every trajectory, so that the mean over trajectories is what the density matrix gives, at the price
//! of 2^n amplitudes.

use ounce_random::Pcg32;

use super::dense;
use crate::backend::BackendError;
use crate::counts::{Counts, Outcome};
use crate::matrix::{C64, Matrix};
use crate::noise::{GateNoise, Program, Relaxation, Step};
use crate::observable::Pauli;

/// Bytes that a state of so many qubits takes.
pub fn bytes(qubits: usize) -> u128 {
    let amplitude = size_of::<C64>() as u128;
    if qubits < 100 { amplitude << qubits } else { u128::MAX }
}

/// One run of a program: the state that it ended in and what was measured on the way.
#[derive(Clone, PartialEq, Debug)]
pub struct Trajectory {
    /// 2^n amplitudes of the program's qubits.
    pub state: Vec<C64>,
    /// The classical bits, read with errors.
    pub bits: Outcome,
}

impl Trajectory {
    /// Runs a program, drawing from `random`. Where all measurements come at the end, they are left out: draw their outcomes from the state.
    ///
    /// # Errors
    /// If the state takes more than `limit` bytes.
    pub fn run(program: &Program<'_>, random: &mut Pcg32, limit: u128) -> Result<Self, BackendError> {
        let qubits = program.qubits().len();
        let bytes = bytes(qubits);
        if bytes > limit {
            return Err(BackendError::TooLarge { qubits, bytes, limit });
        }
        let mut run = Self { state: vec![C64::default(); 1 << qubits], bits: Outcome::new(program.bits()) };
        let state = &mut run.state;
        state[0] = C64::from(1.0);
        let measures_on_the_way = program.final_measurements().is_none();
        for step in program.steps() {
            match step {
                Step::Gate { matrix, qubits, noise } => {
                    dense::apply(state, matrix, qubits);
                    if let Some(noise) = noise {
                        disturb(state, noise, qubits, random);
                    }
                }
                Step::Measure { .. } if !measures_on_the_way => {}
                Step::Measure { qubit, bit } => {
                    let value = measure(state, *qubit, random);
                    let read = program.readout()[*qubit].read(value, random.next_f64());
                    run.bits.set(*bit, read);
                }
                Step::Reset { qubit, noise } => {
                    reset(state, *qubit, random);
                    if let Some(noise) = noise {
                        disturb(state, noise, &[*qubit], random);
                    }
                }
            }
        }
        Ok(run)
    }

    /// The probabilities of the outcomes of measuring all qubits.
    pub fn probabilities(&self) -> Vec<f64> {
        self.state.iter().map(C64::norm_sqr).collect()
    }
}

/// The generator of one trajectory of one sample of a batch.
pub(crate) fn generator(seed: u64, sample: usize, trajectory: usize) -> Pcg32 {
    Pcg32::with_stream(
        seed.wrapping_add((sample as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        trajectory as u64,
    )
}

/// Counts of `shots` runs, `per_trajectory` of which share what happened to the gates (and have their own outcomes and readout errors). Programs that measure before
/// their end have a trajectory for each shot. Without measurements all of the program's qubits are measured, in order.
///
/// # Errors
/// If the state takes more than `limit` bytes.
pub fn counts(
    program: &Program<'_>,
    shots: u64,
    per_trajectory: u64,
    (seed, sample): (u64, usize),
    limit: u128,
) -> Result<Counts, BackendError> {
    let measured = program.final_measurements().map(|measured| match measured {
        [] => (0..program.qubits().len()).map(|qubit| (qubit, qubit)).collect(),
        _ => measured.to_vec(),
    });
    let bits = match measured {
        Some(_) if program.bits() == 0 => program.qubits().len(),
        _ => program.bits(),
    };
    let group = if measured.is_some() { per_trajectory.max(1) } else { 1 };
    let mut counts = Counts::new(bits);
    for trajectory in 0..shots.div_ceil(group) {
        let mut random = generator(seed, sample, trajectory as usize);
        let run = Trajectory::run(program, &mut random, limit)?;
        let own = group.min(shots - trajectory * group);
        match &measured {
            None => counts.add(run.bits, own),
            Some(measured) => {
                let cumulative = cumulative(run.state.iter().map(C64::norm_sqr));
                for _ in 0..own {
                    let index = draw(&cumulative, &mut random);
                    counts.add(read(index, measured, program, bits, &mut random), 1);
                }
            }
        }
    }
    Ok(counts)
}

/// What is read, with errors, where the qubits have the values of an index.
pub(crate) fn read(
    index: usize,
    measured: &[(usize, usize)],
    program: &Program<'_>,
    bits: usize,
    random: &mut Pcg32,
) -> Outcome {
    let mut outcome = Outcome::new(bits);
    for &(qubit, bit) in measured {
        outcome.set(bit, program.readout()[qubit].read(index >> qubit & 1 == 1, random.next_f64()));
    }
    outcome
}

/// Sums of all probabilities up to each.
pub(crate) fn cumulative(probabilities: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    let add = |probability: f64| {
        sum += probability;
        sum
    };
    probabilities.map(add).collect()
}

/// An index, with the probabilities that were summed.
pub(crate) fn draw(cumulative: &[f64], random: &mut Pcg32) -> usize {
    let at = random.next_f64() * cumulative.last().copied().unwrap_or(0.0);
    let found = cumulative.partition_point(|&sum| sum <= at);
    // Rounding may lead beyond the last index that is possible at all.
    found.min(cumulative.len() - 1)
}

/// Draws what the error of a gate does.
fn disturb(state: &mut [C64], noise: &GateNoise, qubits: &[usize], random: &mut Pcg32) {
    if let Some(channel) = noise.pauli()
        && random.next_f64() < channel.error()
    {
        let errors = &channel.probabilities()[1..];
        let number = random.weighted(errors).map_or(0, |error| error + 1);
        for (pauli, &qubit) in channel.product(number).zip(qubits) {
            apply_pauli(state, pauli, qubit);
        }
    }
    for (relaxation, &qubit) in noise.relaxation().iter().zip(qubits) {
        relax(state, relaxation, qubit, random);
    }
}

fn relax(state: &mut [C64], relaxation: &Relaxation, qubit: usize, random: &mut Pcg32) {
    let drawn = random.next_f64();
    match relaxation.mixture() {
        Some((_, decay)) if drawn < decay => reset(state, qubit, random),
        Some((z, decay)) if drawn < decay + z => apply_pauli(state, Pauli::Z, qubit),
        Some(_) => {}
        None => {
            let kraus = relaxation.kraus();
            let [zero, one] = populations(state, qubit);
            // All operators are diagonal but for the decay; either way the columns give the probability.
            let weight = |matrix: &Matrix| {
                let column = |c: usize| matrix.at(0, c).norm_sqr() + matrix.at(1, c).norm_sqr();
                column(0) * zero + column(1) * one
            };
            let weights: Vec<f64> = kraus.iter().map(weight).collect();
            let mut left = drawn * weights.iter().sum::<f64>();
            let chosen = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            let chosen = chosen.unwrap_or(0);
            let scale = 1.0 / weights[chosen].sqrt();
            dense::apply(state, &kraus[chosen].scaled(C64::from(scale)), &[qubit]);
        }
    }
}

fn apply_pauli(state: &mut [C64], pauli: Pauli, qubit: usize) {
    match pauli {
        Pauli::I => {}
        Pauli::X => dense::for_each_pair(state, qubit, std::mem::swap),
        Pauli::Z => dense::for_each_pair(state, qubit, |_, one| *one = -*one),
        Pauli::Y => dense::for_each_pair(state, qubit, |zero, one| {
            (*zero, *one) = (-C64::i() * *one, C64::i() * *zero);
        }),
    }
}

/// The probabilities that a qubit is 0 and 1, of sum 1 but for rounding.
fn populations(state: &mut [C64], qubit: usize) -> [f64; 2] {
    let mut sums = [0.0; 2];
    dense::for_each_pair(state, qubit, |zero, one| {
        sums[0] += zero.norm_sqr();
        sums[1] += one.norm_sqr();
    });
    sums
}

/// Measures a qubit: draws its value and keeps that part of the state.
fn measure(state: &mut [C64], qubit: usize, random: &mut Pcg32) -> bool {
    let [zero, one] = populations(state, qubit);
    let value = random.next_f64() * (zero + one) >= zero;
    let scale = 1.0 / (if value { one } else { zero }).sqrt();
    dense::for_each_pair(state, qubit, |zero, one| {
        let (kept, dropped) = if value { (one, zero) } else { (zero, one) };
        *kept *= scale;
        *dropped = C64::default();
    });
    value
}

/// Sets a qubit to 0, drawing what it was.
fn reset(state: &mut [C64], qubit: usize, random: &mut Pcg32) {
    if measure(state, qubit, random) {
        apply_pauli(state, Pauli::X, qubit);
    }
}
