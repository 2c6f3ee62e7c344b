//! Why a network cannot be compiled to C.

use ounce_graph::GraphError;

/// Why a network cannot be compiled to C. Nothing is written then.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The run-time has nothing that computes a node.
    #[error("{function}: node {node:?} ({operator}) cannot be compiled to C: {reason}")]
    Unsupported {
        /// The function that it is part of.
        function: String,
        /// The node's name.
        node: String,
        /// Its operator.
        operator: &'static str,
        /// Why not, and what to do.
        reason: String,
    },
    /// An input, output or parameter that cannot be had.
    #[error("{function}: {name:?}: {reason}")]
    Value {
        /// The function that it is part of.
        function: String,
        /// The value's name.
        name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Names that collide in C.
    #[error("the name {0:?} is used twice, or no name in C: rename it")]
    Name(String),
    /// The passes or the planner refused the graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// More memory is needed than there is.
    #[error("the program needs {needed} bytes of {memory} ({parts}) and {available} are available: {missing} too many", missing = needed - available)]
    Budget {
        /// `SRAM` or `flash`.
        memory: &'static str,
        /// What it needs.
        needed: u64,
        /// What there is.
        available: u64,
        /// What the need is made of.
        parts: String,
    },
    /// A file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
