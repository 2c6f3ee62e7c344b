//! Circuits of CNOTs and gates on one qubit in the gates of a device.

use std::f64::consts::{FRAC_PI_2, PI};

use super::build::{fixed, op};
use super::cancel::{axis, qubits_of};
use super::decompose::is_cx;
use super::runs::{Run, Token, append};
use super::target::{Target, Turns};
use crate::circuit::{Angle, Instruction, Operation};
use crate::gate::{Gate, Standard as G};
use crate::observable::Pauli;

/// Below this an angle is taken for another.
const NEAR: f64 = 1e-10;

/// Writes instructions in the gates of a device. There must be nothing on several qubits but what the device runs and CNOTs on coupled
/// qubits.
pub(super) fn translate(instructions: &[Instruction], target: &Target) -> Vec<Instruction> {
    let mut writer = Writer { target, runs: vec![Run::default(); target.qubits], written: Vec::new() };
    for instruction in instructions {
        match instruction {
            Instruction::Gate(operation) if operation.qubits.is_empty() => {}
            Instruction::Gate(operation) => writer.gate(operation),
            other => {
                qubits_of(other).iter().for_each(|&qubit| writer.flush(qubit, false));
                writer.written.push(other.clone());
            }
        }
    }
    (0..target.qubits).for_each(|qubit| writer.flush(qubit, false));
    writer.written
}

struct Writer<'t> {
    target: &'t Target,
    /// What is still to be done on each qubit.
    runs: Vec<Run>,
    written: Vec<Instruction>,
}

