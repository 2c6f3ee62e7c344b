//! The packed product for instruction sets whose byte products add straight into 32-bit sums, written once for all of them.
//!
//! A block's quants are unpacked to registers once, for as many rows as the registers hold, and multiplied with one token after
//! another. The totals stay in `out`: per token and block that costs one load and one store beside 8 dot products, and leaves the
//! number of tokens free.

use super::tile::{Bytes, NARROW, NIBBLES, PREFETCH_BYTES, PackedTile, RUN, TILE_ROWS, WIDE};
use crate::quantize::{BLOCK, HALF_BLOCK, QuantizedView};
use crate::simd::Simd;

/// The most rows of activations of one call: more would not spread the cost of unpacking any thinner.
pub(super) const TOKENS: usize = 12;

/// A token for one instruction set's byte products.
///
/// # Safety
/// A value may exist only where the CPU has the instructions that the methods use.
pub(super) unsafe trait Dot: Copy {
    /// Vectors of floats with one lane for every 32-bit sum.
    type Floats: Simd;
    /// A vector of 32-bit sums, or of four times as many bytes.
    type Ints: Copy;
    /// 16 neighbouring quants of a token, or the way to them.
    type Quads: Copy;
    /// What [`Dot::wide`] adds to a signed quant: 128 where the weights of `dot` must be unsigned, or 0.
    const WIDE_ZERO: f32;

