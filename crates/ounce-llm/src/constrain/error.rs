//! What can go wrong with a constraint.

use thiserror::Error;

/// A vocabulary that cannot be constrained.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VocabularyError {
    /// The tokens are too many, or too many bytes together.
    #[error(
        "a vocabulary of {tokens} tokens whose trie has {nodes} nodes is too large to be constrained (at most {limit} nodes)"
    )]
    TooLarge {
        /// Tokens of the vocabulary.
        tokens: usize,
        /// Nodes of its trie.
        nodes: usize,
        /// The most that a trie can have.
        limit: usize,
    },
    /// The library refused the vocabulary.
    #[error("the vocabulary cannot be constrained: {0}")]
    Refused(String),
}

/// A grammar that cannot be used. All of these are faults of whoever wrote the grammar.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// It is not valid, asks for what is not supported, or nothing obeys it; the words name the part.
    #[error("the {what} cannot be used: {problem}")]
    Invalid {
        /// The kind of grammar.
        what: &'static str,
        /// What is wrong, and where.
        problem: String,
    },
    /// It exceeds a limit of [`limits`](super::limits).
    #[error("the grammar is too large: more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much may be.
        limit: usize,
    },
    /// The system gave no thread to compile on.
    #[error("no thread to compile the grammar on: {0}")]
    NoThread(String),
}

/// A text that cannot go on under its constraint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// The grammar forbids this token here. The constraint is as it was.
    #[error("token {0} is not allowed here by the grammar; sample from masked logits")]
    NotAllowed(
        /// The token.
        u32,
    ),
    /// The text is complete, and the tokenizer names no token that would end it.
    #[error(
        "the text is complete under its grammar, and the tokenizer names no end-of-generation token; stop when it is complete"
    )]
    Complete,
    /// No token of the vocabulary continues the text, or a limit of a single step is exceeded. The constraint is of no more use.
    #[error("the text cannot go on under its grammar: {0}")]
    Failed(String),
}

/// The library's message, less its own additions.
pub(super) fn message(error: &impl ToString) -> String {
    let text = error.to_string();
    let text = text.split("\n<non-verbose/>").next().unwrap_or_default();
    // What panics inside of the library is caught there, with a backtrace.
    let text = text.split("\n<backtrace>").next().unwrap_or_default().trim();
    match text {
        "NoExtensionBias" | "NoExtension" => "no token can follow".to_owned(),
        other => other.to_owned(),
    }
}
