//! Log-probabilities, in the two forms of the API.

use ounce_llm::sampling::Score;
use ounce_llm::tokenizer::{StreamDecoder, Tokenizer};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// JSON has no infinity: what is impossible gets this instead.
const LEAST: f32 = -9999.0;

/// The scores of a chat completion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChatLogprobs {
    content: Vec<TokenLogprob>,
    /// Always none.
    refusal: Option<String>,
}

/// A token, its score, and those of the most likely ones.
#[derive(Debug, Serialize, ToSchema)]
struct TokenLogprob {
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
    top_logprobs: Vec<TopLogprob>,
}

/// One of the most likely tokens.
#[derive(Debug, Serialize, ToSchema)]
struct TopLogprob {
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
}

/// The scores of a completion.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct CompletionLogprobs {
    /// The tokens as text.
    tokens: Vec<String>,
    /// Their scores; the first token of a prompt has none.
    token_logprobs: Vec<Option<f32>>,
    /// The most likely tokens at each place.
    top_logprobs: Vec<Option<BTreeMap<String, f32>>>,
    /// Where each token begins in the text, in characters.
    text_offset: Vec<usize>,
}

/// Finds where tokens begin, of which several may make one character.
pub(crate) struct Offsets {
    decoder: StreamDecoder,
    at: usize,
    skip: bool,
}

impl Offsets {
    pub(crate) fn new(tokenizer: &Tokenizer) -> Self {
        Self { decoder: tokenizer.stream(false), at: 0, skip: false }
    }

    /// The next token is not in the text.
    pub(crate) fn skip(&mut self) {
        self.skip = true;
    }

    /// Where a token begins that follows the tokens so far.
    fn of(&mut self, token: u32) -> usize {
        let at = self.at;
        if !std::mem::take(&mut self.skip) {
            self.at += self.decoder.push(token).chars().count();
        }
        at
    }
}

pub(crate) fn chat_logprobs(tokenizer: &Tokenizer, scores: &[Score]) -> ChatLogprobs {
    let content = scores
        .iter()
        .map(|score| TokenLogprob {
            token: tokenizer.decode(&[score.token]),
            logprob: score.logprob.max(LEAST),
            bytes: tokenizer.token_bytes(score.token),
            top_logprobs: score
                .top
                .iter()
                .map(|&(token, logprob)| TopLogprob {
                    token: tokenizer.decode(&[token]),
                    logprob: logprob.max(LEAST),
                    bytes: tokenizer.token_bytes(token),
                })
                .collect(),
        })
        .collect();
    ChatLogprobs { content, refusal: None }
}

impl CompletionLogprobs {
    /// Adds a token without a score: the first of a prompt.
    pub(crate) fn push_first(&mut self, tokenizer: &Tokenizer, token: u32, offsets: &mut Offsets) {
        self.push_token(tokenizer, token, offsets);
        self.token_logprobs.push(None);
        self.top_logprobs.push(None);
    }

    /// Adds a scored token.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, score: &Score, offsets: &mut Offsets) {
        self.push_token(tokenizer, score.token, offsets);
        self.token_logprobs.push(Some(score.logprob.max(LEAST)));
        let mut top: BTreeMap<String, f32> = BTreeMap::new();
        for &(token, logprob) in &score.top {
            // Of tokens that look alike, the most likely counts.
            top.entry(text(tokenizer, token)).or_insert(logprob.max(LEAST));
        }
        self.top_logprobs.push(Some(top));
    }

    fn push_token(&mut self, tokenizer: &Tokenizer, token: u32, offsets: &mut Offsets) {
        self.text_offset.push(offsets.of(token));
        self.tokens.push(text(tokenizer, token));
    }
}

/// A token as text; a part of a character as OpenAI's API writes it.
fn text(tokenizer: &Tokenizer, token: u32) -> String {
    let bytes = tokenizer.token_bytes(token);
    match std::str::from_utf8(&bytes) {
        Ok(_) => tokenizer.decode(&[token]),
        Err(_) => bytes.iter().fold("bytes:".to_owned(), |text, byte| format!("{text}\\x{byte:02x}")),
    }
}
