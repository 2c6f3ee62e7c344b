//! The error of a gate on certain qubits.

use super::pauli::PauliChannel;
use super::relaxation::Relaxation;
use crate::matrix::{C64, Matrix};
use crate::observable::Pauli;

/// What happens to one qubit.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// A Pauli is applied.
    Pauli(Pauli),
    /// The qubit is set to 0.
    Reset,
    /// A channel that is not a mixture of the others, by its Kraus operators.
    Kraus(Vec<Matrix>),
}

/// One thing that may happen to the qubits of a gate.
#[derive(Clone, PartialEq, Debug)]
pub struct Branch {
    /// How likely it is.
    pub probability: f64,
    /// What it is: faults by number of the gate's qubit, in order. Empty for nothing.
    pub faults: Vec<(usize, Fault)>,
}

/// The error of a gate: random Paulis, then relaxation of each qubit.
#[derive(Clone, PartialEq, Debug)]
pub struct GateNoise {
    qubits: usize,
    pauli: Option<PauliChannel>,
    relaxation: Vec<Relaxation>,
}

impl GateNoise {
    /// The error made of Paulis and, after them, relaxation of each qubit (none if there are none); `None` if they are for another number of qubits.
    pub fn new(qubits: usize, pauli: Option<PauliChannel>, relaxation: Vec<Relaxation>) -> Option<Self> {
        let fits = pauli.as_ref().is_none_or(|pauli| pauli.qubits() == qubits);
        (fits && [0, qubits].contains(&relaxation.len())).then_some(Self { qubits, pauli, relaxation })
    }

    /// The error of a gate as Aer models it: `error` is 1 minus the average gate fidelity of all of it, relaxation included.
    pub(super) fn of_gate(qubits: usize, error: Option<f64>, relaxation: Vec<Relaxation>) -> Option<Self> {
        let dim = (1u64 << qubits) as f64;
        let process: f64 = relaxation.iter().map(Relaxation::process_fidelity).product();
        let fidelity = (dim * process + 1.0) / (dim + 1.0);
        let error = error.unwrap_or(0.0).min(dim / (dim + 1.0));
        let pauli = (error > 1.0 - fidelity).then(|| {
            let most = dim * dim / (dim * dim - 1.0);
            let p = dim * (error - (1.0 - fidelity)) / (dim * fidelity - 1.0);
            PauliChannel::depolarizing(qubits, p.min(most))
        });
        (pauli.is_some() || !relaxation.is_empty()).then_some(Self { qubits, pauli, relaxation })
    }

    /// Qubits of the gate.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// The random Paulis, which come first.
    pub fn pauli(&self) -> Option<&PauliChannel> {
        self.pauli.as_ref()
    }

    /// The relaxation of each qubit, which comes after the Paulis; empty if there is none.
    pub fn relaxation(&self) -> &[Relaxation] {
        &self.relaxation
    }

    /// The average gate fidelity `F` with doing nothing.
    pub fn fidelity(&self) -> f64 {
        let dim = (1u64 << self.qubits) as f64;
        let trace: f64 = {
            let matrix = self.superoperator();
            (0..matrix.dim()).map(|i| matrix.at(i, i).re).sum()
        };
        (trace / dim + 1.0) / (dim + 1.0)
    }

    /// All that may happen, with probabilities of sum 1: every product of Paulis with every way in which the qubits relax. The first qubit's
    /// ways vary fastest, as in Aer.
    pub fn branches(&self) -> Vec<Branch> {
        let paulis: Vec<Branch> = match &self.pauli {
            None => vec![Branch { probability: 1.0, faults: Vec::new() }],
            Some(channel) => {
                (0..channel.probabilities().len()).map(|number| pauli_branch(channel, number)).collect()
            }
        };
        let mut ways = vec![Branch { probability: 1.0, faults: Vec::new() }];
        for (qubit, relaxation) in self.relaxation.iter().enumerate() {
            let own = ways_to_relax(relaxation);
            let with = |(p, fault): &(f64, Option<Fault>)| {
                let fault = fault.clone().map(|fault| (qubit, fault));
                let probability = *p;
                ways.iter().map(move |way| way.followed_by(probability, fault.clone())).collect::<Vec<_>>()
            };
            ways = own.iter().flat_map(with).collect();
        }
        let then = |pauli: &Branch| {
            let after = |way: &Branch| Branch {
                probability: pauli.probability * way.probability,
                faults: pauli.faults.iter().chain(&way.faults).cloned().collect(),
            };
            ways.iter().map(after).collect::<Vec<_>>()
        };
        paulis.iter().flat_map(then).collect()
    }

    /// The Pauli channel that is left of it when it is averaged over Paulis before and after (Pauli twirling); probabilities of errors are multiplied by `factor`.
    pub fn twirled(&self, factor: f64) -> PauliChannel {
        let none = PauliChannel::depolarizing(self.qubits, 0.0);
        let own = self.pauli.as_ref().unwrap_or(&none);
        let relaxed = self.relaxation.iter().map(Relaxation::twirled).reduce(|all, next| all.beside(&next));
        relaxed.map_or_else(|| own.clone(), |relaxed| own.then(&relaxed)).scaled(factor)
    }

    /// The channel as a matrix on the entries of a density matrix: an index has the column's bits before the row's, and in each the first
    /// qubit's bit before the others'.
    pub fn superoperator(&self) -> Matrix {
        let qubits = self.qubits;
        let singles: Vec<Matrix> = self.relaxation.iter().map(Relaxation::superoperator).collect();
        // The bits of column and row of one qubit.
        let pair = |index: usize, qubit: usize| {
            let shift = qubits - 1 - qubit;
            (index >> (qubits + shift) & 1) << 1 | (index >> shift & 1)
        };
        let relaxed = Matrix::from_fn(1 << (2 * qubits), |row, column| {
            if singles.is_empty() {
                return C64::from(f64::from(u8::from(row == column)));
            }
            let factors = singles.iter().enumerate();
            factors.map(|(qubit, single)| single.at(pair(row, qubit), pair(column, qubit))).product()
        });
        let Some(channel) = &self.pauli else { return relaxed };
        let mut mixed = vec![C64::default(); 1 << (4 * qubits)];
        for (number, &p) in channel.probabilities().iter().enumerate() {
            let pauli = channel.matrix(number);
            for (sum, entry) in mixed.iter_mut().zip(pauli.conj().kron(&pauli).entries()) {
                *sum += entry * p;
            }
        }
        let dim = 1 << (2 * qubits);
        let mixed = Matrix::from_fn(dim, |row, column| mixed[row * dim + column]);
        &relaxed * &mixed
    }
}

impl Branch {
    fn followed_by(&self, probability: f64, fault: Option<(usize, Fault)>) -> Self {
        let faults = self.faults.iter().cloned().chain(fault).collect();
        Self { probability: self.probability * probability, faults }
    }
}

fn pauli_branch(channel: &PauliChannel, number: usize) -> Branch {
    let paulis = channel.product(number).enumerate().filter(|&(_, pauli)| pauli != Pauli::I);
    let faults = paulis.map(|(qubit, pauli)| (qubit, Fault::Pauli(pauli))).collect();
    Branch { probability: channel.probabilities()[number], faults }
}

fn ways_to_relax(relaxation: &Relaxation) -> Vec<(f64, Option<Fault>)> {
    match relaxation.mixture() {
        None => vec![(1.0, Some(Fault::Kraus(relaxation.kraus())))],
        Some((z, reset)) => {
            vec![(1.0 - z - reset, None), (z, Some(Fault::Pauli(Pauli::Z))), (reset, Some(Fault::Reset))]
        }
    }
}
