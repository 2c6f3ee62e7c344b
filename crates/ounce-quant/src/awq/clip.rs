//! The search for the range of each group.

use crate::inputs::{Inputs, float_matrix};
use crate::loss::dot;
use crate::scheme::{Affine, Scheme, bounds};
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Input, Output};

/// Which ranges are tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clipping {
    /// Ranges tried in all; the first is the whole one.
    pub steps: usize,
    /// How much narrower each range is than the one before, as a share of the whole.
    pub step: f32,
}

impl Default for Clipping {
    /// As the AWQ repository: 10 ranges, down to 0.55 of the whole.
    fn default() -> Self {
        Self { steps: 10, step: 0.05 }
    }
}

/// Rows whose errors are computed at a time.
const ROWS_AT_ONCE: usize = 1024;

/// Scale and zero point of every group of `weights [rows, width]`, `[rows, width / group]`, with the range that makes the mean squared
/// error of the group's part of the output least. Both ways to narrow a range are tried: weights beyond `±m` are clipped, `m` a share
/// of the largest magnitude (the AWQ repository), and both ends are moved in proportion.
///
/// The error of a group's part is `d G d^T` with the diagonal block `G` of the Gram matrix that belongs to the group.
///
/// # Panics
/// If the inputs have no Gram matrix, or `group` does not divide their width.
pub fn clip(
    team: &mut Team<'_>,
    weights: &[f32],
    inputs: &Inputs,
    scheme: Scheme,
    group: usize,
    clipping: Clipping,
) -> Vec<Affine> {
    let width = inputs.width;
    assert!(width.is_multiple_of(group) && weights.len().is_multiple_of(width));
    let Some(gram) = inputs.gram.as_ref().and_then(|gram| gram.as_f32()) else {
        panic!("clipping needs a Gram matrix");
    };
    let (rows, groups) = (weights.len() / width, width / group);
    let mut best = vec![(Affine { scale: 0.0, zero: 0 }, f64::INFINITY); rows * groups];
    let most = rows.min(ROWS_AT_ONCE);
    let mut change = vec![0.0f32; most * group];
    let mut product = vec![0.0f32; most * group];
    for index in 0..groups {
        let start = index * group;
        let mut block = Vec::with_capacity(group * group);
        for row in start..start + group {
            block.extend_from_slice(&gram[row * width + start..][..group]);
        }
        let block = float_matrix(group, group, block);
        for first in (0..rows).step_by(ROWS_AT_ONCE) {
            let count = ROWS_AT_ONCE.min(rows - first);
            let part = |row: usize| &weights[(first + row) * width + start..][..group];
            for step in 0..2 * clipping.steps - 1 {
                let change = &mut change[..count * group];
                team.for_each_chunk_mut(change, 16 * group, |chunk, out| {
                    for (index, out) in out.chunks_exact_mut(group).enumerate() {
                        let weights = part(chunk * 16 + index);
                        let affine = narrowed(scheme, weights, step, clipping);
                        for (out, &w) in out.iter_mut().zip(weights) {
                            *out = scheme.round(w, affine) - w;
                        }
                    }
                });
                let product = &mut product[..count * group];
                ops::project(team, Input { x: change, norm: None }, &mut [Output::write(&block, product)]);
                for (row, (change, product)) in
                    change.chunks_exact(group).zip(product.chunks_exact(group)).enumerate()
                {
                    let error = dot(change, product);
                    let best = &mut best[(first + row) * groups + index];
                    if error < best.1 {
                        *best = (narrowed(scheme, part(row), step, clipping), error);
                    }
                }
            }
        }
    }
    best.into_iter().map(|(affine, _)| affine).collect()
}

/// Scale and zero point of a range: step 0 is the whole one, odd steps clip symmetrically, even ones move both ends in proportion.
fn narrowed(scheme: Scheme, weights: &[f32], step: usize, clipping: Clipping) -> Affine {
    let (min, max) = bounds(weights);
    let share = 1.0 - step.div_ceil(2) as f32 * clipping.step;
    if step.is_multiple_of(2) {
        return scheme.affine(min * share, max * share);
    }
    let limit = min.abs().max(max.abs()) * share;
    scheme.affine(min.max(-limit), max.min(limit))
}
