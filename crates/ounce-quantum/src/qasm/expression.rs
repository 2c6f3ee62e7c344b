//! Expressions: what angles, lengths and indices are computed from.
//!
//! They are kept as steps of a stack machine, so that long ones need no deep recursion.

use std::f64::consts::{E, PI, TAU};

use super::cursor::Cursor;
use super::error::{At, Problem, QasmError};
use super::lexer::Kind;
use crate::circuit::Angle;

/// One step; operands come before what is done with them.
#[derive(Clone, Debug)]
enum Step {
    Push(Angle),
    /// A formal parameter of the gate in whose definition it stands.
    Formal(usize),
    Negate,
    Binary(&'static str),
    Function(fn(f64) -> f64),
    Power,
    Remainder,
}

/// What a name stands for.
pub(super) enum Value {
    Angle(Angle),
    Formal(usize),
}

/// An expression and its place.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    steps: Vec<Step>,
    pub(super) at: At,
}

/// What names stand for; the expression between brackets after a name is its index.
pub(super) trait Names {
    fn value(&self, name: &str, index: Option<usize>, at: At) -> Result<Value, QasmError>;
}

/// Nested parentheses, signs and powers that are read.
const DEPTH: usize = 100;

struct Parser<'p, 'a, N> {
    cursor: &'p mut Cursor<'a>,
    names: &'p N,
    steps: Vec<Step>,
    version: u8,
}

impl Expression {
    pub(super) fn parse<N: Names>(
        cursor: &mut Cursor<'_>,
        names: &N,
        version: u8,
    ) -> Result<Self, QasmError> {
        let at = cursor.at();
        let mut parser = Parser { cursor, names, steps: Vec::new(), version };
        parser.sum(0)?;
        Ok(Self { steps: parser.steps, at })
    }

    /// Its value, with these values of formal parameters.
    pub(super) fn value(&self, formals: &[Angle]) -> Result<Angle, QasmError> {
        let mut stack: Vec<Angle> = Vec::new();
        for step in &self.steps {
            // A step finds its operands by construction.
            let mut pop = || stack.pop().unwrap_or_default();
            let value = match step {
                Step::Push(angle) => Ok(angle.clone()),
                Step::Formal(index) => Ok(formals.get(*index).cloned().unwrap_or_default()),
                Step::Negate => Ok(pop().negated()),
                Step::Binary(operator) => {
                    let right = pop();
                    binary(operator, &pop(), &right)
                }
                Step::Function(function) => match pop().constant() {
                    Some(value) => Ok(Angle::from(function(value))),
                    None => Err(Problem::NotLinear("functions")),
                },
                Step::Power => numbers(pop(), pop(), "powers", |base, exponent| base.powf(exponent)),
                Step::Remainder => numbers(pop(), pop(), "remainders", |value, by| value % by),
            };
            stack.push(value.map_err(|problem| self.at.error(problem))?);
        }
        let value = stack.pop().unwrap_or_default();
        if value.is_finite() { Ok(value) } else { Err(self.at.error(Problem::NotFinite)) }
    }

    /// Its value, which must not depend on anything.
    pub(super) fn constant(&self) -> Result<f64, QasmError> {
        self.value(&[])?.constant().ok_or_else(|| self.at.error(Problem::NotConstant))
    }

    /// Its value, which must be a whole number.
    pub(super) fn whole(&self) -> Result<usize, QasmError> {
        let value = self.constant()?;
        if value >= 0.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0 {
            Ok(value as usize)
        } else {
            Err(self.at.error(Problem::NotWhole(value)))
        }
    }
}

fn binary(operator: &str, left: &Angle, right: &Angle) -> Result<Angle, Problem> {
    match (operator, left.constant(), right.constant()) {
        ("+", ..) => Ok(left.sum(right)),
        ("-", ..) => Ok(left.sum(&right.negated())),
        ("*", Some(a), Some(b)) => Ok(Angle::from(a * b)),
        ("*", Some(factor), None) => Ok(right.scaled(factor)),
        ("*", None, Some(factor)) => Ok(left.scaled(factor)),
        ("*", ..) => Err(Problem::NotLinear("products")),
        (_, Some(a), Some(b)) => Ok(Angle::from(a / b)),
        (_, None, Some(divisor)) if divisor != 0.0 => Ok(left.scaled(1.0 / divisor)),
        (_, None, Some(_)) => Err(Problem::NotFinite),
        _ => Err(Problem::NotLinear("quotients")),
    }
}

