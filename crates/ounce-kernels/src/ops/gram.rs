//! Gram matrices: the second moments of a layer's inputs, from which the error of changed weights follows without the inputs.

use crate::Team;
use crate::pool::SharedMut;
use crate::simd::gemm::{PANEL, TILE_ROWS, Tile};

/// Rows of `x` that are summed at a time: a panel of 16 columns of them stays in the first-level cache.
const DEPTH: usize = 256;

/// Adds `x^T x` of `x [n, d]` to `gram [d, d]`, of which only the part on and above the diagonal is
/// kept up (elements below it are unspecified). [`mirror`] fills the rest.
///
/// # Panics
/// If `x` is not a whole number of rows, or `gram` has another length than `d * d`.
pub fn gram(team: &mut Team<'_>, x: &[f32], d: usize, gram: &mut [f32]) {
    assert!(gram.len() == d * d);
    gram_strided(team, x, d, gram, d);
}

/// As [`gram`], into a part of a larger matrix: row `i` of the result begins at `i * stride`.
///
/// # Panics
/// If `x` is not a whole number of rows, or `gram` is too short.
pub fn gram_strided(team: &mut Team<'_>, x: &[f32], d: usize, gram: &mut [f32], stride: usize) {
    assert!(d > 0 && x.len().is_multiple_of(d) && stride >= d && gram.len() >= (d - 1) * stride + d);
    let kernels = team.kernels();
    let mut transposed = vec![0.0f32; d * DEPTH];
    let panels = d.div_ceil(PANEL);
    for x in x.chunks(DEPTH * d) {
        let depth = x.len() / d;
        team.for_each_chunk_mut(&mut transposed, 8 * DEPTH, |chunk, rows| {
            for (i, row) in rows.chunks_exact_mut(DEPTH).enumerate() {
                let column = chunk * 8 + i;
                for (out, x) in row.iter_mut().zip(x.chunks_exact(d)) {
                    *out = x[column];
                }
            }
        });
        let shared = SharedMut::new(&mut *gram);
        let transposed = &transposed;
        // The last panels have most rows above them; they come first, so that the end of the job is even.
        team.run(panels, |chunk, _| {
            let first = (panels - 1 - chunk) * PANEL;
            let width = PANEL.min(d - first);
            let mut panel = [0.0f32; DEPTH * PANEL];
            for (out, x) in panel.chunks_exact_mut(PANEL).zip(x.chunks_exact(d)) {
                out[..width].copy_from_slice(&x[first..first + width]);
            }
            let last = (first + PANEL).min(d);
            let mut sums = [0.0f32; TILE_ROWS * PANEL];
            for row in (0..last).step_by(TILE_ROWS) {
                let rows = TILE_ROWS.min(last - row);
                kernels.gemm_tile(Tile {
                    panel: &panel,
                    panel_stride: PANEL,
                    x: &transposed[row * DEPTH..],
                    x_stride: DEPTH,
                    depth,
                    out: &mut sums,
                    out_stride: PANEL,
                    rows,
                    accumulate: false,
                });
                for (r, sums) in sums.chunks_exact(PANEL).take(rows).enumerate() {
                    // SAFETY: panels do not overlap, and each belongs to one chunk.
                    let out = unsafe { shared.slice((row + r) * stride + first, width) };
                    out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                }
            }
        });
    }
}

/// Copies the elements above the diagonal of `gram [d, d]` below it.
///
/// # Panics
/// If `gram` has another length than `d * d`.
pub fn mirror(gram: &mut [f32], d: usize) {
    assert_eq!(gram.len(), d * d);
    for i in 1..d {
        let (above, row) = gram.split_at_mut(i * d);
        for (j, out) in row[..i].iter_mut().enumerate() {
            *out = above[j * d + i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{gram, mirror};
    use crate::{Kernels, ThreadPool};

    #[test]
    fn sums_of_products_of_columns_on_odd_shapes() {
        for (n, d) in [(1, 1), (3, 16), (300, 17), (517, 50), (256, 96)] {
            let x: Vec<f32> = (0..n * d).map(|i| ((i * 7919) % 251) as f32 / 50.0 - 2.0).collect();
            let expected = |i: usize, j: usize| -> f64 {
                x.chunks_exact(d).map(|row| f64::from(row[i]) * f64::from(row[j])).sum()
            };
            for kernels in Kernels::available() {
                for threads in [1, 3] {
                    let mut out = vec![0.0; d * d];
                    ThreadPool::with_kernels(threads, kernels).region(|team| {
                        let (first, second) = x.split_at(n / 2 * d);
                        gram(team, first, d, &mut out);
                        gram(team, second, d, &mut out);
                    });
                    mirror(&mut out, d);
                    for i in 0..d {
                        for j in 0..d {
                            let error = (f64::from(out[i * d + j]) - expected(i, j)).abs();
                            assert!(error < 1e-3 * (n as f64), "{n} x {d}, {kernels:?}: {i}, {j}: {error}");
                        }
                    }
                }
            }
        }
    }
}
