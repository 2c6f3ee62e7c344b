//! General products of float matrices, whose second factor need not exist: its columns are made 16 at a time.

use crate::Team;
use crate::pool::{SharedMut, at_least};
use crate::simd::gemm::{PANEL as WIDTH, TILE_ROWS, Tile};

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 15;

/// The columns of a panel that [`gemm`] asks for.
pub const PANEL: usize = WIDTH;

/// The left factor, the extents and the result of a product `out = rows * columns`, or `out += rows * columns`.
#[derive(Debug)]
pub struct Gemm<'a> {
    /// `[m, depth]`, row `i` beginning at `i * row_stride`; transposed, `[depth, m]`.
    pub rows: &'a [f32],
    /// The distance of two rows, at least `depth`; transposed, of two elements of a row, at least `m`.
    pub row_stride: usize,
    /// Whether `rows` is transposed.
    pub transposed: bool,
    /// The number of rows.
    pub m: usize,
    /// The length of the sums.
    pub depth: usize,
    /// The number of columns.
    pub n: usize,
    /// `[m, n]`, row `i` beginning at `i * out_stride`.
    pub out: &'a mut [f32],
    /// The distance of two rows of the result, at least `n`.
    pub out_stride: usize,
    /// Add to what `out` holds.
    pub accumulate: bool,
}

/// Computes a product. `fill(first, width, panel)` writes columns `first..first + width` of the second factor, of which `width` is at most [`PANEL`],
/// to `panel [depth][PANEL]`; what it leaves in further columns of the panel has no effect.
///
/// An element is summed in order of depth, whatever the extents and the number of threads.
///
/// # Panics
/// If `rows` or `out` is too short for the extents.
pub fn gemm(team: &mut Team<'_>, gemm: Gemm<'_>, fill: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let Gemm { rows, row_stride, transposed, m, depth, n, out, out_stride, accumulate } = gemm;
    if m == 0 || n == 0 {
        return;
    }
    let (lines, line) = if transposed { (depth, m) } else { (m, depth) };
    assert!(row_stride >= line && (lines == 0 || (lines - 1) * row_stride + line <= rows.len()));
    let (x_stride, x_step) = if transposed { (1, row_stride) } else { (row_stride, 1) };
    assert!(out_stride >= n && (m - 1) * out_stride + n <= out.len());
    let kernels = team.kernels();
    let panels = n.div_ceil(PANEL);
    // Few panels of many rows are cut into blocks of rows too, so that every thread has work; small panels are worked off several at a time.
    let blocks =
        if panels >= 2 * team.threads() { 1 } else { m.div_ceil(4 * TILE_ROWS).min(2 * team.threads()) };
    let block = m.div_ceil(blocks).next_multiple_of(TILE_ROWS);
    let blocks = m.div_ceil(block);
    let together = if blocks > 1 { 1 } else { (TASK / (m * PANEL * depth.max(1))).max(1) };
    let out = SharedMut::new(out);
    team.run_with_buffers(panels.div_ceil(together) * blocks, |chunk, buffers| {
        let begin = chunk % blocks * block;
        let end = m.min(begin + block);
        let first = chunk / blocks * together;
        for first in (first..panels.min(first + together)).map(|panel| panel * PANEL) {
            let width = PANEL.min(n - first);
            let panel = at_least(&mut buffers.panel, depth * PANEL);
            fill(first, width, panel);
            let mut sums = [0.0f32; TILE_ROWS * PANEL];
            for row in (begin..end).step_by(TILE_ROWS) {
                let count = TILE_ROWS.min(end - row);
                // SAFETY: chunks differ in their columns or their rows, so the parts of different chunks do not overlap, and each chunk is run once.
                let out = |r: usize| unsafe { out.slice((row + r) * out_stride + first, width) };
                if accumulate {
                    let sums = sums.chunks_exact_mut(PANEL).take(count);
                    sums.enumerate().for_each(|(r, sums)| sums[..width].copy_from_slice(out(r)));
                }
                kernels.gemm_tile(Tile {
                    panel,
                    panel_stride: PANEL,
                    x: &rows[rows.len().min(row * x_stride)..],
                    x_stride,
                    x_step,
                    depth,
                    out: &mut sums,
                    out_stride: PANEL,
                    rows: count,
                    accumulate,
                });
                let sums = sums.chunks_exact(PANEL).take(count);
                for (r, sums) in sums.enumerate() {
                    let out = out(r);
                    match (out.first_chunk_mut::<PANEL>(), sums.first_chunk()) {
                        (Some(out), Some(sums)) => *out = *sums,
                        _ => out.copy_from_slice(&sums[..width]),
                    }
                }
            }
        }
    });
}
