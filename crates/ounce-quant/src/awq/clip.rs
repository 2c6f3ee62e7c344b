//! The search for the range of each group.

use crate::inputs::Inputs;
use crate::scheme::{Affine, Scheme, bounds};
use ounce_kernels::Team;
use ounce_kernels::ops;

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
const ROWS_AT_ONCE: usize = 48;

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
    let kernels = team.kernels();
    let groups = width / group;
    let mut affines = vec![Affine { scale: 0.0, zero: 0 }; weights.len() / group];
    team.for_each_chunk_mut(&mut affines, ROWS_AT_ONCE * groups, |chunk, affines| {
        let rows = affines.len() / groups;
        let weights = &weights[chunk * ROWS_AT_ONCE * width..][..rows * width];
        let mut change = vec![0.0f32; rows * group];
        let mut errors = vec![0.0f64; rows];
        let mut best = vec![f64::INFINITY; rows];
        for index in 0..groups {
            let start = index * group;
            let part = |row: usize| &weights[row * width + start..][..group];
            let block = &gram[start * width + start..];
            best.fill(f64::INFINITY);
            for step in 0..2 * clipping.steps - 1 {
                for (row, change) in change.chunks_exact_mut(group).enumerate() {
                    let affine = narrowed(scheme, part(row), step, clipping);
                    change.iter_mut().zip(part(row)).for_each(|(out, &w)| *out = scheme.round(w, affine) - w);
                }
                ops::quadratic_forms(kernels, &change, group, block, width, &mut errors);
                for (row, (best, error)) in best.iter_mut().zip(&errors).enumerate() {
                    if *error < *best {
                        *best = *error;
                        affines[row * groups + index] = narrowed(scheme, part(row), step, clipping);
                    }
                }
            }
        }
    });
    affines
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
