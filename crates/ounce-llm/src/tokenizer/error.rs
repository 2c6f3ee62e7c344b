//! What can be wrong with a tokenizer.

use std::path::PathBuf;

use ounce_formats::gguf::GgufError;

/// Why a tokenizer could not be built from a model's files, or a text not encoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A tokenizer file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A metadata entry has the wrong type.
    #[error("{0}")]
    Gguf(#[from] GgufError),
    /// A metadata entry that a tokenizer cannot do without is absent.
    #[error(
        "the file has no `{key}`; it holds no tokenizer, take one that was converted with its vocabulary"
    )]
    Missing {
        /// The metadata key.
        key: &'static str,
    },
    /// `tokenizer.ggml.model` names a kind of tokenizer that is not supported.
    #[error(
        "tokenizer model `{found}` is not supported; supported are: gpt2 (byte-level BPE), llama (SentencePiece BPE)"
    )]
    UnknownModel {
        /// The name in the file.
        found: String,
    },
    /// `tokenizer.ggml.pre` names a pre-tokenizer that is not known. Guessing one would give wrong tokens without a word.
    #[error("pre-tokenizer `{found}` is not known; known are: {known}")]
    UnknownPreTokenizer {
        /// The name in the file.
        found: String,
        /// All names that are known, separated by commas.
        known: String,
    },
    /// Two metadata arrays that run over the vocabulary differ in length.
    #[error("`{key}` has {found} entries, but the vocabulary has {expected} tokens")]
    Length {
        /// The metadata key.
        key: &'static str,
        /// The number of tokens.
        expected: usize,
        /// The number of entries.
        found: usize,
    },
    /// A merge rule does not fit the vocabulary.
    #[error("merge rule {index} (`{rule}`) {problem}")]
    Merge {
        /// Its place in the list.
        index: usize,
        /// The rule as written.
        rule: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The vocabulary as a whole is not usable.
    #[error("the vocabulary is not usable: {0}")]
    Vocabulary(String),
    /// A tokenizer.json, tokenizer_config.json or generation_config.json is not what Hugging Face writes.
    #[error("{path}: {problem}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        problem: String,
    },
    /// The text could not be encoded.
    #[error("the text could not be encoded: {0}")]
    Encode(String),
}
