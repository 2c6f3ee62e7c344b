//! Rounding with error feedback: the error of each rounded column is taken into the columns that are still to be rounded, so that errors
//! cancel in the outputs.
//!
//! This is the rounding of OPTQ/GPTQ (Frantar et al., 2022) in the form LDLQ (Chee et al., 2023), which needs one Cholesky
//! decomposition and no inverse: with `G = L D L^T`, `L` unit lower triangular, the output error `tr(E G E^T)` is the sum over columns `k` of
//! `D_k |E_k + sum_{j > k} E_j L_jk|^2`, so columns are rounded from the last to the first, each after the weighted errors of those before
//! it have been subtracted. Columns with the largest inputs go first. Scales and zero points are given and do not change.

use crate::inputs::{Inputs, float_matrix};
use crate::scheme::{Affine, Scheme};
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Input, Output};

/// Added to the diagonal of the Gram matrix, as a share of its mean (GPTQ's `percdamp`, there 0.01). With the 65,536 tokens of a usual
/// calibration, more of it generalizes better: perplexity of SmolLM2 at 4 bits 24.85 rather than 25.01.
const DAMPING: f32 = 0.1;
/// Columns that are rounded before their errors go to all others.
const BLOCK: usize = 64;
/// Rows of weights at a time.
const ROWS_AT_ONCE: usize = 1024;

/// The decomposition of a Gram matrix, for rounding any weights that read its inputs.
#[derive(Debug)]
pub struct Feedback {
    width: usize,
    /// Position to column: inputs grow along it.
    order: Vec<usize>,
    /// `[width, width]`: row `k` holds `L_jk` for positions `j > k`, else 0.
    factors: Vec<f32>,
}

impl Feedback {
    /// Decomposes the Gram matrix of `inputs`. `None` if there is none, or if it is not that of real inputs (infinities, NaN).
    pub fn new(team: &mut Team<'_>, inputs: &Inputs) -> Option<Self> {
        let width = inputs.width;
        let gram = inputs.gram.as_ref()?.as_f32()?;
        let diagonal = |i: usize| gram[i * width + i];
        let mean = (0..width).map(|i| f64::from(diagonal(i))).sum::<f64>() / width as f64;
        if !(mean.is_finite() && mean > 0.0) {
            return None;
        }
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|&a, &b| diagonal(a).total_cmp(&diagonal(b)));
        // Negated, so that the products of a step can be added to what is left.
        let mut left = vec![0.0f32; width * width];
        let damping = DAMPING * mean as f32;
        team.for_each_chunk_mut(&mut left, width, |i, row| {
            let from = &gram[order[i] * width..][..width];
            row.iter_mut().zip(&order).for_each(|(out, &j)| *out = -from[j]);
            row[i] -= damping;
        });
        decompose(team, &mut left, width)?;
        Some(Self { width, order, factors: left })
    }

    /// Quants `[rows, width]` of `weights [rows, width]`, with given scales and zero points `[rows, width / group]`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn round(
        &self,
        team: &mut Team<'_>,
        weights: &[f32],
        scheme: Scheme,
        group: usize,
        affines: &[Affine],
    ) -> Vec<u8> {
        let width = self.width;
        assert!(weights.len().is_multiple_of(width) && affines.len() * group == weights.len());
        let mut quants = vec![0u8; weights.len()];
        let rows_per_pass = ROWS_AT_ONCE * width;
        for ((weights, quants), affines) in weights
            .chunks(rows_per_pass)
            .zip(quants.chunks_mut(rows_per_pass))
            .zip(affines.chunks(rows_per_pass / group))
        {
            self.round_rows(team, weights, scheme, group, affines, quants);
        }
        quants
    }

    fn round_rows(
        &self,
        team: &mut Team<'_>,
        weights: &[f32],
        scheme: Scheme,
        group: usize,
        affines: &[Affine],
        quants: &mut [u8],
    ) {
        let width = self.width;
        let rows = weights.len() / width;
        // By position: what rounding did to the columns done so far.
        let mut errors = vec![0.0f32; weights.len()];
        let mut carried = vec![0.0f32; rows * BLOCK];
        for first in (0..width).step_by(BLOCK).rev() {
            let count = BLOCK.min(width - first);
            let factors = &self.factors[first * width..(first + count) * width];
            let carried = &mut carried[..rows * count];
            let block = float_matrix(count, width, factors.to_vec());
            ops::project(team, Input { x: &errors, norm: None }, &mut [Output::write(&block, carried)]);
            let mut parts: Vec<_> = errors
                .chunks_exact_mut(width)
                .zip(quants.chunks_exact_mut(width))
                .zip(carried.chunks_exact(count))
                .enumerate()
                .collect();
            team.for_each_chunk_mut(&mut parts, 16, |_, parts| {
                for (row, ((errors, quants), carried)) in parts {
                    for k in (0..count).rev() {
                        let position = first + k;
                        let column = self.order[position];
                        let inside: f32 = factors[k * width + position + 1..k * width + first + count]
                            .iter()
                            .zip(&errors[position + 1..first + count])
                            .map(|(f, e)| f * e)
                            .sum();
                        let affine = affines[*row * (width / group) + column / group];
                        let weight = weights[*row * width + column];
                        let quant = scheme.quant(weight - carried[k] - inside, affine);
                        quants[column] = quant;
                        errors[position] = affine.weight(quant) - weight;
                    }
                }
            });
        }
    }
}

