//! Texts without end: which part of them a session keeps.

/// A text that may grow for ever, of which the first `sinks` tokens and at least the last `window` are kept: StreamingLLM (Xiao et al.,
/// 2023, "Efficient Streaming Language Models with Attention Sinks").
///
/// Once `sinks + window + chunk` tokens are held, the `chunk` tokens that follow the sinks are evicted. When that happens depends on the
/// number of tokens alone, not on how they were fed. Positions count within what is held, so that no distance exceeds what the model was made
/// for. With a chunk of 1 and windows counted as `recent_size`, every token sees what it sees in the authors' implementation:
/// the sinks, the last `window` tokens before it, and itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// First tokens of the text that are kept for ever. Without any, models break down as soon as the first token is evicted.
    pub sinks: usize,
    /// Last tokens that every token sees besides, at least 1.
    pub window: usize,
    /// Tokens evicted at a time, at least 1; also how many are read at once after the first eviction.
    pub chunk: usize,
}

impl Stream {
    /// A chunk that makes evictions cheap and reading fast.
    pub const CHUNK: usize = 128;

    /// Positions that are held at most: `sinks + window + chunk`.
    pub fn capacity(&self) -> usize {
        self.sinks.saturating_add(self.window).saturating_add(self.chunk)
    }

    /// Tokens that are evicted while a text of `length` tokens is read.
    pub fn evicted(&self, length: usize) -> usize {
        length.saturating_sub(self.capacity()).div_ceil(self.chunk) * self.chunk
    }

    /// Slots of a cache beyond the capacity: so many tokens are evicted between two moves of all that is held.
    pub(super) fn spare(&self) -> usize {
        (self.capacity() / 4).max(self.chunk)
    }
}

impl Default for Stream {
    /// The sizes that the authors measured with: 4 sinks, 1020 tokens.
    fn default() -> Self {
        Self { sinks: 4, window: 1020, chunk: Self::CHUNK }
    }
}
