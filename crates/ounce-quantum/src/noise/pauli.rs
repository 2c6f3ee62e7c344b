//! Random Paulis.

use crate::matrix::{C64, Matrix};
use crate::observable::Pauli;

/// The Paulis in the order of their numbers.
const PAULIS: [Pauli; 4] = [Pauli::I, Pauli::X, Pauli::Y, Pauli::Z];

/// Products of Paulis on some qubits, each with a probability. A product's number has one digit to base 4 for each qubit (I, X, Y, Z), that of
/// the first qubit being the most significant.
#[derive(Clone, PartialEq, Debug)]
pub struct PauliChannel {
    qubits: usize,
    probabilities: Vec<f64>,
}

impl PauliChannel {
    /// The channel of these probabilities; `None` unless there are `4^qubits` of them, none negative, with sum 1 to 1e-9.
    pub fn new(qubits: usize, probabilities: Vec<f64>) -> Option<Self> {
        let fits = qubits <= 8 && probabilities.len() == 1 << (2 * qubits);
        let valid =
            probabilities.iter().all(|&p| p >= 0.0) && (probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9;
        (fits && valid).then_some(Self { qubits, probabilities })
    }

    /// The depolarizing channel `(1 - p) rho + p 1/d`: every product other than the identity has the probability `p / 4^qubits`.
    pub(super) fn depolarizing(qubits: usize, p: f64) -> Self {
        let products = 1usize << (2 * qubits);
        let each = p / products as f64;
        let mut probabilities = vec![each; products];
        probabilities[0] = 1.0 - each * (products - 1) as f64;
        Self { qubits, probabilities }
    }

    /// Qubits.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// The probabilities of the products, by number.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The probability that anything happens.
    pub fn error(&self) -> f64 {
        self.probabilities[1..].iter().sum()
    }

    /// The Pauli on each qubit of the product of a number.
    pub fn product(&self, number: usize) -> impl Iterator<Item = Pauli> + use<> {
        let qubits = self.qubits;
        (0..qubits).map(move |at| PAULIS[number >> (2 * (qubits - 1 - at)) & 3])
    }

    /// This channel and another one after it.
    pub(super) fn then(&self, other: &Self) -> Self {
        let mut probabilities = vec![0.0; self.probabilities.len()];
        for (a, &p) in self.probabilities.iter().enumerate() {
            for (b, &q) in other.probabilities.iter().enumerate() {
                probabilities[pauli_product(a, b)] += p * q;
            }
        }
        Self { qubits: self.qubits, probabilities }
    }

    /// This channel on the first qubits and another one on the others.
    pub(super) fn beside(&self, other: &Self) -> Self {
        let both = |p: &f64| other.probabilities.iter().map(|q| p * q).collect::<Vec<_>>();
        let probabilities = self.probabilities.iter().flat_map(both).collect();
        Self { qubits: self.qubits + other.qubits, probabilities }
    }

    /// The channel with the probability of every error multiplied by `factor`; all in proportion if they would exceed 1.
    pub fn scaled(&self, factor: f64) -> Self {
        let error = self.error();
        let factor = factor.max(0.0);
        let factor = if error * factor > 1.0 { 1.0 / error } else { factor };
        let mut probabilities: Vec<f64> = self.probabilities.iter().map(|p| p * factor).collect();
        probabilities[0] = (1.0 - error * factor).max(0.0);
        Self { qubits: self.qubits, probabilities }
    }

    /// The matrix of the product of a number.
    pub(super) fn matrix(&self, number: usize) -> Matrix {
        let one = Matrix::from_fn(1, |_, _| C64::from(1.0));
        self.product(number).fold(one, |product, pauli| product.kron(&pauli.matrix()))
    }
}

/// The number of the product of two products, phases aside: X and Z parts are added modulo 2. With the digits 0 to 3 for I, X, Y, Z, bit 1 is
/// the Z part and the sum of both bits the X part.
fn pauli_product(a: usize, b: usize) -> usize {
    const LOW: usize = 0x5555_5555;
    let parts = |number: usize| (((number >> 1) ^ number) & LOW, (number >> 1) & LOW);
    let ((ax, az), (bx, bz)) = (parts(a), parts(b));
    let (x, z) = (ax ^ bx, az ^ bz);
    (z << 1) | (x ^ z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_numbers_are_products_of_matrices() {
        let channel = PauliChannel::depolarizing(2, 0.0);
        for a in 0..16 {
            for b in 0..16 {
                let product = &channel.matrix(a) * &channel.matrix(b);
                let named = channel.matrix(pauli_product(a, b));
                // They agree up to a phase: all 4 rows have one entry each, in the same columns.
                let overlap: C64 =
                    product.entries().iter().zip(named.entries()).map(|(p, q)| p * q.conj()).sum();
                assert!((overlap.norm() - 4.0).abs() < 1e-12, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_factor_keeps_probabilities() {
        let channel = PauliChannel::depolarizing(1, 0.4);
        assert!((channel.error() - 0.3).abs() < 1e-12);
        for factor in [0.0, 0.5, 2.0, 100.0] {
            let scaled = channel.scaled(factor);
            assert!((scaled.probabilities().iter().sum::<f64>() - 1.0).abs() < 1e-12);
            assert!((scaled.error() - (0.3 * factor).min(1.0)).abs() < 1e-12);
        }
        assert!(PauliChannel::new(1, vec![0.5, 0.5]).is_none());
        assert!(PauliChannel::new(1, vec![0.5, 0.6, -0.1, 0.0]).is_none());
    }
}
