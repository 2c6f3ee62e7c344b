//! Short ways to write operations down.

use crate::circuit::{Angle, Operation};
use crate::gate::{Gate, Standard};

/// A standard unitary.
pub(super) fn op(standard: Standard, qubits: &[usize], angles: &[Angle]) -> Operation {
    Operation { gate: standard.into(), qubits: qubits.to_vec(), angles: angles.to_vec() }
}

/// A standard unitary with one angle that is a number.
pub(super) fn turn(standard: Standard, qubits: &[usize], angle: f64) -> Operation {
    op(standard, qubits, &[angle.into()])
}

/// A standard unitary without angles.
pub(super) fn fixed(standard: Standard, qubits: &[usize]) -> Operation {
    op(standard, qubits, &[])
}

/// X with any number of controls, the target last.
pub(super) fn mcx(qubits: &[usize]) -> Operation {
    controlled(fixed(Standard::X, &qubits[qubits.len() - 1..]), &qubits[..qubits.len() - 1])
}

pub(super) fn cx(control: usize, target: usize) -> Operation {
    mcx(&[control, target])
}

/// The operation with more controls.
pub(super) fn controlled(operation: Operation, controls: &[usize]) -> Operation {
    let gate: Gate = operation.gate.controlled(controls.len());
    Operation { gate, qubits: [controls, &operation.qubits].concat(), angles: operation.angles }
}

/// Operations that undo these.
pub(super) fn undone(operations: &[Operation]) -> Vec<Operation> {
    operations.iter().rev().map(Operation::inverse).collect()
}
