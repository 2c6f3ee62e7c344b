//! Why a model could not be written.

use crate::arch::ConfigError;
use crate::checkpoint::LoadError;
use crate::tokenizer::TokenizerError;
use ounce_formats::gguf::{GgufError, WriteError};
use ounce_formats::hugging_face::FolderWriteError;
use ounce_formats::quantized::QuantizedError;
use std::path::PathBuf;

/// A model could not be written. Nothing is left at the target then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// There is something at the target already.
    #[error("{} exists; remove it or choose another name", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// A file of the source could not be read, or one of the target not written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The folder could not be written.
    #[error(transparent)]
    Folder(#[from] FolderWriteError),
    /// The GGUF file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The source could not be read.
    #[error(transparent)]
    Load(Box<LoadError>),
    /// A linear map does not fit the format.
    #[error(transparent)]
    Quantized(Box<QuantizedError>),
    /// The tokenizer of the source cannot be read or written.
    #[error("tokenizer: {0}")]
    Tokenizer(#[from] TokenizerError),
    /// The chat template of the source cannot be used.
    #[error("chat template: {0}")]
    Template(#[from] crate::template::TemplateError),
    /// The target cannot express something of this model.
    #[error("{what} cannot be expressed in {target}; {advice}")]
    Unsupported {
        /// What.
        what: String,
        /// The kind of file.
        target: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// A tensor is not of the kind or shape that the target was told to expect.
    #[error("tensor {name}: expected {expected}, found {found}")]
    Weight {
        /// Its name in the target.
        name: String,
        /// What would have been right.
        expected: String,
        /// What was handed over.
        found: String,
    },
    /// A value is beyond the range of the type it is to be stored in.
    #[error("tensor {name} holds {value}, beyond the range of {ty}; write it as {instead}")]
    Range {
        /// Its name in the target.
        name: String,
        /// The first such value.
        value: f32,
        /// The type.
        ty: &'static str,
        /// A type that could hold it.
        instead: &'static str,
    },
    /// Layers came out of order, or not all of them.
    #[error("layer {expected} was to be written next, not {found}")]
    Order {
        /// Number of the layer that was due; the number of layers if all had come.
        expected: usize,
        /// What came: the number of a layer, or the end.
        found: String,
    },
}

impl From<LoadError> for ExportError {
    fn from(error: LoadError) -> Self {
        Self::Load(Box::new(error))
    }
}

impl From<ConfigError> for ExportError {
    fn from(error: ConfigError) -> Self {
        LoadError::from(error).into()
    }
}

impl From<GgufError> for ExportError {
    fn from(error: GgufError) -> Self {
        LoadError::Gguf(Box::new(error)).into()
    }
}

impl From<QuantizedError> for ExportError {
    fn from(error: QuantizedError) -> Self {
        Self::Quantized(Box::new(error))
    }
}