/// The right operand comes off the stack first.
fn numbers(right: Angle, left: Angle, what: &'static str, of: fn(f64, f64) -> f64) -> Result<Angle, Problem> {
    let both = left.constant().zip(right.constant());
    both.map(|(left, right)| Angle::from(of(left, right))).ok_or(Problem::NotLinear(what))
}

impl<N: Names> Parser<'_, '_, N> {
    fn sum(&mut self, depth: usize) -> Result<(), QasmError> {
        if depth > DEPTH {
            return Err(self.cursor.at().error(Problem::Limit { what: "nested parentheses", limit: DEPTH }));
        }
        self.product(depth)?;
        while let Kind::Symbol(operator @ ("+" | "-")) = self.cursor.peek().kind {
            self.cursor.take();
            self.product(depth)?;
            self.steps.push(Step::Binary(operator));
        }
        Ok(())
    }

    fn product(&mut self, depth: usize) -> Result<(), QasmError> {
        self.signed(depth)?;
        while let Kind::Symbol(operator @ ("*" | "/" | "%")) = self.cursor.peek().kind {
            self.cursor.take();
            self.signed(depth)?;
            self.steps.push(if operator == "%" { Step::Remainder } else { Step::Binary(operator) });
        }
        Ok(())
    }

    fn signed(&mut self, depth: usize) -> Result<(), QasmError> {
        let mut negative = false;
        while let Kind::Symbol(sign @ ("+" | "-")) = self.cursor.peek().kind {
            self.cursor.take();
            negative ^= sign == "-";
        }
        self.power(depth)?;
        if negative {
            self.steps.push(Step::Negate);
        }
        Ok(())
    }

    fn power(&mut self, depth: usize) -> Result<(), QasmError> {
        self.primary(depth)?;
        let operator = if self.version == 2 { "^" } else { "**" };
        if self.cursor.takes(operator) {
            // From the right, and with a sign of its own.
            if depth > DEPTH {
                return Err(self
                    .cursor
                    .at()
                    .error(Problem::Limit { what: "powers of powers", limit: DEPTH }));
            }
            self.signed(depth + 1)?;
            self.steps.push(Step::Power);
        }
        Ok(())
    }

    fn primary(&mut self, depth: usize) -> Result<(), QasmError> {
        let token = self.cursor.peek();
        match token.kind {
            Kind::Number(value) => {
                self.cursor.take();
                self.steps.push(Step::Push(value.into()));
            }
            Kind::Symbol("(") => {
                self.cursor.take();
                self.sum(depth + 1)?;
                self.cursor.expect(")")?;
            }
            Kind::Word(name) => {
                self.cursor.take();
                if self.cursor.takes("(") {
                    return self.call(name, token.at, depth + 1);
                }
                let index = if self.cursor.takes("[") {
                    let at = self.cursor.at();
                    let outer = std::mem::take(&mut self.steps);
                    self.sum(depth + 1)?;
                    let steps = std::mem::replace(&mut self.steps, outer);
                    self.cursor.expect("]")?;
                    Some(Expression { steps, at }.whole()?)
                } else {
                    None
                };
                self.steps.push(match (index, constant(name)) {
                    (None, Some(value)) => Step::Push(value.into()),
                    _ => match self.names.value(name, index, token.at)? {
                        Value::Angle(angle) => Step::Push(angle),
                        Value::Formal(index) => Step::Formal(index),
                    },
                });
            }
            _ => return Err(self.cursor.expected("an expression")),
        }
        Ok(())
    }

    fn call(&mut self, name: &str, at: At, depth: usize) -> Result<(), QasmError> {
        self.sum(depth)?;
        if let "pow" | "mod" = name {
            self.cursor.expect(",")?;
            self.sum(depth)?;
            self.steps.push(if name == "pow" { Step::Power } else { Step::Remainder });
        } else {
            let function = function(name);
            let unknown = || at.error(Problem::Unknown { what: "function", name: name.to_owned() });
            self.steps.push(Step::Function(function.ok_or_else(unknown)?));
        }
        self.cursor.expect(")")
    }
}

fn constant(name: &str) -> Option<f64> {
    match name {
        "pi" | "π" => Some(PI),
        "tau" | "τ" => Some(TAU),
        "euler" | "ℇ" => Some(E),
        _ => None,
    }
}

fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "exp" => f64::exp,
        "ln" | "log" => f64::ln,
        "sqrt" => f64::sqrt,
        "arcsin" | "asin" => f64::asin,
        "arccos" | "acos" => f64::acos,
        "arctan" | "atan" => f64::atan,
        "floor" => f64::floor,
        "ceiling" => f64::ceil,
        "float" | "angle" => |value| value,
        _ => return None,
    })
}
