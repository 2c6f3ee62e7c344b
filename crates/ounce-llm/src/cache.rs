//! The memory of what a session has read: keys and values of every layer.

use crate::config::Config;
pub use ounce_kernels::ops::KvType;
use ounce_kernels::ops::{KvLayer, OutOfMemory};

/// Keys and values of all layers, for positions `0..length`.
pub(crate) struct KvCache {
    pub(crate) layers: Vec<KvLayer>,
    pub(crate) length: usize,
}

impl KvCache {
    /// An empty cache for `capacity` positions. Memory is taken from the system as positions are filled.
    pub(crate) fn new(config: &Config, capacity: usize, ty: KvType) -> Result<Self, OutOfMemory> {
        let layer = |_| KvLayer::new(config.kv_heads, config.head_dim, capacity, ty);
        Ok(Self { layers: config.layers.iter().map(layer).collect::<Result<_, _>>()?, length: 0 })
    }

    /// Bytes at full capacity.
    pub(crate) fn bytes(&self) -> usize {
        self.layers.iter().map(|layer| layer.capacity() * layer.bytes_per_position()).sum()
    }
}