impl Writer<'_> {
    fn gate(&mut self, operation: &Operation) {
        if operation.gate.qubits() == 1 {
            self.runs[operation.qubits[0]].push(operation);
        } else if self.target.runs(operation) {
            self.native(operation);
        } else if is_cx(&operation.gate) {
            self.cnot(operation.qubits[0], operation.qubits[1]);
        }
    }

    /// A gate that the device runs. Turns about Z pass through where the gate commutes with them, since there they cost nothing and may meet others.
    fn native(&mut self, operation: &Operation) {
        for &qubit in &operation.qubits {
            self.flush(qubit, axis(operation, qubit) == Some(Pauli::Z));
        }
        self.written.push(Instruction::Gate(operation.clone()));
    }

    fn on(&mut self, gate: G, qubits: &[usize]) {
        qubits.iter().for_each(|&qubit| self.runs[qubit].push(&fixed(gate, &[qubit])));
    }

    fn cnot(&mut self, control: usize, target: usize) {
        let gate = self.target.entangling.clone();
        let ordered = is_cx(&gate) || gate.standard() == Some(G::Ecr);
        let both = [control, target];
        if ordered && !self.target.directed(control, target) {
            self.on(G::H, &both);
            self.entangle(&gate, [target, control]);
            self.on(G::H, &both);
        } else {
            self.entangle(&gate, both);
        }
    }

    /// A CNOT, of the gate that this device has for it.
    fn entangle(&mut self, gate: &Gate, [control, target]: [usize; 2]) {
        let pair = [control, target];
        let native = |angles: &[Angle]| Operation {
            gate: gate.clone(),
            qubits: pair.to_vec(),
            angles: angles.to_vec(),
        };
        match gate.standard() {
            Some(G::Z) => {
                self.on(G::H, &[target]);
                self.native(&native(&[]));
                self.on(G::H, &[target]);
            }
            Some(G::Ecr) => {
                self.on(G::Sdg, &[control]);
                self.on(G::Sxdg, &[target]);
                self.native(&native(&[]));
                self.on(G::X, &[control]);
            }
            // CZ is a turn about ZZ and turns about Z.
            Some(G::Rzz) => {
                self.on(G::H, &[target]);
                self.native(&native(&[Angle::from(-FRAC_PI_2)]));
                self.on(G::S, &pair);
                self.on(G::H, &[target]);
            }
            Some(G::Rxx) => {
                self.on(G::H, &[control]);
                self.native(&native(&[Angle::from(-FRAC_PI_2)]));
                self.on(G::Sx, &pair);
                self.on(G::H, &[control]);
            }
            _ => self.native(&native(&[])),
        }
    }

    /// Writes what is to be done on a qubit; with `keep`, a last turn about Z is left for later.
    fn flush(&mut self, qubit: usize, keep: bool) {
        let turns = self.target.turns;
        let mut tokens = self.runs[qubit].take(turns != Turns::Sx);
        if let (true, Some(Token::Z(angle))) = (keep, tokens.last()) {
            self.runs[qubit].z(angle);
            tokens.pop();
        }
        match turns {
            Turns::U3 => self.u3(qubit, &tokens),
            _ => self.turns(qubit, &tokens),
        }
    }

    fn u3(&mut self, qubit: usize, tokens: &[Token]) {
        let mut rest = tokens;
        while !rest.is_empty() {
            let mut take = |axis_is_z: bool| match rest.first() {
                Some(Token::Z(angle)) if axis_is_z => {
                    rest = &rest[1..];
                    Some(angle.clone())
                }
                Some(Token::X(angle)) if !axis_is_z => {
                    rest = &rest[1..];
                    Some(angle.clone())
                }
                _ => None,
            };
            let before = take(true).unwrap_or_default();
            let operation = match take(false) {
                Some(theta) => {
                    let after = take(true).unwrap_or_default();
                    op(G::U3, &[qubit], &[theta, after.plus(-FRAC_PI_2), before.plus(FRAC_PI_2)])
                }
                None if self.target.has(&self.target.z.into()) => op(self.target.z, &[qubit], &[before]),
                None => op(G::U3, &[qubit], &[Angle::from(0.0), Angle::from(0.0), before]),
            };
            self.written.push(Instruction::Gate(operation));
        }
    }

    fn turns(&mut self, qubit: usize, tokens: &[Token]) {
        let (rx, has_sx, has_x) =
            (self.target.turns, self.target.has(&G::Sx.into()), self.target.has(&G::X.into()));
        // Turns about X that the device does not have bring turns about Z with them, which meet those beside them.
        let mut steps: Vec<Step> = Vec::new();
        for token in tokens {
            let Token::X(angle) = token else {
                let Token::Z(angle) = token else { continue };
                z(&mut steps, angle.clone());
                continue;
            };
            let is = |value: f64| angle.constant().is_some_and(|own| (own - value).abs() < NEAR);
            match rx {
                _ if has_x && (is(PI) || is(-PI)) => steps.push(Step::Gate(fixed(G::X, &[qubit]))),
                _ if has_sx && is(FRAC_PI_2) => steps.push(Step::Gate(fixed(G::Sx, &[qubit]))),
                _ if has_sx && is(-FRAC_PI_2) => {
                    z(&mut steps, PI.into());
                    steps.push(Step::Gate(fixed(G::Sx, &[qubit])));
                    z(&mut steps, PI.into());
                }
                Turns::Rx => steps.push(Step::Gate(op(G::Rx, &[qubit], std::slice::from_ref(angle)))),
                Turns::Ry => {
                    z(&mut steps, FRAC_PI_2.into());
                    steps.push(Step::Gate(op(G::Ry, &[qubit], std::slice::from_ref(angle))));
                    z(&mut steps, Angle::from(-FRAC_PI_2));
                }
                _ => {
                    let sx = || Step::Gate(fixed(G::Sx, &[qubit]));
                    z(&mut steps, FRAC_PI_2.into());
                    steps.push(sx());
                    z(&mut steps, angle.plus(PI));
                    steps.push(sx());
                    z(&mut steps, FRAC_PI_2.into());
                }
            }
        }
        for step in steps {
            let operation = match step {
                Step::Gate(operation) => operation,
                Step::Z(angle) => op(self.target.z, &[qubit], &[angle]),
            };
            self.written.push(Instruction::Gate(operation));
        }
    }
}

enum Step {
    Z(Angle),
    Gate(Operation),
}

/// Adds a turn about Z to the steps.
fn z(steps: &mut Vec<Step>, angle: Angle) {
    let mut tokens = Vec::new();
    if let Some(Step::Z(before)) = steps.last() {
        append(&mut tokens, Token::Z(before.clone()));
        steps.pop();
    }
    append(&mut tokens, Token::Z(angle));
    steps.extend(tokens.into_iter().filter_map(|token| match token {
        Token::Z(angle) => Some(Step::Z(angle)),
        Token::X(_) => None,
    }));
}
