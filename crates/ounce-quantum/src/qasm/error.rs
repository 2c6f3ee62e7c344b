//! What can be wrong with a file.

/// A place in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl At {
    pub(super) fn error(self, problem: Problem) -> QasmError {
        QasmError { line: self.line, column: self.column, problem }
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct QasmError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a file, and what to do.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Problem {
    /// A character that OpenQASM does not have.
    #[error("the character {0:?} has no meaning here; remove it")]
    Character(char),
    /// A number that is not one, or too large.
    #[error("{0:?} is not a number that fits; write one such as 3, 0.5 or 1e-3")]
    Number(String),
    /// A comment or a text without end.
    #[error("{0} is not closed before the end of the file; close it")]
    Unclosed(&'static str),
    /// Something else than what must stand here.
    #[error("expected {expected}, found {found}; put {expected} here")]
    Expected {
        /// What must stand here.
        expected: &'static str,
        /// What does.
        found: String,
    },
    /// A version other than 2 and 3.
    #[error("version {0} of OpenQASM is not known; convert the file to 2.0 or 3.0")]
    Version(String),
    /// A file that is not built in.
    #[error(
        "{0:?} cannot be included; only qelib1.inc and stdgates.inc can, so copy the definitions that are needed"
    )]
    Include(String),
    /// A name that nothing has.
    #[error("there is no {what} {name:?}; declare it before it is used")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that something else has.
    #[error("{0:?} is declared twice; choose another name")]
    Twice(String),
    /// A part of the language that circuits cannot hold.
    #[error("{what} cannot be read into a circuit; {remedy}")]
    Unsupported {
        /// The part.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A wrong number of angles or qubits.
    #[error("{gate} takes {expected} {what}, {found} are given; give {expected}")]
    Count {
        /// The gate.
        gate: String,
        /// Angles or qubits.
        what: &'static str,
        /// How many it takes.
        expected: usize,
        /// How many are given.
        found: usize,
    },
    /// An angle that is not linear in what the circuit depends on.
    #[error(
        "an angle may be a number plus multiples of inputs, not their {0}; make it linear or bind the inputs"
    )]
    NotLinear(&'static str),
    /// An input where there must be a number.
    #[error("this must be a number, it cannot depend on an input; write its value")]
    NotConstant,
    /// A value that is infinite or none.
    #[error("the value of this expression is not finite; change it")]
    NotFinite,
    /// A number that must be a whole one.
    #[error("{0} is not a whole number from 0 on that can be used here; write such a number")]
    NotWhole(f64),
    /// An index beyond a register.
    #[error("index {index} is beyond {name:?}, which has {length}; use one from 0 to {length} exclusive")]
    Index {
        /// The register.
        name: String,
        /// The index.
        index: f64,
        /// Its length.
        length: usize,
    },
    /// Registers of different lengths side by side.
    #[error("registers of {0} and of {1} stand side by side; use ones of the same length or index them")]
    Lengths(usize, usize),
    /// A qubit that is named twice.
    #[error("a qubit is named twice; the qubits of a gate must differ")]
    Repeated,
    /// A file without qubits.
    #[error("the file ends and has declared no qubit; declare some, such as `qreg q[2];` or `qubit[2] q;`")]
    NoQubits,
    /// More than is read.
    #[error("more than {limit} {what}; make the circuit smaller or raise the limit")]
    Limit {
        /// Of what there is too much.
        what: &'static str,
        /// How much is read.
        limit: usize,
    },
}
