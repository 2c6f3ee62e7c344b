//! Which instruction stands in which column, and what it shows on each wire.

use super::label;
use crate::circuit::{Circuit, Instruction};
use crate::gate::{Kind, Standard};

/// What stands on a wire.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// A box.
    Box(String),
    /// A control.
    Control,
    /// The target of a controlled X.
    Plus,
    /// One end of a swap.
    Swap,
    /// A barrier.
    Barrier,
    /// A reset to 0.
    Reset,
    /// A measurement into a bit.
    Measure(usize),
}

/// An instruction as it is drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Item {
    /// Marks and their wires.
    pub(super) marks: Vec<(usize, Mark)>,
    /// Whether a line joins the marks.
    pub(super) joined: bool,
}

impl Item {
    /// The first and last wire.
    pub(super) fn span(&self) -> (usize, usize) {
        let wires = self.marks.iter().map(|(wire, _)| *wire);
        (wires.clone().min().unwrap_or(0), wires.max().unwrap_or(0))
    }
}

/// The instructions in columns; those in one share no wire, lines across included. Global phases are not drawn.
pub(super) fn columns(circuit: &Circuit) -> Vec<Vec<Item>> {
    let mut columns: Vec<Vec<Item>> = Vec::new();
    let mut free = vec![0; circuit.qubits()];
    for instruction in circuit.instructions() {
        let item = item(instruction, circuit);
        if item.marks.is_empty() {
            continue;
        }
        // A barrier holds back its own wires only; what is joined needs all between.
        let wires: Vec<usize> = match item.joined {
            true => (item.span().0..=item.span().1).collect(),
            false => item.marks.iter().map(|(wire, _)| *wire).collect(),
        };
        let column = wires.iter().map(|&wire| free[wire]).max().unwrap_or(0);
        wires.iter().for_each(|&wire| free[wire] = column + 1);
        if columns.len() <= column {
            columns.push(Vec::new());
        }
        columns[column].push(item);
    }
    columns
}

fn item(instruction: &Instruction, circuit: &Circuit) -> Item {
    match instruction {
        Instruction::Gate(operation) => {
            let (controls, targets) = operation.qubits.split_at(operation.gate.controls());
            let standard = match operation.gate.kind() {
                Kind::Standard(standard) => Some(*standard),
                _ => None,
            };
            let target = |index: usize| match standard {
                Some(Standard::X) if !controls.is_empty() => Mark::Plus,
                Some(Standard::Z) if !controls.is_empty() => Mark::Control,
                Some(Standard::Swap) => Mark::Swap,
                _ => {
                    let name = label::gate(operation.gate.kind(), &operation.angles, circuit);
                    // Which qubit of the gate it is, where that may matter.
                    Mark::Box(if targets.len() > 1 { format!("{index} {name}") } else { name })
                }
            };
            let marks = controls.iter().map(|&wire| (wire, Mark::Control));
            let targets = targets.iter().enumerate().map(|(index, &wire)| (wire, target(index)));
            Item { marks: marks.chain(targets).collect(), joined: true }
        }
        Instruction::Measure { qubit, bit } => {
            Item { marks: vec![(*qubit, Mark::Measure(*bit))], joined: false }
        }
        Instruction::Reset(qubit) => Item { marks: vec![(*qubit, Mark::Reset)], joined: false },
        Instruction::Barrier(qubits) => {
            Item { marks: qubits.iter().map(|&qubit| (qubit, Mark::Barrier)).collect(), joined: false }
        }
    }
}
