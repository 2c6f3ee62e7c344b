//! The memory of what a session has read: keys and values of every layer.
//!
//! A cache belongs to one text. A streaming one ([`Stream`]) forgets tokens by itself, and knows how many it has forgotten.
//!
//! Keys are cached after their rotation, for their places in the text: scores depend on differences of positions alone, and within the
//! window these are what they are within the cache. Only from the sinks to the window the distances shrink by what was evicted
//! between them; so at an eviction the sinks' keys, and no others, are turned.

mod sinks;
mod stream;

use crate::config::Config;
use crate::decoder::Angles;
use ounce_kernels::Team;
pub use ounce_kernels::ops::KvType;
use ounce_kernels::ops::{KvLayer, OutOfMemory};
use sinks::Sinks;
pub use stream::Stream;

/// Keys and values of all layers, for the positions `0..held`.
pub(crate) struct KvCache {
    pub(crate) layers: Vec<KvLayer>,
    held: usize,
    capacity: usize,
    streaming: Option<Streaming>,
}

struct Streaming {
    options: Stream,
    /// Tokens that were evicted from between the sinks and the window.
    evicted: usize,
    sinks: Sinks,
}

impl KvCache {
    /// An empty cache for `capacity` positions. Memory is taken from the system as positions are filled.
    pub(crate) fn new(config: &Config, capacity: usize, ty: KvType) -> Result<Self, OutOfMemory> {
        let layer = |_| KvLayer::new(config.kv_heads, config.head_dim, capacity, ty);
        let layers = config.layers.iter().map(layer).collect::<Result<_, _>>()?;
        Ok(Self { layers, held: 0, capacity, streaming: None })
    }

    /// An empty cache that streams. The caller has checked the options against the model.
    pub(crate) fn streaming(config: &Config, options: Stream, ty: KvType) -> Result<Self, OutOfMemory> {
        let (capacity, spare) = (options.capacity(), options.spare());
        let layer = |_| KvLayer::rolling(config.kv_heads, config.head_dim, capacity, spare, ty);
        let layers = config.layers.iter().map(layer).collect::<Result<_, _>>()?;
        let streaming = Streaming { options, evicted: 0, sinks: Sinks::new(config, options.sinks)? };
        Ok(Self { layers, held: 0, capacity, streaming: Some(streaming) })
    }

    /// Positions held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Positions that can be held.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How the cache streams, if it does.
    pub(crate) fn stream(&self) -> Option<Stream> {
        self.streaming.as_ref().map(|streaming| streaming.options)
    }

    /// Tokens of the text that were evicted.
    pub(crate) fn evicted(&self) -> usize {
        self.streaming.as_ref().map_or(0, |streaming| streaming.evicted)
    }

    /// Tokens that can be read at once now, after [`make_room`](Self::make_room); 0 if the cache is full for good.
    pub(crate) fn room(&self) -> usize {
        match (self.capacity - self.held, &self.streaming) {
            (0, Some(streaming)) => streaming.options.chunk,
            (room, _) => room,
        }
    }

    /// Evicts a chunk if the cache streams and is full.
    pub(crate) fn make_room(&mut self, team: &mut Team<'_>, config: &Config) {
        let Some(Streaming { options, evicted, sinks }) = &mut self.streaming else { return };
        if self.held < self.capacity {
            return;
        }
        for layer in &mut self.layers {
            layer.evict(options.sinks, options.chunk, self.held);
        }
        self.held -= options.chunk;
        *evicted += options.chunk;
        sinks.turn(team, config, &mut self.layers, options.sinks, *evicted);
    }

    /// Fills in the angles of `n` tokens that follow those held, from row `first` on.
    pub(crate) fn fill_angles(&self, angles: &mut [Angles], first: usize, n: usize) {
        for angles in angles {
            match self.evicted() {
                0 => angles.fill(first, self.held, n),
                evicted => angles.fill_far(first, self.held + evicted, n),
            }
        }
    }

    /// Is shown the rotated keys `[n, kv_width]` of one layer that were stored behind the positions held.
    pub(crate) fn stored(&mut self, layer: usize, k: &[f32], kv_width: usize) {
        if let Some(Streaming { evicted: 0, sinks, .. }) = &mut self.streaming {
            sinks.remember(layer, self.held, k, kv_width);
        }
    }

    /// How many of another text's tokens this one can take over: none if either has evicted any, and of those that this one keeps as sinks
    /// only as many as the other remembers.
    pub(crate) fn shareable(&self, other: &Self) -> usize {
        if self.evicted() > 0 || other.evicted() > 0 {
            return 0;
        }
        let sinks = |cache: &Self| cache.streaming.as_ref().map_or(0, |streaming| streaming.options.sinks);
        let remembered = if sinks(self) > sinks(other) { sinks(other) } else { usize::MAX };
        other.held.min(self.capacity).min(remembered)
    }

    /// Takes over the tokens of another text that follow those held, up to the first `count`, which must be
    /// [shareable](Self::shareable). What is held is the same in both.
    pub(crate) fn copy_from(&mut self, team: &mut Team<'_>, other: &Self, count: usize) {
        debug_assert!(self.held <= count && count <= self.shareable(other));
        let new = self.held..count;
        team.for_each_chunk_mut(&mut self.layers, 1, |index, layers| {
            layers.iter_mut().for_each(|layer| layer.copy_from(&other.layers[index], new.clone()));
        });
        if let (Some(streaming), Some(other)) = (&mut self.streaming, &other.streaming) {
            streaming.sinks.copy_from(&other.sinks);
        }
        self.held = count;
    }

    /// Counts `n` positions more as held, which have been stored in every layer.
    pub(crate) fn advance(&mut self, n: usize) {
        self.held += n;
    }

    /// Forgets all but the first `length` tokens of the text; of a text that has evicted some of these, all but the sinks. Returns how many
    /// tokens of the text are left.
    pub(crate) fn truncate(&mut self, team: &mut Team<'_>, config: &Config, length: usize) -> usize {
        if let Some(Streaming { options, evicted, sinks }) = &mut self.streaming
            && *evicted > 0
        {
            if length >= options.sinks + *evicted {
                self.held = self.held.min(length - *evicted);
                return self.held + *evicted;
            }
            *evicted = 0;
            self.held = options.sinks;
            sinks.turn(team, config, &mut self.layers, options.sinks, 0);
        }
        self.held = self.held.min(length);
        self.held
    }

    /// Bytes at full capacity.
    pub(crate) fn bytes(&self) -> usize {
        self.layers.iter().map(KvLayer::bytes).sum()
    }
}
