//! The density matrix: noisy circuits exactly.
//!
//! The matrix is kept as a vector of 4^n entries, the bits of the row before those of the column; a gate is its matrix on the row's bits and
//! its conjugate on the column's (as in Yao.jl).

use super::dense;
use crate::backend::BackendError;
use crate::matrix::{C64, Matrix};
use crate::noise::{GateNoise, PauliChannel, Program, Relaxation, Step};
use crate::observable::{Pauli, PauliString};

/// A density matrix of `n` qubits: entry (row, column) has the index `row + column * 2^n`.
#[derive(Clone, PartialEq, Debug)]
pub struct DensityMatrix {
    qubits: usize,
    entries: Vec<C64>,
}

/// Bytes that the density matrix of so many qubits takes.
pub fn bytes(qubits: usize) -> u128 {
    let entry = size_of::<C64>() as u128;
    u32::try_from(2 * qubits)
        .ok()
        .and_then(|shift| entry.checked_shl(shift))
        .filter(|_| qubits < 60)
        .unwrap_or(u128::MAX)
}

impl DensityMatrix {
    /// The state in which all qubits are 0.
    ///
    /// # Errors
    /// If it takes more than `limit` bytes.
    pub fn new(qubits: usize, limit: u128) -> Result<Self, BackendError> {
        let bytes = bytes(qubits);
        if bytes > limit {
            return Err(BackendError::TooLarge { qubits, bytes, limit });
        }
        let mut entries = vec![C64::default(); 1 << (2 * qubits)];
        entries[0] = C64::from(1.0);
        Ok(Self { qubits, entries })
    }

    /// The state after a program. Measurements take away coherence and give no outcome: what is left is the mean over all outcomes.
    ///
    /// # Errors
    /// As [`DensityMatrix::new`].
    pub fn run(program: &Program<'_>, limit: u128) -> Result<Self, BackendError> {
        let mut state = Self::new(program.qubits().len(), limit)?;
        for step in program.steps() {
            match step {
                Step::Gate { matrix, qubits, noise } => {
                    state.apply(matrix, qubits);
                    if let Some(noise) = noise {
                        state.apply_noise(noise, qubits);
                    }
                }
                Step::Measure { qubit, .. } => state.measure(*qubit),
                Step::Reset { qubit, noise } => {
                    state.reset(*qubit);
                    if let Some(noise) = noise {
                        state.apply_noise(noise, &[*qubit]);
                    }
                }
            }
        }
        Ok(state)
    }

    /// Qubits.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// The entry in `row` and `column`.
    ///
    /// # Panics
    /// If either is not below `2^n`.
    pub fn at(&self, row: usize, column: usize) -> C64 {
        assert!(row < 1 << self.qubits && column < 1 << self.qubits);
        self.entries[row | column << self.qubits]
    }

    /// Applies a unitary, or any one matrix `K` as `K rho K^+`.
    ///
    /// # Panics
    /// If matrix and qubits do not fit.
    pub fn apply(&mut self, matrix: &Matrix, qubits: &[usize]) {
        assert_eq!(matrix.dim(), 1 << qubits.len());
        dense::apply(&mut self.entries, matrix, qubits);
        let columns: Vec<usize> = qubits.iter().map(|qubit| qubit + self.qubits).collect();
        dense::apply(&mut self.entries, &matrix.conj(), &columns);
    }

    /// Applies a channel by its matrix on the entries: column's bits before row's, see [`GateNoise::superoperator`].
    ///
    /// # Panics
    /// If matrix and qubits do not fit.
    pub fn apply_superoperator(&mut self, matrix: &Matrix, qubits: &[usize]) {
        assert_eq!(matrix.dim(), 1 << (2 * qubits.len()));
        let columns = qubits.iter().map(|qubit| qubit + self.qubits);
        let all: Vec<usize> = columns.chain(qubits.iter().copied()).collect();
        dense::apply(&mut self.entries, matrix, &all);
    }

    /// Applies the error of a gate.
    ///
    /// # Panics
    /// If it is for another number of qubits.
    pub fn apply_noise(&mut self, noise: &GateNoise, qubits: &[usize]) {
        assert_eq!(noise.qubits(), qubits.len());
        if let Some(channel) = noise.pauli() {
            self.apply_paulis(channel, qubits);
        }
        for (relaxation, &qubit) in noise.relaxation().iter().zip(qubits) {
            self.relax(relaxation, qubit);
        }
    }

