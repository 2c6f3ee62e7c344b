//! The keys of the first tokens of a text, which are turned anew whenever the text moves away from them.

use crate::config::Config;
use crate::decoder::{Angles, zeros};
use ounce_kernels::Team;
use ounce_kernels::ops::{self, KvLayer, OutOfMemory};

/// The keys of the sinks of every layer as they were computed, in single precision, so that turning them again and again adds no error.
pub(super) struct Sinks {
    count: usize,
    /// Per layer `[count, kv_heads * head_dim]`, rotated for their places in the text.
    keys: Vec<Vec<f32>>,
    /// `[count, kv_heads * head_dim]`: the keys of a layer in the making.
    turned: Vec<f32>,
    /// One per entry of [`Config::ropes`].
    angles: Vec<Angles>,
}

impl Sinks {
    pub(super) fn new(config: &Config, count: usize) -> Result<Self, OutOfMemory> {
        let rows = || zeros(count, config.kv_width());
        Ok(Self {
            count,
            keys: config.layers.iter().map(|_| rows()).collect::<Result<_, _>>()?,
            turned: rows()?,
            angles: config.ropes.iter().map(|rope| Angles::new(rope, count)).collect(),
        })
    }

    /// Keeps what belongs to the sinks of keys `k [n, kv_heads * head_dim]` at the positions from `start` on of a text that has evicted
    /// nothing.
    pub(super) fn remember(&mut self, layer: usize, start: usize, k: &[f32], kv_width: usize) {
        let Some(room) = self.keys[layer].get_mut(start * kv_width..) else { return };
        let len = room.len().min(k.len());
        room[..len].copy_from_slice(&k[..len]);
    }

    /// Takes over the sinks of another text, as far as both keep them.
    pub(super) fn copy_from(&mut self, other: &Self) {
        for (keys, other) in self.keys.iter_mut().zip(&other.keys) {
            let len = keys.len().min(other.len());
            keys[..len].copy_from_slice(&other[..len]);
        }
    }

    /// Writes the first `count` keys of every layer as if they stood `by` positions later in the text.
    pub(super) fn turn(
        &mut self,
        team: &mut Team<'_>,
        config: &Config,
        layers: &mut [KvLayer],
        count: usize,
        by: usize,
    ) {
        let (count, head_dim) = (count.min(self.count), config.head_dim);
        if count == 0 {
            return;
        }
        for angles in &mut self.angles {
            angles.fill_turn(by, count);
        }
        let turned = &mut self.turned[..count * config.kv_width()];
        for ((layer, kind), keys) in layers.iter_mut().zip(&config.layers).zip(&self.keys) {
            let Some(angles) = self.angles.get(kind.rope) else { continue };
            turned.copy_from_slice(&keys[..turned.len()]);
            let (cos, sin) = angles.of(count);
            ops::rope(team, turned, head_dim, angles.rotary_dim, cos, sin, config.rope_style);
            layer.replace_keys(team, 0, turned);
        }
    }
}
