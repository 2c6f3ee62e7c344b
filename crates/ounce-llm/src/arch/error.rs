//! What can be wrong with the description of a model.

use ounce_formats::quantized::QuantizedError;
use std::sync::Arc;

/// The description of a model (`config.json`, GGUF metadata) cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No row of [`crate::arch::ARCHITECTURES`] has this name.
    #[error("{key} is {found:?}, an architecture that is not known here; the known ones are {known}")]
    UnknownArchitecture {
        /// Where the name stood.
        key: String,
        /// The name.
        found: String,
        /// The names that would have been understood.
        known: String,
    },
    /// A required entry is absent.
    #[error("{key} is missing from the model's description; the file is incomplete or of another kind")]
    Missing {
        /// The entry.
        key: String,
    },
    /// An entry has the wrong type or an impossible value.
    #[error("{key}: expected {expected}, found {found}")]
    Invalid {
        /// The entry.
        key: String,
        /// What would have been right.
        expected: String,
        /// What stood there.
        found: String,
    },
    /// The `quantization_config` of a folder cannot be used.
    #[error(transparent)]
    Quantization(Arc<QuantizedError>),
    /// An option that this decoder does not compute yet.
    #[error("{key} = {found} is not supported yet; supported: {supported}")]
    Unsupported {
        /// The option.
        key: String,
        /// Its value.
        found: String,
        /// The values that are supported.
        supported: String,
    },
}

impl ConfigError {
    /// An [`Unsupported`](Self::Unsupported) option.
    pub(crate) fn unsupported(key: &str, found: impl ToString, supported: &str) -> Self {
        Self::Unsupported { key: key.into(), found: found.to_string(), supported: supported.into() }
    }
}
