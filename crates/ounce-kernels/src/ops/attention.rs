//! Causal attention over a cache of keys and values.
//!
//! One token attends position by position. Several tokens are taken in blocks of queries against blocks of keys with a running
//! maximum and sum (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022), so that no matrix larger than one block exists.

use super::KvLayer;
use crate::pool::{Buffers, SharedMut, at_least};
use crate::simd::attend::{QUERIES, Query, penalize, soft_cap};
use crate::simd::gemm::{PANEL, TILE_ROWS, Tile};
use crate::{Kernels, Team};

/// Attention of some queries, whose own keys and values are already in the cache.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// `[n, heads * head_dim]`
    pub q: &'a [f32],
    /// Holds the positions `0..start + n`.
    pub cache: &'a KvLayer,
    /// Position of the first query in the cache; query t sees positions up to `start + t`.
    pub start: usize,
    /// Query heads, a multiple of the cache's heads.
    pub heads: usize,
    /// Scores are multiplied by this.
    pub scale: f32,
    /// A query sees only this many positions, its own included.
    pub window: Option<usize>,
    /// Scores are bounded to `cap * tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// `[heads]`: what is taken from a scaled score for each position between key and query (ALiBi, Press et al. 2022).
    pub slopes: Option<&'a [f32]>,
}

/// Writes `softmax(scale * q k^T) v` to `out` (`[n, heads * head_dim]`).
///
/// # Panics
/// If lengths do not fit.
pub fn attention(team: &mut Team<'_>, a: &Attention<'_>, out: &mut [f32]) {
    let d = a.cache.head_dim();
    let row = a.heads * d;
    let n = a.q.len() / row;
    assert!(a.q.len() == n * row && out.len() == a.q.len());
    assert!(a.start + n <= a.cache.capacity() && a.heads.is_multiple_of(a.cache.kv_heads()));
    assert!(a.slopes.is_none_or(|slopes| slopes.len() == a.heads));
    let out = SharedMut::new(out);
    if n < FEW_QUERIES {
        for_single_queries(team, a, n, &out);
    } else {
        for_blocks(team, a, n, &out);
    }
}

/// With fewer queries than this, each is taken by itself.
const FEW_QUERIES: usize = 6;

/// The first position that a query at `position` sees.
fn first_seen(a: &Attention<'_>, position: usize) -> usize {
    a.window.map_or(0, |window| (position + 1).saturating_sub(window))
}

/// Positions that one thread takes at a time. A fixed number, so that results do not depend on the threads.
const SPAN: usize = 256;

/// Every token by itself: spans of positions in parallel, then the spans of every head put together.
fn for_single_queries(team: &mut Team<'_>, a: &Attention<'_>, n: usize, out: &SharedMut<'_, f32>) {
    let d = a.cache.head_dim();
    let kernels = team.kernels();
    let group = a.heads / a.cache.kv_heads();
    let parts = group.div_ceil(QUERIES);
    let spans = (a.start + n).div_ceil(SPAN);
    let mut common = team.take_common();
    // [n, spans, heads, d + 2]: largest score, sum of exponentials, weighted sum of values
    let partial = SharedMut::new(at_least(&mut common.work, n * spans * a.heads * (d + 2)));
    team.run_with_buffers(n * spans * a.cache.kv_heads() * parts, |item, buffers| {
        let (rest, part) = (item / parts, item % parts);
        let (rest, kv_head) = (rest / a.cache.kv_heads(), rest % a.cache.kv_heads());
        let (t, span) = (rest / spans, rest % spans);
        let head = kv_head * group + part * QUERIES;
        let queries = QUERIES.min(group - part * QUERIES);
        // SAFETY: each token, span and head has its own part and is visited once.
        let out =
            unsafe { partial.slice(((t * spans + span) * a.heads + head) * (d + 2), queries * (d + 2)) };
        let position = a.start + t;
        let first = first_seen(a, position).max(span * SPAN);
        let end = (position + 1).min((span + 1) * SPAN);
        if first >= end {
            out.fill(0.0);
            out.chunks_exact_mut(d + 2).for_each(|out| out[0] = f32::NEG_INFINITY);
            return;
        }
        let (keys, values) = a.cache.head(kv_head, first, end - first);
        kernels.attend(Query {
            q: &a.q[(t * a.heads + head) * d..][..queries * d],
            keys: keys.bytes,
            values: values.bytes,
            element: a.cache.element(),
            key_scales: keys.scales,
            value_scales: values.scales,
            scale: a.scale,
            softcap: a.softcap,
            slopes: a.slopes.map_or(&[], |slopes| &slopes[head..head + queries]),
            behind: position - first,
            scores: at_least(&mut buffers.work, queries * (end - first)),
            out,
        });
    });
    let partial = &common.work;
    for t in 0..n {
        for head in 0..a.heads {
            let of = |span: usize| &partial[((t * spans + span) * a.heads + head) * (d + 2)..][..d + 2];
            let largest = (0..spans).fold(f32::NEG_INFINITY, |largest, span| largest.max(of(span)[0]));
            let weight = |span: usize| (of(span)[0] - largest).exp();
            let total: f32 = (0..spans).map(|span| weight(span) * of(span)[1]).sum();
            // SAFETY: each token and head has its own part, and the team is idle.
            let out = unsafe { out.slice((t * a.heads + head) * d, d) };
            out.fill(0.0);
            for span in 0..spans {
                let weight = weight(span) / total;
                out.iter_mut().zip(&of(span)[2..]).for_each(|(out, x)| *out += weight * x);
            }
        }
    }
    team.put_common(common);
}

