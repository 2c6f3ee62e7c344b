//! The decoder: one forward pass for every architecture (Vaswani et al., 2017, with what came after).
//!
//! ```text
//! x = embedding[tokens] (+ positions)                     [n, hidden]
//! for each layer, wired as [`Block`] says:
//!     q, k, v = project(norm(x));  rotate q and k;  keep k and v in the cache
//!     x += project(attention(q, cache))
//!     x += down(activation(gate(norm(x))) * up(norm(x)))
//! logits = head(norm(x))                                  [n, vocab]
//! ```
//!
//! `n` tokens go through at once; decoding is `n = 1`. Normalisations are fused into the products that follow them, so that a layer is
//! few parallel steps.

mod attention;
mod experts;
mod feed_forward;
pub(crate) mod load;
mod rope;
mod scratch;
mod tap;
pub(crate) mod weights;

pub(crate) use attention::Place;
pub(crate) use load::{load, load_ends, load_layer};
pub(crate) use rope::Angles;
pub(crate) use scratch::{Scratch, zeros};
pub(crate) use tap::{Site, Tap, Taps};
pub(crate) use weights::{Embedding, FeedForward, Layer, LinearId, NormWeights, Weights};

use crate::cache::KvCache;
use crate::config::{Block, Config};
use attention::{attend, project_qkv};
use feed_forward::feed_forward;
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Input, KvLayer, Output};
use tap::show;

/// Runs `tokens` through all layers at the positions that follow the cache, which holds them afterwards. Leaves the residual stream in
/// `scratch.x [n, hidden]`.
///
/// The caller has checked that the tokens are below the vocabulary size, that they fit the scratch and that the cache has room.
pub(crate) fn forward(
    team: &mut Team,
    config: &Config,
    weights: &Weights,
    tokens: &[u32],
    cache: &mut KvCache,
    scratch: &mut Scratch,
) {
    let (n, start) = (tokens.len(), cache.held());
    let (q_size, kv_width) = (n * config.q_width(), config.kv_width());
    let x = &mut scratch.x[..n * config.hidden];
    let embed = |row: usize, x: &mut [f32]| weights.embedding.lookup(tokens[row], start + row, x);
    team.for_each_chunk_mut(x, config.hidden, embed);
    cache.fill_angles(&mut scratch.angles, n);
    for (index, layer) in weights.layers.iter().enumerate() {
        let place = Place { kind: config.layers[index], start, tokens: n };
        run_layer(team, config, layer, place, &mut cache.layers[index], scratch, None);
        cache.stored(index, &scratch.qk[q_size..][..n * kv_width], kv_width);
    }
    cache.advance(n);
}

/// Logits `out [rows, vocab]` of the rows `first..` of the residual stream that [`forward`] left.
pub(crate) fn logits(
    team: &mut Team,
    config: &Config,
    weights: &Weights,
    scratch: &Scratch,
    first: usize,
    out: &mut [f32],
) {
    let rows = out.len() / config.vocab_size;
    let x = &scratch.x[first * config.hidden..(first + rows) * config.hidden];
    let output = Output { weight: &weights.head, bias: None, out: &mut *out, add: false, activation: None };
    ops::project(team, Input { x, norm: Some(weights.final_norm.norm()) }, &mut [output]);
    if let Some(cap) = config.logit_softcap {
        out.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
    }
}

/// One layer, in place on `scratch.x`. `scratch.angles` must hold the angles of the layer's rotation for these positions.
pub(crate) fn run_layer(
    team: &mut Team,
    config: &Config,
    layer: &Layer,
    place: Place,
    cache: &mut KvLayer,
    scratch: &mut Scratch,
    mut tap: Taps<'_, '_>,
) {
    let n = place.tokens;
    let (q_size, kv_size) = (n * config.q_width(), n * config.kv_width());
    let x = &mut scratch.x[..n * config.hidden];
    let qk = &mut scratch.qk[..q_size + kv_size];
    let v = &mut scratch.v[..kv_size];
    let gathered = &mut scratch.gathered[..q_size];
    let branch = &mut scratch.branch[..n * config.hidden];
    let attention_norm = layer.attention_norm.norm();
    let feed_forward_norm = layer.feed_forward_norm.as_ref().unwrap_or(&layer.attention_norm).norm();
    let angles = scratch.angles.get(place.kind.rope);

    let input = Input { x, norm: Some(attention_norm) };
    show(team, &mut tap, Site::Attention, input, config.hidden);
    project_qkv(team, layer, input, qk, v);
    if let Some(limit) = config.qkv_clamp {
        qk.iter_mut().chain(&mut *v).for_each(|x| *x = x.clamp(-limit, limit));
    }
    attend(team, config, layer, place, angles, qk, v, cache, gathered);
    let inner = &mut scratch.feed_forward;
    let gathered = Input { x: gathered, norm: None };
    show(team, &mut tap, Site::AttentionOutput, gathered, config.q_width());
    match config.block {
        Block::Sequential => {
            ops::project(team, gathered, &mut [layer.o.add_to(x)]);
            feed_forward(team, config, layer, &feed_forward_norm, x, None, inner, tap);
        }
        Block::Sandwich => {
            ops::project(team, gathered, &mut [layer.o.write_to(branch)]);
            join(team, layer.post_attention_norm.as_ref(), branch, x);
            feed_forward(team, config, layer, &feed_forward_norm, x, Some(branch), inner, tap);
            join(team, layer.post_feed_forward_norm.as_ref(), branch, x);
        }
        // The feed-forward part reads the stream before the output of attention joins it.
        Block::Parallel { .. } => {
            feed_forward(team, config, layer, &feed_forward_norm, x, None, inner, tap);
            ops::project(team, gathered, &mut [layer.o.add_to(x)]);
        }
    }
}

/// `x += norm(branch)`.
fn join(team: &mut Team, norm: Option<&NormWeights>, branch: &[f32], x: &mut [f32]) {
    match norm {
        Some(norm) => ops::norm_add(team, &norm.norm(), branch, x, norm.weight.len()),
        None => ops::add(team, branch, x),
    }
}
