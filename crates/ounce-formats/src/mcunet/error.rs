//! What can be wrong with a network of MCUNet.

use thiserror::Error;

use crate::pickle::{ArrayError, CheckpointError};

/// A network that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The file is no pickle.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// A part of the network is missing or something else than it should be.
    #[error("{place}: expected {expected}, found {found}; this is no quantized network of MCUNet")]
    Kind {
        /// The part, as `blocks[3].depthwise.stride`.
        place: String,
        /// What is needed.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// An array cannot be read.
    #[error("{place}: {source}")]
    Array {
        /// The part.
        place: String,
        /// What is wrong.
        source: ArrayError,
    },
    /// An array has another shape than the layer says.
    #[error("{place}: the array has shape {found:?}, the layer needs {needed:?}")]
    Shape {
        /// The part.
        place: String,
        /// Shape by the layer.
        needed: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A layer does not take what the layer before it gives.
    #[error("{place} takes {found}, the layer before it gives {needed}")]
    Chain {
        /// The part.
        place: String,
        /// What comes before.
        needed: String,
        /// What this layer takes.
        found: String,
    },
    /// Something that the format has and this reader does not.
    #[error("{place}: {what} are not supported")]
    Unsupported {
        /// The part.
        place: String,
        /// What it is.
        what: &'static str,
    },
}
