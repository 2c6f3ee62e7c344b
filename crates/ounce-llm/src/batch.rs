//! Several texts in progress at once, which share every step: continuous batching (Orca, Yu et al. 2022).
//!
//! A step takes some tokens of some texts. Texts may join, leave and be read in slices between any two steps. The weights are read from
//! memory once for all of them, and attention is each text's own.
//!
//! What a text gets does not depend on what else is in a step, nor on where its prompt was cut: with quantized weights it is the same bit for
//! bit. Float weights are multiplied by another code when a step has but one token, which rounds differently.

use crate::cache::{KvCache, KvType, Stream};
use crate::decoder::{self, Part, Scratch, Way};
use crate::model::Model;
use crate::session::{SessionError, new_cache};
use ounce_kernels::ops::{self, OutOfMemory};
use ounce_kernels::{Team, ThreadPool};
use smallvec::SmallVec;
use std::sync::Arc;

/// Logits computed at once, in elements.
const LOGITS_AT_ONCE: usize = 4 << 20;

/// How a batch is made.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// Texts that can be in progress, at least 1.
    pub texts: usize,
    /// Tokens that one step takes at most, over all texts; at least `texts`.
    pub step_tokens: usize,
    /// As [`SessionOptions::context`](crate::SessionOptions::context), for each text.
    pub context: Option<usize>,
    /// How keys and values are kept.
    pub kv: KvType,
    /// Which tokens are kept of texts without end.
    pub stream: Option<Stream>,
}

/// Whether tokens are part of a prompt or were generated: either rounds differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Any number of tokens of a prompt.
    Prefill,
    /// One token that was generated.
    Decode,
}

/// What is asked for of the tokens of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: there is more to come.
    Nothing,
    /// The logits of the last token.
    Last,
    /// The logits of every token.
    Every,
    /// The normalised hidden state of every token, of which embeddings are made.
    Hidden,
}

/// What one text adds to a step.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// Which text.
    pub text: usize,
    /// What it reads; at most [`Batch::room`].
    pub tokens: &'a [u32],
    /// Where the tokens come from.
    pub phase: Phase,
    /// What is asked for.
    pub wanted: Wanted,
}

