//! Products of activations with weight matrices, with the norm before and the activation, bias and residual after them fused in.
//!
//! For one token (decode) every thread prepares the input for itself — norm, then quantization where a weight is packed — because
//! that costs less than a barrier, and claims tiles of 16 output rows. For several tokens (prefill) the input is prepared once by
//! all threads, and each tile is multiplied with all tokens while it is in the cache.

mod prepare;

use std::sync::atomic::{AtomicU64, Ordering};

use prepare::{Forms, Prepared, prepare_all, prepare_one};

use super::project_float::{FloatPanel, dot_tile};
use super::{Activation, Norm};
use crate::isa::{PackedTile, TILE_ROWS, W8A8Tile, WORD_TOKENS, WordKernels};
use crate::matrix::{FloatMatrix, Kind, Matrix};
use crate::pool::{Buffers, SharedMut, at_least};
use crate::quantize::{TokenRows, padded};
use crate::{Kernels, Team};

/// The input of a product.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// `[n, d]`
    pub x: &'a [f32],
    /// Applied to every row first.
    pub norm: Option<Norm<'a>>,
}

/// One product of an input: `out = act(x W^T + bias)`, or `out += ...`.
#[derive(Debug)]
pub struct Output<'a> {
    /// `[rows, d]`
    pub weight: &'a Matrix,
    /// `[rows]`
    pub bias: Option<&'a [f32]>,
    /// Applied after the bias.
    pub activation: Option<Activation>,
    /// `[n, rows]`
    pub out: &'a mut [f32],
    /// Add to what `out` holds.
    pub add: bool,
}

impl<'a> Output<'a> {
    /// `out = x W^T`.
    pub fn write(weight: &'a Matrix, out: &'a mut [f32]) -> Self {
        Self { weight, bias: None, activation: None, out, add: false }
    }

    /// `out += x W^T`.
    pub fn accumulate(weight: &'a Matrix, out: &'a mut [f32]) -> Self {
        Self { add: true, ..Self::write(weight, out) }
    }

    /// The same with a bias.
    pub fn with_bias(self, bias: Option<&'a [f32]>) -> Self {
        Self { bias, ..self }
    }
}

/// Where the results of one matrix go.
struct Target<'a> {
    weight: &'a Matrix,
    /// A second matrix whose product multiplies the activated first (a gate).
    up: Option<&'a Matrix>,
    bias: Option<&'a [f32]>,
    activation: Option<Activation>,
    out: SharedMut<'a, f32>,
    add: bool,
    first_tile: usize,
}

/// The most products of one call of [`project`].
pub const MAX_OUTPUTS: usize = 4;

