//! Why a model could not be imported.

use std::fmt;

use ounce_graph::{GraphError, OpError};

use crate::limits::LimitError;

/// Something of a model that this crate does not have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsupported {
    /// The place of the operator in the network.
    pub at: usize,
    /// Its name.
    pub operator: String,
    /// What about it is not supported.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator {} ({}): {}", self.at, self.operator, self.reason)
    }
}

/// Why a model could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum TfliteImportError {
    /// Operators or options that this crate does not have: all of the model's.
    #[error("{} operators of the model are not supported:\n{}", .0.len(), lines(.0))]
    Unsupported(Vec<Unsupported>),
    /// A model without a network.
    #[error("the model holds no network")]
    Empty,
    /// An operator that does not fit what it takes.
    #[error("operator {at} ({operator}): {fault}")]
    Operator {
        /// The place of the operator in the network.
        at: usize,
        /// Its name.
        operator: String,
        /// What is wrong.
        #[source]
        fault: Box<Fault>,
    },
    /// An input or output that does not fit a graph.
    #[error("tensor {name:?}: {fault}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        #[source]
        fault: Box<Fault>,
    },
}

fn lines(all: &[Unsupported]) -> String {
    all.iter().map(|one| format!("  {one}")).collect::<Vec<_>>().join("\n")
}

/// What is wrong with an operator or a tensor.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The graph refuses it.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A scale or an option that makes no sense.
    #[error(transparent)]
    Op(#[from] OpError),
    /// More than the caller allows.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// An operand that must be there.
    #[error("input {0} is missing")]
    MissingInput(usize),
    /// An operand that no operator before it gives.
    #[error("it takes tensor {0:?}, which nothing before it gives")]
    UnknownValue(String),
    /// An operand whose elements must be known.
    #[error("input {0} must be a constant")]
    NotConstant(usize),
    /// A tensor without scale and zero point.
    #[error("tensor {0:?} is not quantized with one scale above 0 and a zero point in -128..=127")]
    Quantization(String),
    /// A tensor of other elements than bytes.
    #[error("tensor {0:?} holds {1}: quantize the network to int8")]
    Type(String, String),
    /// Shapes that do not fit.
    #[error("{0}")]
    Shape(String),
}
