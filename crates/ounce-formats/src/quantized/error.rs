//! What can be wrong with a quantized checkpoint.

use thiserror::Error;

use crate::hugging_face::FolderError;
use crate::safetensors::SafetensorsType;

/// A quantized checkpoint, or one linear map of it, that could not be read or made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QuantizedError {
    /// A configuration file could not be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The method, or a variant of it, is none that can be read.
    #[error("quantization_config: {what}; {advice}")]
    Unsupported {
        /// What was found.
        what: String,
        /// What can be read, or what to do.
        advice: &'static str,
    },
    /// A value of the configuration is missing or of the wrong kind.
    #[error("quantization_config: {key} should be {expected}, {found} found")]
    Config {
        /// The key, with those that lead to it.
        key: String,
        /// What it should hold.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A tensor of a quantized module is missing.
    #[error("tensor \"{tensor}\" is missing; {because}")]
    Missing {
        /// The tensor.
        tensor: String,
        /// Why it should be there.
        because: &'static str,
    },
    /// A tensor has another shape than the scheme implies.
    #[error("tensor \"{tensor}\" has the shape {found:?}, {expected} expected ({because})")]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: String,
        /// Where that follows from.
        because: &'static str,
    },
    /// A tensor has another element type than the format allows.
    #[error("tensor \"{tensor}\" has the type {found}, {expected} expected")]
    Type {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: SafetensorsType,
        /// The types it may have.
        expected: &'static str,
    },
    /// The columns of a module are in an order of their own.
    #[error(
        "tensor \"{tensor}\" puts column {column} into group {found}, not {expected}; models quantized with activation order (desc_act, actorder group) cannot be read"
    )]
    ActivationOrder {
        /// The tensor.
        tensor: String,
        /// The first column out of order.
        column: usize,
        /// Its group.
        found: i64,
        /// The group it would have in order.
        expected: usize,
    },
    /// A fixed scale of the inputs is no positive number.
    #[error("tensor \"{tensor}\" is {found}; the scale of the inputs must be positive and finite")]
    InputScale {
        /// The tensor.
        tensor: String,
        /// Its value.
        found: f32,
    },
    /// The arrays do not belong together, or the format cannot hold them.
    #[error("\"{module}\" cannot be packed: {what}")]
    CannotPack {
        /// The module.
        module: String,
        /// What is wrong and what would do.
        what: String,
    },
}
