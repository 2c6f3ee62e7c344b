//! What can be wrong with a chat template.

use std::path::PathBuf;

use ounce_formats::gguf::GgufError;

/// Why a chat template could not be read or a conversation not written with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The template is not valid Jinja.
    #[error("the chat template is not valid, line {line}: {problem}")]
    Syntax {
        /// Line of the template, from 1.
        line: usize,
        /// What the parser found.
        problem: String,
    },
    /// The template itself refused the conversation (`raise_exception`).
    #[error("the chat template refuses this conversation: {0}")]
    Refused(String),
    /// The template failed on this conversation.
    #[error("the chat template failed, line {line}: {problem}")]
    Failed {
        /// Line of the template, from 1.
        line: usize,
        /// What happened.
        problem: String,
    },
    /// The template did not end, or wrote more than any template should.
    #[error("the chat template was stopped: it did far more work than a conversation of this length needs")]
    Endless,
    /// A file of the folder cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// tokenizer_config.json or chat_template.json is not what Hugging Face writes.
    #[error("{path}: {problem}")]
    Json {
        /// The file.
        path: PathBuf,
        /// What was expected.
        problem: String,
    },
    /// A metadata entry has the wrong type.
    #[error("{0}")]
    Gguf(#[from] GgufError),
}
