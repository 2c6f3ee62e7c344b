//! The reference: plain Rust that runs on every CPU and defines what the other tables must compute.

use super::tile::{Bytes, PackedTile, RUN, TILE_ROWS, W8A8Tile};
use crate::quantize::{BLOCK, HALF_BLOCK, QuantizedView, TokenView};
use crate::simd::{Simd, f16_to_f32};

const LANES: usize = 8;

/// The token for vectors that are plain arrays, which every CPU has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

macro_rules! map {
    (|$($arg:ident),*| $body:expr) => {
        std::array::from_fn(|i| { $(let $arg = $arg[i];)* $body })
    };
}

// SAFETY: plain Rust needs no instructions beyond the target's own.
unsafe impl Simd for Portable {
    const LANES: usize = LANES;
    type F = [f32; LANES];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::F {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<[f32; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: Self::F) {
        // SAFETY: as the caller promises.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> Self::F {
        // SAFETY: as the caller promises.
        let raw = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        raw.map(f16_to_f32)
    }
    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16, x: Self::F) {
        let raw = x.map(|x| half::f16::from_f32_const(x).to_bits());
        // SAFETY: as the caller promises.
        unsafe { to.cast::<[u16; LANES]>().write_unaligned(raw) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> Self::F {
        // SAFETY: as the caller promises.
        let raw = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        raw.map(|raw| f32::from_bits(u32::from(raw) << 16))
    }
    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> Self::F {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8, x: Self::F) {
        // SAFETY: as the caller promises.
        unsafe { to.cast::<[i8; LANES]>().write_unaligned(x.map(|x| x.round_ties_even() as i8)) }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        map!(|a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        map!(|a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        map!(|a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        map!(|a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Not `f32::mul_add`: without the instruction that is a slow library call.
        map!(|a, b, c| a * b + c)
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        map!(|a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        map!(|a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn inside(self, a: Self::F, low: Self::F, high: Self::F, value: Self::F) -> Self::F {
        map!(|a, low, high, value| if (a > low) & (a < high) { value } else { 0.0 })
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn copysign(self, magnitude: Self::F, sign: Self::F) -> Self::F {
        map!(|magnitude, sign| magnitude.copysign(sign))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    fn pow2(self, a: Self::F) -> Self::F {
        a.map(|a| f32::from_bits(((a as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    fn maximum(self, a: Self::F) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, |a, b| if b > a { b } else { a })
    }
}

/// The quant of one row and column of a block.
fn quant(block: &[u8], bytes: Bytes, row: usize, col: usize) -> i32 {
    let (run, at) = (col / 4, row * 4 + col % 4);
    match bytes {
        Bytes::Nibbles { zero } => {
            let byte = block[run % 4 * RUN + at];
            i32::from(if run < 4 { byte & 15 } else { byte >> 4 }) - i32::from(zero)
        }
        Bytes::Five { zero } | Bytes::Six { zero } => {
            let byte = block[run % 4 * RUN + at];
            let low = if run < 4 { byte & 15 } else { byte >> 4 };
            let high = match bytes {
                Bytes::Five { .. } => block[4 * RUN + at] >> run & 1,
                _ => block[(4 + run / 4) * RUN + at] >> (2 * (run % 4)) & 3,
            };
            i32::from(low | high << 4) - i32::from(zero)
        }
        Bytes::Narrow { zero } => i32::from(block[run * RUN + at]) - i32::from(zero),
        Bytes::Wide => i32::from(block[run * RUN + at] as i8),
    }
}

fn half_float(bytes: &[u8], index: usize) -> f32 {
    f16_to_f32(u16::from_le_bytes([bytes[2 * index], bytes[2 * index + 1]]))
}

/// The product of a tile with rows of activations, written for reading.
///
/// # Safety
/// None needed; the signature is the table's.
unsafe fn packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]) {
    assert!(tile.is_consistent() && x.cols == tile.cols);
    let tokens = x.quants.len() / x.cols;
    let (blocks, halves) = (x.cols / BLOCK, x.cols / HALF_BLOCK);
    let group_in_block = tile.group.min(BLOCK);
    for token in 0..tokens {
        for row in 0..TILE_ROWS {
            let mut sum = 0.0;
            for (u, unit) in tile.data.chunks_exact(tile.unit_bytes()).enumerate() {
                let (scales, rest) = unit.split_at(tile.header_bytes());
                let (mins, quants) = rest.split_at(if tile.mins { tile.header_bytes() } else { 0 });
                for (b, block) in quants.chunks_exact(tile.bytes.block_bytes()).enumerate() {
                    let at = u * tile.unit_blocks() + b;
                    let x_scale = x.scales[token * blocks + at];
                    let x_block = &x.quants[token * x.cols + at * BLOCK..][..BLOCK];
                    for (g, x_group) in x_block.chunks_exact(group_in_block).enumerate() {
                        let first = g * group_in_block;
                        let dot: i32 = x_group
                            .iter()
                            .enumerate()
                            .map(|(c, &x)| quant(block, tile.bytes, row, first + c) * i32::from(x))
                            .sum();
                        let scale = half_float(scales, g * TILE_ROWS + row);
                        sum += scale * x_scale * dot as f32;
                        if tile.mins {
                            let x_sum = if group_in_block == BLOCK {
                                x.sums[token * blocks + at]
                            } else {
                                x.half_sums[token * halves + 2 * at + g]
                            };
                            sum += half_float(mins, g * TILE_ROWS + row) * x_sum;
                        }
                    }
                }
            }
            out[token * TILE_ROWS + row] = sum * tile.multiplier;
        }
    }
}

/// The product of a tile of bytes with rows of activations.
///
/// # Safety
/// None needed; the signature is the table's.
unsafe fn w8a8_tile(tile: &W8A8Tile<'_>, x: TokenView<'_>, out: &mut [f32]) {
    assert!(x.cols == tile.cols && tile.data.len() == TILE_ROWS * tile.cols);
    for (token, x_row) in x.quants.chunks_exact(x.cols).enumerate() {
        let mut sums = [0i32; TILE_ROWS];
        for (run, quad) in tile.data.chunks_exact(RUN).zip(x_row.chunks_exact(4)) {
            for (sum, weights) in sums.iter_mut().zip(run.chunks_exact(4)) {
                *sum += weights.iter().zip(quad).map(|(&w, &x)| i32::from(w) * i32::from(x)).sum::<i32>();
            }
        }
        for row in 0..TILE_ROWS {
            out[token * TILE_ROWS + row] = sums[row] as f32 * (tile.scales[row] * x.scales[token]);
        }
    }
}

super::amplitude_kernels!(amplitudes_f32, f32, [] Portable);
super::amplitude_kernels!(amplitudes_f64, f64, [] Portable);

super::table! {
    name: "portable", features: [], supported: || true, token: Portable,
    packed_tokens: 4, packed_tile: packed_tile, bit_planes: false,
    w8a8_tile: w8a8_tile, w8a8_words: None,
    hadamard: [] Portable,
    int8: [] Portable,
    amplitudes: amplitudes_f32::KERNELS, amplitudes_f64::KERNELS,
}
