//! The product of bytes with bytes, summed over whole rows in 32 bits, for the instruction sets of [`super::dot`].

use super::dot::Dot;
use super::tile::{PREFETCH_BYTES, RUN, TILE_ROWS, W8A8Tile};
use crate::quantize::{HALF_BLOCK, TokenView};
use crate::simd::Simd;

/// All 16 rows of a tile, in `P` vectors, times `T` tokens from token `first`; the sums stay in registers.
#[inline(always)]
fn rows_product<D: Dot, const P: usize, const T: usize>(
    d: D,
    tile: &W8A8Tile<'_>,
    x: &TokenView<'_>,
    first: usize,
    out: &mut [f32],
) {
    let s = d.floats();
    let lanes = D::Floats::LANES;
    assert!(P * lanes == TILE_ROWS && tile.data.len() == TILE_ROWS * tile.cols);
    assert!(
        x.cols == tile.cols
            && tile.cols.is_multiple_of(HALF_BLOCK)
            && out.len() == x.scales.len() * TILE_ROWS
    );
    assert!(first + T <= x.scales.len() && x.sums.len() == x.scales.len());
    assert!(x.quants.len() == x.scales.len() * x.cols);
    let mut sums = [[d.zero(); P]; T];
    for (t, sums) in sums.iter_mut().enumerate() {
        // Weights that `wide` made unsigned are larger by a constant, so that sums are larger by it times the activations.
        *sums = [d.splat_int(-(D::WIDE_ZERO as i32) * x.sums[first + t]); P];
    }
    // SAFETY: by the assertions, a tile has `cols / 4` runs of 64 bytes, and every token `cols` quants, a multiple of 16.
    unsafe {
        let quants = x.quants.as_ptr().add(first * x.cols);
        let mut runs = tile.data.as_ptr().cast::<u8>();
        for column in (0..x.cols).step_by(HALF_BLOCK) {
            if T == 1 {
                // One token reads every weight once: ask for those that come next.
                for line in 0..4 {
                    s.prefetch(runs.wrapping_add(PREFETCH_BYTES + line * RUN));
                }
            }
            let mut quads = [d.quads(quants.add(column)); T];
            for (t, quads) in quads.iter_mut().enumerate().skip(1) {
                *quads = d.quads(quants.add(t * x.cols + column));
            }
            macro_rules! quad {
                ($quad:literal) => {
                    let mut weights = [d.zero(); P];
                    for (p, weights) in weights.iter_mut().enumerate() {
                        *weights = d.wide(d.load(runs.add($quad * RUN + p * lanes * 4)));
                    }
                    for t in 0..T {
                        for p in 0..P {
                            sums[t][p] = d.dot::<$quad>(sums[t][p], weights[p], quads[t]);
                        }
                    }
                };
            }
            quad!(0);
            quad!(1);
            quad!(2);
            quad!(3);
            runs = runs.add(4 * RUN);
        }
        for (t, sums) in sums.iter().enumerate() {
            let x_scale = s.splat(x.scales[first + t]);
            for (p, &sums) in sums.iter().enumerate() {
                let scale = s.mul(s.load(tile.scales.as_ptr().add(p * lanes)), x_scale);
                let to = out.as_mut_ptr().add((first + t) * TILE_ROWS + p * lanes);
                s.store(to, s.mul(d.to_floats(sums), scale));
            }
        }
    }
}

/// A tile times any number of tokens, `T` at a time. `P`: vectors of rows in a tile.
#[inline(always)]
pub(super) fn tile_product<D: Dot, const P: usize, const T: usize>(
    d: D,
    tile: &W8A8Tile<'_>,
    x: TokenView<'_>,
    out: &mut [f32],
) {
    let tokens = x.scales.len();
    let mut token = 0;
    while token + T <= tokens {
        rows_product::<D, P, T>(d, tile, &x, token, out);
        token += T;
    }
    while token + 2 <= tokens {
        rows_product::<D, P, 2>(d, tile, &x, token, out);
        token += 2;
    }
    if token < tokens {
        rows_product::<D, P, 1>(d, tile, &x, token, out);
    }
}
