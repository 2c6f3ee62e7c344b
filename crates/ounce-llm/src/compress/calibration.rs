//! The calibration text on its way through the layers.

use super::CompressError;
use crate::config::Config;
use crate::decoder::{Embedding, Layer, LayerText, Scratch, Taps, Way, run_layer};
use crate::tokenizer::{Special, Tokenizer};
use ounce_kernels::Team;
use ounce_kernels::ops::{KvLayer, KvType};
use std::slice;

/// The residual streams of all sequences, layer after layer. Every layer sees what the uncompressed layers before it give, as in the AWQ
/// repository.
pub(crate) struct Calibration {
    /// `[sequences, length, hidden]`.
    x: Vec<f32>,
    length: usize,
    scratch: Scratch,
    cache: KvLayer,
}

/// Sequences of `length` tokens: all whole ones that the text holds, or `samples` of them, spread evenly.
pub(crate) fn sequences(
    tokenizer: &Tokenizer,
    text: &str,
    samples: usize,
    length: usize,
) -> Result<Vec<u32>, CompressError> {
    let tokens = tokenizer.encode(text, Special::AsText)?;
    let whole = tokens.len() / length.max(1);
    if whole == 0 {
        return Err(CompressError::TooShort { found: tokens.len(), needed: length });
    }
    let taken = samples.clamp(1, whole);
    let mut chosen = Vec::with_capacity(taken * length);
    for sample in 0..taken {
        let start = sample * whole / taken * length;
        chosen.extend_from_slice(&tokens[start..start + length]);
    }
    Ok(chosen)
}

impl Calibration {
    /// Looks the tokens up. `tokens` is a whole number of sequences of `length`.
    pub(crate) fn new(
        team: &mut Team<'_>,
        config: &Config,
        embedding: &Embedding,
        tokens: &[u32],
        length: usize,
    ) -> Result<Self, CompressError> {
        let mut x = crate::decoder::zeros(tokens.len(), config.hidden)?;
        team.for_each_chunk_mut(&mut x, config.hidden, |row, x| {
            embedding.lookup(tokens[row], row % length, x);
        });
        let mut scratch = Scratch::new(config, length)?;
        for angles in &mut scratch.angles {
            angles.fill(0, 0, length);
        }
        let cache = KvLayer::new(config.kv_heads, config.head_dim, length, KvType::F32)?;
        Ok(Self { x, length, scratch, cache })
    }

    /// Tokens of all sequences, for a width of `hidden`.
    pub(crate) fn tokens(&self, hidden: usize) -> usize {
        self.x.len() / hidden
    }

    /// The residual streams of up to `most` sequences, spread evenly.
    pub(crate) fn some(&self, config: &Config, most: usize) -> Vec<f32> {
        let sequence = self.length * config.hidden;
        let count = self.x.len() / sequence;
        let taken = most.clamp(1, count);
        (0..taken).flat_map(|n| &self.x[n * count / taken * sequence..][..sequence]).copied().collect()
    }

    /// What a layer makes of the residual streams `x`, whole sequences.
    pub(crate) fn through(
        &mut self,
        team: &mut Team<'_>,
        config: &Config,
        index: usize,
        layer: &Layer,
        x: &[f32],
    ) -> Vec<f32> {
        let mut out = x.to_vec();
        for x in out.chunks_exact_mut(self.length * config.hidden) {
            sequence(team, config, index, layer, x, &mut self.cache, &mut self.scratch, None);
        }
        out
    }

    /// Runs all sequences through a layer. `each` is asked after every sequence whether to go on, with the share done.
    pub(crate) fn run(
        &mut self,
        team: &mut Team<'_>,
        config: &Config,
        index: usize,
        layer: &Layer,
        mut taps: Taps<'_, '_>,
        each: &mut dyn FnMut(f64) -> Result<(), CompressError>,
    ) -> Result<(), CompressError> {
        let length = self.length * config.hidden;
        let count = self.x.len() / length;
        for (number, x) in self.x.chunks_exact_mut(length).enumerate() {
            sequence(team, config, index, layer, x, &mut self.cache, &mut self.scratch, taps.as_deref_mut());
            each((number + 1) as f64 / count as f64)?;
        }
        Ok(())
    }
}

/// One sequence through a layer, in place.
#[expect(clippy::too_many_arguments, reason = "the parts of a calibration, which are borrowed one by one")]
fn sequence(
    team: &mut Team<'_>,
    config: &Config,
    index: usize,
    layer: &Layer,
    x: &mut [f32],
    cache: &mut KvLayer,
    scratch: &mut Scratch,
    taps: Taps<'_, '_>,
) {
    let mut text = LayerText { cache, start: 0, tokens: x.len() / config.hidden, way: Way::Run };
    scratch.x[..x.len()].copy_from_slice(x);
    run_layer(team, config, layer, config.layers[index], slice::from_mut(&mut text), scratch, taps);
    x.copy_from_slice(&scratch.x[..x.len()]);
}