    fn floats(self) -> Self::Floats;
    fn zero(self) -> Self::Ints;
    /// # Safety
    /// A vector is readable from `from`.
    unsafe fn load(self, from: *const u8) -> Self::Ints;
    /// The low half of every byte.
    fn low(self, bytes: Self::Ints) -> Self::Ints;
    /// The high half of every byte.
    fn high(self, bytes: Self::Ints) -> Self::Ints;
    /// Signed quants as `dot` wants its weights.
    fn wide(self, bytes: Self::Ints) -> Self::Ints;
    /// # Safety
    /// 16 bytes are readable from `from`, now and when the result is used.
    unsafe fn quads(self, from: *const i8) -> Self::Quads;
    /// Adds to every sum four weights times the four quants of quad `QUAD`. Weights are unsigned bytes of at most 64, or what `wide`
    /// returns.
    fn dot<const QUAD: i32>(self, sums: Self::Ints, weights: Self::Ints, x: Self::Quads) -> Self::Ints;
    /// A number in every sum.
    fn splat_int(self, x: i32) -> Self::Ints;
    fn add(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn to_floats(self, sums: Self::Ints) -> <Self::Floats as Simd>::F;
}

/// The quants of a block for as many rows as a vector has lanes, by half block and quad.
///
/// # Safety
/// `block` is where these rows' first run begins in a block of a tile.
#[inline(always)]
unsafe fn unpack<D: Dot, const KIND: u8>(d: D, block: *const u8) -> [[D::Ints; 4]; 2] {
    let mut weights = [[d.zero(); 4]; 2];
    let [first, second] = &mut weights;
    for (quad, (first, second)) in first.iter_mut().zip(second).enumerate() {
        // SAFETY: a block has 4 runs of nibbles, or 8 of bytes.
        unsafe {
            let run = d.load(block.add(quad * RUN));
            if KIND == NIBBLES {
                (*first, *second) = (d.low(run), d.high(run));
            } else {
                let later = d.load(block.add((4 + quad) * RUN));
                (*first, *second) = if KIND == WIDE { (d.wide(run), d.wide(later)) } else { (run, later) };
            }
        }
    }
    weights
}

/// Adds the products of 16 columns.
#[inline(always)]
fn half_product<D: Dot>(d: D, sums: D::Ints, weights: &[D::Ints; 4], x: D::Quads) -> D::Ints {
    let sums = d.dot::<0>(sums, weights[0], x);
    let sums = d.dot::<1>(sums, weights[1], x);
    let sums = d.dot::<2>(sums, weights[2], x);
    d.dot::<3>(sums, weights[3], x)
}

/// Per group of a block and vector of rows: scales or minimums as floats.
type Header<D, const P: usize> = [[<<D as Dot>::Floats as Simd>::F; P]; 2];

/// # Safety
/// `from` is where these rows' first value begins in the scales or minimums of a unit of `groups` groups.
#[inline(always)]
unsafe fn header<D: Dot, const P: usize>(d: D, from: *const u8, groups: usize) -> Header<D, P> {
    let s = d.floats();
    let mut values = [[s.splat(0.0); P]; 2];
    for (g, values) in values.iter_mut().enumerate().take(groups) {
        for (p, value) in values.iter_mut().enumerate() {
            // SAFETY: as the caller promises; loads of half-precision floats need no alignment.
            *value = unsafe { s.load_f16(from.cast::<u16>().add(g * TILE_ROWS + p * D::Floats::LANES)) };
        }
    }
    values
}

/// A tile times some tokens. `P`: vectors of rows held in registers at once. `SPLIT`: groups of 16 columns, two to a block.
#[inline(always)]
fn tile_product<D: Dot, const P: usize, const KIND: u8, const SPLIT: bool>(
    d: D,
    tile: &PackedTile<'_>,
    x: QuantizedView<'_>,
    out: &mut [f32],
) {
    let s = d.floats();
    let lanes = D::Floats::LANES;
    let tokens = out.len() / TILE_ROWS;
    let blocks = x.cols / BLOCK;
    assert!(TILE_ROWS.is_multiple_of(P * lanes) && out.len() == tokens * TILE_ROWS);
    assert!(tile.is_consistent() && x.cols == tile.cols && x.quants.len() == tokens * x.cols);
    assert!(x.scales.len() == tokens * blocks && x.sums.len() == tokens * blocks);
    assert!(x.half_sums.len() == 2 * tokens * blocks && SPLIT == (tile.group == HALF_BLOCK));
    let zero = match tile.bytes {
        Bytes::Nibbles { zero } | Bytes::Narrow { zero } | Bytes::Five { zero } | Bytes::Six { zero } => {
            -f32::from(zero)
        }
        Bytes::Wide => -D::WIDE_ZERO,
    };
    let shifted = zero != 0.0 || tile.mins;
    let groups = if SPLIT { 2 } else { 1 };
    let (unit_blocks, header_bytes, block_bytes) =
        (tile.unit_blocks(), tile.header_bytes(), tile.bytes.block_bytes());
    out.fill(0.0);
    let out = out.as_mut_ptr();
    let (mut unit, mut in_unit) = (tile.data.as_ptr(), 0);
    for index in 0..blocks {
        // SAFETY: the tile is consistent, so a unit's scales, minimums and blocks follow one another inside `data`; its columns lie
        // inside every row of `x`, which has a scale and sums for each of its blocks; and the rows lie inside `out`.
        unsafe {
            let first_block = unit.add(header_bytes * (1 + usize::from(tile.mins)));
            let block = first_block.add(in_unit * block_bytes);
            if tokens == 1 {
                // One token reads every weight once: ask for those that come next.
                for line in 0..block_bytes / 64 + 1 {
                    s.prefetch(block.wrapping_add(PREFETCH_BYTES + line * 64));
                }
            }
            for row in (0..TILE_ROWS).step_by(P * lanes) {
                let mut weights = [[[d.zero(); 4]; 2]; P];
                for (p, weights) in weights.iter_mut().enumerate() {
                    *weights = unpack::<D, KIND>(d, block.add((row + p * lanes) * 4));
                }
                let scales = header::<D, P>(d, unit.add(2 * row), groups);
                // What the sum of a token's activations is multiplied with: minimum and zero point.
                let mut shifts = [[s.splat(0.0); P]; 2];
                if tile.mins {
                    shifts = header::<D, P>(d, unit.add(header_bytes + 2 * row), groups);
                }
                for g in 0..groups {
                    for p in 0..P {
                        shifts[g][p] = s.mul_add(scales[g][p], s.splat(zero), shifts[g][p]);
                    }
                }
                for t in 0..tokens {
                    let at = t * blocks + index;
                    let quants = x.quants.as_ptr().add(at * BLOCK);
                    let quads = [d.quads(quants), d.quads(quants.add(HALF_BLOCK))];
                    let x_scale = s.splat(*x.scales.as_ptr().add(at));
                    for p in 0..P {
                        let low = half_product(d, d.zero(), &weights[p][0], quads[0]);
                        let high = half_product(d, d.zero(), &weights[p][1], quads[1]);
                        let dots = if SPLIT { [low, high] } else { [d.add(low, high), low] };
                        let to = out.add(t * TILE_ROWS + row + p * lanes);
                        let mut total = s.load(to);
                        for g in 0..groups {
                            let scale = s.mul(scales[g][p], x_scale);
                            total = s.mul_add(scale, d.to_floats(dots[g]), total);
                            if shifted {
                                let x_sum = if SPLIT {
                                    *x.half_sums.as_ptr().add(2 * at + g)
                                } else {
                                    *x.sums.as_ptr().add(at)
                                };
                                total = s.mul_add(shifts[g][p], s.splat(x_sum), total);
                            }
                        }
                        s.store(to, total);
                    }
                }
            }
            in_unit += 1;
            if in_unit == unit_blocks {
                (unit, in_unit) = (first_block.add(unit_blocks * block_bytes), 0);
            }
        }
    }
    let multiplier = s.splat(tile.multiplier);
    for at in (0..tokens * TILE_ROWS).step_by(lanes) {
        // SAFETY: `out` has tokens * 16 floats, and LANES divides 16.
        unsafe { s.store(out.add(at), s.mul(s.load(out.add(at)), multiplier)) };
    }
}

/// A tile times at most [`TOKENS`] tokens. `P`: vectors of rows held in registers at once, 8 registers each.
#[inline(always)]
pub(super) fn packed_tile<D: Dot, const P: usize>(
    d: D,
    tile: &PackedTile<'_>,
    x: QuantizedView<'_>,
    out: &mut [f32],
) {
    match (tile.bytes, tile.group < BLOCK) {
        (Bytes::Nibbles { .. }, false) => tile_product::<D, P, NIBBLES, false>(d, tile, x, out),
        (Bytes::Nibbles { .. }, true) => tile_product::<D, P, NIBBLES, true>(d, tile, x, out),
        (Bytes::Narrow { .. }, false) => tile_product::<D, P, NARROW, false>(d, tile, x, out),
        (Bytes::Narrow { .. }, true) => tile_product::<D, P, NARROW, true>(d, tile, x, out),
        (Bytes::Five { .. } | Bytes::Six { .. }, _) => {
            crate::isa::Kernels::portable().packed_tile(tile, x, out)
        }
        (Bytes::Wide, false) => tile_product::<D, P, WIDE, false>(d, tile, x, out),
        (Bytes::Wide, true) => tile_product::<D, P, WIDE, true>(d, tile, x, out),
    }
}
