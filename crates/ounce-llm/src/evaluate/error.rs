//! What can be wrong with an evaluation.

use crate::session::SessionError;
use crate::tokenizer::TokenizerError;
use thiserror::Error;

/// A text cannot be evaluated with a model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The text is shorter than one window.
    #[error(
        "the text has {tokens} tokens, one window takes {window}; give a longer text or a smaller window"
    )]
    TextTooShort {
        /// Tokens of the text.
        tokens: usize,
        /// Tokens of a window.
        window: usize,
    },
    /// The window leaves nothing to predict.
    #[error(
        "a window of {window} tokens leaves nothing to predict; the {protocol} protocol needs {least} or more"
    )]
    WindowTooSmall {
        /// Name of the protocol.
        protocol: &'static str,
        /// Tokens of a window.
        window: usize,
        /// Fewest tokens that make sense.
        least: usize,
    },
    /// The session is smaller than the window.
    #[error("the window of {window} tokens exceeds the session's context of {context}")]
    WindowTooLarge {
        /// Tokens of a window.
        window: usize,
        /// Tokens that the session holds.
        context: usize,
    },
    /// Two models that do not share a vocabulary cannot be compared.
    #[error("the models have vocabularies of {model} and {against} tokens; divergence needs one vocabulary")]
    VocabularyDiffers {
        /// Tokens of the model's vocabulary.
        model: usize,
        /// Tokens of the other's.
        against: usize,
    },
    /// The same text becomes other tokens with the other model's tokenizer.
    #[error("the two models' tokenizers part the text differently; divergence needs one tokenizer")]
    TokensDiffer,
    /// A logit is no number.
    #[error(
        "the logits after token {token} of window {window} hold NaN or nothing finite; the model file is damaged"
    )]
    NotANumber {
        /// Which window, from 0.
        window: usize,
        /// Which token in it, from 0.
        token: usize,
    },
    /// The text cannot be tokenized.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The session refused the tokens.
    #[error(transparent)]
    Session(#[from] SessionError),
}