/// Several products (at most [`MAX_OUTPUTS`]) of the same input in one parallel step, for instance queries, keys and values.
///
/// # Panics
/// If a shape does not fit: `x` not a multiple of the columns, matrices of different columns, `out` or `bias` of a wrong length; or
/// if there are too many outputs.
pub fn project(team: &mut Team<'_>, input: Input<'_>, outputs: &mut [Output<'_>]) {
    let Some(first) = outputs.first() else { return };
    let d = first.weight.cols();
    let n = input.x.len() / d.max(1);
    let mut first_tile = 0;
    assert!(outputs.len() <= MAX_OUTPUTS);
    let mut targets = [const { None }; MAX_OUTPUTS];
    for (output, target) in outputs.iter_mut().zip(&mut targets) {
        let rows = output.weight.rows();
        assert!(output.weight.cols() == d && output.out.len() == n * rows);
        assert!(output.bias.is_none_or(|bias| bias.len() == rows));
        *target = Some(Target {
            weight: output.weight,
            up: None,
            bias: output.bias,
            activation: output.activation,
            out: SharedMut::new(output.out),
            add: output.add,
            first_tile,
        });
        first_tile += rows.div_ceil(TILE_ROWS);
    }
    run(team, input, d, &targets, first_tile);
}

/// A gated product, `out = act(x gate^T) * (x up^T)`, the first half of a gated MLP (Shazeer 2020).
///
/// # Panics
/// If a shape does not fit, as [`project`].
pub fn project_gated(
    team: &mut Team<'_>,
    input: Input<'_>,
    gate: &Matrix,
    up: &Matrix,
    activation: Activation,
    out: &mut [f32],
) {
    let (rows, d) = (gate.rows(), gate.cols());
    assert!(up.rows() == rows && up.cols() == d && out.len() == input.x.len() / d.max(1) * rows);
    let target = Target {
        weight: gate,
        up: Some(up),
        bias: None,
        activation: Some(activation),
        out: SharedMut::new(out),
        add: false,
        first_tile: 0,
    };
    run(team, input, d, &[Some(target)], rows.div_ceil(TILE_ROWS));
}

fn run(team: &mut Team<'_>, input: Input<'_>, d: usize, targets: &[Option<Target<'_>>], tiles: usize) {
    if d == 0 || input.x.is_empty() {
        return;
    }
    assert!(input.x.len().is_multiple_of(d));
    let n = input.x.len() / d;
    let forms = Forms::of(targets.iter().flatten().flat_map(|t| std::iter::once(t.weight).chain(t.up)));
    let kernels = team.kernels();
    let chunks = team.chunks_for(tiles);
    let tiles_of = |chunk: usize| tiles * chunk / chunks..tiles * (chunk + 1) / chunks;
    if n == 1 {
        static OPERATION: AtomicU64 = AtomicU64::new(1);
        let operation = OPERATION.fetch_add(1, Ordering::Relaxed);
        team.run_with_buffers(chunks, |chunk, buffers| {
            if buffers.prepared_for != operation {
                buffers.prepared_for = operation;
                prepare_one(kernels, input, &forms, buffers);
            }
            let Buffers { rows, quantized, tokens, panel, .. } = buffers;
            let x = if input.norm.is_some() { &rows[..d] } else { input.x };
            let prepared = Prepared { rows: x, quantized, tokens, forms: &forms, n, d };
            tiles_of(chunk).for_each(|tile| run_tile::<1>(kernels, &prepared, targets, tile, panel));
        });
    } else {
        let mut common = team.take_common();
        prepare_all(team, input, d, &forms, &mut common);
        let x = if input.norm.is_some() { &common.rows[..n * d] } else { input.x };
        let Buffers { quantized, tokens, .. } = &common;
        let prepared = Prepared { rows: x, quantized, tokens, forms: &forms, n, d };
        team.run_with_buffers(chunks, |chunk, buffers| {
            tiles_of(chunk)
                .for_each(|tile| run_tile::<STEP>(kernels, &prepared, targets, tile, &mut buffers.panel));
        });
        team.put_common(common);
    }
}

/// The most tokens whose results are held before they are written out, a multiple of [`WORD_TOKENS`].
const STEP: usize = 12;

/// One tile of 16 rows of one target, for all tokens, `N` of them at a time.
fn run_tile<const N: usize>(
    kernels: Kernels,
    x: &Prepared<'_>,
    targets: &[Option<Target<'_>>],
    tile: usize,
    panels: &mut Vec<f32>,
) {
    let Some(target) = targets.iter().rev().flatten().find(|target| target.first_tile <= tile) else {
        return;
    };
    let tile = tile - target.first_tile;
    let rows = target.weight.rows();
    let first = tile * TILE_ROWS;
    let count = TILE_ROWS.min(rows - first);
    let panel_len = if x.n > 1 { FloatPanel::len(padded(x.d)) } else { 0 };
    let (panel, up_panel) = at_least(panels, 2 * panel_len).split_at_mut(panel_len);
    let weight = TileProduct::new(kernels, x, target.weight, tile, panel);
    let up = target.up.map(|up| TileProduct::new(kernels, x, up, tile, up_panel));
    let mut results = [[0.0f32; TILE_ROWS]; N];
    let mut up_results = [[0.0f32; TILE_ROWS]; N];
    for token in (0..x.n).step_by(N) {
        let tokens = N.min(x.n - token);
        weight.compute(kernels, x, token, tokens, results.as_flattened_mut());
        if let Some(up) = &up {
            up.compute(kernels, x, token, tokens, up_results.as_flattened_mut());
        }
        for (t, (results, up_results)) in results.iter_mut().zip(&up_results).enumerate().take(tokens) {
            let results = &mut results[..count];
            if let Some(bias) = target.bias {
                results.iter_mut().zip(&bias[first..first + count]).for_each(|(y, b)| *y += b);
            }
            match (target.activation, &up) {
                (Some(kind), Some(_)) => kernels.gate(kind, results, &up_results[..count]),
                (Some(kind), None) => kernels.activate(kind, results),
                (None, _) => {}
            }
            // SAFETY: rows of different tiles and tokens do not overlap, and each tile is run once.
            let out = unsafe { target.out.slice((token + t) * rows + first, count) };
            if target.add {
                out.iter_mut().zip(results).for_each(|(y, r)| *y += *r);
            } else if let (Some(out), Some(results)) =
                (out.first_chunk_mut::<TILE_ROWS>(), results.first_chunk::<TILE_ROWS>())
            {
                *out = *results;
            } else {
                out.copy_from_slice(results);
            }
        }
    }
}

/// One tile of one matrix, ready to be multiplied.
enum TileProduct<'a> {
    Packed(PackedTile<'a>),
    /// Rows as they lie in memory, for one token.
    Rows(&'a FloatMatrix, usize),
    /// Rows transposed to floats, for many tokens.
    Panel(FloatPanel<'a>),
    /// Bytes, and the activations in their form.
    W8A8(W8A8Tile<'a>, &'a TokenRows),
    /// Bytes widened for many tokens, the scales of the rows, and the activations in their form.
    Words(WordKernels, &'a [i16], &'a [f32; TILE_ROWS], &'a TokenRows),
}

impl<'a> TileProduct<'a> {
    /// `panel` is empty if there is but one token, and else has room for a tile of floats.
    fn new(
        kernels: Kernels,
        x: &Prepared<'a>,
        weight: &'a Matrix,
        tile: usize,
        panel: &'a mut [f32],
    ) -> Self {
        match &weight.kind {
            Kind::Packed(matrix) => Self::Packed(matrix.tile(tile)),
            Kind::Float(matrix) if panel.is_empty() => Self::Rows(matrix, tile),
            Kind::Float(matrix) => Self::Panel(FloatPanel::new(kernels, matrix, tile, panel)),
            Kind::W8A8(matrix) => {
                let (tile, rows) = (matrix.tile(tile), x.tokens_for(matrix));
                match kernels.w8a8_words() {
                    Some(words) if !panel.is_empty() => {
                        let panel = &mut bytemuck::cast_slice_mut(panel)[..words.panel_len(tile.cols)];
                        words.widen_tile(&tile, panel);
                        Self::Words(words, panel, tile.scales, rows)
                    }
                    _ => Self::W8A8(tile, rows),
                }
            }
        }
    }

    /// `results[t][r]` for `tokens` tokens from `token`.
    fn compute(&self, kernels: Kernels, x: &Prepared<'_>, token: usize, tokens: usize, results: &mut [f32]) {
        match self {
            Self::Packed(tile) => {
                for first in (0..tokens).step_by(kernels.packed_tokens()) {
                    let count = kernels.packed_tokens().min(tokens - first);
                    let out = &mut results[first * TILE_ROWS..][..count * TILE_ROWS];
                    kernels.packed_tile(tile, x.quantized.view(token + first, count), out);
                }
            }
            Self::Rows(matrix, tile) => dot_tile(kernels, matrix, *tile, &x.rows[..x.d], results),
            Self::Panel(panel) => panel.compute(kernels, &x.rows[token * x.d..], x.d, tokens, results),
            Self::W8A8(tile, rows) => {
                kernels.w8a8_tile(tile, rows.view(token, tokens), &mut results[..tokens * TILE_ROWS]);
            }
            Self::Words(words, panel, scales, rows) => {
                let results = results.chunks_exact_mut(WORD_TOKENS * TILE_ROWS);
                let groups = rows.words(token).take(tokens.div_ceil(WORD_TOKENS));
                groups.zip(results).for_each(|(x, out)| words.tile(panel, scales, &x, out));
            }
        }
    }
}
