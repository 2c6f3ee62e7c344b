//! Log-probabilities, in the two forms of the API.

use ounce_llm::sampling::Score;
use ounce_llm::tokenizer::Tokenizer;
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
    /// Characters so far.
    #[serde(skip)]
    at: usize,
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
    /// Begins at a place of the text.
    pub(crate) fn from(at: usize) -> Self {
        Self { at, ..Self::default() }
    }

    /// Adds a token without a score: the first of a prompt.
    pub(crate) fn push_first(&mut self, tokenizer: &Tokenizer, token: u32) {
        self.push_token(tokenizer, token);
        self.token_logprobs.push(None);
        self.top_logprobs.push(None);
    }

    /// Adds a scored token.
    pub(crate) fn push(&mut self, tokenizer: &Tokenizer, score: &Score) {
        self.push_token(tokenizer, score.token);
        self.token_logprobs.push(Some(score.logprob.max(LEAST)));
        let mut top: BTreeMap<String, f32> = BTreeMap::new();
        for &(token, logprob) in &score.top {
            // Of tokens that look alike, the most likely counts.
            top.entry(text(tokenizer, token)).or_insert(logprob.max(LEAST));
        }
        self.top_logprobs.push(Some(top));
    }

    fn push_token(&mut self, tokenizer: &Tokenizer, token: u32) {
        self.text_offset.push(self.at);
        let text = text(tokenizer, token);
        self.at += tokenizer.decode(&[token]).chars().count();
        self.tokens.push(text);
    }

    /// Where the next token begins.
    pub(crate) fn at(&self) -> usize {
        self.at
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
