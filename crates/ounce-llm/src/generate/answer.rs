//! An answer in the making: tokens come in, certain text comes out, until something ends it.

use super::{FinishReason, StopScanner};
use crate::tokenizer::{StreamDecoder, Tokenizer};

/// What the sampled tokens of one generation amount to.
#[derive(Debug)]
pub struct Answer {
    tokens: Vec<u32>,
    decoder: StreamDecoder,
    stops: StopScanner,
    max_tokens: usize,
}

/// What a token adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Text that is certain now. Empty while a character or a possible stop string is incomplete; at the end, all that was held back.
    pub text: String,
    /// Why the answer has ended, if it has; nothing may be pushed after that.
    pub finish: Option<FinishReason>,
}

impl Answer {
    /// Nothing yet. Ends after `max_tokens` tokens, before any of the strings `stop`, or where the model ends it.
    pub fn new(tokenizer: &Tokenizer, max_tokens: usize, stop: &[String]) -> Self {
        let decoder = tokenizer.stream(true).continuing();
        Self { tokens: Vec::new(), decoder, stops: StopScanner::new(stop), max_tokens }
    }

    /// Gives the text of control tokens too.
    #[must_use]
    pub fn with_special(mut self, tokenizer: &Tokenizer) -> Self {
        self.decoder = tokenizer.stream(false).continuing();
        self
    }

    /// The tokens so far, without the one that ended the text.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Gives the tokens up.
    pub fn into_tokens(self) -> Vec<u32> {
        self.tokens
    }

    /// Whether not a single token may be sampled.
    pub fn is_full(&self) -> bool {
        self.tokens.len() >= self.max_tokens
    }

    /// Takes a sampled token.
    pub fn push(&mut self, tokenizer: &Tokenizer, token: u32) -> Piece {
        if tokenizer.is_end_of_generation(token) {
            return self.end(FinishReason::Stop);
        }
        self.tokens.push(token);
        let scanned = self.stops.push(&self.decoder.push(token));
        if scanned.stopped {
            return Piece { text: scanned.text, finish: Some(FinishReason::Stop) };
        }
        if self.is_full() {
            let rest = self.end(FinishReason::Length);
            return Piece { text: scanned.text + &rest.text, finish: rest.finish };
        }
        Piece { text: scanned.text, finish: None }
    }

    /// Ends the answer: what was held back for a character or a stop string that never came.
    pub fn end(&mut self, finish: FinishReason) -> Piece {
        let scanned = self.stops.push(&self.decoder.finish());
        let text = if scanned.stopped { scanned.text } else { scanned.text + &self.stops.finish() };
        Piece { text, finish: Some(finish) }
    }
}
