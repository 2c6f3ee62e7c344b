//! Tiles of float matrices.

use crate::Kernels;
use crate::isa::TILE_ROWS;
use crate::matrix::FloatMatrix;
use crate::simd::gemm::{TILE_ROWS as TOKENS, Tile};

/// `results[r] = row . x` for the rows of a tile, read as they lie in memory.
pub(super) fn dot_tile(kernels: Kernels, matrix: &FloatMatrix, tile: usize, x: &[f32], results: &mut [f32]) {
    let first = tile * TILE_ROWS;
    let count = TILE_ROWS.min(matrix.rows - first);
    kernels.dot_rows(matrix.element, matrix.rows_from(first, count), x, &mut results[..count]);
}

/// 16 rows of a float matrix, transposed to `[d][16]` floats. Rows beyond the matrix are zero.
pub(super) struct FloatPanel<'a> {
    panel: &'a [f32],
    d: usize,
}

/// Columns converted at a time.
const STRIP: usize = 64;

impl<'a> FloatPanel<'a> {
    /// Floats that a panel of `d` columns takes.
    pub(super) fn len(d: usize) -> usize {
        d * TILE_ROWS
    }

    pub(super) fn new(kernels: Kernels, matrix: &FloatMatrix, tile: usize, panel: &'a mut [f32]) -> Self {
        let d = matrix.cols;
        let first = tile * TILE_ROWS;
        let count = TILE_ROWS.min(matrix.rows - first);
        let rows = matrix.rows_from(first, count);
        let size = matrix.element.size();
        let mut strip = [[0.0f32; STRIP]; TILE_ROWS];
        for start in (0..d).step_by(STRIP) {
            let width = STRIP.min(d - start);
            for (row, strip) in strip.iter_mut().enumerate().take(count) {
                let at = (row * d + start) * size;
                kernels.widen(matrix.element, &rows[at..at + width * size], &mut strip[..width]);
            }
            for (k, out) in panel[start * TILE_ROWS..].chunks_exact_mut(TILE_ROWS).take(width).enumerate() {
                for (out, row) in out.iter_mut().zip(&strip) {
                    *out = row[k];
                }
            }
        }
        Self { panel: &panel[..d * TILE_ROWS], d }
    }

    pub(super) fn compute(
        &self,
        kernels: Kernels,
        x: &[f32],
        x_stride: usize,
        tokens: usize,
        results: &mut [f32],
    ) {
        for first in (0..tokens).step_by(TOKENS) {
            kernels.gemm_tile(Tile {
                panel: self.panel,
                panel_stride: TILE_ROWS,
                x: &x[first * x_stride..],
                x_stride,
                x_step: 1,
                depth: self.d,
                out: &mut results[first * TILE_ROWS..],
                out_stride: TILE_ROWS,
                rows: TOKENS.min(tokens - first),
                accumulate: false,
            });
        }
    }
}
