//! AVX2 with FMA and F16C: 8 floats a vector, 8-bit products by `vpmaddubsw`.

use std::arch::x86_64::*;

use super::tile::{Bytes, PackedTile, RUN, TILE_ROWS};
use crate::quantize::{BLOCK, HALF_BLOCK, QuantizedView};
use crate::simd::Simd;

/// The token for AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

// SAFETY: a value is made only inside functions that have the features, which are reached through a table whose `supported` has
// checked them.
unsafe impl Simd for Avx2 {
    const LANES: usize = 8;
    type F = __m256;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: the token proves AVX2; so below.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: 8 floats are readable, as the caller promises.
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: __m256) {
        // SAFETY: 8 floats are writable, as the caller promises.
        unsafe { _mm256_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> __m256 {
        // SAFETY: 16 bytes are readable, as the caller promises.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16, x: __m256) {
        // SAFETY: 16 bytes are writable, as the caller promises.
        unsafe { _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x)) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> __m256 {
        // SAFETY: 16 bytes are readable, as the caller promises.
        unsafe {
            let raw = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(raw))
        }
    }
    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8, x: __m256) {
        // SAFETY: 8 bytes are writable, as the caller promises.
        unsafe {
            let whole = _mm256_cvtps_epi32(x);
            let words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            _mm_storel_epi64(to.cast(), _mm_packs_epi16(words, words));
        }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
    }
    #[inline(always)]
    fn copysign(self, magnitude: __m256, sign: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe {
            let mask = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(mask, magnitude), _mm256_and_ps(mask, sign))
        }
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn pow2(self, a: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        // SAFETY: as in `splat`.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
    #[inline(always)]
    fn maximum(self, a: __m256) -> f32 {
        // SAFETY: as in `splat`.
        unsafe {
            let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}

/// Vectors of 8 rows in a tile.
const HALVES: usize = TILE_ROWS / 8;
/// The most rows of activations of one call.
const TOKENS: usize = 4;

/// Sums of a block or half block, `[half][token]`, 8 rows each.
type Sums<const T: usize> = [[__m256i; T]; HALVES];

/// What every block of a tile needs.
struct Activations<'a> {
    quants: *const i8,
    cols: usize,
    scales: &'a [f32],
    sums: &'a [i32],
}

/// Four neighbouring quants of a token, in every 32-bit lane.
///
/// # Safety
/// `quad` lies inside the token's row.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn broadcast(x: &Activations<'_>, token: usize, column: usize) -> __m256i {
    // SAFETY: inside the row, as the caller promises.
    unsafe { _mm256_set1_epi32(x.quants.add(token * x.cols + column).cast::<i32>().read_unaligned()) }
}

/// Adds pairs of 16-bit sums to 32-bit ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn to_32_bits<const T: usize>(narrow: &Sums<T>) -> Sums<T> {
    let ones = _mm256_set1_epi16(1);
    let mut wide = *narrow;
    for half in &mut wide {
        for sum in half {
            *sum = _mm256_madd_epi16(*sum, ones);
        }
    }
    wide
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_sums<const T: usize>(a: &mut Sums<T>, b: &Sums<T>) {
    for (a, b) in a.iter_mut().zip(b) {
        for (a, b) in a.iter_mut().zip(b) {
            *a = _mm256_add_epi32(*a, *b);
        }
    }
}

/// The dot products of a block of nibbles: `[columns 0..16, columns 16..32]`.
///
/// A product of a nibble and a byte is at most 15 * 127, so 8 pairs of them fit 16 bits: both halves may be summed before they are
/// widened.
///
/// # Safety
/// `block` has 256 bytes, and `column + 32` columns lie inside each of `T` rows.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn nibble_block<const T: usize, const SPLIT: bool>(
    block: *const u8,
    x: &Activations<'_>,
    column: usize,
) -> [Sums<T>; 2] {
    let mask = _mm256_set1_epi8(15);
    let zero = [[_mm256_setzero_si256(); T]; HALVES];
    let (mut low, mut high) = (zero, zero);
    for run in 0..4 {
        // SAFETY: 4 runs of 64 bytes; columns as the caller promises.
        unsafe {
            let stored = [
                _mm256_loadu_si256(block.add(run * RUN).cast()),
                _mm256_loadu_si256(block.add(run * RUN + 32).cast()),
            ];
            let quants = [_mm256_and_si256(stored[0], mask), _mm256_and_si256(stored[1], mask)];
            for t in 0..T {
                let x = broadcast(x, t, column + 4 * run);
                for h in 0..HALVES {
                    low[h][t] = _mm256_add_epi16(low[h][t], _mm256_maddubs_epi16(quants[h], x));
                }
            }
            let quants = [
                _mm256_and_si256(_mm256_srli_epi16::<4>(stored[0]), mask),
                _mm256_and_si256(_mm256_srli_epi16::<4>(stored[1]), mask),
            ];
            let sums = if SPLIT { &mut high } else { &mut low };
            for t in 0..T {
                let x = broadcast(x, t, column + HALF_BLOCK + 4 * run);
                for h in 0..HALVES {
                    sums[h][t] = _mm256_add_epi16(sums[h][t], _mm256_maddubs_epi16(quants[h], x));
                }
            }
        }
    }
    [to_32_bits(&low), if SPLIT { to_32_bits(&high) } else { zero }]
}

