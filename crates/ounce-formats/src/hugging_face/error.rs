//! What can be wrong with a model folder.

use std::path::PathBuf;

use thiserror::Error;

use crate::safetensors::SafetensorsError;

/// A model folder that could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The path is not a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// A file is missing.
    #[error("{} is missing; it is needed for {needed_for}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it is needed for.
        needed_for: &'static str,
    },
    /// The folder has no weights that can be read, or several files without an index.
    #[error("{} holds {found} safetensors files and no index; one model.safetensors, or model.safetensors.index.json with its shards, is needed (convert PyTorch .bin files with save_pretrained)", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// Safetensors files in it.
        found: usize,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A JSON file is not valid, or not of the expected form.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// A JSON file is larger than any honest one.
    #[error("{} is larger than {most} bytes, which no such file should be", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        most: u64,
    },
    /// The index does not fit the files.
    #[error("{} {what}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// A safetensors file is not valid.
    #[error("{}: {source}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: SafetensorsError,
    },
}
