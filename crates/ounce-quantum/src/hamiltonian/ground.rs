//! Lowest eigenvalues, for comparison.

use crate::matrix::C64;
use crate::observable::{Pauli, PauliSum};
use ounce_random::Pcg32;

/// The most qubits whose lowest energy is computed.
const MAX_QUBITS: usize = 16;
/// Lanczos vectors at most.
const MAX_STEPS: usize = 200;

/// Why a lowest energy was not found.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GroundError {
    /// Too many qubits, or fewer than the Hamiltonian acts on.
    #[error("the lowest energy is computed for {needed} to {MAX_QUBITS} qubits, not for {qubits}")]
    Qubits {
        /// Qubits that the Hamiltonian acts on.
        needed: usize,
        /// Qubits asked for.
        qubits: usize,
    },
}

/// The lowest eigenvalue of a Hamiltonian on so many qubits, by Lanczos' method with full reorthogonalization from a random vector.
///
/// # Errors
/// If there are too many qubits.
pub fn ground_energy(hamiltonian: &PauliSum, qubits: usize) -> Result<f64, GroundError> {
    let needed = hamiltonian.qubits();
    if qubits > MAX_QUBITS || qubits < needed {
        return Err(GroundError::Qubits { needed, qubits });
    }
    let mut random = Pcg32::new(1);
    let mut vector: Vec<C64> = (0..1 << qubits).map(|_| C64::new(random.normal(), random.normal())).collect();
    let mut basis: Vec<Vec<C64>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut lowest = f64::INFINITY;
    for _ in 0..MAX_STEPS.min(1 << qubits) {
        let norm = dot(&vector, &vector).re.sqrt();
        if norm < 1e-10 {
            break;
        }
        vector.iter_mut().for_each(|entry| *entry /= norm);
        if !basis.is_empty() {
            beside.push(norm);
        }
        let mut next = apply(hamiltonian, &vector);
        diagonal.push(dot(&vector, &next).re);
        basis.push(vector);
        for _ in 0..2 {
            for own in &basis {
                let overlap = dot(own, &next);
                next.iter_mut().zip(own).for_each(|(entry, own)| *entry -= overlap * own);
            }
        }
        vector = next;
        let before = std::mem::replace(&mut lowest, lowest_of_tridiagonal(&diagonal, &beside));
        if before - lowest < 1e-12 && diagonal.len() > 8 {
            break;
        }
    }
    Ok(lowest)
}

fn dot(a: &[C64], b: &[C64]) -> C64 {
    a.iter().zip(b).map(|(a, b)| a.conj() * b).sum()
}

/// The Hamiltonian times a vector.
fn apply(hamiltonian: &PauliSum, vector: &[C64]) -> Vec<C64> {
    let mut out = vec![C64::default(); vector.len()];
    for (coefficient, string) in hamiltonian.terms() {
        let mask = |wanted: [Pauli; 2]| -> usize {
            string
                .factors()
                .iter()
                .filter(|(_, pauli)| wanted.contains(pauli))
                .map(|(qubit, _)| 1 << qubit)
                .sum()
        };
        let (flips, signs) = (mask([Pauli::X, Pauli::Y]), mask([Pauli::Z, Pauli::Y]));
        let ys = string.factors().iter().filter(|(_, pauli)| *pauli == Pauli::Y).count();
        let phase = C64::i().powu(ys as u32) * coefficient;
        for (index, entry) in vector.iter().enumerate() {
            let sign = if (index & signs).count_ones() % 2 == 0 { 1.0 } else { -1.0 };
            out[index ^ flips] += phase * sign * entry;
        }
    }
    out
}

/// The lowest eigenvalue of a symmetric tridiagonal matrix, by bisection of Sturm's sequence.
fn lowest_of_tridiagonal(diagonal: &[f64], beside: &[f64]) -> f64 {
    let radius = |index: usize| {
        let left = index.checked_sub(1).map_or(0.0, |left| beside[left]);
        left.abs() + beside.get(index).map_or(0.0, |right| right.abs())
    };
    let edges = |sign: f64| (0..diagonal.len()).map(move |index| diagonal[index] + sign * radius(index));
    let (mut low, mut high) =
        (edges(-1.0).fold(f64::INFINITY, f64::min), edges(1.0).fold(f64::NEG_INFINITY, f64::max));
    let any_below = |value: f64| {
        let mut pivot = 1.0;
        (0..diagonal.len()).any(|index| {
            let square = index.checked_sub(1).map_or(0.0, |left| beside[left] * beside[left]);
            pivot = diagonal[index] - value - if index == 0 { 0.0 } else { square / pivot };
            if pivot == 0.0 {
                pivot = f64::MIN_POSITIVE;
            }
            pivot < 0.0
        })
    };
    for _ in 0..100 {
        let middle = low + (high - low) / 2.0;
        if any_below(middle) { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observable::PauliString;

    #[test]
    fn a_product_with_y_is_applied_as_its_matrix() {
        let string = PauliString::parse("YXZ").unwrap_or_default();
        let vector: Vec<C64> = (0..8).map(|i| C64::new(f64::from(i), 1.0 - f64::from(i))).collect();
        let mut expected = vector.clone();
        for &(qubit, pauli) in string.factors() {
            crate::sim::reference::apply_matrix(&mut expected, &pauli.matrix(), &[qubit]);
        }
        let found = apply(&string.into(), &vector);
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).norm() < 1e-12));
    }

    #[test]
    fn too_many_qubits_are_refused() {
        let z = PauliSum::from(PauliString::z(3));
        assert!(ground_energy(&z, 3).is_err() && ground_energy(&z, 17).is_err());
        assert!(ground_energy(&z, 4).is_ok_and(|energy| (energy + 1.0).abs() < 1e-9));
    }
}