/// The dot products of 16 columns of a block of unsigned bytes of at most 64: two pairs of products fit 16 bits.
///
/// # Safety
/// `runs` has 256 bytes, and `column + 16` columns lie inside each of `T` rows.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn narrow_half<const T: usize>(runs: *const u8, x: &Activations<'_>, column: usize) -> Sums<T> {
    let mut total = [[_mm256_setzero_si256(); T]; HALVES];
    for pair in 0..2 {
        let mut sums = [[_mm256_setzero_si256(); T]; HALVES];
        for run in 2 * pair..2 * pair + 2 {
            // SAFETY: 4 runs of 64 bytes; columns as the caller promises.
            unsafe {
                let quants = [
                    _mm256_loadu_si256(runs.add(run * RUN).cast()),
                    _mm256_loadu_si256(runs.add(run * RUN + 32).cast()),
                ];
                for t in 0..T {
                    let x = broadcast(x, t, column + 4 * run);
                    for h in 0..HALVES {
                        sums[h][t] = _mm256_add_epi16(sums[h][t], _mm256_maddubs_epi16(quants[h], x));
                    }
                }
            }
        }
        add_sums(&mut total, &to_32_bits(&sums));
    }
    total
}

/// The dot products of 16 columns of a block of signed bytes. `vpmaddubsw` wants one unsigned factor: the sign moves to the
/// activation. A pair is at most 2 * 128 * 127, which fits 16 bits; two do not.
///
/// # Safety
/// As for `narrow_half`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn wide_half<const T: usize>(runs: *const u8, x: &Activations<'_>, column: usize) -> Sums<T> {
    let ones = _mm256_set1_epi16(1);
    let mut total = [[_mm256_setzero_si256(); T]; HALVES];
    for run in 0..4 {
        // SAFETY: 4 runs of 64 bytes; columns as the caller promises.
        unsafe {
            let quants = [
                _mm256_loadu_si256(runs.add(run * RUN).cast()),
                _mm256_loadu_si256(runs.add(run * RUN + 32).cast()),
            ];
            let magnitudes = [_mm256_abs_epi8(quants[0]), _mm256_abs_epi8(quants[1])];
            for t in 0..T {
                let x = broadcast(x, t, column + 4 * run);
                for h in 0..HALVES {
                    let pairs = _mm256_maddubs_epi16(magnitudes[h], _mm256_sign_epi8(x, quants[h]));
                    total[h][t] = _mm256_add_epi32(total[h][t], _mm256_madd_epi16(pairs, ones));
                }
            }
        }
    }
    total
}

/// Loads 16 half-precision floats.
///
/// # Safety
/// 32 bytes are readable.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn half_floats(from: *const u8) -> [__m256; HALVES] {
    // SAFETY: as the caller promises.
    unsafe {
        [_mm256_cvtph_ps(_mm_loadu_si128(from.cast())), _mm256_cvtph_ps(_mm_loadu_si128(from.add(16).cast()))]
    }
}

const NIBBLES: u8 = 0;
const NARROW: u8 = 1;
const WIDE: u8 = 2;

