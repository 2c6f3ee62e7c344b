//! Thermal relaxation of one qubit towards 0.

use super::pauli::PauliChannel;
use crate::matrix::{C64, Matrix};

/// Thermal relaxation of a qubit for some time, at temperature 0.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Relaxation {
    /// `exp(-t/T1)`: what is left of the population of 1.
    survival: f64,
    /// `exp(-t/T2)`: what is left of the coherence.
    coherence: f64,
    /// `T2 <= T1`: it is a mixture of doing nothing, Z and reset.
    mixture: bool,
}

impl Relaxation {
    /// The relaxation in `time` of a qubit with the times `t1` and `t2`, all in the same unit; infinite where they are not known. T2 is at most 2 T1.
    pub fn new(time: f64, t1: f64, t2: f64) -> Self {
        let t2 = t2.min(2.0 * t1);
        Self { survival: (-time / t1).exp(), coherence: (-time / t2).exp(), mixture: t2 <= t1 }
    }

    /// `exp(-t/T1)`: what is left of the population of 1.
    pub fn survival(&self) -> f64 {
        self.survival
    }

    /// `exp(-t/T2)`: what is left of the coherence.
    pub fn coherence(&self) -> f64 {
        self.coherence
    }

    /// The probabilities of Z and of a reset to 0, where relaxation is a mixture of these (T2 <= T1).
    pub fn mixture(&self) -> Option<(f64, f64)> {
        let reset = 1.0 - self.survival;
        // exp(-t/T2) = (1 - reset)(1 - 2 q), where Z has the probability (1 - reset) q.
        self.mixture.then(|| (((self.survival - self.coherence) / 2.0).max(0.0), reset))
    }

    /// Its Kraus operators: the eigenvectors of the Choi matrix.
    pub fn kraus(&self) -> Vec<Matrix> {
        // On the diagonal of a density matrix acts [[1, c], [c, s]], c being the coherence and s the survival.
        let (mean, half) = ((1.0 + self.survival) / 2.0, (1.0 - self.survival) / 2.0);
        let root = half.hypot(self.coherence);
        let diagonal = |eigenvalue: f64| {
            let (a, b) = (self.coherence, eigenvalue - 1.0);
            let norm = a.hypot(b);
            let (a, b) = if norm > 0.0 { (a / norm, b / norm) } else { (1.0, 0.0) };
            let scale = eigenvalue.max(0.0).sqrt();
            two_by_two([scale * a, 0.0, 0.0, scale * b])
        };
        let decay = two_by_two([0.0, (1.0 - self.survival).sqrt(), 0.0, 0.0]);
        vec![diagonal(mean + root), diagonal(mean - root), decay]
    }

    /// The process fidelity with doing nothing.
    pub(super) fn process_fidelity(&self) -> f64 {
        (1.0 + 2.0 * self.coherence + self.survival) / 4.0
    }

    /// What becomes of it when it is averaged over Paulis before and after.
    pub(super) fn twirled(&self) -> PauliChannel {
        let flip = (1.0 - self.survival) / 4.0;
        let phase = ((1.0 + self.survival - 2.0 * self.coherence) / 4.0).max(0.0);
        let none = 1.0 - 2.0 * flip - phase;
        PauliChannel::new(1, vec![none, flip, flip, phase])
            .unwrap_or_else(|| PauliChannel::depolarizing(1, 0.0))
    }

    /// The matrix that takes the entries 00, 10, 01, 11 (column, row) of a density matrix to those after.
    pub(super) fn superoperator(&self) -> Matrix {
        let (c, s) = (self.coherence, self.survival);
        let entries = [1.0, 0.0, 0.0, 1.0 - s, 0.0, c, 0.0, 0.0, 0.0, 0.0, c, 0.0, 0.0, 0.0, 0.0, s];
        Matrix::from_fn(4, |row, column| C64::from(entries[row * 4 + column]))
    }
}

fn two_by_two(entries: [f64; 4]) -> Matrix {
    Matrix::from_fn(2, |row, column| C64::from(entries[row * 2 + column]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_one_channel() {
        for (t1, t2) in
            [(50.0, 70.0), (50.0, 30.0), (50.0, 100.0), (50.0, 500.0), (50.0, 50.0), (f64::INFINITY, 20.0)]
        {
            let relaxation = Relaxation::new(9.0, t1, t2);
            let of = |kraus: &[Matrix]| {
                let terms = kraus.iter().map(|k| k.conj().kron(k));
                let zero = Matrix::identity(4).scaled(C64::default());
                terms.fold(zero, |sum, term| sum.minus(&term.scaled(C64::from(-1.0))))
            };
            assert!(of(&relaxation.kraus()).distance(&relaxation.superoperator()) < 1e-12, "{t1} {t2}");
            if let Some((z, reset)) = relaxation.mixture() {
                let scaled = |p: f64, entries: [f64; 4]| two_by_two(entries).scaled(C64::from(p.sqrt()));
                let mixture = [
                    scaled(1.0 - z - reset, [1.0, 0.0, 0.0, 1.0]),
                    scaled(z, [1.0, 0.0, 0.0, -1.0]),
                    scaled(reset, [1.0, 0.0, 0.0, 0.0]),
                    scaled(reset, [0.0, 1.0, 0.0, 0.0]),
                ];
                assert!(of(&mixture).distance(&relaxation.superoperator()) < 1e-12, "{t1} {t2}");
            } else {
                assert!(t2 > t1);
            }
        }
    }
}
