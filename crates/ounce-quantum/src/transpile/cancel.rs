//! Gates that undo each other vanish, and turns about the same axis become one, also across gates that they commute with.

use super::target::symmetric;
use crate::circuit::{Angle, Instruction, Operation};
use crate::gate::{Kind, Spectrum, Standard as G};
use crate::observable::Pauli;

/// How many instructions on a qubit are looked back over.
const BACK: usize = 50;

/// The Pauli of which an operation is a function on a qubit. Two operations commute if it is the same on all qubits that they share.
pub(super) fn axis(operation: &Operation, qubit: usize) -> Option<Pauli> {
    let index = operation.qubits.iter().position(|own| *own == qubit)?;
    let Some(target) = index.checked_sub(operation.gate.controls()) else { return Some(Pauli::Z) };
    if operation.gate.is_diagonal() {
        return Some(Pauli::Z);
    }
    match operation.gate.kind() {
        Kind::Standard(G::X | G::Rx | G::Sx | G::Sxdg | G::Rxx) => Some(Pauli::X),
        Kind::Standard(G::Y | G::Ry | G::Ryy | G::SqrtH) => Some(Pauli::Y),
        Kind::Standard(G::Rzx) => Some(if target == 0 { Pauli::Z } else { Pauli::X }),
        Kind::PauliRotation(paulis) => Some(paulis[target]).filter(|pauli| *pauli != Pauli::I),
        _ => None,
    }
}

/// What remains of some instructions; global phases are dropped.
pub(super) fn cancel(instructions: Vec<Instruction>, qubits: usize) -> Vec<Instruction> {
    let mut kept = Kept { all: Vec::with_capacity(instructions.len()), on: vec![Vec::new(); qubits] };
    for instruction in instructions {
        match instruction {
            Instruction::Gate(operation) if is_nothing(&operation) => {}
            Instruction::Gate(operation) => match kept.partner(&operation) {
                Some((index, None)) => kept.remove(index),
                Some((index, Some(merged))) if is_nothing(&merged) => kept.remove(index),
                Some((index, Some(merged))) => kept.all[index] = Some(Instruction::Gate(merged)),
                None => kept.push(Instruction::Gate(operation)),
            },
            other => kept.push(other),
        }
    }
    kept.all.into_iter().flatten().collect()
}

/// Whether an operation does nothing but to the global phase.
fn is_nothing(operation: &Operation) -> bool {
    let zero =
        || operation.angles.len() == 1 && operation.angles[0].constant().is_some_and(|own| own.abs() < 1e-13);
    operation.qubits.is_empty() || operation.gate.standard() == Some(G::I) || zero()
}

/// Qubits that an instruction stands on.
pub(super) fn qubits_of(instruction: &Instruction) -> &[usize] {
    match instruction {
        Instruction::Gate(operation) => &operation.qubits,
        Instruction::Measure { qubit, .. } | Instruction::Reset(qubit) => std::slice::from_ref(qubit),
        Instruction::Barrier(qubits) => qubits,
    }
}

struct Kept {
    all: Vec<Option<Instruction>>,
    /// For each qubit, numbers of the instructions on it.
    on: Vec<Vec<usize>>,
}

impl Kept {
    fn push(&mut self, instruction: Instruction) {
        for &qubit in qubits_of(&instruction) {
            self.on[qubit].push(self.all.len());
        }
        self.all.push(Some(instruction));
    }

    fn remove(&mut self, index: usize) {
        if let Some(instruction) = self.all[index].take() {
            for &qubit in qubits_of(&instruction) {
                // Partners are found within the last few.
                if let Some(at) = self.on[qubit].iter().rposition(|own| *own == index) {
                    self.on[qubit].remove(at);
                }
            }
        }
    }

    fn gate(&self, index: usize) -> Option<&Operation> {
        match &self.all[index] {
            Some(Instruction::Gate(operation)) => Some(operation),
            _ => None,
        }
    }

    /// An earlier operation that this one undoes, or with which it makes the one returned, and that it can be moved to.
    fn partner(&self, operation: &Operation) -> Option<(usize, Option<Operation>)> {
        for &index in self.on[operation.qubits[0]].iter().rev().take(BACK) {
            let earlier = self.gate(index)?;
            if let Some(together) = together(earlier, operation)
                && operation.qubits.iter().all(|&qubit| self.reaches(operation, qubit, index))
            {
                return Some((index, together));
            }
            if !commutes_on(earlier, operation, operation.qubits[0]) {
                return None;
            }
        }
        None
    }

    fn reaches(&self, operation: &Operation, qubit: usize, index: usize) -> bool {
        let between = self.on[qubit].iter().rev().take(BACK).take_while(|own| **own != index);
        let free = |own: &usize| self.gate(*own).is_some_and(|other| commutes_on(other, operation, qubit));
        between.clone().count() < BACK && between.clone().all(free)
    }
}

fn commutes_on(a: &Operation, b: &Operation, qubit: usize) -> bool {
    axis(a, qubit).is_some_and(|own| axis(b, qubit) == Some(own))
}

/// What two operations on the same qubits make: nothing (`Some(None)`), one other, or nothing simpler than themselves (`None`).
fn together(first: &Operation, second: &Operation) -> Option<Option<Operation>> {
    let same_qubits = first.qubits == second.qubits
        || (symmetric(&first.gate)
            && first.qubits.len() == second.qubits.len()
            && first.qubits.iter().all(|qubit| second.qubits.contains(qubit)));
    if !same_qubits {
        return None;
    }
    if first.gate == second.gate && first.angles.len() == 1 {
        let additive = matches!(
            first.gate.spectrum(0),
            Spectrum::Rotation | Spectrum::Phase | Spectrum::PartialRotation
        );
        return additive.then(|| {
            let sum = Angle::sum(&first.angles[0], &second.angles[0]);
            Some(Operation { angles: vec![sum], ..first.clone() })
        });
    }
    let inverse = first.inverse();
    (inverse.gate == second.gate && inverse.angles == second.angles).then_some(None)
}