/// A tile times `T` tokens. `SPLIT`: groups of 16 columns, two to a block.
#[target_feature(enable = "avx2,fma,f16c")]
fn tile_product<const KIND: u8, const SPLIT: bool, const T: usize>(
    tile: &PackedTile<'_>,
    x: QuantizedView<'_>,
    out: &mut [f32],
) {
    assert!(tile.is_consistent() && x.cols == tile.cols && x.quants.len() == T * x.cols);
    assert!(out.len() == T * TILE_ROWS);
    let (blocks, halves) = (x.cols / BLOCK, x.cols / HALF_BLOCK);
    assert!(x.scales.len() == T * blocks && x.sums.len() == T * halves);
    let zero = match tile.bytes {
        Bytes::Nibbles { zero } | Bytes::Narrow { zero } => i32::from(zero),
        Bytes::Wide => 0,
    };
    let (unit_blocks, header, block_bytes) =
        (tile.unit_blocks(), tile.header_bytes(), tile.bytes.block_bytes());
    let groups = if SPLIT { 2 } else { 1 };
    let x = Activations { quants: x.quants.as_ptr(), cols: x.cols, scales: x.scales, sums: x.sums };
    let mut totals = [[_mm256_setzero_ps(); T]; HALVES];
    let mut at = tile.data.as_ptr();
    let mut block_index = 0;
    while block_index < blocks {
        // SAFETY: the tile is consistent, so a unit's scales, minimums and blocks follow one another inside `data`, and its columns
        // lie inside every row of `x`.
        unsafe {
            let scales = at;
            let mins = at.add(header);
            at = at.add(header * (1 + usize::from(tile.mins)));
            for _ in 0..unit_blocks {
                let column = block_index * BLOCK;
                let sums = match KIND {
                    NIBBLES => nibble_block::<T, SPLIT>(at, &x, column),
                    kind => {
                        let half = if kind == NARROW { narrow_half::<T> } else { wide_half::<T> };
                        let mut first = half(at, &x, column);
                        let second = half(at.add(4 * RUN), &x, column + HALF_BLOCK);
                        if !SPLIT {
                            add_sums(&mut first, &second);
                        }
                        [first, second]
                    }
                };
                for (g, sums) in sums.iter().enumerate().take(groups) {
                    let scale = half_floats(scales.add(g * 2 * TILE_ROWS));
                    for t in 0..T {
                        let x_scale = *x.scales.get_unchecked(t * blocks + block_index);
                        let halves = x.sums.as_ptr().add(t * halves + 2 * block_index);
                        let x_sum = if SPLIT { *halves.add(g) } else { *halves + *halves.add(1) };
                        let shift = _mm256_set1_epi32(zero * x_sum);
                        let x_scales = _mm256_set1_ps(x_scale);
                        for h in 0..HALVES {
                            let dot = _mm256_cvtepi32_ps(_mm256_sub_epi32(sums[h][t], shift));
                            totals[h][t] =
                                _mm256_fmadd_ps(_mm256_mul_ps(scale[h], x_scales), dot, totals[h][t]);
                        }
                        if tile.mins {
                            let min = half_floats(mins.add(g * 2 * TILE_ROWS));
                            let weight = _mm256_set1_ps(x_scale * x_sum as f32);
                            for h in 0..HALVES {
                                totals[h][t] = _mm256_fmadd_ps(min[h], weight, totals[h][t]);
                            }
                        }
                    }
                }
                at = at.add(block_bytes);
                block_index += 1;
            }
        }
    }
    let multiplier = _mm256_set1_ps(tile.multiplier);
    for t in 0..T {
        for h in 0..HALVES {
            // SAFETY: `out` has T * 16 floats.
            unsafe {
                let to = out.as_mut_ptr().add(t * TILE_ROWS + h * 8);
                _mm256_storeu_ps(to, _mm256_mul_ps(totals[h][t], multiplier));
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn tile_tokens<const KIND: u8, const SPLIT: bool>(
    tile: &PackedTile<'_>,
    x: QuantizedView<'_>,
    out: &mut [f32],
) {
    match x.quants.len() / x.cols {
        1 => tile_product::<KIND, SPLIT, 1>(tile, x, out),
        2 => tile_product::<KIND, SPLIT, 2>(tile, x, out),
        3 => tile_product::<KIND, SPLIT, 3>(tile, x, out),
        _ => tile_product::<KIND, SPLIT, TOKENS>(tile, x, out),
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]) {
    match (tile.bytes, tile.group < BLOCK) {
        (Bytes::Nibbles { .. }, false) => tile_tokens::<NIBBLES, false>(tile, x, out),
        (Bytes::Nibbles { .. }, true) => tile_tokens::<NIBBLES, true>(tile, x, out),
        (Bytes::Narrow { .. }, false) => tile_tokens::<NARROW, false>(tile, x, out),
        (Bytes::Narrow { .. }, true) => tile_tokens::<NARROW, true>(tile, x, out),
        (Bytes::Wide, false) => tile_tokens::<WIDE, false>(tile, x, out),
        (Bytes::Wide, true) => tile_tokens::<WIDE, true>(tile, x, out),
    }
}

fn supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

super::table! {
    name: "avx2", features: ["avx2,fma,f16c"], supported: supported, token: Avx2(()),
    packed_tokens: TOKENS, packed_tile: packed_tile,
}
