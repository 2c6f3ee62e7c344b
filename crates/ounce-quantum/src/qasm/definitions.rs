//! Calls of gates, and gates that a file defines; both become operations here.

use super::error::{At, Problem, QasmError};
use super::expression::Expression;
use super::library::Builtin;
use crate::circuit::{Angle, Operation};
use crate::gate::{Gate, Kind, Standard};
use crate::matrix::C64;
use crate::matrix::Matrix;

/// What is called.
#[derive(Clone, Debug)]
pub(super) enum Callee {
    Builtin(Builtin),
    /// By its number among the definitions.
    Defined(usize),
}

/// What stands before a gate, with `@`.
#[derive(Clone, Debug)]
pub(super) enum Modifier {
    Inverse,
    Power(Expression),
    Controls { count: usize, on: bool },
}

/// A gate with its angles, without qubits.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) callee: Callee,
    pub(super) at: At,
    pub(super) modifiers: Vec<Modifier>,
    pub(super) arguments: Vec<Expression>,
}

/// A gate that the file defines.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) angles: usize,
    pub(super) qubits: usize,
    /// Calls, and the numbers of their qubits among those of the definition.
    pub(super) body: Vec<(Call, Vec<usize>)>,
    /// Definitions that this one goes through at most, itself included.
    pub(super) depth: usize,
}

/// Definitions within definitions that are read.
pub(super) const DEPTH: usize = 100;

/// What a file defines, and how many gates it may still make.
pub(super) struct Definitions {
    pub(super) all: Vec<Definition>,
    pub(super) left: usize,
    pub(super) limit: usize,
}

impl Definitions {
    pub(super) fn name(&self, callee: &Callee) -> String {
        match callee {
            Callee::Builtin(Builtin::Gate(gate)) => gate.name(),
            Callee::Builtin(Builtin::Wait) => "u0".to_owned(),
            Callee::Builtin(Builtin::Phased(own)) => format!("{own:?}").to_lowercase(),
            Callee::Defined(index) => self.all[*index].name.clone(),
        }
    }

    /// Angles and qubits, modifiers left out.
    pub(super) fn counts(&self, callee: &Callee) -> (usize, usize) {
        match callee {
            Callee::Builtin(builtin) => (builtin.angles(), builtin.qubits()),
            Callee::Defined(index) => (self.all[*index].angles, self.all[*index].qubits),
        }
    }

    pub(super) fn depth(&self, callee: &Callee) -> usize {
        match callee {
            Callee::Builtin(_) => 0,
            Callee::Defined(index) => self.all[*index].depth,
        }
    }

    /// Counts what is made, so that nested definitions and powers cannot grow without bounds.
    pub(super) fn spend(&mut self, count: usize, at: At) -> Result<(), QasmError> {
        let limit = Problem::Limit { what: "gates", limit: self.limit };
        self.left = self.left.checked_sub(count).ok_or_else(|| at.error(limit))?;
        Ok(())
    }

    /// The operations of a call on these qubits, with these values of formal parameters. `controlled` says whether phases matter.
    pub(super) fn expand(
        &mut self,
        call: &Call,
        qubits: &[usize],
        formals: &[Angle],
        controlled: bool,
    ) -> Result<Vec<Operation>, QasmError> {
        self.spend(1, call.at)?;
        let angles: Vec<Angle> =
            call.arguments.iter().map(|own| own.value(formals)).collect::<Result<_, _>>()?;
        let mut controls: usize = call.modifiers.iter().map(Modifier::controls).sum();
        let controlled = controlled || controls > 0;
        let (before, targets) = qubits.split_at(controls.min(qubits.len()));
        let mut operations = match &call.callee {
            Callee::Builtin(builtin) => vec![builtin.operation(targets.to_vec(), angles, controlled)],
            Callee::Defined(index) => {
                let mut operations = Vec::new();
                // The body is put back once it was read.
                let body = std::mem::take(&mut self.all[*index].body);
                let read = body.iter().try_for_each(|(part, numbers)| {
                    let on: Vec<usize> = numbers.iter().map(|&number| targets[number]).collect();
                    operations.extend(self.expand(part, &on, &angles, controlled)?);
                    Ok(())
                });
                self.all[*index].body = body;
                read?;
                operations
            }
        };
        // The modifier next to the gate comes first, and takes the qubits next to the gate's.
        for modifier in call.modifiers.iter().rev() {
            operations = match modifier {
                Modifier::Inverse => operations.iter().rev().map(Operation::inverse).collect(),
                Modifier::Power(exponent) => self.power(operations, exponent, formals)?,
                Modifier::Controls { count, on } => {
                    controls -= count;
                    control(operations, &before[controls..controls + count], *on)
                }
            };
        }
        Ok(operations)
    }

