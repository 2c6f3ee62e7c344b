//! Causal attention over a cache of keys and values.
//!
//! A single query attends position by position. Runs of queries are taken in blocks of queries against blocks of keys with a running
//! maximum and sum (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022), so that no matrix larger than one block exists.

use super::KvLayer;
use crate::pool::{Buffers, SharedMut, at_least};
use crate::simd::attend::{QUERIES, Query, penalize, soft_cap};
use crate::simd::gemm::{PANEL, TILE_ROWS, Tile};
use crate::{Kernels, Team};

/// Attention of some queries, whose own keys and values are already in the caches.
///
/// What a query gathers depends on its text, its position and on whether it comes alone or in a run; not on what else is in the call,
/// nor on where a run begins and ends.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// `[n, heads * head_dim]`: the rows of `singles`, then those of `runs`.
    pub q: &'a [f32],
    /// Queries that are taken position by position, one row each.
    pub singles: &'a [Run<'a>],
    /// Runs of queries that are taken block by block.
    pub runs: &'a [Run<'a>],
    /// Query heads, a multiple of the caches' heads.
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

/// Queries at consecutive positions of one text.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Holds the positions `0..start + tokens` of the text.
    pub cache: &'a KvLayer,
    /// Position of the first query in the cache; query t sees positions up to `start + t`.
    pub start: usize,
    /// Queries; 1 of a single.
    pub tokens: usize,
}

/// Writes `softmax(scale * q k^T) v` to `out` (`[n, heads * head_dim]`).
///
/// # Panics
/// If lengths do not fit, or caches differ in shape or type.
pub fn attention(team: &mut Team<'_>, a: &Attention<'_>, out: &mut [f32]) {
    let Some(first) = a.singles.iter().chain(a.runs).next() else { return };
    let row = a.heads * first.cache.head_dim();
    let rows: usize = a.singles.len() + a.runs.iter().map(|run| run.tokens).sum::<usize>();
    assert!(a.q.len() == rows * row && out.len() == a.q.len());
    assert!(a.heads.is_multiple_of(first.cache.kv_heads()));
    assert!(a.singles.iter().all(|run| run.tokens == 1));
    assert!(
        a.singles
            .iter()
            .chain(a.runs)
            .all(|run| { run.start + run.tokens <= run.cache.capacity() && run.cache.is_like(first.cache) })
    );
    assert!(a.slopes.is_none_or(|slopes| slopes.len() == a.heads));
    let (single_out, run_out) = out.split_at_mut(a.singles.len() * row);
    if !a.singles.is_empty() {
        attend_singles(team, a, &SharedMut::new(single_out));
    }
    if !a.runs.is_empty() {
        attend_runs(team, a, &SharedMut::new(run_out));
    }
}

/// The first position that a query at `position` sees.
fn first_seen(a: &Attention<'_>, position: usize) -> usize {
    a.window.map_or(0, |window| (position + 1).saturating_sub(window))
}

/// Positions that one thread takes at a time. A fixed number, so that results do not depend on the threads.
const SPAN: usize = 256;

