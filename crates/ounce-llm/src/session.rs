//! A text in progress: a model, what it has read so far and the threads that run it.

use crate::cache::{KvCache, KvType};
use crate::decoder::{self, Scratch};
use crate::model::Model;
use ounce_kernels::ThreadPool;
use ounce_kernels::ops::OutOfMemory;
use std::sync::Arc;

/// Tokens that go through the layers at once while a prompt is read.
const SLICE: usize = 512;
/// Logits computed at once by [`Session::feed_all`], in elements.
const LOGITS_AT_ONCE: usize = 4 << 20;
/// Context of a session unless its options name one; the model's own, if that is shorter.
const DEFAULT_CONTEXT: usize = 32_768;

/// How a session is made.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    /// Positions that the session can hold. `None`: what the model was made for, at most 32,768.
    pub context: Option<usize>,
    /// How keys and values are kept.
    pub kv: KvType,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { context: None, kv: KvType::F16 }
    }
}

/// A session cannot be made, or cannot take these tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// More positions are asked for than the model was made for.
    #[error("a context of {asked} tokens was asked for, the model takes 1 to {limit}")]
    Context {
        /// Positions asked for.
        asked: usize,
        /// What the model was made for.
        limit: usize,
    },
    /// The system does not give the memory that a session of this context needs.
    #[error(
        "a context of {context} tokens needs {bytes} bytes at once, which this machine does not give; ask for a shorter context"
    )]
    Memory {
        /// The size of the part that could not be had.
        bytes: usize,
        /// Positions asked for.
        context: usize,
    },
    /// The text would grow beyond the session's context.
    #[error(
        "{position} tokens and {more} more exceed the context of {limit} tokens; shorten the text or open a session with a longer context"
    )]
    ContextFull {
        /// Tokens held.
        position: usize,
        /// Tokens to be added.
        more: usize,
        /// Tokens that the session can hold.
        limit: usize,
    },
    /// A token id that the model does not have.
    #[error("token id {token} at index {index}: the model has ids below {vocab_size}")]
    UnknownToken {
        /// The id.
        token: u32,
        /// Where in the tokens it stands.
        index: usize,
        /// The number of ids.
        vocab_size: usize,
    },
    /// Nothing to read.
    #[error("no tokens were given; at least one is needed to predict the next")]
    NoTokens,
    /// The caller asked to stop. What was done is kept.
    #[error("stopped after {done} of {tokens} tokens")]
    Stopped {
        /// Tokens that were read.
        done: usize,
        /// Tokens that were given.
        tokens: usize,
    },
}

/// A text in progress. All memory of a step is allocated when the session is made.
///
/// The same tokens give the same logits, bit for bit, for any number of threads.
pub struct Session {
    model: Arc<Model>,
    pool: ThreadPool,
    cache: KvCache,
    scratch: Scratch,
    /// `[vocab]`, of the last token.
    logits: Vec<f32>,
    context: usize,
}

impl Session {
    /// An empty session.
    ///
    /// # Errors
    /// [`SessionError::Context`], [`SessionError::Memory`].
    pub fn new(model: Arc<Model>, pool: ThreadPool, options: SessionOptions) -> Result<Self, SessionError> {
        let config = model.config();
        let limit = config.context;
        let context = options.context.unwrap_or(limit.min(DEFAULT_CONTEXT));
        if !(1..=limit).contains(&context) {
            return Err(SessionError::Context { asked: context, limit });
        }
        let memory = |error: OutOfMemory| SessionError::Memory { bytes: error.bytes, context };
        let cache = KvCache::new(config, context, options.kv).map_err(memory)?;
        let scratch = Scratch::new(config, context.min(SLICE)).map_err(memory)?;
        let logits = vec![0.0; config.vocab_size];
        Ok(Self { cache, scratch, logits, context, model, pool })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Tokens read so far.
    pub fn position(&self) -> usize {
        self.cache.length
    }

    /// Tokens that the session can hold.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Bytes of keys and values at full context; the system hands them out as positions are filled.
    pub fn cache_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// Forgets all but the first `length` tokens. Does nothing if there are no more.
    pub fn truncate(&mut self, length: usize) {
        self.cache.length = self.cache.length.min(length);
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.truncate(0);
    }

    /// The threads.
    pub fn pool_mut(&mut self) -> &mut ThreadPool {
        &mut self.pool
    }

    /// Gives the threads back.
    pub fn into_pool(self) -> ThreadPool {
        self.pool
    }

    /// Reads tokens and returns the logits `[vocab]` that follow the last one.
    ///
    /// Many tokens are read in slices; after each but the last, `keep_going` is asked with the number of tokens done.
    ///
    /// # Errors
    /// [`SessionError::NoTokens`], [`SessionError::UnknownToken`] and [`SessionError::ContextFull`] leave the session unchanged;
    /// [`SessionError::Stopped`] keeps what was read.
    pub fn feed(
        &mut self,
        tokens: &[u32],
        keep_going: &mut dyn FnMut(usize) -> bool,
    ) -> Result<&[f32], SessionError> {
        self.check(tokens)?;
        let mut done = 0;
        for slice in tokens.chunks(self.scratch.tokens) {
            done += slice.len();
            let last = done == tokens.len();
            let Self { model, pool, cache, scratch, logits, .. } = self;
            pool.region(|team| {
                let (config, weights) = (model.config(), model.weights());
                decoder::forward(team, config, weights, slice, cache, scratch);
                if last {
                    decoder::logits(team, config, weights, scratch, slice.len() - 1, logits);
                }
            });
            if !last && !keep_going(done) {
                return Err(SessionError::Stopped { done, tokens: tokens.len() });
            }
        }
        Ok(&self.logits)
    }

    /// Reads tokens and hands out the logits of every one: `each(first, logits)` gets `[n, vocab]` for the tokens with indices from
    /// `first` on, piece by piece in order.
    ///
    /// # Errors
    /// As [`feed`](Self::feed).
    pub fn feed_all(
        &mut self,
        tokens: &[u32],
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), SessionError> {
        self.check(tokens)?;
        let vocab_size = self.model.config().vocab_size;
        let rows_at_once = (LOGITS_AT_ONCE / vocab_size).clamp(1, self.scratch.tokens).min(tokens.len());
        let mut logits = vec![0.0; rows_at_once * vocab_size];
        let mut done = 0;
        for slice in tokens.chunks(self.scratch.tokens) {
            let Self { model, pool, cache, scratch, .. } = self;
            pool.region(|team| {
                let (config, weights) = (model.config(), model.weights());
                decoder::forward(team, config, weights, slice, cache, scratch);
                for first in (0..slice.len()).step_by(rows_at_once) {
                    let rows = rows_at_once.min(slice.len() - first);
                    let logits = &mut logits[..rows * vocab_size];
                    decoder::logits(team, config, weights, scratch, first, logits);
                    each(done + first, logits);
                }
            });
            done += slice.len();
        }
        Ok(())
    }

    fn check(&self, tokens: &[u32]) -> Result<(), SessionError> {
        if tokens.is_empty() {
            return Err(SessionError::NoTokens);
        }
        let vocab_size = self.model.config().vocab_size;
        if let Some(index) = tokens.iter().position(|&token| token as usize >= vocab_size) {
            return Err(SessionError::UnknownToken { token: tokens[index], index, vocab_size });
        }
        let position = self.cache.length;
        if tokens.len() > self.context - position {
            return Err(SessionError::ContextFull { position, more: tokens.len(), limit: self.context });
        }
        Ok(())
    }
}
