//! Why a model could not be imported.

use std::fmt;

use ounce_formats::onnx::OnnxError;
use ounce_graph::GraphError;

use crate::limits::LimitError;

/// Something of a model that this crate does not have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsupported {
    /// The node's name, or that of its first output if it has none.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// What about it is not supported.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {:?} ({}): {}", self.node, self.operator, self.reason)
    }
}

/// Why a model could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum OnnxImportError {
    /// Operators or attributes that this crate does not have: all of the model's.
    #[error("{} nodes of the model are not supported:\n{}", .0.len(), lines(.0))]
    Unsupported(Vec<Unsupported>),
    /// An operator set that this crate does not know.
    #[error("the model uses version {found} of the operators, supported are {} to {}: export it for one of these", .supported.0, .supported.1)]
    Opset {
        /// The model's; 0 if it does not say.
        found: i64,
        /// The first and the last that are supported.
        supported: (i64, i64),
    },
    /// An input or output of the model that has no place in a graph.
    #[error("{name:?} of the model: {problem}")]
    Value {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A node that does not fit what it takes.
    #[error("node {node:?} ({operator}): {fault}")]
    Node {
        /// The node's name, or that of its first output if it has none.
        node: String,
        /// Its operator.
        operator: String,
        /// What is wrong.
        #[source]
        fault: Box<Fault>,
    },
    /// A name that occurs twice.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// More than the caller allows.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

fn lines(all: &[Unsupported]) -> String {
    all.iter().map(|one| format!("  {one}")).collect::<Vec<_>>().join("\n")
}

/// What is wrong with a node, or with a tensor that it takes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The graph refuses it.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// More than the caller allows.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// An input that must be there.
    #[error("input {0} is missing")]
    MissingInput(usize),
    /// A name that no earlier node gives.
    #[error("it takes {0:?}, which nothing before it gives")]
    UnknownValue(String),
    /// An input whose elements must be known.
    #[error("input {0} must be constant or follow from shapes: shapes of a graph are static")]
    NotConstant(usize),
    /// An input of the wrong element type.
    #[error("input {input} must hold {expected}, found {found}")]
    Element {
        /// Which input.
        input: usize,
        /// What the operator takes.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// An attribute that makes no sense, by itself or for these inputs.
    #[error("attribute {name}: {problem}")]
    Attribute {
        /// Its name.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Inputs that do not fit.
    #[error("{0}")]
    Shape(String),
    /// An axis that is not there.
    #[error("axis {axis} of a value of {rank} axes")]
    Axis {
        /// The axis.
        axis: i64,
        /// How many axes there are.
        rank: usize,
    },
    /// An integer beyond 32 bits, or beyond its own type.
    #[error("the integer {0} does not fit the graph's type: integers are kept in 32 bits")]
    Range(i64),
    /// Arithmetic on shapes that fails.
    #[error("arithmetic on constants overflows or divides by zero")]
    Arithmetic,
    /// Elements that are no numbers.
    #[error("elements of type {0:?} are not supported: convert the model to float32")]
    Type(ounce_formats::onnx::ElementType),
    /// Data in another file.
    #[error(transparent)]
    External(#[from] OnnxError),
    /// Data in another file, and no folder to look in.
    #[error("its data lies in another file: say in which folder the model lies")]
    NoFolder,
}

impl Fault {
    pub(super) fn attribute(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Attribute { name, problem: problem.into() }
    }
}