/// Every query by itself: spans of positions in parallel, then the spans of every head put together.
fn attend_singles(team: &mut Team<'_>, a: &Attention<'_>, out: &SharedMut<'_, f32>) {
    let (n, shape) = (a.singles.len(), a.singles[0].cache);
    let (d, kv_heads) = (shape.head_dim(), shape.kv_heads());
    let kernels = team.kernels();
    let group = a.heads / kv_heads;
    let parts = group.div_ceil(QUERIES);
    let spans = a.singles.iter().map(|single| single.start / SPAN + 1).max().unwrap_or(0);
    let mut common = team.take_common();
    // [n, spans, heads, d + 2]: largest score, sum of exponentials, weighted sum of values
    let partial = SharedMut::new(at_least(&mut common.work, n * spans * a.heads * (d + 2)));
    team.run_with_buffers(n * spans * kv_heads * parts, |item, buffers| {
        let (rest, part) = (item / parts, item % parts);
        let (rest, kv_head) = (rest / kv_heads, rest % kv_heads);
        let (t, span) = (rest / spans, rest % spans);
        let head = kv_head * group + part * QUERIES;
        let queries = QUERIES.min(group - part * QUERIES);
        // SAFETY: each token, span and head has its own part and is visited once.
        let out =
            unsafe { partial.slice(((t * spans + span) * a.heads + head) * (d + 2), queries * (d + 2)) };
        let Run { cache, start: position, .. } = a.singles[t];
        let first = first_seen(a, position).max(span * SPAN);
        let end = (position + 1).min((span + 1) * SPAN);
        if first >= end {
            out.fill(0.0);
            out.chunks_exact_mut(d + 2).for_each(|out| out[0] = f32::NEG_INFINITY);
            return;
        }
        let (keys, values) = cache.head(kv_head, first, end - first);
        kernels.attend(Query {
            q: &a.q[(t * a.heads + head) * d..][..queries * d],
            keys: keys.bytes,
            values: values.bytes,
            element: cache.element(),
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
    let join = |t: usize| {
        // SAFETY: each query has its own part and is visited once.
        let out = unsafe { out.slice(t * a.heads * d, a.heads * d) };
        for (head, out) in out.chunks_exact_mut(d).enumerate() {
            let of = |span: usize| &partial[((t * spans + span) * a.heads + head) * (d + 2)..][..d + 2];
            let largest = (0..spans).fold(f32::NEG_INFINITY, |largest, span| largest.max(of(span)[0]));
            let weight = |span: usize| (of(span)[0] - largest).exp();
            let total: f32 = (0..spans).map(|span| weight(span) * of(span)[1]).sum();
            out.fill(0.0);
            for span in 0..spans {
                let weight = weight(span) / total;
                out.iter_mut().zip(&of(span)[2..]).for_each(|(out, x)| *out += weight * x);
            }
        }
    };
    team.run(n, |t, _| join(t));
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

/// Runs of queries, in blocks.
fn attend_runs(team: &mut Team<'_>, a: &Attention<'_>, out: &SharedMut<'_, f32>) {
    let kv_heads = a.runs[0].cache.kv_heads();
    let tokens = (QUERY_ROWS / (a.heads / kv_heads)).max(1);
    let blocks = a.runs.iter().map(|run| run.tokens.div_ceil(tokens)).sum::<usize>();
    let kernels = team.kernels();
    // Late blocks of a run see the most keys; they go first, so that the threads end together.
    team.run_with_buffers(blocks * kv_heads, |item, buffers| {
        let mut block = blocks - 1 - item / kv_heads;
        let mut row = a.singles.len();
        for run in a.runs {
            let of_run = run.tokens.div_ceil(tokens);
            if block < of_run {
                let first = block * tokens;
                let queries = Queries { run: *run, row, first, count: tokens.min(run.tokens - first) };
                return query_block(kernels, a, item % kv_heads, queries, buffers, out);
            }
            block -= of_run;
            row += run.tokens;
        }
    });
}

/// Some queries of a run.
struct Queries<'a> {
    run: Run<'a>,
    /// Row of the run's first query.
    row: usize,
    /// Index of the first of these queries in the run.
    first: usize,
    count: usize,
}

/// All query heads of one kv head.
fn query_block(
    kernels: Kernels,
    a: &Attention<'_>,
    kv_head: usize,
    queries: Queries<'_>,
    buffers: &mut Buffers,
    out: &SharedMut<'_, f32>,
) {
    let Queries { run, row: run_row, first, count } = queries;
    let Run { cache, start, .. } = run;
    let d = cache.head_dim();
    let group = a.heads / cache.kv_heads();
    let width = d.next_multiple_of(PANEL);
    let rows = count * group;
    let block = Block::new(&mut buffers.work, rows, d, width);
    // Row t * group + g is token first + t, head kv_head * group + g: heads of a group are neighbours.
    for (t, q) in block.q.chunks_exact_mut(group * d).enumerate() {
        let at = ((run_row + first + t) * a.heads + kv_head * group) * d;
        q.copy_from_slice(&a.q[at..at + group * d]);
        kernels.scale(q, a.scale);
    }
    block.sums.fill(0.0);
    block.largest.fill(f32::NEG_INFINITY);
    block.total.fill(0.0);
    let last = start + first + count;
    let seen_from = first_seen(a, start + first) / KEYS * KEYS;
    for key in (seen_from..last).step_by(KEYS) {
        let keys = KEYS.min(last - key);
        load_keys_and_values(
            kernels,
            cache,
            kv_head,
            key,
            keys,
            &mut *block.keys,
            &mut *block.values,
            block.row,
        );
        multiply(kernels, block.q, d, d, block.keys, KEYS, block.scores, KEYS, rows, false);
        if let Some(cap) = a.softcap {
            soft_cap(block.scores, cap);
        }
        for row in 0..rows {
            let position = start + first + row / group;
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
        let query = run_row - a.singles.len() + first + row / group;
        let at = (query * a.heads + kv_head * group + row % group) * d;
        // SAFETY: each token and head has its own part and belongs to one block.
        unsafe { out.slice(at, d) }.copy_from_slice(sums);
    }
}

/// Converts a block of keys, transposed, and of values. What lies beyond the block's keys becomes zero, so that it adds nothing.
#[allow(clippy::too_many_arguments)]
fn load_keys_and_values(
    kernels: Kernels,
    cache: &KvLayer,
    kv_head: usize,
    first: usize,
    count: usize,
    keys_out: &mut [f32],
    values_out: &mut [f32],
    row: &mut [f32],
) {
    let d = cache.head_dim();
    let width = values_out.len() / KEYS;
    let element = cache.element();
    let (keys, values) = cache.head(kv_head, first, count);
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
                x_step: 1,
                depth,
                out: &mut out[row * out_stride + column..],
                out_stride,
                rows: TILE_ROWS.min(rows - row),
                accumulate,
            });
        }
    }
}