/// Queries (times heads that share keys) of one block.
const QUERY_ROWS: usize = 48;
/// Keys of one block.
const KEYS: usize = 64;

/// The memory of one block, cut from a thread's scratch.
struct Block<'a> {
    /// `[rows, d]`: queries, scaled.
    q: &'a mut [f32],
    /// `[d, KEYS]`: keys, transposed.
    keys: &'a mut [f32],
    /// `[KEYS, width]`: values, the width of a head rounded up to whole panels.
    values: &'a mut [f32],
    /// `[rows, KEYS]`
    scores: &'a mut [f32],
    /// `[rows, width]`
    sums: &'a mut [f32],
    /// `[rows]`: the largest score so far, and the sum of exponentials relative to it.
    largest: &'a mut [f32],
    total: &'a mut [f32],
    /// One row of keys in the making.
    row: &'a mut [f32],
}

impl<'a> Block<'a> {
    fn new(scratch: &'a mut Vec<f32>, rows: usize, d: usize, width: usize) -> Self {
        let lens = [rows * d, d * KEYS, KEYS * width, rows * KEYS, rows * width, rows, rows, d];
        let mut rest = at_least(scratch, lens.iter().sum());
        let [q, keys, values, scores, sums, largest, total, row] = lens.map(|len| {
            let (part, after) = std::mem::take(&mut rest).split_at_mut(len);
            rest = after;
            part
        });
        Self { q, keys, values, scores, sums, largest, total, row }
    }
}

fn for_blocks(team: &mut Team<'_>, a: &Attention<'_>, n: usize, out: &SharedMut<'_, f32>) {
    let group = a.heads / a.cache.kv_heads();
    let tokens = (QUERY_ROWS / group).max(1);
    let token_blocks = n.div_ceil(tokens);
    let kernels = team.kernels();
    // Late blocks see the most keys; they go first, so that the threads end together.
    team.run_with_buffers(token_blocks * a.cache.kv_heads(), |item, buffers| {
        let block = token_blocks - 1 - item / a.cache.kv_heads();
        let first = block * tokens;
        let count = tokens.min(n - first);
        query_block(kernels, a, item % a.cache.kv_heads(), first, count, buffers, out);
    });
}

