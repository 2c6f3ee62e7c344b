//! Circuits made for a Hamiltonian.

use crate::circuit::{Angle, Circuit, CircuitError};
use crate::gate::{Gate, Standard};
use crate::observable::{Pauli, PauliSum};

/// The Hamiltonian variational ansatz (Wecker, Hastings and Troyer, 2015): from all qubits in the state of X, `layers` times the evolution under each
/// group of terms that can be measured together, with a parameter a group and layer.
///
/// # Errors
/// If the Hamiltonian acts on more qubits.
pub fn variational_ansatz(
    hamiltonian: &PauliSum,
    qubits: usize,
    layers: usize,
) -> Result<Circuit, CircuitError> {
    let mut circuit = Circuit::new(qubits);
    for qubit in 0..qubits {
        circuit.apply(Standard::H, &[qubit])?;
    }
    for layer in 0..layers {
        for (number, group) in hamiltonian.groups().iter().enumerate() {
            let parameter = circuit.add_parameter(format!("t{layer}_{number}"));
            for &term in group {
                let (coefficient, string) = &hamiltonian.terms()[term];
                if string.factors().is_empty() {
                    continue;
                }
                let (on, paulis): (Vec<usize>, Vec<Pauli>) = string.factors().iter().copied().unzip();
                circuit.push(rotation(&paulis), &on, [Angle::from(parameter).scaled(2.0 * coefficient)])?;
            }
        }
    }
    Ok(circuit)
}

/// The rotation about a product of Paulis, by its own name where it has one.
fn rotation(paulis: &[Pauli]) -> Gate {
    match paulis {
        [Pauli::X] => Standard::Rx.into(),
        [Pauli::Y] => Standard::Ry.into(),
        [Pauli::Z] => Standard::Rz.into(),
        [Pauli::X, Pauli::X] => Standard::Rxx.into(),
        [Pauli::Y, Pauli::Y] => Standard::Ryy.into(),
        [Pauli::Z, Pauli::Z] => Standard::Rzz.into(),
        _ => Gate::pauli_rotation(paulis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hamiltonian::transverse_ising;
    use crate::observable::PauliString;

    #[test]
    fn a_chain_has_two_parameters_a_layer() -> Result<(), CircuitError> {
        let circuit = variational_ansatz(&transverse_ising(4, 1.0, 0.5, false), 4, 3)?;
        assert_eq!(circuit.parameters().len(), 6);
        assert_eq!(circuit.operations().count(), 4 + 3 * (3 + 4));
        Ok(())
    }

    /// Each term's gate is the exponential of the term.
    #[test]
    fn gates_are_exponentials_of_terms() -> Result<(), CircuitError> {
        let string = PauliString::parse("XZY").unwrap_or_default();
        let circuit = variational_ansatz(&PauliSum::new([(0.7, string)]), 3, 1)?;
        let last = circuit
            .operations()
            .last()
            .map(|operation| operation.gate.matrix(&operation.angle_values(&[0.3], &[])));
        let expected = Gate::pauli_rotation([Pauli::Y, Pauli::Z, Pauli::X]).matrix(&[2.0 * 0.7 * 0.3]);
        assert!(last.is_some_and(|matrix| matrix.distance(&expected) < 1e-12));
        Ok(())
    }
}
