//! Circuits on some of their qubits only.

use super::{Circuit, Instruction, Operation};

impl Circuit {
    /// The qubits that something happens to, and those of `kept`, ascending; the others stay 0. Numbers that the circuit lacks are passed over.
    pub fn used_qubits(&self, kept: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut used = vec![false; self.qubits()];
        kept.into_iter().filter(|&qubit| qubit < self.qubits()).for_each(|qubit| used[qubit] = true);
        for instruction in self.instructions() {
            match instruction {
                Instruction::Gate(operation) => operation.qubits.iter().for_each(|&qubit| used[qubit] = true),
                Instruction::Measure { qubit, .. } | Instruction::Reset(qubit) => used[*qubit] = true,
                Instruction::Barrier(_) => {}
            }
        }
        (0..used.len()).filter(|&qubit| used[qubit]).collect()
    }

    /// The circuit on `qubits` alone, ascending, which hold all that are used: qubit `qubits[i]` becomes qubit `i`. Barriers are left out.
    pub(crate) fn on_qubits(&self, qubits: &[usize]) -> Self {
        let local = |qubit: usize| qubits.partition_point(|&own| own < qubit);
        let moved = self.instructions().iter().filter_map(|instruction| match instruction {
            Instruction::Gate(operation) => Some(Instruction::Gate(Operation {
                qubits: operation.qubits.iter().map(|&qubit| local(qubit)).collect(),
                ..operation.clone()
            })),
            &Instruction::Measure { qubit, bit } => Some(Instruction::Measure { qubit: local(qubit), bit }),
            &Instruction::Reset(qubit) => Some(Instruction::Reset(local(qubit))),
            Instruction::Barrier(_) => None,
        });
        Self { qubits: qubits.len(), ..self.with_instructions(moved.collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Standard;
    use crate::observable::PauliSum;
    use crate::sim::reference;

    #[test]
    fn unused_qubits_change_nothing() -> Result<(), crate::CircuitError> {
        let mut wide = Circuit::new(7);
        wide.push(Standard::Ry, &[5], [0.7])?.cx(5, 2)?.push(Standard::Rx, &[2], [1.1])?;
        let qubits = wide.used_qubits([4]);
        assert_eq!(qubits, [2, 4, 5]);
        let narrow = wide.on_qubits(&qubits);
        assert_eq!(narrow.qubits(), 3);
        let (all, few) = (reference::run(&wide, &[], &[]), reference::run(&narrow, &[], &[]));
        for (local, &qubit) in qubits.iter().enumerate() {
            let value =
                |state: &[crate::C64], qubit| reference::expectation(state, &PauliSum::z_on_each(7)[qubit]);
            assert!((value(&all, qubit) - value(&few, local)).abs() < 1e-12);
        }
        Ok(())
    }
}
