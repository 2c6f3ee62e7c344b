//! SmoothQuant (Xiao et al., 2023): where a few channels of the inputs are far larger than the rest, part of their size is moved into
//! the weights, so that 8 bits serve both.
//!
//! Source: `smoothquant/{smooth,fake_quant}.py` of the SmoothQuant repository.

mod descent;

pub use descent::{Map, refine};

use crate::inputs::{Inputs, float_matrix};
use crate::matrix::QuantizedMatrix;
use crate::scheme::{Granularity, Scheme, round_ties_even};
use ounce_kernels::ops::{self, Input, Output, Rotation};
use ounce_kernels::{Matrix, Team};

/// 8-bit symmetric weights with a scale per output channel.
pub const WEIGHTS: Scheme = Scheme { bits: 8, symmetric: true, granularity: Granularity::Channel };

/// How activations are quantized: symmetric int8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// With a scale per token, found when the model runs (level O1 of the paper, with channels for tensors in the weights).
    PerToken,
    /// With one scale for the whole tensor, found by calibration (level O3).
    PerTensor,
}

/// What is done to inputs before they are rounded; the inverse is done to the weights, so that without rounding nothing changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transform<'a> {
    /// First, they are divided by these scales `[width]`.
    pub scales: Option<&'a [f32]>,
    /// Then, they are rotated.
    pub rotation: Option<Rotation>,
}

/// How much of the noise of rounded weights counts where scales are searched. The noise of inputs differs from token to token and cancels over
/// a text; that of weights is the same for all. Measured on SmolLM2: KL divergences of 0.0104, 0.0094 and 0.0084 for 0.5, 1 and 3.
pub const WEIGHT_SHARE: f32 = 3.0;

/// Smallest magnitude that a scale is derived from.
const SMALLEST: f32 = 1e-5;

/// The migration scales `[width]`: `s = max|x|^alpha / max|w|^(1 - alpha)`, the maximum of the weights being over all of `weights`
/// (each `[rows, width]`) that read these inputs. Inputs are divided by `s`, weights multiplied. Channels whose inputs or weights are all
/// zero keep 1.
pub fn scales(inputs: &[f32], weights: &[&[f32]], alpha: f32) -> Vec<f32> {
    let width = inputs.len();
    let mut largest = vec![0.0f32; width];
    for row in weights.iter().flat_map(|weights| weights.chunks_exact(width.max(1))) {
        largest.iter_mut().zip(row).for_each(|(largest, w)| *largest = largest.max(w.abs()));
    }
    let scale = |(&x, &w): (&f32, &f32)| {
        let s = (x.max(SMALLEST).powf(alpha) / w.max(SMALLEST).powf(1.0 - alpha)).max(SMALLEST);
        if x > 0.0 && w > 0.0 && s.is_finite() { s } else { 1.0 }
    };
    inputs.iter().zip(&largest).map(scale).collect()
}

/// `[width]`: the maximum over the sample of `|x|` relative to the root mean square of its token. Where every token has a scale of its own,
/// this is what competes within it; a few tokens with massive activations do not hide the others.
pub fn relative_max(inputs: &Inputs) -> Vec<f32> {
    let mut sizes = vec![0.0f32; inputs.width];
    for_each_relative(inputs, |size, x| *size = size.max(x.abs()), &mut sizes);
    sizes
}

/// `[width]`: the root of the mean over the sample of `x^2`, relative as in [`relative_max`].
pub fn relative_mean(inputs: &Inputs) -> Vec<f32> {
    let mut sizes = vec![0.0f32; inputs.width];
    for_each_relative(inputs, |size, x| *size += x * x, &mut sizes);
    let tokens = inputs.sample.rows().max(1) as f32;
    sizes.iter_mut().for_each(|size| *size = (*size / tokens).sqrt());
    sizes
}