    fn power(
        &mut self,
        operations: Vec<Operation>,
        exponent: &Expression,
        formals: &[Angle],
    ) -> Result<Vec<Operation>, QasmError> {
        let at = exponent.at;
        let value = exponent.value(formals)?.constant().ok_or_else(|| at.error(Problem::NotConstant))?;
        if value.fract() != 0.0 {
            let what = "a power that is not a whole number".to_owned();
            let remedy = "use it on a single gate of at most 4 qubits whose angles are numbers";
            return root(&operations, value).ok_or_else(|| at.error(Problem::Unsupported { what, remedy }));
        }
        let once: Vec<Operation> = match value < 0.0 {
            true => operations.iter().rev().map(Operation::inverse).collect(),
            false => operations,
        };
        if once.is_empty() || value == 0.0 {
            return Ok(Vec::new());
        }
        let times = if value.abs() < 1e9 { value.abs() as usize } else { usize::MAX };
        self.spend(once.len().saturating_mul(times - 1), at)?;
        Ok(std::iter::repeat_n(once, times).flatten().collect())
    }
}

impl Modifier {
    pub(super) fn controls(&self) -> usize {
        match self {
            Self::Controls { count, .. } => *count,
            _ => 0,
        }
    }
}

/// The operations with controls, which are on if the qubits are 1, or if they are 0.
fn control(operations: Vec<Operation>, controls: &[usize], on: bool) -> Vec<Operation> {
    let flips: Vec<Operation> = controls
        .iter()
        .filter(|_| !on)
        .map(|&qubit| Operation { gate: Standard::X.into(), qubits: vec![qubit], angles: Vec::new() })
        .collect();
    let controlled = operations.into_iter().map(|own| {
        let qubits = [controls, &own.qubits].concat();
        // A phase with a control is a gate on that control.
        let gate = match own.gate.standard() {
            Some(Standard::GlobalPhase) => Gate::from(Standard::P).controlled(qubits.len() - 1),
            _ => own.gate.controlled(controls.len()),
        };
        Operation { gate, qubits, angles: own.angles }
    });
    flips.iter().cloned().chain(controlled).chain(flips.iter().cloned()).collect()
}

/// A power with principal values of a single gate without symbols.
fn root(operations: &[Operation], exponent: f64) -> Option<Vec<Operation>> {
    let [operation] = operations else { return None };
    let values: Option<Vec<f64>> = operation.angles.iter().map(Angle::constant).collect();
    if operation.gate.targets() > 4 || operation.gate.targets() == 0 {
        return None;
    }
    if let Kind::Unitary(matrix) = operation.gate.kind()
        && matrix.dim() > 16
    {
        return None;
    }
    let (eigenvalues, vectors) = crate::linalg::unitary_eigen(&operation.gate.target_matrix(&values?));
    let powers = Matrix::from_fn(vectors.dim(), |row, column| match row == column {
        true => C64::cis(eigenvalues[row].arg() * exponent),
        false => C64::default(),
    });
    let matrix = &(&vectors * &powers) * &vectors.adjoint();
    let gate = Gate::unitary(matrix)?.controlled(operation.gate.controls());
    Some(vec![Operation { gate, qubits: operation.qubits.clone(), angles: Vec::new() }])
}
