//! The gates on one qubit between two on several, as few turns about Z and X as possible.

use std::f64::consts::{FRAC_PI_2, PI};

use super::controls::wrapped;
use super::euler;
use crate::circuit::{Angle, Operation};
use crate::gate::Standard as G;
use crate::matrix::Matrix;

/// Below this an angle, or an entry of a matrix, is taken for 0.
const NEAR: f64 = 1e-10;

/// Part of a run.
#[derive(Clone, Debug)]
enum Part {
    /// A unitary without symbols.
    Fixed(Matrix),
    /// A turn about Z by an angle with symbols.
    Turn(Angle),
    /// The same about X.
    Cross(Angle),
}

/// A turn about an axis.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    Z(Angle),
    X(Angle),
}

/// Gates on one qubit, up to their global phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    parts: Vec<Part>,
}

fn rz(angle: f64) -> Matrix {
    G::Rz.matrix(&[angle])
}

fn hadamard() -> Matrix {
    G::H.matrix(&[])
}

/// The difference of the phases of a diagonal matrix.
fn diagonal(matrix: &Matrix) -> Option<f64> {
    (matrix.at(0, 1).norm() < NEAR).then(|| (matrix.at(1, 1) / matrix.at(0, 0)).arg())
}

fn antidiagonal(matrix: &Matrix) -> bool {
    matrix.at(0, 0).norm() < NEAR
}

impl Run {
    /// Adds a gate on one qubit without controls.
    pub(super) fn push(&mut self, operation: &Operation) {
        let values: Option<Vec<f64>> = operation.angles.iter().map(Angle::constant).collect();
        if let Some(values) = values {
            return self.fixed(operation.gate.target_matrix(&values));
        }
        // As turns: RX is RZ between Hadamards, RY between these and phases.
        let a = &operation.angles;
        match operation.gate.standard() {
            Some(G::Rx) => self.x(&a[0]),
            Some(G::R) => {
                self.z(&a[1].negated());
                self.x(&a[0]);
                self.z(&a[1]);
            }
            Some(standard) => {
                if let Some([theta, phi, lambda, _]) = euler::as_u4(standard, a) {
                    self.z(&lambda.plus(-FRAC_PI_2));
                    self.x(&theta);
                    self.z(&phi.plus(FRAC_PI_2));
                }
            }
            // Other gates with symbols were decomposed before.
            None => {}
        }
    }

    fn x(&mut self, angle: &Angle) {
        self.fixed(hadamard());
        self.z(angle);
        self.fixed(hadamard());
    }

    /// Adds a turn about Z.
    pub(super) fn z(&mut self, angle: &Angle) {
        if let Some(value) = angle.constant() {
            return self.fixed(rz(value));
        }
        match self.parts.pop() {
            Some(Part::Turn(before)) => match before.sum(angle) {
                sum if sum.constant().is_some() => self.fixed(rz(sum.offset())),
                sum => self.parts.push(Part::Turn(sum)),
            },
            Some(Part::Fixed(matrix)) => match diagonal(&matrix) {
                Some(by) => self.z(&angle.plus(by)),
                // X turns the turns before it around.
                None if antidiagonal(&matrix) && matches!(self.parts.last(), Some(Part::Turn(_))) => {
                    self.z(&angle.negated());
                    self.fixed(matrix);
                }
                None => self.parts.extend([Part::Fixed(matrix), Part::Turn(angle.clone())]),
            },
            other => self.parts.extend(other.into_iter().chain([Part::Turn(angle.clone())])),
        }
    }

    fn fixed(&mut self, matrix: Matrix) {
        match self.parts.pop() {
            Some(Part::Fixed(before)) => self.fixed(&matrix * &before),
            Some(Part::Turn(angle)) => match diagonal(&matrix) {
                Some(by) => self.parts.push(Part::Turn(angle.plus(by))),
                None => self.parts.extend([Part::Turn(angle), Part::Fixed(matrix)]),
            },
            other => {
                self.parts.extend(other);
                if diagonal(&matrix).is_none_or(|by| by.abs() > 1e-13) {
                    self.parts.push(Part::Fixed(matrix));
                }
            }
        }
    }

    /// Turns that do the same, and leaves nothing. With `cross`, turns by symbols are about X where that takes fewer.
    pub(super) fn take(&mut self, cross: bool) -> Vec<Token> {
        let mut parts = std::mem::take(&mut self.parts);
        if cross {
            cross_turns(&mut parts);
        }
        let mut tokens = Vec::new();
        for part in parts {
            match part {
                Part::Turn(angle) => append(&mut tokens, Token::Z(angle)),
                Part::Cross(angle) => append(&mut tokens, Token::X(angle)),
                Part::Fixed(matrix) => {
                    let [theta, phi, lambda, _] = euler::u4_of(&matrix);
                    if theta.abs() < NEAR {
                        append(&mut tokens, Token::Z((phi + lambda).into()));
                    } else if (theta - PI).abs() < NEAR {
                        // A half turn about an axis between X and Y.
                        append(&mut tokens, Token::Z((lambda - phi + PI).into()));
                        append(&mut tokens, Token::X(PI.into()));
                    } else {
                        append(&mut tokens, Token::Z((lambda - FRAC_PI_2).into()));
                        append(&mut tokens, Token::X(theta.into()));
                        append(&mut tokens, Token::Z((phi + FRAC_PI_2).into()));
                    }
                }
            }
        }
        tokens
    }
}

/// A turn about Z after what is a Hadamard but for a turn becomes one about X.
fn cross_turns(parts: &mut Vec<Part>) {
    let mut index = 1;
    while index < parts.len() {
        let replaced = match (&parts[index - 1], &parts[index]) {
            (Part::Fixed(before), Part::Turn(angle)) => {
                let turned = &hadamard() * before;
                diagonal(&turned).map(|by| (by, angle.clone()))
            }
            _ => None,
        };
        if let Some((by, angle)) = replaced {
            parts[index - 1] = Part::Fixed(rz(by));
            parts[index] = Part::Cross(angle);
            match parts.get_mut(index + 1) {
                Some(Part::Fixed(after)) => *after = &*after * &hadamard(),
                _ => parts.insert(index + 1, Part::Fixed(hadamard())),
            }
        }
        index += 1;
    }
}

/// Adds a token, to the last one if that is about the same axis.
pub(super) fn append(tokens: &mut Vec<Token>, token: Token) {
    let merged = match (tokens.last(), &token) {
        (Some(Token::Z(a)), Token::Z(b)) => Some(Token::Z(a.sum(b))),
        (Some(Token::X(a)), Token::X(b)) => Some(Token::X(a.sum(b))),
        _ => None,
    };
    if merged.is_some() {
        tokens.pop();
    }
    let token = merged.unwrap_or(token);
    let (Token::Z(angle) | Token::X(angle)) = &token;
    let angle = wrapped(angle);
    if angle.constant().is_some_and(|value| value.abs() < NEAR) {
        return;
    }
    // A token that vanished may have stood between two of the same axis.
    let token = if matches!(token, Token::Z(_)) { Token::Z(angle) } else { Token::X(angle) };
    match (tokens.last(), &token) {
        (Some(Token::Z(_)), Token::Z(_)) | (Some(Token::X(_)), Token::X(_)) => append(tokens, token),
        _ => tokens.push(token),
    }
}
