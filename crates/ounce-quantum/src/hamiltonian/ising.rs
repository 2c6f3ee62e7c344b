//! The transverse-field Ising chain.

use crate::observable::{Pauli, PauliString, PauliSum};

/// `-coupling sum Z Z - field sum X` on a chain of qubits, closed to a ring if `periodic`.
pub fn transverse_ising(qubits: usize, coupling: f64, field: f64, periodic: bool) -> PauliSum {
    let links = (1..qubits).map(|right| (right - 1, right));
    let link_back = (periodic && qubits > 2).then(|| (qubits - 1, 0));
    let string = |factors: &[(usize, Pauli)]| PauliString::new(factors.iter().copied()).unwrap_or_default();
    let bonds = links.chain(link_back).map(|(a, b)| (-coupling, string(&[(a, Pauli::Z), (b, Pauli::Z)])));
    PauliSum::new(bonds.chain((0..qubits).map(|qubit| (-field, string(&[(qubit, Pauli::X)])))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hamiltonian::ground_energy;

    /// A critical open chain (coupling = field = 1) of n spins has the lowest energy `1 - 1/sin(pi/(4n + 2))` (Pfeuty, 1970).
    #[test]
    fn the_critical_chain_has_the_energy_of_free_fermions() -> Result<(), crate::hamiltonian::GroundError> {
        for qubits in [2, 3, 6, 9] {
            let energy = ground_energy(&transverse_ising(qubits, 1.0, 1.0, false), qubits)?;
            let expected = 1.0 - 1.0 / (std::f64::consts::PI / (4 * qubits + 2) as f64).sin();
            assert!((energy - expected).abs() < 1e-8, "{qubits}: {energy} {expected}");
        }
        Ok(())
    }

    #[test]
    fn a_ring_has_one_bond_more() {
        assert_eq!(transverse_ising(5, 1.0, 0.5, true).terms().len(), 10);
        assert_eq!(transverse_ising(5, 1.0, 0.5, false).terms().len(), 9);
        assert_eq!(transverse_ising(2, 1.0, 0.5, true).terms().len(), 3);
    }
}