/// Replaces the negated symmetric positive definite matrix `-A [n, n]` (its upper triangle) by the unit factor of `A = L D L^T`, transposed: row
/// `k` gets `L_jk` at `j > k` and 0 elsewhere. `None` if `A` is not positive definite.
fn decompose(team: &mut Team<'_>, a: &mut [f32], n: usize) -> Option<()> {
    let mut panel = Vec::new();
    for first in (0..n).step_by(BLOCK) {
        let last = (first + BLOCK).min(n);
        // Rows of the block: the part of the factor to the right of the diagonal, scaled by the roots of D for now.
        for k in first..last {
            let (done, rest) = a.split_at_mut(k * n);
            let row = &mut rest[..n];
            for earlier in first..k {
                let other = &done[earlier * n..][..n];
                let factor = other[k];
                // `row` is negated and `other` is not, so products are added.
                row[k..].iter_mut().zip(&other[k..]).for_each(|(out, x)| *out += factor * x);
            }
            let pivot = -row[k];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return None;
            }
            let inverse = -1.0 / pivot.sqrt();
            row[k..].iter_mut().for_each(|x| *x *= inverse);
        }
        if last < n {
            panel.clear();
            for k in first..last {
                panel.extend_from_slice(&a[k * n + last..(k + 1) * n]);
            }
            ops::gram_strided(team, &panel, n - last, &mut a[last * n + last..], n);
        }
    }
    team.for_each_chunk_mut(a, n, |k, row| {
        let inverse = 1.0 / row[k];
        row[..=k].fill(0.0);
        row[k + 1..].iter_mut().for_each(|x| *x *= inverse);
    });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{InputObserver, Keep};
    use crate::loss::output_error;
    use crate::{Granularity, QuantizedMatrix};
    use ounce_kernels::ThreadPool;

    #[test]
    fn the_factor_gives_the_matrix_back() {
        for n in [1, 5, 64, 65, 150] {
            let x: Vec<f32> = (0..2 * n * n).map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0).collect();
            let mut negated = vec![0.0f32; n * n];
            for i in 0..n {
                for j in 0..n {
                    let product: f32 = (0..2 * n).map(|t| x[t * n + i] * x[t * n + j]).sum();
                    negated[i * n + j] = -product - if i == j { 0.1 } else { 0.0 };
                }
            }
            let a: Vec<f64> = negated.iter().map(|x| -f64::from(*x)).collect();
            ThreadPool::new(2).region(|team| decompose(team, &mut negated, n)).unwrap();
            // D follows from A = L D L^T column by column.
            let l = |i: usize, k: usize| if i == k { 1.0 } else { f64::from(negated[k * n + i]) };
            let mut d = vec![0.0f64; n];
            for k in 0..n {
                d[k] = a[k * n + k] - (0..k).map(|m| l(k, m).powi(2) * d[m]).sum::<f64>();
                for i in k..n {
                    let found: f64 = (0..=k).map(|m| l(i, m) * d[m] * l(k, m)).sum();
                    assert!((found - a[i * n + k]).abs() < 1e-2 * a[i * n + i].max(1.0), "{n}: {i}, {k}");
                }
            }
        }
    }

    #[test]
    fn errors_cancel_where_inputs_are_correlated() {
        let (tokens, width, rows) = (400, 96, 20);
        let noise = |i: usize| ((i * 2_654_435_761) % 1_000_003) as f32 / 500_000.0 - 1.0;
        let x: Vec<f32> = (0..tokens * width)
            .map(|i| noise(i) + 2.0 * noise(i / width * 7 + 3) + noise(i / width * 11 + i % width / 9))
            .collect();
        let weights: Vec<f32> = (0..rows * width).map(|i| noise(i * 31 + 17)).collect();
        let scheme = Scheme { bits: 3, symmetric: false, granularity: Granularity::Group(32) };
        ThreadPool::new(2).region(|team| {
            let keep = Keep { gram_rows: tokens, sample_rows: 0, expected_rows: tokens };
            let mut observer = InputObserver::new(width, keep);
            observer.observe(team, &x);
            let inputs = observer.finish(team);
            let nearest = QuantizedMatrix::nearest(&weights, width, scheme).unwrap();
            let affines: Vec<Affine> = nearest
                .scales
                .iter()
                .zip(&nearest.zeros)
                .map(|(&scale, &zero)| Affine { scale, zero })
                .collect();
            let feedback = Feedback::new(team, &inputs).unwrap();
            let quants = feedback.round(team, &weights, scheme, 32, &affines);
            let fed = QuantizedMatrix { quants, ..nearest.clone() };
            let mut error = |matrix: &QuantizedMatrix| {
                output_error(team, &inputs, rows, |row, out| {
                    matrix.dequantize_row(row, out);
                    out.iter_mut().zip(&weights[row * width..]).for_each(|(out, w)| *out -= w);
                })
            };
            let (before, after) = (error(&nearest), error(&fed));
            assert!(after < 0.5 * before, "{before} {after}");
        });
    }
}
