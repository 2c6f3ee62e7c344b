//! The error that changed weights cause in the outputs of a linear map.
//!
//! With `D` the change of the weights and `G = x^T x / n` the Gram matrix of the inputs, the mean squared error per token, summed
//! over output channels, is `tr(D G D^T)`: exact for the rows that went into `G`, at a cost that does not depend on their number. Where
//! there is no Gram matrix (mixtures of experts with wide layers) it is measured on the sample of rows.

use crate::inputs::Inputs;
use ounce_kernels::ops::{self, Input, Output};
use ounce_kernels::{Matrix, Team};

/// Rows of weights whose error is computed at a time.
const ROWS_AT_ONCE: usize = 96;

/// Sum over output channels of the mean squared error per token that a change of weights causes. `delta(row, out)` writes a row `[width]`
/// of the change, for `rows` rows; it is called on any thread.
pub fn output_error(
    team: &mut Team<'_>,
    inputs: &Inputs,
    rows: usize,
    delta: impl Fn(usize, &mut [f32]) + Sync,
) -> f64 {
    let width = inputs.width;
    let mut errors = vec![0.0f64; rows];
    match inputs.gram.as_ref().and_then(Matrix::as_f32) {
        Some(gram) => {
            let kernels = team.kernels();
            team.for_each_chunk_mut(&mut errors, ROWS_AT_ONCE, |chunk, errors| {
                let mut change = vec![0.0f32; errors.len() * width];
                for (row, change) in change.chunks_exact_mut(width).enumerate() {
                    delta(chunk * ROWS_AT_ONCE + row, change);
                }
                ops::quadratic_forms(kernels, &change, width, gram, width, errors);
            });
        }
        None => sampled_errors(team, &inputs.sample, &mut errors, &delta),
    }
    // Rounding may leave a tiny negative number where the error is nothing.
    errors.iter().sum::<f64>().max(0.0)
}

/// As [`output_error`], of weights `[rows, width]` in whose place others stand: `stored(row, out)` writes a row of those.
pub fn error_of(
    team: &mut Team<'_>,
    inputs: &Inputs,
    weights: &[f32],
    stored: impl Fn(usize, &mut [f32]) + Sync,
) -> f64 {
    let width = inputs.width;
    output_error(team, inputs, weights.len() / width.max(1), |row, out| {
        stored(row, out);
        out.iter_mut().zip(&weights[row * width..]).for_each(|(out, w)| *out -= w);
    })
}

/// The mean squared error of every output channel over the sample of inputs.
fn sampled_errors(
    team: &mut Team<'_>,
    sample: &Matrix,
    errors: &mut [f64],
    delta: &(impl Fn(usize, &mut [f32]) + Sync),
) {
    let (tokens, width) = (sample.rows(), sample.cols());
    if tokens == 0 {
        return;
    }
    for (chunk, errors) in errors.chunks_mut(ROWS_AT_ONCE).enumerate() {
        let mut change = vec![0.0f32; errors.len() * width];
        team.for_each_chunk_mut(&mut change, width, |row, out| delta(chunk * ROWS_AT_ONCE + row, out));
        let mut product = vec![0.0f32; errors.len() * tokens];
        ops::project(team, Input { x: &change, norm: None }, &mut [Output::write(sample, &mut product)]);
        for (error, product) in errors.iter_mut().zip(product.chunks_exact(tokens)) {
            *error = dot(product, product) / tokens as f64;
        }
    }
}

/// The mean squared output per token of `weights [rows, width]`, summed over output channels: what errors are compared with.
pub fn output_energy(team: &mut Team<'_>, inputs: &Inputs, weights: &[f32]) -> f64 {
    let width = inputs.width;
    output_error(team, inputs, weights.len() / width.max(1), |row, out| {
        out.copy_from_slice(&weights[row * width..][..width]);
    })
}

/// `(|rounded - weights|^2, |weights|^2)`.
pub fn squares(weights: &[f32], rounded: &[f32]) -> (f64, f64) {
    weights.iter().zip(rounded).fold((0.0, 0.0), |(error, all), (w, r)| {
        (error + f64::from(r - w).powi(2), all + f64::from(*w).powi(2))
    })
}

/// Dot product, summed in double precision over pieces that are summed in single.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.chunks(64)
        .zip(b.chunks(64))
        .map(|(a, b)| {
            let mut sums = [0.0f32; 8];
            let (a8, a_rest) = a.as_chunks::<8>();
            let (b8, b_rest) = b.as_chunks::<8>();
            for (a, b) in a8.iter().zip(b8) {
                for lane in 0..8 {
                    sums[lane] += a[lane] * b[lane];
                }
            }
            let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
            f64::from(sums.iter().sum::<f32>() + rest)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{InputObserver, Keep};
    use ounce_kernels::ThreadPool;

    #[test]
    fn gram_and_rows_give_the_error_of_the_outputs() {
        let (tokens, width, rows) = (200, 48, 30);
        let x: Vec<f32> = (0..tokens * width).map(|i| ((i * 31) % 97) as f32 / 40.0 - 1.0).collect();
        let change: Vec<f32> = (0..rows * width).map(|i| ((i * 17) % 89) as f32 / 1000.0 - 0.04).collect();
        let expected: f64 = x
            .chunks_exact(width)
            .flat_map(|x| change.chunks_exact(width).map(move |d| dot(x, d).powi(2)))
            .sum::<f64>()
            / tokens as f64;
        for gram_rows in [tokens, 0] {
            let keep = Keep { gram_rows, sample_rows: tokens, expected_rows: tokens };
            let found = ThreadPool::new(2).region(|team| {
                let mut observer = InputObserver::new(width, keep);
                observer.observe(team, &x);
                let inputs = observer.finish(team);
                output_energy(team, &inputs, &change)
            });
            assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
        }
    }
}
