//! The loop: read the prompt, then sample, show, feed.

use super::{Answer, Piece};
use crate::cache::Stream;
use crate::sampling::{NoCandidate, Past, Sampler};
use crate::session::{Session, SessionError};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use thiserror::Error;

/// A session that knows which tokens it has read.
pub struct Generator {
    session: Session,
    /// The tokens that the session has read, those evicted included.
    read: Vec<u32>,
    /// The tokenizer's special tokens and those that end a generation, ascending: repeating them is not penalised.
    spared: Vec<u32>,
}

/// Where a generation ends, besides the model's own end.
#[derive(Debug, Clone, Default)]
pub struct GenerateOptions {
    /// At most so many tokens are generated; `None`: as many as the context holds.
    pub max_tokens: Option<usize>,
    /// The text ends before the first of these strings; it may lie across tokens, and is never shown, not even in part.
    pub stop: Vec<String>,
}

/// What happens during a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// So many of the prompt's tokens have been read.
    Prefill {
        /// Tokens read, those kept from before included.
        done: usize,
        /// Tokens of the prompt.
        total: usize,
    },
    /// A token has been sampled, and this text is now certain. It is empty while a character or a possible stop string is
    /// incomplete.
    Text(&'a str),
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended the text, or a stop string came.
    Stop,
    /// The number of tokens asked for is reached.
    Length,
    /// The caller broke off.
    Cancelled,
    /// The context is full.
    Context,
}

/// How long a generation took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timings {
    /// Tokens of the prompt that had been read before.
    pub kept: usize,
    /// Tokens of the prompt that were read.
    pub prefilled: usize,
    /// Time to read them.
    pub prefill: Duration,
    /// Decode steps: forward passes of one sampled token.
    pub decoded: usize,
    /// Time of everything after the prompt was read: sampling, detokenizing, decode steps, and the callback.
    pub decode: Duration,
}

/// A finished generation.
#[derive(Debug, Clone)]
pub struct Generation {
    /// The sampled tokens, without the one that ended the text.
    pub tokens: Vec<u32>,
    /// All text that was given to the callback.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// How long it took.
    pub timings: Timings,
}

/// A generation cannot begin or go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The prompt leaves no room for an answer.
    #[error("the prompt has {prompt} tokens, but the context holds {context}")]
    PromptTooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens that the context holds.
        context: usize,
    },
    /// The session refused the tokens.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The model gave no usable logits.
    #[error(transparent)]
    NoCandidate(#[from] NoCandidate),
}

impl Generator {
    /// Generates with `session`, which is emptied.
    pub fn new(mut session: Session) -> Self {
        session.reset();
        let spared = session.model().tokenizer().structure();
        Self { session, read: Vec::new(), spared }
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Gives the session back.
    pub fn into_session(self) -> Session {
        self.session
    }

    /// Forgets everything that was read.
    pub fn reset(&mut self) {
        self.session.reset();
        self.read.clear();
    }

    /// Forgets everything that was read, and goes on with another stream or none.
    ///
    /// # Errors
    /// As [`Session::restart`], and nothing is forgotten.
    pub fn restart(&mut self, stream: Option<Stream>) -> Result<(), SessionError> {
        self.session.restart(stream)?;
        self.read.clear();
        Ok(())
    }

    /// Continues `prompt` until the model, an option or `each` ends it.
    ///
    /// `each` is called after every slice of the prompt and after every sampled token; [`ControlFlow::Break`] ends the generation.
    ///
    /// # Errors
    /// A prompt that is empty, does not fit into the context or holds unknown tokens; logits without a number.
    pub fn generate(
        &mut self,
        prompt: &[u32],
        sampler: &mut Sampler,
        options: &GenerateOptions,
        each: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Generation, GenerateError> {
        let context = self.session.context();
        if self.session.stream().is_none() && prompt.len() > context {
            return Err(GenerateError::PromptTooLong { prompt: prompt.len(), context });
        }
        let mut output = Generation {
            tokens: Vec::new(),
            text: String::new(),
            finish: FinishReason::Stop,
            timings: Timings::default(),
        };
        let Some(first) = self.prefill(prompt, sampler, &mut output.timings, each)? else {
            output.finish = FinishReason::Cancelled;
            return Ok(output);
        };
        let start = Instant::now();
        let result = self.decode(first, prompt, sampler, options, &mut output, each);
        output.timings.decode = start.elapsed();
        result.map(|()| output)
    }

    /// Reads what the cache does not hold of `prompt` and samples the first token; `None` if `each` broke off.
    fn prefill(
        &mut self,
        prompt: &[u32],
        sampler: &mut Sampler,
        timings: &mut Timings,
        each: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<Option<u32>, GenerateError> {
        let start = Instant::now();
        let total = prompt.len();
        let same = self.read.iter().zip(prompt).take_while(|(a, b)| a == b).count();
        // The last token is always read, for its logits.
        let kept = self.session.truncate(same.min(total.saturating_sub(1)));
        self.read.truncate(kept);
        if each(Event::Prefill { done: kept, total }).is_break() {
            return Ok(None);
        }
        let result = self.session.feed(&prompt[kept..], &mut |done| {
            each(Event::Prefill { done: kept + done, total }).is_continue()
        });
        let sampled = match result {
            Ok(logits) => {
                Ok(Some(sampler.sample(logits, Past { prompt, generated: &[], spared: &self.spared })?))
            }
            Err(SessionError::Stopped { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        };
        let position = self.session.position();
        self.read.extend_from_slice(&prompt[kept..position]);
        *timings = Timings { kept, prefilled: position - kept, prefill: start.elapsed(), ..*timings };
        match sampled {
            Ok(Some(_)) if each(Event::Prefill { done: total, total }).is_break() => Ok(None),
            sampled => sampled,
        }
    }

    fn decode(
        &mut self,
        mut token: u32,
        prompt: &[u32],
        sampler: &mut Sampler,
        options: &GenerateOptions,
        output: &mut Generation,
        each: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), GenerateError> {
        let model = self.session.model().clone();
        let tokenizer = model.tokenizer();
        let max_tokens = options.max_tokens.unwrap_or(usize::MAX);
        let mut answer = Answer::new(tokenizer, max_tokens, &options.stop);
        output.finish = loop {
            if answer.is_full() {
                break FinishReason::Length;
            }
            let before = answer.tokens().len();
            let mut piece = answer.push(tokenizer, token);
            if piece.finish.is_none() && self.session.is_full() {
                let rest = answer.end(FinishReason::Context);
                piece = Piece { text: piece.text + &rest.text, finish: rest.finish };
            }
            output.text.push_str(&piece.text);
            // The token that ends a text is told of only if it sets text free.
            let told = answer.tokens().len() > before || !piece.text.is_empty();
            if told && each(Event::Text(&piece.text)).is_break() {
                break FinishReason::Cancelled;
            }
            if let Some(finish) = piece.finish {
                break finish;
            }
            let logits = self.session.feed(&[token], &mut |_| true)?;
            self.read.push(token);
            output.timings.decoded += 1;
            token =
                sampler.sample(logits, Past { prompt, generated: answer.tokens(), spared: &self.spared })?;
        };
        output.tokens = answer.into_tokens();
        Ok(())
    }
}