/// A row of results.
#[derive(Debug)]
pub enum Output<'a> {
    /// `[vocab]`, which the receiver may change.
    Logits(&'a mut [f32]),
    /// `[hidden]`
    Hidden(&'a [f32]),
}

/// A feed that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The session options or the memory do not allow it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A step holds no token for every text.
    #[error(
        "steps of {step_tokens} tokens were asked for {texts} texts; there must be a text, and a token for each"
    )]
    Size {
        /// Texts asked for.
        texts: usize,
        /// Tokens of a step asked for.
        step_tokens: usize,
    },
    /// Feeds that do not fit the batch.
    #[error("text {text} was given {tokens} tokens in one step, but {reason}")]
    Feed {
        /// The text.
        text: usize,
        /// Tokens that it was given.
        tokens: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// Texts in progress, by number.
pub struct Batch {
    model: Arc<Model>,
    caches: Vec<KvCache>,
    context: Option<usize>,
    kv: KvType,
    scratch: Scratch,
    /// Rows of the step of which something is asked.
    rows: Vec<Row>,
    /// `[rows at once, hidden]`
    hidden: Vec<f32>,
    /// `[rows at once, vocab]`
    logits: Vec<f32>,
}

/// A row of the step of which something is asked.
#[derive(Clone, Copy)]
struct Row {
    row: usize,
    feed: usize,
    token: usize,
    hidden: bool,
}

impl Batch {
    /// Empty texts.
    ///
    /// # Errors
    /// [`BatchError::Size`], and what [`Session::new`](crate::Session::new) refuses.
    pub fn new(model: Arc<Model>, options: BatchOptions) -> Result<Self, BatchError> {
        let BatchOptions { texts, step_tokens, context, kv, stream } = options;
        if texts == 0 || step_tokens < texts {
            return Err(BatchError::Size { texts, step_tokens });
        }
        let config = model.config();
        let caches =
            (0..texts).map(|_| new_cache(config, context, kv, stream)).collect::<Result<Vec<_>, _>>()?;
        let context = caches[0].capacity();
        let memory = |error: OutOfMemory| SessionError::Memory { bytes: error.bytes, context };
        let at_once = (LOGITS_AT_ONCE / config.vocab_size).clamp(1, step_tokens);
        let scratch = Scratch::new(config, step_tokens).map_err(memory)?;
        let hidden = decoder::zeros(at_once, config.hidden).map_err(memory)?;
        let logits = decoder::zeros(at_once, config.vocab_size).map_err(memory)?;
        Ok(Self {
            model,
            caches,
            context: options.context,
            kv,
            scratch,
            rows: Vec::with_capacity(step_tokens),
            hidden,
            logits,
        })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The number of texts.
    pub fn texts(&self) -> usize {
        self.caches.len()
    }

    /// Tokens that one step takes at most.
    pub fn step_tokens(&self) -> usize {
        self.scratch.tokens
    }

    /// Tokens that each text can hold.
    pub fn context(&self) -> usize {
        self.caches[0].capacity()
    }

    /// Tokens that a text has read, evicted ones included.
    pub fn position(&self, text: usize) -> usize {
        self.caches[text].held() + self.caches[text].evicted()
    }

    /// Tokens of a text that were evicted.
    pub fn evicted(&self, text: usize) -> usize {
        self.caches[text].evicted()
    }

    /// Tokens that a text can read in the next step; 0 if it is full for good.
    pub fn room(&self, text: usize) -> usize {
        self.caches[text].room()
    }

    /// Bytes of keys and values of all texts at full context; the system hands them out as positions are filled.
    pub fn cache_bytes(&self) -> usize {
        self.caches.iter().map(KvCache::bytes).sum()
    }

    /// As [`Session::truncate`](crate::Session::truncate).
    pub fn truncate(&mut self, pool: &mut ThreadPool, text: usize, length: usize) -> usize {
        let Self { model, caches, .. } = self;
        pool.region(|team| caches[text].truncate(team, model.config(), length))
    }

    /// Empties a text and gives it another stream, or none.
    ///
    /// # Errors
    /// As [`new`](Self::new); the text is left unchanged.
    pub fn restart(&mut self, text: usize, stream: Option<Stream>) -> Result<(), BatchError> {
        self.caches[text] = new_cache(self.model.config(), self.context, self.kv, stream)?;
        Ok(())
    }

    /// How a text streams, if it does.
    pub fn stream(&self, text: usize) -> Option<Stream> {
        self.caches[text].stream()
    }

    /// How many of the tokens that text `from` has read text `to` can take over: none if either has evicted any, and of those that `to`
    /// keeps as sinks only as many as `from` remembers.
    pub fn shareable(&self, from: usize, to: usize) -> usize {
        self.caches[to].shareable(&self.caches[from])
    }

    /// Lets text `to` take over the tokens of text `from` that follow those it has read, up to the first `count`; what it has read must be the
    /// same. Returns what it has read then: as before, if not so many are [shareable](Self::shareable).
    pub fn share(&mut self, pool: &mut ThreadPool, from: usize, to: usize, count: usize) -> usize {
        let possible = from != to && count <= self.shareable(from, to) && count > self.position(to);
        if let Ok([from, to]) = self.caches.get_disjoint_mut([from, to])
            && possible
        {
            pool.region(|team| to.copy_from(team, from, count));
        }
        self.position(to)
    }

    /// Runs one step. `each(feed, token, output)` is called for what the feeds ask for, with the indices of the feed and of the token in it, on
    /// all threads of the pool at once, in no order.
    ///
    /// # Errors
    /// [`BatchError::Feed`] for a text that does not exist, is fed twice or is given more than it has room for, for a decode that is not one
    /// token, for a step that is too large; [`SessionError::UnknownToken`] and [`SessionError::NoTokens`]. Nothing has been read then.
    pub fn step(
        &mut self,
        pool: &mut ThreadPool,
        feeds: &[Feed<'_>],
        each: &(dyn Fn(usize, usize, Output<'_>) + Sync),
    ) -> Result<(), BatchError> {
        self.check(feeds)?;
        let Self { model, caches, scratch, rows, hidden, logits, .. } = self;
        let (config, weights) = (model.config(), model.weights());
        let by_phase = |phase| feeds.iter().enumerate().filter(move |(_, feed)| feed.phase == phase);
        rows.clear();
        let mut first = 0;
        for (number, feed) in by_phase(Phase::Decode).chain(by_phase(Phase::Prefill)) {
            let n = feed.tokens.len();
            let asked = match feed.wanted {
                Wanted::Nothing => n..n,
                Wanted::Last => n - 1..n,
                Wanted::Every | Wanted::Hidden => 0..n,
            };
            let hidden = feed.wanted == Wanted::Hidden;
            rows.extend(asked.map(|token| Row { row: first + token, feed: number, token, hidden }));
            first += n;
        }
        rows.sort_unstable_by_key(|row| (row.hidden, row.row));
        pool.region(|team| {
            let mut free: SmallVec<[Option<&mut KvCache>; 64]> = caches.iter_mut().map(Some).collect();
            let mut parts = SmallVec::<[Part<'_>; 64]>::new();
            for (_, feed) in by_phase(Phase::Decode).chain(by_phase(Phase::Prefill)) {
                let Some(cache) = free[feed.text].take() else { continue };
                cache.make_room(team, config);
                let way = if feed.phase == Phase::Decode { Way::Singly } else { Way::Run };
                parts.push(Part { tokens: feed.tokens, cache, way });
            }
            decoder::forward(team, config, weights, &mut parts, scratch);
            let at_once = hidden.len() / config.hidden;
            for rows in rows.chunk_by(|a, b| a.hidden == b.hidden).flat_map(|rows| rows.chunks(at_once)) {
                let hidden = &mut hidden[..rows.len() * config.hidden];
                for (row, out) in rows.iter().zip(hidden.chunks_exact_mut(config.hidden)) {
                    out.copy_from_slice(&scratch.x[row.row * config.hidden..][..config.hidden]);
                }
                let logits = &mut logits[..rows.len() * config.vocab_size];
                hand_out(team, model, rows, hidden, logits, each);
            }
        });
        Ok(())
    }

    fn check(&self, feeds: &[Feed<'_>]) -> Result<(), BatchError> {
        let vocab_size = self.model.config().vocab_size;
        let mut total = 0;
        for (number, feed) in feeds.iter().enumerate() {
            let Feed { text, tokens, phase, .. } = *feed;
            let fault = |reason| Err(BatchError::Feed { text, tokens: tokens.len(), reason });
            if tokens.is_empty() {
                return Err(SessionError::NoTokens.into());
            }
            if let Some(index) = tokens.iter().position(|&token| token as usize >= vocab_size) {
                return Err(SessionError::UnknownToken { token: tokens[index], index, vocab_size }.into());
            }
            if text >= self.texts() {
                return fault("there is no such text");
            }
            if feeds[..number].iter().any(|other| other.text == text) {
                return fault("it is in the step already");
            }
            if tokens.len() > self.room(text) {
                return fault("it has no room for that many");
            }
            if phase == Phase::Decode && tokens.len() != 1 {
                return fault("decoding takes one");
            }
            total += tokens.len();
            if total > self.step_tokens() {
                return fault("the step is full");
            }
        }
        Ok(())
    }
}

/// Computes what is asked for of rows of the residual stream, `hidden [rows, hidden]`, and hands it out.
fn hand_out(
    team: &mut Team<'_>,
    model: &Model,
    rows: &[Row],
    hidden: &mut [f32],
    logits: &mut [f32],
    each: &(dyn Fn(usize, usize, Output<'_>) + Sync),
) {
    let (config, weights) = (model.config(), model.weights());
    if rows.first().is_some_and(|row| row.hidden) {
        ops::norm_in_place(team, &weights.final_norm.norm(), hidden, config.hidden);
        team.for_each_chunk_mut(hidden, config.hidden, |i, out| {
            each(rows[i].feed, rows[i].token, Output::Hidden(out));
        });
    } else {
        decoder::logits(team, config, weights, hidden, logits);
        team.for_each_chunk_mut(logits, config.vocab_size, |i, out| {
            each(rows[i].feed, rows[i].token, Output::Logits(out));
        });
    }
}