fn for_each_relative(inputs: &Inputs, take: impl Fn(&mut f32, f32), sizes: &mut [f32]) {
    for token in inputs.sample.as_f32().unwrap_or_default().chunks_exact(inputs.width) {
        let mean = token.iter().map(|x| x * x).sum::<f32>() / inputs.width as f32;
        if mean > 0.0 {
            let inverse = 1.0 / mean.sqrt();
            sizes.iter_mut().zip(token).for_each(|(size, x)| take(size, x * inverse));
        }
    }
}

/// The fixed scale of a whole tensor of inputs.
pub fn tensor_scale(inputs: &Inputs) -> f32 {
    inputs.max_abs.iter().fold(0.0f32, |largest, &x| largest.max(x)).max(SMALLEST) / 127.0
}

/// Error of the outputs of linear maps in 8 bits, summed over `weights` (each `[rows, width]`): of each, the mean over the sample of inputs of
/// a token's squared error, relative to the outputs of that token and of the median token together. Weights and inputs are rounded after
/// `transform`. The squared error that comes from rounding weights counts `weight_share` times: 1 measures, [`WEIGHT_SHARE`] searches.
pub fn output_error(
    team: &mut Team<'_>,
    inputs: &Inputs,
    weights: &[&[f32]],
    transform: Transform<'_>,
    activations: Activations,
    weight_share: f32,
) -> f64 {
    let (width, enlarge) = (inputs.width, weight_share.sqrt());
    let rounded = rounded_inputs(team, inputs, transform, activations);
    let error = |weights: &&[f32]| {
        let mut transformed = weights.to_vec();
        if let Some(scales) = transform.scales {
            team.for_each_chunk_mut(&mut transformed, width, |_, row| {
                row.iter_mut().zip(scales).for_each(|(w, s)| *w *= s);
            });
        }
        if let Some(rotation) = transform.rotation {
            ops::rotate(team, &mut transformed, width, rotation);
        }
        relative_error(team, inputs, &rounded, weights, &|row, out| {
            let row = &transformed[row * width..][..width];
            if let Ok(quantized) = QuantizedMatrix::nearest(row, width, WEIGHTS) {
                quantized.dequantize_row(0, out);
                out.iter_mut().zip(row).for_each(|(out, w)| *out = w + (*out - w) * enlarge);
            }
        })
    };
    weights.iter().map(error).sum()
}

/// As [`output_error`], of one map `[rows, width]` as it is stored: `stored(row, out)` writes a row of what a reader finds.
pub fn stored_error(
    team: &mut Team<'_>,
    inputs: &Inputs,
    weights: &[f32],
    stored: impl Fn(usize, &mut [f32]) + Sync,
    activations: Activations,
) -> f64 {
    let rounded = rounded_inputs(team, inputs, Transform::default(), activations);
    relative_error(team, inputs, &rounded, weights, &stored)
}

/// The sample of inputs `[tokens, width]`, transformed and rounded to int8.
fn rounded_inputs(
    team: &mut Team<'_>,
    inputs: &Inputs,
    transform: Transform<'_>,
    activations: Activations,
) -> Vec<f32> {
    let width = inputs.width;
    let x = inputs.sample.as_f32().unwrap_or_default();
    let divide = |values: &mut [f32]| {
        if let Some(scales) = transform.scales {
            values.iter_mut().zip(scales).for_each(|(v, s)| *v /= s);
        }
    };
    let mut rounded = x.to_vec();
    team.for_each_chunk_mut(&mut rounded, width, |_, x| divide(x));
    if let Some(rotation) = transform.rotation {
        ops::rotate(team, &mut rounded, width, rotation);
    }
    let fixed = match activations {
        Activations::PerToken => None,
        Activations::PerTensor if transform.rotation.is_some() => {
            // Maxima over all tokens do not tell those of the rotated ones.
            Some(rounded.iter().fold(SMALLEST, |largest, x| largest.max(x.abs())) / 127.0)
        }
        Activations::PerTensor => {
            let mut largest = inputs.max_abs.clone();
            divide(&mut largest);
            Some(largest.iter().fold(SMALLEST, |largest, &x| largest.max(x)) / 127.0)
        }
    };
    team.for_each_chunk_mut(&mut rounded, width, |_, x| round_activations(x, fixed));
    rounded
}

