//! A text in progress: a model, what it has read so far and the threads that run it.

use crate::cache::{KvCache, KvType, Stream};
use crate::config::{Config, Positions};
use crate::decoder::{self, Part, Scratch, Way};
use crate::model::Model;
use ounce_kernels::ThreadPool;
use ounce_kernels::ops::OutOfMemory;
use std::sync::Arc;

/// Tokens that go through the layers at once while a prompt is read.
const SLICE: usize = 512;
/// Logits computed at once by [`Session::feed_all`], in elements.
const LOGITS_AT_ONCE: usize = 4 << 20;
/// Context of a session unless its options name one; the model's own, if that is shorter.
pub const DEFAULT_CONTEXT: usize = 32_768;

/// How a session is made.
#[derive(Clone, Copy, Debug)]
pub struct SessionOptions {
    /// Positions that the session can hold. `None`: what the model was made for, at most 32,768. Without meaning for a session that
    /// streams.
    pub context: Option<usize>,
    /// How keys and values are kept.
    pub kv: KvType,
    /// Which tokens are kept of a text without end. `None`: all; the text ends where the context is full.
    pub stream: Option<Stream>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { context: None, kv: KvType::F16, stream: None }
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
    /// A window of a stream that is empty, or reaches further than the model was made for.
    #[error(
        "{} sinks, a window of {} and chunks of {} tokens were asked for; window and chunk take at least 1, and all three together at most the model's {limit} positions",
        stream.sinks, stream.window, stream.chunk
    )]
    Stream {
        /// What was asked for.
        stream: Stream,
        /// What the model was made for.
        limit: usize,
    },
    /// A text of a model with a vector for every position has an end.
    #[error(
        "models of the architecture {architecture} have a vector for every position, so their texts cannot go on without end"
    )]
    CannotStream {
        /// The architecture.
        architecture: &'static str,
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
    kv: KvType,
}

impl Session {
    /// An empty session.
    ///
    /// # Errors
    /// [`SessionError::Context`], [`SessionError::Stream`], [`SessionError::CannotStream`], [`SessionError::Memory`].
    pub fn new(model: Arc<Model>, pool: ThreadPool, options: SessionOptions) -> Result<Self, SessionError> {
        let SessionOptions { context, kv, stream } = options;
        let cache = new_cache(model.config(), context, kv, stream)?;
        let context = cache.capacity();
        let memory = |error: OutOfMemory| SessionError::Memory { bytes: error.bytes, context };
        let scratch = Scratch::new(model.config(), context.min(SLICE)).map_err(memory)?;
        let logits = vec![0.0; model.config().vocab_size];
        Ok(Self { cache, scratch, logits, kv, model, pool })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// Tokens read so far, evicted ones included.
    pub fn position(&self) -> usize {
        self.cache.held() + self.cache.evicted()
    }

    /// Tokens that are held: all that were read, unless the session streams.
    pub fn held(&self) -> usize {
        self.cache.held()
    }

    /// Tokens that the session can hold.
    pub fn context(&self) -> usize {
        self.cache.capacity()
    }

    /// Which tokens are kept of a text without end, if the session streams.
    pub fn stream(&self) -> Option<Stream> {
        self.cache.stream()
    }

    /// Whether not a single token more can be read. Never so if the session streams.
    pub fn is_full(&self) -> bool {
        self.cache.room() == 0
    }

    /// Bytes of keys and values at full context; the system hands them out as positions are filled.
    pub fn cache_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// Forgets all but the first `length` tokens, and returns how many are left: fewer than `length` if fewer were read, and no more than
    /// the sinks if some of those `length` tokens were evicted.
    pub fn truncate(&mut self, length: usize) -> usize {
        let Self { model, pool, cache, .. } = self;
        pool.region(|team| cache.truncate(team, model.config(), length))
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.truncate(0);
    }

    /// Forgets everything and goes on with another stream, or none: then as many positions can be held as in a new session.
    ///
    /// # Errors
    /// As [`new`](Self::new); the session is left unchanged.
    pub fn restart(&mut self, stream: Option<Stream>) -> Result<(), SessionError> {
        let cache = new_cache(self.model.config(), None, self.kv, stream)?;
        let context = cache.capacity();
        let tokens = context.min(SLICE);
        if tokens > self.scratch.tokens {
            let memory = |error: OutOfMemory| SessionError::Memory { bytes: error.bytes, context };
            self.scratch = Scratch::new(self.model.config(), tokens).map_err(memory)?;
        }
        self.cache = cache;
        Ok(())
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
        while done < tokens.len() {
            let slice = &tokens[done..][..self.at_once(tokens.len() - done)];
            done += slice.len();
            let last = done == tokens.len();
            let Self { model, pool, cache, scratch, logits, .. } = self;
            pool.region(|team| {
                let (config, weights) = (model.config(), model.weights());
                cache.make_room(team, config);
                decoder::forward(team, config, weights, &mut [part(slice, cache)], scratch);
                if last {
                    let x = &scratch.x[(slice.len() - 1) * config.hidden..][..config.hidden];
                    decoder::logits(team, config, weights, x, logits);
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
        while done < tokens.len() {
            let slice = &tokens[done..][..self.at_once(tokens.len() - done)];
            let Self { model, pool, cache, scratch, .. } = self;
            pool.region(|team| {
                let (config, weights) = (model.config(), model.weights());
                cache.make_room(team, config);
                decoder::forward(team, config, weights, &mut [part(slice, cache)], scratch);
                for first in (0..slice.len()).step_by(rows_at_once) {
                    let rows = rows_at_once.min(slice.len() - first);
                    let logits = &mut logits[..rows * vocab_size];
                    let x = &scratch.x[first * config.hidden..][..rows * config.hidden];
                    decoder::logits(team, config, weights, x, logits);
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
        let (position, limit) = (self.position(), self.context());
        if self.stream().is_none() && tokens.len() > limit - position {
            return Err(SessionError::ContextFull { position, more: tokens.len(), limit });
        }
        Ok(())
    }

    /// How many of `left` tokens go through the layers next.
    fn at_once(&self, left: usize) -> usize {
        left.min(self.scratch.tokens).min(self.cache.room())
    }
}

/// With fewer tokens than this, each goes by itself.
const FEW: usize = 6;

/// The next tokens of a text.
fn part<'a>(tokens: &'a [u32], cache: &'a mut KvCache) -> Part<'a> {
    Part { tokens, cache, way: if tokens.len() < FEW { Way::Singly } else { Way::Run } }
}

/// An empty cache, after checking what is asked for against what the model was made for.
pub(crate) fn new_cache(
    config: &Config,
    context: Option<usize>,
    kv: KvType,
    stream: Option<Stream>,
) -> Result<KvCache, SessionError> {
    let limit = config.context;
    let memory = |context| move |error: OutOfMemory| SessionError::Memory { bytes: error.bytes, context };
    if let Some(stream) = stream {
        if stream.window == 0 || stream.chunk == 0 || stream.capacity() > limit {
            return Err(SessionError::Stream { stream, limit });
        }
        if matches!(config.positions, Positions::Learned { .. }) {
            return Err(SessionError::CannotStream { architecture: config.architecture });
        }
        return KvCache::streaming(config, stream, kv).map_err(memory(stream.capacity()));
    }
    let context = context.unwrap_or(limit.min(DEFAULT_CONTEXT));
    if !(1..=limit).contains(&context) {
        return Err(SessionError::Context { asked: context, limit });
    }
    KvCache::new(config, context, kv).map_err(memory(context))
}
