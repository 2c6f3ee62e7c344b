//! Why a model could not be compressed.

use crate::LoadError;
use crate::export::ExportError;
use crate::tokenizer::TokenizerError;
use ounce_quant::SchemeError;

/// A model could not be compressed. Nothing is left at the target then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// The source cannot be loaded.
    #[error(transparent)]
    Load(Box<LoadError>),
    /// The target cannot be written.
    #[error(transparent)]
    Export(Box<ExportError>),
    /// The calibration text cannot be made into tokens.
    #[error("calibration text: {0}")]
    Tokenizer(#[from] TokenizerError),
    /// The calibration text is too short.
    #[error(
        "the calibration text has {found} tokens, one sequence needs {needed}; give a longer text or shorter sequences"
    )]
    TooShort {
        /// Tokens of the text.
        found: usize,
        /// Tokens of one sequence.
        needed: usize,
    },
    /// The method needs a calibration text.
    #[error("this method looks at what flows through the model: give it a text to read")]
    NoText,
    /// Options that exclude each other.
    #[error("{0}")]
    Options(String),
    /// Calibration sequences that the model cannot take.
    #[error("calibration sequences of {asked} tokens: this model takes 1 to {most}")]
    Sequence {
        /// Tokens asked for.
        asked: usize,
        /// The context of the model.
        most: usize,
    },
    /// The scheme does not fit a matrix.
    #[error("layer {layer}, {linear}: {source}")]
    Scheme {
        /// Number of the layer.
        layer: usize,
        /// The linear map.
        linear: String,
        /// Why.
        source: SchemeError,
    },
    /// Activations that are no numbers.
    #[error("layer {layer}: the inputs of {linear} are not all finite; the model is damaged or overflows")]
    NotFinite {
        /// Number of the layer.
        layer: usize,
        /// The linear map.
        linear: String,
    },
    /// The system does not give the memory.
    #[error("{bytes} bytes of memory are not to be had; use fewer or shorter sequences")]
    Memory {
        /// Bytes asked for.
        bytes: usize,
    },
    /// The caller asked to stop.
    #[error("stopped; nothing was written")]
    Stopped,
}

impl From<LoadError> for CompressError {
    fn from(error: LoadError) -> Self {
        Self::Load(Box::new(error))
    }
}

impl From<ExportError> for CompressError {
    fn from(error: ExportError) -> Self {
        Self::Export(Box::new(error))
    }
}

impl From<ounce_kernels::ops::OutOfMemory> for CompressError {
    fn from(error: ounce_kernels::ops::OutOfMemory) -> Self {
        Self::Memory { bytes: error.bytes }
    }
}
