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
//! `n` tokens go through at once, of one text or of several: the texts share every step but attention, in which each sees its own cache.
//! Decoding one text is `n = 1`. Normalisations are fused into the products that follow them, so that a layer is
//! few parallel steps.

mod attention;
mod experts;
mod feed_forward;
pub(crate) mod load;
mod rope;
mod scratch;
mod tap;
pub(crate) mod weights;

pub(crate) use attention::{LayerText, Way};
pub(crate) use load::{load, load_ends, load_layer};
pub(crate) use rope::Angles;
pub(crate) use scratch::{Scratch, zeros};
pub(crate) use tap::{Site, Tap, Taps};
pub(crate) use weights::{Embedding, FeedForward, Layer, LinearId, NormWeights, Weights};

use crate::cache::KvCache;
use crate::config::{Block, Config, LayerKind};
use attention::{TEXTS, attend, project_qkv};
use feed_forward::feed_forward;
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Input, Output};
use smallvec::SmallVec;
use tap::show;

/// Tokens of one text that take part in a step.
pub(crate) struct Part<'a> {
    /// At most as many as the cache has room for.
    pub(crate) tokens: &'a [u32],
    /// What the text has read so far; holds the tokens afterwards.
    pub(crate) cache: &'a mut KvCache,
    pub(crate) way: Way,
}

/// Runs the tokens of several texts through all layers, each at the positions that follow its cache. Leaves the residual stream in
/// `scratch.x [n, hidden]`, `n` being the tokens of all parts together.
///
/// Parts that go [singly](Way::Singly) come first. The caller has checked that the tokens are below the vocabulary size, that they fit
/// the scratch and that the caches have room.
pub(crate) fn forward(
    team: &mut Team,
    config: &Config,
    weights: &Weights,
    parts: &mut [Part<'_>],
    scratch: &mut Scratch,
) {
    debug_assert!(parts.is_sorted_by_key(|part| part.way == Way::Run));
    scratch.rows.clear();
    for part in parts.iter() {
        let start = part.cache.held();
        part.cache.fill_angles(&mut scratch.angles, scratch.rows.len(), part.tokens.len());
        scratch.rows.extend(part.tokens.iter().enumerate().map(|(t, &token)| (token, start + t)));
    }
    let n = scratch.rows.len();
    let (q_size, kv_width) = (n * config.q_width(), config.kv_width());
    let (x, rows) = (&mut scratch.x[..n * config.hidden], &scratch.rows);
    let embed = |row: usize, x: &mut [f32]| weights.embedding.lookup(rows[row].0, rows[row].1, x);
    team.for_each_chunk_mut(x, config.hidden, embed);
    for (index, layer) in weights.layers.iter().enumerate() {
        let mut texts: SmallVec<[LayerText<'_>; TEXTS]> = parts
            .iter_mut()
            .map(|part| LayerText {
                start: part.cache.held(),
                tokens: part.tokens.len(),
                way: part.way,
                cache: &mut part.cache.layers[index],
            })
            .collect();
        run_layer(team, config, layer, config.layers[index], &mut texts, scratch, None);
        drop(texts);
        let mut k = &scratch.qk[q_size..][..n * kv_width];
        for part in parts.iter_mut() {
            let (of_part, rest) = k.split_at(part.tokens.len() * kv_width);
            part.cache.stored(index, of_part, kv_width);
            k = rest;
        }
    }
    for part in parts {
        part.cache.advance(part.tokens.len());
    }
}

/// Logits `out [rows, vocab]` of rows `x [rows, hidden]` of the residual stream that [`forward`] left.
pub(crate) fn logits(team: &mut Team, config: &Config, weights: &Weights, x: &[f32], out: &mut [f32]) {
    let output = Output { weight: &weights.head, bias: None, out: &mut *out, add: false, activation: None };
    ops::project(team, Input { x, norm: Some(weights.final_norm.norm()) }, &mut [output]);
    if let Some(cap) = config.logit_softcap {
        out.iter_mut().for_each(|logit| *logit = cap * (*logit / cap).tanh());
    }
}

/// One layer, in place on `scratch.x`, whose rows are the tokens of `texts` in order. `scratch.angles` must hold the angles of the
/// layer's rotation for these positions.
pub(crate) fn run_layer(
    team: &mut Team,
    config: &Config,
    layer: &Layer,
    kind: LayerKind,
    texts: &mut [LayerText<'_>],
    scratch: &mut Scratch,
    mut tap: Taps<'_, '_>,
) {
    let n: usize = texts.iter().map(|text| text.tokens).sum();
    let (q_size, kv_size) = (n * config.q_width(), n * config.kv_width());
    let x = &mut scratch.x[..n * config.hidden];
    let qk = &mut scratch.qk[..q_size + kv_size];
    let v = &mut scratch.v[..kv_size];
    let gathered = &mut scratch.gathered[..q_size];
    let branch = &mut scratch.branch[..n * config.hidden];
    let attention_norm = layer.attention_norm.norm();
    let feed_forward_norm = layer.feed_forward_norm.as_ref().unwrap_or(&layer.attention_norm).norm();
    let angles = scratch.angles.get(kind.rope);

    let input = Input { x, norm: Some(attention_norm) };
    show(team, &mut tap, Site::Attention, input, config.hidden);
    project_qkv(team, layer, input, qk, v);
    if let Some(limit) = config.qkv_clamp {
        qk.iter_mut().chain(&mut *v).for_each(|x| *x = x.clamp(-limit, limit));
    }
    attend(team, config, layer, kind, texts, angles, qk, v, gathered);
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