    /// Random Paulis. Entry (r, c) becomes the sum over the X parts `x` of weight(x, r ^ c) times entry (r ^ x, c ^ x).
    fn apply_paulis(&mut self, channel: &PauliChannel, qubits: &[usize]) {
        let dim = 1usize << qubits.len();
        let mut weights = vec![0.0; dim * dim];
        for (number, &probability) in channel.probabilities().iter().enumerate() {
            let bits = |has: fn(Pauli) -> bool| {
                channel.product(number).fold(0, |all, p| all << 1 | usize::from(has(p)))
            };
            let x = bits(|pauli| matches!(pauli, Pauli::X | Pauli::Y));
            let z = bits(|pauli| matches!(pauli, Pauli::Y | Pauli::Z));
            for difference in 0..dim {
                let sign = if (z & difference).count_ones() % 2 == 0 { 1.0 } else { -1.0 };
                weights[x * dim + difference] += sign * probability;
            }
        }
        let rows = dense::offsets(qubits);
        let columns: Vec<usize> = rows.iter().map(|offset| offset << self.qubits).collect();
        let both: Vec<usize> = qubits.iter().flat_map(|&qubit| [qubit, qubit + self.qubits]).collect();
        let mut block = vec![C64::default(); dim * dim];
        let entries = &mut self.entries;
        dense::for_each_base(entries.len(), &both, |base| {
            for row in 0..dim {
                for column in 0..dim {
                    block[row * dim + column] = entries[base + rows[row] + columns[column]];
                }
            }
            for row in 0..dim {
                for column in 0..dim {
                    let from =
                        |x: usize| block[(row ^ x) * dim + (column ^ x)] * weights[x * dim + (row ^ column)];
                    entries[base + rows[row] + columns[column]] = (0..dim).map(from).sum();
                }
            }
        });
    }

    fn relax(&mut self, relaxation: &Relaxation, qubit: usize) {
        self.decay(qubit, relaxation.survival(), relaxation.coherence());
    }

    /// Sets a qubit to 0.
    pub fn reset(&mut self, qubit: usize) {
        self.decay(qubit, 0.0, 0.0);
    }

    /// Measures a qubit without looking: coherence between its values is lost.
    pub fn measure(&mut self, qubit: usize) {
        self.decay(qubit, 1.0, 0.0);
    }

    /// What is 1 stays so with the probability `survival` and becomes 0 otherwise; coherences are multiplied by `coherence`.
    fn decay(&mut self, qubit: usize, survival: f64, coherence: f64) {
        let (row, column) = (1 << qubit, 1 << (qubit + self.qubits));
        let entries = &mut self.entries;
        dense::for_each_base(entries.len(), &[qubit, qubit + self.qubits], |base| {
            let ones = entries[base + row + column];
            entries[base] += ones * (1.0 - survival);
            entries[base + row + column] = ones * survival;
            entries[base + row] *= coherence;
            entries[base + column] *= coherence;
        });
    }

    /// The probabilities of the outcomes of measuring all qubits.
    pub fn probabilities(&self) -> Vec<f64> {
        (0..1 << self.qubits).map(|index| self.at(index, index).re.max(0.0)).collect()
    }

    /// The expectation value of a product of Paulis.
    ///
    /// # Panics
    /// If it acts on more qubits than there are.
    pub fn expectation(&self, string: &PauliString) -> f64 {
        assert!(string.qubits() <= self.qubits);
        let has = |wanted: [Pauli; 2]| -> usize {
            string
                .factors()
                .iter()
                .filter(|(_, pauli)| wanted.contains(pauli))
                .map(|&(qubit, _)| 1 << qubit)
                .sum()
        };
        let (x, z) = (has([Pauli::X, Pauli::Y]), has([Pauli::Y, Pauli::Z]));
        // The string takes basis state c to c ^ x with the phase i^(number of Y) (-1)^(bits of c under Z and Y).
        let phase = C64::i().powu((x & z).count_ones());
        let term = |column: usize| {
            let sign = if (column & z).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
            self.at(column, column ^ x) * sign
        };
        let sum: C64 = (0..1 << self.qubits).map(term).sum();
        (sum * phase).re
    }

    /// The sum of the diagonal: 1 but for rounding.
    pub fn trace(&self) -> f64 {
        (0..1 << self.qubits).map(|index| self.at(index, index).re).sum()
    }

    /// The trace of the square: 1 for a pure state.
    pub fn purity(&self) -> f64 {
        self.entries.iter().map(C64::norm_sqr).sum()
    }
}
