//! Registers and what names of them stand for.

use super::error::{At, Problem, QasmError};

/// Qubits or bits with consecutive numbers.
#[derive(Clone, Debug)]
pub(super) struct Register {
    pub(super) first: usize,
    pub(super) count: usize,
    /// Whether it was declared with a length: one without is a single qubit or bit, and has no index.
    pub(super) indexed: bool,
}

/// What stands between the brackets after a register's name.
pub(super) enum Index {
    One(f64, At),
    /// First, step and last, the last included.
    Range(Option<f64>, f64, Option<f64>, At),
    Set(Vec<(f64, At)>),
}

/// Qubits or bits that an instruction acts on.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    One(usize),
    Many(Vec<usize>),
}

impl Operand {
    pub(super) fn numbers(&self) -> &[usize] {
        match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }
}

impl Register {
    /// All of it.
    pub(super) fn whole(&self) -> Operand {
        if self.indexed {
            Operand::Many((self.first..self.first + self.count).collect())
        } else {
            Operand::One(self.first)
        }
    }

    pub(super) fn indexed(&self, name: &str, index: &Index) -> Result<Operand, QasmError> {
        // Negative indices count from the end.
        let number = |index: f64, at: At| {
            let from_start = if index < 0.0 { index + self.count as f64 } else { index };
            if from_start >= 0.0 && from_start < self.count as f64 && from_start.fract() == 0.0 {
                Ok(self.first + from_start as usize)
            } else {
                Err(at.error(Problem::Index { name: name.to_owned(), index, length: self.count }))
            }
        };
        match index {
            Index::One(value, at) => Ok(Operand::One(number(*value, *at)?)),
            Index::Set(values) => {
                let numbers = values.iter().map(|&(value, at)| number(value, at));
                Ok(Operand::Many(numbers.collect::<Result<_, _>>()?))
            }
            Index::Range(first, step, last, at) => {
                let step = *step;
                if step == 0.0 || step.fract() != 0.0 {
                    return Err(at.error(Problem::NotWhole(step)));
                }
                let ends = if step > 0.0 { [0.0, -1.0] } else { [-1.0, 0.0] };
                let first = number(first.unwrap_or(ends[0]), *at)? as f64;
                let last = number(last.unwrap_or(ends[1]), *at)? as f64;
                // Both ends lie in the register, so there are no more steps than it is long.
                let steps = ((last - first) / step).floor();
                let numbers =
                    (0..=steps.max(-1.0) as i64).map(|index| (first + step * index as f64) as usize);
                Ok(Operand::Many(if steps < 0.0 { Vec::new() } else { numbers.collect() }))
            }
        }
    }
}

/// The operands side by side: registers, of the same length, give as many rows, single ones stand in each.
pub(super) fn broadcast(operands: &[Operand], at: At) -> Result<Vec<Vec<usize>>, QasmError> {
    let mut length = None;
    for operand in operands {
        if let Operand::Many(numbers) = operand {
            match length {
                Some(other) if other != numbers.len() => {
                    return Err(at.error(Problem::Lengths(other, numbers.len())));
                }
                _ => length = Some(numbers.len()),
            }
        }
    }
    let row = |index: usize| -> Vec<usize> {
        let of = |operand: &Operand| match operand {
            Operand::One(number) => *number,
            Operand::Many(numbers) => numbers[index],
        };
        operands.iter().map(of).collect()
    };
    Ok((0..length.unwrap_or(1)).map(row).collect())
}