/// The error of the outputs of `stored` weights on `rounded` inputs `[tokens, width]`, beside those of `weights [rows, width]` on the sample.
fn relative_error(
    team: &mut Team<'_>,
    inputs: &Inputs,
    rounded: &[f32],
    weights: &[f32],
    stored: &(dyn Fn(usize, &mut [f32]) + Sync),
) -> f64 {
    let (width, tokens) = (inputs.width, inputs.sample.rows());
    let rows = weights.len() / width;
    let Some(x) = inputs.sample.as_f32().filter(|x| !x.is_empty() && rows > 0) else { return 0.0 };
    let mut found = vec![0.0f32; weights.len()];
    team.for_each_chunk_mut(&mut found, width, stored);
    let exact = product(team, x, &float_matrix(rows, width, weights.to_vec()), tokens);
    let found = product(team, rounded, &float_matrix(rows, width, found), tokens);
    let parts = token_weights(&exact, rows);
    let errors = exact.chunks_exact(rows).zip(found.chunks_exact(rows)).zip(parts);
    errors.map(|((exact, found), part)| part * crate::loss::squares(exact, found).0).sum()
}

/// What the squared error of each token counts, for outputs `y [tokens, rows]`: one over the token's own squared output and that of the median
/// token together, and over the number of tokens. So neither the massive outputs of a few tokens nor those that are next to nothing decide.
fn token_weights(y: &[f32], rows: usize) -> Vec<f64> {
    let energies: Vec<f64> = y.chunks_exact(rows).map(|y| crate::loss::dot(y, y)).collect();
    let mut sorted = energies.clone();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let tokens = energies.len() as f64;
    energies
        .iter()
        .map(|energy| energy + usual)
        .map(|e| if e > 0.0 { 1.0 / (e * tokens) } else { 0.0 })
        .collect()
}

fn product(team: &mut Team<'_>, x: &[f32], weights: &Matrix, tokens: usize) -> Vec<f32> {
    let mut out = vec![0.0; tokens * weights.rows()];
    ops::project(team, Input { x, norm: None }, &mut [Output::write(weights, &mut out)]);
    out
}

/// Rounds the inputs of one token to int8, with a fixed scale or that of their largest magnitude.
pub fn round_activations(x: &mut [f32], fixed: Option<f32>) {
    let scale = fixed.unwrap_or_else(|| x.iter().fold(SMALLEST, |largest, x| largest.max(x.abs())) / 127.0);
    x.iter_mut().for_each(|x| *x = round_ties_even(*x / scale).clamp(-127.0, 127.0) * scale);
}

/// The best migration strength.
#[derive(Clone, Debug)]
pub struct Found {
    /// The strength that gave the scales; `None`: they are 1.
    pub alpha: Option<f32>,
    /// Each scale then went its own way ([`refine`]).
    pub refined: bool,
    /// `[width]`
    pub scales: Vec<f32>,
    /// Error with the scales.
    pub error: f64,
    /// Error with scales of 1: naive 8 bits.
    pub naive_error: f64,
}

/// Tries migration strengths and keeps the one of least error. No migration is always a candidate. `scales(alpha)` and `loss(team, scales)`
/// are the caller's, since a scale may be shared by several maps with inputs of their own.
pub fn search(
    team: &mut Team<'_>,
    width: usize,
    alphas: &[f32],
    scales: &dyn Fn(f32) -> Vec<f32>,
    loss: &mut dyn FnMut(&mut Team<'_>, Option<&[f32]>) -> f64,
) -> Found {
    let naive_error = loss(team, None);
    let mut best =
        Found { alpha: None, refined: false, scales: vec![1.0; width], error: naive_error, naive_error };
    for &alpha in alphas {
        let scales = scales(alpha);
        let error = loss(team, Some(&scales));
        if error < best.error {
            best = Found { alpha: Some(alpha), refined: false, scales, error, naive_error };
        }
    }
    best
}
