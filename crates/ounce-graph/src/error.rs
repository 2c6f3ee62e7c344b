//! What can go wrong when a graph is built, transformed or run.

use crate::types::{DType, TensorType};

/// An operator that does not fit its inputs.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum OpError {
    /// Too few or too many inputs.
    #[error("takes {expected} inputs, found {found}")]
    InputCount {
        /// How many the operator takes.
        expected: String,
        /// How many were given.
        found: usize,
    },
    /// An input of another element type.
    #[error("input {input} must be {expected}, found {found}: cast, quantize or dequantize it first")]
    DType {
        /// Which input.
        input: usize,
        /// What the operator takes.
        expected: String,
        /// What was given.
        found: DType,
    },
    /// An input of another rank or extent.
    #[error("input {input} must have shape {expected}, found {found:?}")]
    Shape {
        /// Which input.
        input: usize,
        /// What the operator takes.
        expected: String,
        /// What was given.
        found: Vec<usize>,
    },
    /// Shapes that do not broadcast.
    #[error("shapes {a:?} and {b:?} do not broadcast: extents must be equal or 1")]
    Broadcast {
        /// The first shape.
        a: Vec<usize>,
        /// The second shape.
        b: Vec<usize>,
    },
    /// An axis that the input does not have.
    #[error("axis {axis} of an input of rank {rank}")]
    Axis {
        /// The axis.
        axis: usize,
        /// The number of axes.
        rank: usize,
    },
    /// An attribute that makes no sense, by itself or for these inputs.
    #[error("attribute {attribute}: {problem}")]
    Attribute {
        /// The attribute's name.
        attribute: &'static str,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A result too large to address, or of too many axes.
    #[error("the result {0} is too large to address, or has more than 8 axes")]
    TooLarge(TensorType),
}

impl OpError {
    /// An attribute that makes no sense.
    pub fn attribute(attribute: &'static str, problem: impl Into<String>) -> Self {
        Self::Attribute { attribute, problem: problem.into() }
    }

    /// An input of another shape.
    pub fn shape(input: usize, expected: impl Into<String>, found: &TensorType) -> Self {
        Self::Shape { input, expected: expected.into(), found: found.shape.clone() }
    }
}

/// Why a graph could not be built, transformed or run.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum GraphError {
    /// An operator does not fit its inputs.
    #[error("node {node:?} ({operator}): {error}")]
    Operator {
        /// The node's name.
        node: String,
        /// The operator's name.
        operator: &'static str,
        /// What is wrong.
        #[source]
        error: OpError,
    },
    /// A value that is not of this graph.
    #[error("value {0} is not of this graph, which has {1} values")]
    UnknownValue(usize, usize),
    /// A name that is taken.
    #[error("the name {0:?} is taken: names of inputs, parameters and outputs must differ")]
    DuplicateName(String),
    /// A name that nothing has.
    #[error("no {kind} is called {name:?}; there are: {known}")]
    UnknownName {
        /// Input, output or parameter.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// Data of another type than the value it is for.
    #[error("{name:?} is {expected}, but the data is {found}")]
    DataType {
        /// The value's name.
        name: String,
        /// The value's type.
        expected: TensorType,
        /// The type of the data.
        found: TensorType,
    },
    /// Data whose length does not fit its shape.
    #[error("{0} takes {1} elements in memory, found {2}")]
    DataLength(TensorType, usize, usize),
    /// A gradient that cannot be had.
    #[error("node {node:?} ({operator}) has no gradient: {reason}")]
    NotDifferentiable {
        /// The node's name.
        node: String,
        /// The operator's name.
        operator: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// A loss that is no number.
    #[error("the loss {name:?} is {found}, not a single f32: reduce it with a sum or mean first")]
    Loss {
        /// The value's name.
        name: String,
        /// Its type.
        found: TensorType,
    },
    /// A gradient that is zero by construction.
    #[error("the loss {loss:?} does not depend on {value:?}: take it out of the list, or check the wiring")]
    Independent {
        /// The loss.
        loss: String,
        /// What it does not depend on.
        value: String,
    },
    /// An update of something that is no parameter, or of another type.
    #[error("cannot update {name:?}: {reason}")]
    Update {
        /// The value's name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// More inputs than a step of the executor passes.
    #[error("node {node:?} has {found} inputs or outputs, more than {limit}: split it")]
    TooManyInputs {
        /// The node's name.
        node: String,
        /// How many it has.
        found: usize,
        /// How many are possible.
        limit: usize,
    },
    /// A memory plan made for another graph.
    #[error("the memory plan does not fit the graph: {0}")]
    Plan(String),
}
