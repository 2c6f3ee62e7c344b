//! Grammars to constraints, for one vocabulary.

use std::sync::Arc;

use llguidance::{Matcher, ParserFactory, toktrie::InferenceCapabilities};

use super::error::message;
use super::vocabulary::{Encode, environment};
use super::{Constraint, Grammar, GrammarError, VocabularyError, limits};
use crate::tokenizer::Tokenizer;

/// Parts of the vocabulary for which one question answers for all tokens: those that can stand in a JSON string, by length, and blanks.
const SLICES: [&str; 4] = [
    r"[\x20\x0A\x0D\x09]+",
    r#"[^"\\\x00-\x1F\x7F]{1,10}"#,
    r#"[^"\\\x00-\x1F\x7F]{1,30}"#,
    r#"[^"\\\x00-\x1F\x7F]+"#,
];

/// Makes the constraints for one tokenizer. It is shared by cloning, which costs nothing.
#[derive(Clone)]
pub struct ConstraintFactory {
    parsers: Arc<ParserFactory>,
}

impl ConstraintFactory {
    /// A factory whose constraints allow every way to cut a text into tokens, and never [force](Constraint::forced) any.
    ///
    /// # Errors
    /// If the vocabulary has millions of tokens.
    pub fn new(tokenizer: &Tokenizer) -> Result<ConstraintFactory, VocabularyError> {
        ConstraintFactory::build(tokenizer, None)
    }

    /// As [`new`](Self::new), with an encoder (that of the same tokenizer, its control tokens as text) for what only one text can follow: its
    /// tokens are then [forced](Constraint::forced), and are those that the model has learned. None for a text that cannot be encoded.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_encoder(
        tokenizer: &Tokenizer,
        encode: impl Fn(&str) -> Option<Vec<u32>> + Send + Sync + 'static,
    ) -> Result<ConstraintFactory, VocabularyError> {
        ConstraintFactory::build(tokenizer, Some(Box::new(encode)))
    }

    fn build(tokenizer: &Tokenizer, encode: Option<Encode>) -> Result<ConstraintFactory, VocabularyError> {
        let capabilities = InferenceCapabilities { ff_tokens: encode.is_some(), ..Default::default() };
        let environment = environment(tokenizer, encode)?;
        let mut parsers = ParserFactory::new(&environment, capabilities, &SLICES.map(str::to_owned))
            .map_err(|error| VocabularyError::Refused(message(&error)))?;
        parsers.quiet();
        *parsers.limits_mut() = limits::of_parser();
        Ok(ConstraintFactory { parsers: Arc::new(parsers) })
    }

    /// The constraint for one text. A grammar that is used again need not be compiled again: a fresh constraint can be cloned.
    ///
    /// # Errors
    /// A grammar that is not valid, not supported, obeyed by no text, or above a limit.
    pub fn compile(&self, grammar: &Grammar) -> Result<Constraint, GrammarError> {
        let what = grammar.kind();
        let library = grammar.to_library()?;
        let invalid = |problem| GrammarError::Invalid { what, problem };
        let compile = || {
            let parser = self.parsers.create_parser(library);
            let parser = parser.map_err(|error| invalid(message(&error)))?;
            let mut matcher = Matcher::new(Ok(parser));
            // Whether any text obeys it, and whether that can be found out within the limits, shows in the first mask.
            matcher.compute_mask_or_eos().map_err(|error| invalid(message(&error)))?;
            Ok(matcher)
        };
        let matcher = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(limits::COMPILE_STACK_BYTES);
            let thread =
                thread.spawn_scoped(scope, compile).map_err(|e| GrammarError::NoThread(e.to_string()))?;
            thread.join().unwrap_or_else(|_| Err(invalid("the compiler failed on it".to_owned())))
        })?;
        let vocabulary = self.parsers.tok_env().tok_trie().vocab_size();
        Ok(Constraint::new(matcher, vocabulary))
    }
}
