//! What can be wrong with the weights of a model.

use crate::arch::ConfigError;
use ounce_formats::{gguf::GgufError, hugging_face::FolderError, quantized::QuantizedError};
use ounce_kernels::MatrixError;

/// A model cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The GGUF file cannot be read.
    #[error(transparent)]
    Gguf(Box<GgufError>),
    /// The Hugging Face folder cannot be read.
    #[error(transparent)]
    Folder(Box<FolderError>),
    /// The description of the model cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A tensor is absent.
    #[error(
        "tensor {name} is missing (expected shape {expected:?}); the checkpoint is incomplete or its description does not belong to it"
    )]
    MissingTensor {
        /// Its name, or the names it could have.
        name: String,
        /// Its shape, outermost dimension first.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the description of the model says.
    #[error(
        "tensor {name}: expected shape {expected:?}, found {found:?}; the checkpoint and its description do not belong together"
    )]
    TensorShape {
        /// Its name.
        name: String,
        /// The shape that follows from the description, outermost dimension first.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor's type cannot be used for a weight.
    #[error("tensor {name} has type {found}; supported: {supported}")]
    TensorType {
        /// Its name.
        name: String,
        /// Its type.
        found: String,
        /// Types that can be used.
        supported: &'static str,
    },
    /// A tensor's bytes do not fill its shape.
    #[error("tensor {name}: shape {shape:?} needs {expected} bytes, found {found}; the file is damaged")]
    TensorBytes {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Bytes that the shape and type need.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The tensors of a quantized linear map cannot be read.
    #[error(transparent)]
    Quantized(Box<QuantizedError>),
    /// A module has packed quants, but nothing says how to read them.
    #[error(
        "module {module} is stored in packed quants, but quantization_config is missing or says that it is kept in floats; take the configuration from the same source as the weights"
    )]
    UndescribedQuants {
        /// The module.
        module: String,
    },
    /// The inputs of a module are to be rotated, but its weights are floats.
    #[error(
        "module {module} is kept in floats, but transform_config rotates its inputs; rotations are run before quantized weights only"
    )]
    RotatedFloats {
        /// The module.
        module: String,
    },
    /// A matrix could not be laid out for the kernels.
    #[error("tensor {name}: {source}")]
    Matrix {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: MatrixError,
    },
    /// The tokenizer cannot be used.
    #[error("tokenizer: {0}")]
    Tokenizer(#[from] crate::tokenizer::TokenizerError),
}

impl From<QuantizedError> for LoadError {
    fn from(error: QuantizedError) -> Self {
        Self::Quantized(Box::new(error))
    }
}
