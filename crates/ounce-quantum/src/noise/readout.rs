//! Errors of reading qubits out.

use crate::observable::{PauliString, PauliSum};

/// The error of reading a qubit out.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ReadoutError {
    /// The probability of reading 1 where the qubit is 0.
    pub one_given_zero: f64,
    /// The probability of reading 0 where the qubit is 1.
    pub zero_given_one: f64,
}

impl ReadoutError {
    /// The probabilities of reading 0 and 1 (columns) where the qubit is 0 and 1 (rows), as Aer writes them.
    pub fn matrix(self) -> [[f64; 2]; 2] {
        [[1.0 - self.one_given_zero, self.one_given_zero], [self.zero_given_one, 1.0 - self.zero_given_one]]
    }

    /// The factor and the offset by which it changes the expectation value of Z.
    pub fn affine(self) -> (f64, f64) {
        (1.0 - self.one_given_zero - self.zero_given_one, self.zero_given_one - self.one_given_zero)
    }

    /// Whether nothing goes wrong.
    pub fn is_none(self) -> bool {
        self.one_given_zero == 0.0 && self.zero_given_one == 0.0
    }

    /// Whether 1 is read of a qubit that is `bit`, if `random` is a uniform number in [0, 1).
    pub(crate) fn read(self, bit: bool, random: f64) -> bool {
        if bit { random >= self.zero_given_one } else { random < self.one_given_zero }
    }

    /// Mixes the probabilities of the outcomes of all qubits of an index by the error of one.
    pub(crate) fn mix(self, probabilities: &mut [f64], qubit: usize) {
        if self.is_none() {
            return;
        }
        let stride = 1 << qubit;
        for block in probabilities.chunks_exact_mut(2 * stride) {
            let (zeros, ones) = block.split_at_mut(stride);
            for (zero, one) in zeros.iter_mut().zip(ones) {
                let (p, q) = (*zero, *one);
                *zero = p * (1.0 - self.one_given_zero) + q * self.zero_given_one;
                *one = p * self.one_given_zero + q * (1.0 - self.zero_given_one);
            }
        }
    }
}

/// The most factors of a string whose observable is rewritten: the number of terms doubles with each.
pub const MAX_READ_FACTORS: usize = 16;

/// The observable whose exact expectation value is what is read of `observable` when each qubit is read with its error, after a change of basis
/// without one; `None` if a string has more than [`MAX_READ_FACTORS`] factors.
pub fn as_read(observable: &PauliSum, error: impl Fn(usize) -> ReadoutError) -> Option<PauliSum> {
    let mut terms = Vec::new();
    for (coefficient, string) in observable.terms() {
        let factors = string.factors();
        if factors.len() > MAX_READ_FACTORS {
            return None;
        }
        // Each factor P becomes `factor * P + offset`.
        for kept in 0..1usize << factors.len() {
            let of = |at: usize| kept >> at & 1 == 1;
            let weight: f64 = factors.iter().enumerate().fold(*coefficient, |weight, (at, &(qubit, _))| {
                let (factor, offset) = error(qubit).affine();
                weight * if of(at) { factor } else { offset }
            });
            if weight != 0.0 {
                let rest = factors.iter().enumerate().filter(|&(at, _)| of(at)).map(|(_, &factor)| factor);
                terms.push((weight, PauliString::new(rest).unwrap_or_default()));
            }
        }
    }
    Some(PauliSum::new(terms))
}
