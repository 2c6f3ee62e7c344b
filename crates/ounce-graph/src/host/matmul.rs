//! Products of matrices by the float kernels.

use ounce_kernels::Team;
use ounce_kernels::ops::{Gemm, PANEL, gemm};

use crate::ops::MatMul;

/// Longest sums of one product: a panel of 16 columns stays in the second-level cache.
const DEPTH: usize = 2048;

/// `out [m, n] = a b`, with the transpositions of `op`.
pub(crate) fn matmul(
    team: &mut Team<'_>,
    op: &MatMul,
    [m, k, n]: [usize; 3],
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
) {
    if k == 0 {
        return out.fill(0.0);
    }
    for start in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - start);
        let product = Gemm {
            rows: if op.transpose_a { &a[start * m..] } else { &a[start..] },
            row_stride: if op.transpose_a { m } else { k },
            transposed: op.transpose_a,
            m,
            depth,
            n,
            out,
            out_stride: n,
            accumulate: start > 0,
        };
        gemm(team, product, |first, width, panel| {
            if op.transpose_b {
                for column in 0..width {
                    let b = &b[(first + column) * k + start..][..depth];
                    b.iter().enumerate().for_each(|(l, b)| panel[l * PANEL + column] = *b);
                }
            } else {
                for (l, panel) in panel.chunks_exact_mut(PANEL).take(depth).enumerate() {
                    panel[..width].copy_from_slice(&b[(start + l) * n + first..][..width]);
                }
            }
        });
    }
}
