//! Stretches of gates without symbols on the same two qubits, made anew where that takes fewer CNOTs.

use super::cancel::qubits_of;
use super::decompose::decompose;
use super::two_qubit;
use crate::circuit::{Angle, Instruction, Operation};
use crate::matrix::{C64, Matrix};
use crate::sim::reference;

/// A stretch on two qubits that is still growing.
struct Block {
    pair: [usize; 2],
    operations: Vec<Operation>,
}

/// The instructions with blocks of three gates on two qubits and more replaced by at most three CNOTs. Gates on two qubits are taken for CNOTs if
/// `cost` says so; it is how many CNOTs a gate takes.
pub(super) fn resynthesize(
    instructions: Vec<Instruction>,
    qubits: usize,
    cost: impl Fn(&Operation) -> usize,
) -> Vec<Instruction> {
    let mut written = Vec::with_capacity(instructions.len());
    let mut open: Vec<Option<Block>> = Vec::new();
    // The block that a qubit is in, and gates on single qubits that may start one.
    let mut of: Vec<Option<usize>> = vec![None; qubits];
    let mut alone: Vec<Vec<Operation>> = vec![Vec::new(); qubits];
    let close = |number: usize,
                 open: &mut [Option<Block>],
                 of: &mut [Option<usize>],
                 written: &mut Vec<Instruction>| {
        if let Some(block) = open[number].take() {
            block.pair.iter().for_each(|&qubit| of[qubit] = None);
            written.extend(finished(block, &cost).into_iter().map(Instruction::Gate));
        }
    };
    for instruction in instructions {
        let constant = match &instruction {
            Instruction::Gate(own) if own.angles.iter().all(|angle| angle.constant().is_some()) => Some(own),
            _ => None,
        };
        match (constant, qubits_of(&instruction)) {
            (Some(operation), &[qubit]) => match of[qubit].and_then(|number| open[number].as_mut()) {
                Some(block) => block.operations.push(operation.clone()),
                None => alone[qubit].push(operation.clone()),
            },
            (Some(operation), &[a, b]) => {
                let same = of[a].is_some() && of[a] == of[b];
                if !same {
                    for qubit in [a, b] {
                        if let Some(number) = of[qubit] {
                            close(number, &mut open, &mut of, &mut written);
                        }
                    }
                    let operations = [std::mem::take(&mut alone[a]), std::mem::take(&mut alone[b])].concat();
                    (of[a], of[b]) = (Some(open.len()), Some(open.len()));
                    open.push(Some(Block { pair: [a, b], operations }));
                }
                if let Some(block) = of[a].and_then(|number| open[number].as_mut()) {
                    block.operations.push(operation.clone());
                }
            }
            (_, all) => {
                for &qubit in all {
                    if let Some(number) = of[qubit] {
                        close(number, &mut open, &mut of, &mut written);
                    }
                    written.extend(alone[qubit].drain(..).map(Instruction::Gate));
                }
                written.push(instruction);
            }
        }
    }
    for number in 0..open.len() {
        close(number, &mut open, &mut of, &mut written);
    }
    written.extend(alone.into_iter().flatten().map(Instruction::Gate));
    written
}

/// The gates of a block, or fewer that do the same.
fn finished(block: Block, cost: &impl Fn(&Operation) -> usize) -> Vec<Operation> {
    let Block { pair: [a, b], operations } = block;
    let before: usize = operations.iter().map(cost).sum();
    if before < 2 {
        return operations;
    }
    let local = |operation: &Operation| {
        let qubits = operation.qubits.iter().map(|&qubit| usize::from(qubit == a)).collect();
        Operation { qubits, ..operation.clone() }
    };
    let column = |index: usize| -> Vec<C64> {
        let mut state = vec![C64::default(); 4];
        state[index] = C64::from(1.0);
        operations.iter().for_each(|own| reference::apply(&mut state, &local(own), &[], &[]));
        state
    };
    let columns: Vec<Vec<C64>> = (0..4).map(column).collect();
    let matrix = Matrix::from_fn(4, |row, column| columns[column][row]);
    let made = decompose(&two_qubit::synthesize(&matrix, a, b), |_| false);
    let fewer = made.iter().map(cost).sum::<usize>() < before;
    let symbols = made.iter().flat_map(|own| &own.angles).any(|angle: &Angle| !angle.is_finite());
    if fewer && !symbols { made } else { operations }
}