/// All query heads of one kv head, for `count` tokens from `first`.
fn query_block(
    kernels: Kernels,
    a: &Attention<'_>,
    kv_head: usize,
    first: usize,
    count: usize,
    buffers: &mut Buffers,
    out: &SharedMut<'_, f32>,
) {
    let d = a.cache.head_dim();
    let group = a.heads / a.cache.kv_heads();
    let width = d.next_multiple_of(PANEL);
    let rows = count * group;
    let block = Block::new(&mut buffers.work, rows, d, width);
    // Row t * group + g is token first + t, head kv_head * group + g: heads of a group are neighbours.
    for (t, q) in block.q.chunks_exact_mut(group * d).enumerate() {
        let at = ((first + t) * a.heads + kv_head * group) * d;
        q.copy_from_slice(&a.q[at..at + group * d]);
        kernels.scale(q, a.scale);
    }
    block.sums.fill(0.0);
    block.largest.fill(f32::NEG_INFINITY);
    block.total.fill(0.0);
    let last = a.start + first + count;
    let seen_from = first_seen(a, a.start + first) / KEYS * KEYS;
    for key in (seen_from..last).step_by(KEYS) {
        let keys = KEYS.min(last - key);
        load_keys_and_values(kernels, a, kv_head, key, keys, &mut *block.keys, &mut *block.values, block.row);
        multiply(kernels, block.q, d, d, block.keys, KEYS, block.scores, KEYS, rows, false);
        if let Some(cap) = a.softcap {
            soft_cap(block.scores, cap);
        }
        for row in 0..rows {
            let position = a.start + first + row / group;
            let scores = &mut block.scores[row * KEYS..][..KEYS];
            if let Some(slopes) = a.slopes {
                let slope = slopes[kv_head * group + row % group];
                // Keys behind the query come out too high; they are hidden.
                penalize(scores, slope, position.saturating_sub(key));
            }
            let visible = (position + 1).saturating_sub(key).min(keys);
            let hidden = first_seen(a, position).saturating_sub(key).min(visible);
            scores[..hidden].fill(0.0);
            scores[visible..].fill(0.0);
            let scores = &mut scores[hidden..visible];
            if scores.is_empty() {
                continue;
            }
            let largest = block.largest[row].max(kernels.maximum(scores));
            let shrink = (block.largest[row] - largest).exp();
            if shrink != 1.0 {
                kernels.scale(&mut block.sums[row * width..][..width], shrink);
            }
            block.total[row] = block.total[row] * shrink + kernels.exp_sum(scores, largest);
            block.largest[row] = largest;
        }
        multiply(kernels, block.scores, KEYS, KEYS, block.values, width, block.sums, width, rows, true);
    }
    for row in 0..rows {
        let sums = &mut block.sums[row * width..][..d];
        kernels.scale(sums, 1.0 / block.total[row]);
        let at = ((first + row / group) * a.heads + kv_head * group + row % group) * d;
        // SAFETY: each token and head has its own part and belongs to one block.
        unsafe { out.slice(at, d) }.copy_from_slice(sums);
    }
}

/// Converts a block of keys, transposed, and of values. What lies beyond the block's keys becomes zero, so that it adds nothing.
#[allow(clippy::too_many_arguments)]
fn load_keys_and_values(
    kernels: Kernels,
    a: &Attention<'_>,
    kv_head: usize,
    first: usize,
    count: usize,
    keys_out: &mut [f32],
    values_out: &mut [f32],
    row: &mut [f32],
) {
    let d = a.cache.head_dim();
    let width = values_out.len() / KEYS;
    let element = a.cache.element();
    let (keys, values) = a.cache.head(kv_head, first, count);
    let bytes = d * element.size();
    let rows = keys.bytes.chunks_exact(bytes).zip(values.bytes.chunks_exact(bytes));
    for (j, (key, value)) in rows.enumerate() {
        kernels.widen(element, key, row);
        if let Some(&scale) = keys.scales.get(j) {
            kernels.scale(row, scale);
        }
        for (k, &x) in row.iter().enumerate() {
            keys_out[k * KEYS + j] = x;
        }
        let value_out = &mut values_out[j * width..][..d];
        kernels.widen(element, value, value_out);
        if let Some(&scale) = values.scales.get(j) {
            kernels.scale(value_out, scale);
        }
        values_out[j * width + d..(j + 1) * width].fill(0.0);
    }
    for column in keys_out.chunks_exact_mut(KEYS) {
        column[count..].fill(0.0);
    }
    values_out[count * width..].fill(0.0);
}

/// `out (+)= x * panels`, x `[rows, depth]`, panels `[depth, columns]`, in tiles.
#[allow(clippy::too_many_arguments)]
fn multiply(
    kernels: Kernels,
    x: &[f32],
    x_stride: usize,
    depth: usize,
    panels: &[f32],
    columns: usize,
    out: &mut [f32],
    out_stride: usize,
    rows: usize,
    accumulate: bool,
) {
    for column in (0..columns).step_by(PANEL) {
        for row in (0..rows).step_by(TILE_ROWS) {
            kernels.gemm_tile(Tile {
                panel: &panels[column..],
                panel_stride: columns,
                x: &x[row * x_stride..],
                x_stride,
                depth,
                out: &mut out[row * out_stride + column..],
                out_stride,
                rows: TILE_ROWS.min(rows - row),
                accumulate,
            });
        }
    }
}
