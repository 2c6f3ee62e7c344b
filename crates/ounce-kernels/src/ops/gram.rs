//! Gram matrices: the second moments of a layer's inputs, from which the error of changed weights follows without the inputs.

use crate::pool::SharedMut;
use crate::simd::gemm::{PANEL, TILE_ROWS, Tile};
use crate::{Kernels, Team};

/// Rows of `x` that are summed at a time: so many that adding the sums to the result, which lies far apart in memory, costs little, and
/// few enough that a panel of 16 columns of them stays in the second-level cache.
const DEPTH: usize = 1024;

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
    // A distance that is no multiple of the page keeps the columns out of one another's way in the cache.
    let column = DEPTH.min(x.len() / d) + 16;
    let mut transposed = vec![0.0f32; d * column];
    let panels = d.div_ceil(PANEL);
    for x in x.chunks(DEPTH * d) {
        let depth = x.len() / d;
        team.for_each_chunk_mut(&mut transposed, PANEL * column, |chunk, columns| {
            let width = columns.len() / column;
            for (row, x) in x.chunks_exact(d).enumerate() {
                let x = &x[chunk * PANEL..][..width];
                x.iter().enumerate().for_each(|(i, x)| columns[i * column + row] = *x);
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
                    x: &transposed[row * column..],
                    x_stride: column,
                    x_step: 1,
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

/// `out[r] = x[r] gram x[r]^T` for the rows of `x [n, d]` and a symmetric matrix whose row `i` begins at `gram[i * stride]`; only the part on and
/// above its diagonal is read. On one thread, so that rows can be shared out together with what makes them.
///
/// # Panics
/// If `x` is not a whole number of rows, there is not one `out` for each, or `gram` is too short.
pub fn quadratic_forms(kernels: Kernels, x: &[f32], d: usize, gram: &[f32], stride: usize, out: &mut [f64]) {
    assert!(d > 0 && x.len() == out.len() * d && stride >= d && gram.len() >= (d - 1) * stride + d);
    out.fill(0.0);
    let mut panel = vec![0.0f32; d.next_multiple_of(PANEL) * PANEL];
    let mut sums = [[0.0f32; TILE_ROWS * PANEL]; 2];
    for first in (0..d).step_by(PANEL) {
        let width = PANEL.min(d - first);
        for (row, panel) in panel.chunks_exact_mut(PANEL).enumerate().take(first + width) {
            if row < first && width == PANEL {
                panel.copy_from_slice(&gram[row * stride + first..][..PANEL]);
                continue;
            }
            // Below the diagonal of the last block its mirror image stands in.
            for (column, out) in panel.iter_mut().enumerate().take(width) {
                let (i, j) = (row.min(first + column), row.max(first + column));
                *out = gram[i * stride + j];
            }
            panel[width..].fill(0.0);
        }
        let (above, diagonal) = panel.split_at(first * PANEL);
        for (x, out) in x.chunks(TILE_ROWS * d).zip(out.chunks_mut(TILE_ROWS)) {
            let rows = out.len();
            for (half, (panel, from, depth)) in
                [(above, 0, first), (diagonal, first, width)].into_iter().enumerate()
            {
                kernels.gemm_tile(Tile {
                    panel,
                    panel_stride: PANEL,
                    x: &x[from..],
                    x_stride: d,
                    x_step: 1,
                    depth,
                    out: &mut sums[half],
                    out_stride: PANEL,
                    rows,
                    accumulate: false,
                });
            }
            for (r, out) in out.iter_mut().enumerate() {
                let x = &x[r * d + first..][..width];
                let twice = x.iter().zip(&sums[0][r * PANEL..]).map(|(x, s)| x * s).sum::<f32>();
                let once = x.iter().zip(&sums[1][r * PANEL..]).map(|(x, s)| x * s).sum::<f32>();
                *out += 2.0 * f64::from(twice) + f64::from(once);
            }
        }
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
    use super::{gram, mirror, quadratic_forms};
    use crate::{Kernels, ThreadPool};

    #[test]
    fn sums_of_products_of_columns_on_odd_shapes() {
        for (n, d) in [
            (1, 1),
            (9, 7),
            (9, 8),
            (9, 9),
            (9, 10),
            (9, 11),
            (9, 12),
            (3, 16),
            (300, 17),
            (517, 50),
            (256, 96),
        ] {
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

    #[test]
    fn quadratic_forms_are_double_sums() {
        for (n, d, stride) in [(1, 1, 1), (3, 16, 16), (7, 17, 20), (13, 50, 50), (6, 64, 100)] {
            let value = |i: usize| ((i * 7919) % 251) as f32 / 50.0 - 2.0;
            let x: Vec<f32> = (0..n * d).map(value).collect();
            // What is below the diagonal must not matter.
            let gram: Vec<f32> = (0..d * stride)
                .map(|i| if i % stride < i / stride { f32::NAN } else { value(i * 3 + 1) })
                .collect();
            let expected = |row: usize| -> f64 {
                let x = &x[row * d..][..d];
                let term = |i: usize, j: usize| {
                    f64::from(x[i]) * f64::from(x[j]) * f64::from(gram[i.min(j) * stride + i.max(j)])
                };
                (0..d).map(|i| (0..d).map(|j| term(i, j)).sum::<f64>()).sum()
            };
            for kernels in Kernels::available() {
                let mut out = vec![f64::NAN; n];
                quadratic_forms(kernels, &x, d, &gram, stride, &mut out);
                for (row, found) in out.iter().enumerate() {
                    let error = (found - expected(row)).abs();
                    assert!(error < 1e-3 * (d * d) as f64, "{n} x {d}, {kernels:?}: {row}: {error}");
                }
            }
        }
    }
}
