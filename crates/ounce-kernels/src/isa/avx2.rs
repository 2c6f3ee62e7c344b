//! AVX2 with FMA and F16C: 8 floats a vector, 8-bit products by `vpmaddubsw`.

use std::arch::x86_64::*;

use super::tile::{Bytes, FIVE, NARROW, NIBBLES, PREFETCH_BYTES, PackedTile, RUN, SIX, TILE_ROWS, WIDE};
use crate::quantize::{BLOCK, QuantizedView};
use crate::simd::Simd;

/// The token for AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(pub(super) ());

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
    unsafe fn load_i8(self, from: *const i8) -> __m256 {
        // SAFETY: 8 bytes are readable, as the caller promises.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
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
    fn inside(self, a: __m256, low: __m256, high: __m256, value: __m256) -> __m256 {
        // SAFETY: as in `splat`.
        unsafe {
            let (above, below) = (_mm256_cmp_ps::<_CMP_GT_OQ>(a, low), _mm256_cmp_ps::<_CMP_LT_OQ>(a, high));
            _mm256_and_ps(_mm256_and_ps(above, below), value)
        }
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
    fn prefetch(self, at: *const u8) {
        // SAFETY: as in `splat`; a prefetch of an invalid address does nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
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

/// 32-bit sums of products of 8 rows: `H` vectors of rows times `T` tokens.
type Sums<const T: usize, const H: usize> = [[__m256i; T]; H];

/// Where a block's quants and activations lie.
#[derive(Clone, Copy)]
struct Block {
    /// The first vector of rows in the first run.
    quants: *const u8,
    /// The first token's activations for the block's columns.
    x: *const i8,
    /// From one token to the next.
    x_stride: usize,
}

impl Block {
    /// Vector `h` of run `run`.
    ///
    /// # Safety
    /// The run belongs to the block.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn load(&self, run: usize, h: usize) -> __m256i {
        // SAFETY: 32 bytes inside the run, as the caller promises.
        unsafe { _mm256_loadu_si256(self.quants.add(run * RUN + h * 32).cast()) }
    }

    /// The activations of columns `4 * quad..4 * quad + 4` of a token, in every 32-bit lane.
    ///
    /// # Safety
    /// The quad belongs to the block, the token to the call.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn broadcast(&self, token: usize, quad: usize) -> __m256i {
        // SAFETY: inside the token's row, as the caller promises.
        unsafe {
            _mm256_set1_epi32(self.x.add(token * self.x_stride + 4 * quad).cast::<i32>().read_unaligned())
        }
    }
}

/// `sums += quants * x` in 16 bits, for one quad of columns.
///
/// # Safety
/// As for [`Block::broadcast`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn multiply_add<const T: usize, const H: usize>(
    sums: &mut Sums<T, H>,
    quants: [__m256i; H],
    block: &Block,
    quad: usize,
) {
    for t in 0..T {
        // SAFETY: as the caller promises.
        let x = unsafe { block.broadcast(t, quad) };
        for h in 0..H {
            sums[h][t] = _mm256_add_epi16(sums[h][t], _mm256_maddubs_epi16(quants[h], x));
        }
    }
}

/// `total += narrow`, pairs of 16-bit sums widened to 32 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_widened<const T: usize, const H: usize>(total: &mut Sums<T, H>, narrow: &Sums<T, H>) {
    let ones = _mm256_set1_epi16(1);
    for (total, narrow) in total.iter_mut().zip(narrow) {
        for (total, narrow) in total.iter_mut().zip(narrow) {
            *total = _mm256_add_epi32(*total, _mm256_madd_epi16(*narrow, ones));
        }
    }
}

/// The dot products of a block of nibbles, all 32 columns, or where `SPLIT` its two halves apart.
///
/// A product of a nibble and a byte is at most 15 * 127, so 8 pairs of them fit 16 bits: both halves may be summed before they are
/// widened.
///
/// # Safety
/// The block has 256 bytes of quants and 32 columns of `T` tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn nibble_block<const T: usize, const H: usize, const SPLIT: bool>(block: &Block) -> [Sums<T, H>; 2] {
    let mask = _mm256_set1_epi8(15);
    let zero = [[_mm256_setzero_si256(); T]; H];
    let (mut low, mut high) = (zero, zero);
    for run in 0..4 {
        // SAFETY: 4 runs; low nibbles hold quad `run`, high ones quad `run + 4`.
        unsafe {
            let stored: [__m256i; H] = std::array::from_fn(
                #[inline(always)]
                |h| block.load(run, h),
            );
            let quants = stored.map(
                #[inline(always)]
                |q| _mm256_and_si256(q, mask),
            );
            multiply_add(&mut low, quants, block, run);
            let quants = stored.map(
                #[inline(always)]
                |q| _mm256_and_si256(_mm256_srli_epi16::<4>(q), mask),
            );
            multiply_add(if SPLIT { &mut high } else { &mut low }, quants, block, run + 4);
        }
    }
    let (mut first, mut second) = (zero, zero);
    add_widened(&mut first, &low);
    if SPLIT {
        add_widened(&mut second, &high);
    }
    [first, second]
}

/// `total +=` the dot products of quads `first..first + 4` of a block of unsigned bytes of at most 64: two pairs of products fit 16
/// bits.
///
/// # Safety
/// The block has 512 bytes of quants and 32 columns of `T` tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_narrow_half<const T: usize, const H: usize>(
    total: &mut Sums<T, H>,
    block: &Block,
    first: usize,
) {
    for pair in 0..2 {
        let mut sums = [[_mm256_setzero_si256(); T]; H];
        for quad in first + 2 * pair..first + 2 * pair + 2 {
            // SAFETY: 8 runs, one a quad.
            unsafe {
                let quants: [__m256i; H] = std::array::from_fn(
                    #[inline(always)]
                    |h| block.load(quad, h),
                );
                multiply_add(&mut sums, quants, block, quad);
            }
        }
        add_widened(total, &sums);
    }
}

/// The quants of one quad of a block of 5 (`KIND` = [`FIVE`]) or 6 bits.
///
/// # Safety
/// The block has the runs of its kind.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn plane_quants<const KIND: u8>(block: &Block, quad: usize, h: usize) -> __m256i {
    // SAFETY: 4 runs of nibbles, then 1 or 2 runs of upper bits.
    unsafe {
        let nibbles = block.load(quad % 4, h);
        let nibbles = if quad < 4 { nibbles } else { _mm256_srli_epi16::<4>(nibbles) };
        let low = _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
        // Shifts of 16 bits carry bits into the neighbouring byte; the mask takes only those that belong.
        let high = if KIND == FIVE {
            let plane = block.load(4, h);
            let moved = match quad {
                0 => _mm256_slli_epi16::<4>(plane),
                1 => _mm256_slli_epi16::<3>(plane),
                2 => _mm256_slli_epi16::<2>(plane),
                3 => _mm256_slli_epi16::<1>(plane),
                4 => plane,
                5 => _mm256_srli_epi16::<1>(plane),
                6 => _mm256_srli_epi16::<2>(plane),
                _ => _mm256_srli_epi16::<3>(plane),
            };
            _mm256_and_si256(moved, _mm256_set1_epi8(0x10))
        } else {
            let plane = block.load(4 + quad / 4, h);
            let moved = match quad % 4 {
                0 => _mm256_slli_epi16::<4>(plane),
                1 => _mm256_slli_epi16::<2>(plane),
                2 => plane,
                _ => _mm256_srli_epi16::<2>(plane),
            };
            _mm256_and_si256(moved, _mm256_set1_epi8(0x30))
        };
        _mm256_or_si256(low, high)
    }
}

/// `total +=` the dot products of quads `first..first + 4` of a block of 5 or 6 bits. Of 5-bit quants four pairs of products fit 16
/// bits, of 6-bit ones two.
///
/// # Safety
/// The block has the runs of its kind and 32 columns of `T` tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_plane_half<const KIND: u8, const T: usize, const H: usize>(
    total: &mut Sums<T, H>,
    block: &Block,
    first: usize,
) {
    let mut sums = [[_mm256_setzero_si256(); T]; H];
    for quad in 0..4 {
        // SAFETY: as the caller promises.
        unsafe {
            let quants: [__m256i; H] = std::array::from_fn(
                #[inline(always)]
                |h| plane_quants::<KIND>(block, first + quad, h),
            );
            multiply_add(&mut sums, quants, block, first + quad);
        }
        if quad == 3 || (KIND == SIX && quad == 1) {
            add_widened(total, &sums);
            sums = [[_mm256_setzero_si256(); T]; H];
        }
    }
}

/// `total +=` the dot products of quads `first..first + 4` of a block of signed bytes. `vpmaddubsw` wants one unsigned factor: the
/// sign moves to the activation. A pair is at most 2 * 128 * 127, which fits 16 bits; two do not.
///
/// # Safety
/// As for [`add_narrow_half`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_wide_half<const T: usize, const H: usize>(total: &mut Sums<T, H>, block: &Block, first: usize) {
    let ones = _mm256_set1_epi16(1);
    for quad in first..first + 4 {
        for h in 0..H {
            // SAFETY: 8 runs, one a quad.
            unsafe {
                let quants = block.load(quad, h);
                let magnitudes = _mm256_abs_epi8(quants);
                for t in 0..T {
                    let x = _mm256_sign_epi8(block.broadcast(t, quad), quants);
                    let pairs = _mm256_maddubs_epi16(magnitudes, x);
                    total[h][t] = _mm256_add_epi32(total[h][t], _mm256_madd_epi16(pairs, ones));
                }
            }
        }
    }
}

/// The dot products of one block: all 32 columns, or where `SPLIT` its two halves apart.
///
/// # Safety
/// The block has as many bytes of quants as its kind takes, and 32 columns of `T` tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn block_sums<const KIND: u8, const SPLIT: bool, const T: usize, const H: usize>(
    block: &Block,
) -> [Sums<T, H>; 2] {
    // SAFETY: as the caller promises.
    unsafe {
        if KIND == NIBBLES {
            return nibble_block::<T, H, SPLIT>(block);
        }
        let zero = [[_mm256_setzero_si256(); T]; H];
        let (mut first, mut second) = (zero, zero);
        let add = match KIND {
            NARROW => add_narrow_half::<T, H>,
            FIVE => add_plane_half::<FIVE, T, H>,
            SIX => add_plane_half::<SIX, T, H>,
            _ => add_wide_half::<T, H>,
        };
        add(&mut first, block, 0);
        add(if SPLIT { &mut second } else { &mut first }, block, 4);
        [first, second]
    }
}

/// `H` vectors of 8 rows, from vector `first_half` on, times `T` tokens.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn rows_product<const KIND: u8, const SPLIT: bool, const T: usize, const H: usize>(
    tile: &PackedTile<'_>,
    x: &QuantizedView<'_>,
    first_half: usize,
    out: &mut [f32],
) {
    let blocks = x.cols / BLOCK;
    let groups = if SPLIT { 2 } else { 1 };
    let (unit_blocks, header, block_bytes) =
        (tile.unit_blocks(), tile.header_bytes(), tile.bytes.block_bytes());
    let zero = match tile.bytes {
        Bytes::Nibbles { zero } | Bytes::Narrow { zero } | Bytes::Five { zero } | Bytes::Six { zero } => {
            -f32::from(zero)
        }
        Bytes::Wide => 0.0,
    };
    let shifted = zero != 0.0 || tile.mins;
    let mut totals = [[_mm256_setzero_ps(); T]; H];
    let mut at = tile.data.as_ptr();
    let mut index = 0;
    while index < blocks {
        // SAFETY: the tile is consistent, so a unit's scales, minimums and blocks follow one another inside `data`, its columns lie
        // inside every row of `x`, and `x` has a scale and sums for each of its blocks.
        unsafe {
            let halves = |from: *const u8, group: usize| -> [__m256; H] {
                std::array::from_fn(
                    #[inline(always)]
                    |h| {
                        let from = from.add(group * 2 * TILE_ROWS + (first_half + h) * 16);
                        _mm256_cvtph_ps(_mm_loadu_si128(from.cast()))
                    },
                )
            };
            // Per group: the scales, and what the sum of a token's activations is multiplied with, minimum and zero point.
            let mut scales = [[_mm256_setzero_ps(); H]; 2];
            let mut shifts = scales;
            for g in 0..groups {
                scales[g] = halves(at, g);
                let mins = if tile.mins { halves(at.add(header), g) } else { [_mm256_setzero_ps(); H] };
                for h in 0..H {
                    shifts[g][h] = _mm256_fmadd_ps(scales[g][h], _mm256_set1_ps(zero), mins[h]);
                }
            }
            at = at.add(header * (1 + usize::from(tile.mins)) + first_half * 32);
            for _ in 0..unit_blocks {
                if T == 1 {
                    // One token reads every weight once: ask for those that come next.
                    for line in 0..block_bytes / 64 + 1 {
                        _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(PREFETCH_BYTES + line * 64).cast());
                    }
                }
                let block = Block { quants: at, x: x.quants.as_ptr().add(index * BLOCK), x_stride: x.cols };
                let sums = block_sums::<KIND, SPLIT, T, H>(&block);
                for (g, sums) in sums.iter().enumerate().take(groups) {
                    for t in 0..T {
                        let x_scale = _mm256_broadcast_ss(&*x.scales.as_ptr().add(t * blocks + index));
                        for h in 0..H {
                            let dot = _mm256_cvtepi32_ps(sums[h][t]);
                            totals[h][t] =
                                _mm256_fmadd_ps(_mm256_mul_ps(scales[g][h], x_scale), dot, totals[h][t]);
                        }
                        if shifted {
                            let x_sum = _mm256_broadcast_ss(if SPLIT {
                                &*x.half_sums.as_ptr().add(t * 2 * blocks + 2 * index + g)
                            } else {
                                &*x.sums.as_ptr().add(t * blocks + index)
                            });
                            for h in 0..H {
                                totals[h][t] = _mm256_fmadd_ps(shifts[g][h], x_sum, totals[h][t]);
                            }
                        }
                    }
                }
                at = at.add(block_bytes);
                index += 1;
            }
            at = at.sub(first_half * 32);
        }
    }
    let multiplier = _mm256_set1_ps(tile.multiplier);
    for t in 0..T {
        for h in 0..H {
            let to = &mut out[t * TILE_ROWS + (first_half + h) * 8..][..8];
            // SAFETY: `to` has 8 floats.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), _mm256_mul_ps(totals[h][t], multiplier)) };
        }
    }
}

/// A tile times `T` tokens. One token takes all rows at once and reads the tile as one stream; several take 8 rows at a time, so that
/// their sums stay in the 16 registers.
#[target_feature(enable = "avx2,fma,f16c")]
fn tile_product<const KIND: u8, const SPLIT: bool, const T: usize>(
    tile: &PackedTile<'_>,
    x: &QuantizedView<'_>,
    out: &mut [f32],
) {
    assert!(tile.is_consistent() && x.cols == tile.cols && x.quants.len() == T * x.cols);
    assert!(out.len() == T * TILE_ROWS);
    let blocks = x.cols / BLOCK;
    assert!(
        x.scales.len() == T * blocks && x.sums.len() == T * blocks && x.half_sums.len() == 2 * T * blocks
    );
    if T == 1 {
        rows_product::<KIND, SPLIT, T, HALVES>(tile, x, 0, out);
    } else {
        for half in 0..HALVES {
            rows_product::<KIND, SPLIT, T, 1>(tile, x, half, out);
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn tile_tokens<const KIND: u8, const SPLIT: bool>(
    tile: &PackedTile<'_>,
    x: &QuantizedView<'_>,
    out: &mut [f32],
) {
    let tokens = x.quants.len() / x.cols;
    if tokens == TOKENS {
        tile_product::<KIND, SPLIT, TOKENS>(tile, x, out);
    } else {
        for t in 0..tokens {
            tile_product::<KIND, SPLIT, 1>(tile, &x.row(t), &mut out[t * TILE_ROWS..][..TILE_ROWS]);
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]) {
    match (tile.bytes, tile.group < BLOCK) {
        (Bytes::Nibbles { .. }, false) => tile_tokens::<NIBBLES, false>(tile, &x, out),
        (Bytes::Nibbles { .. }, true) => tile_tokens::<NIBBLES, true>(tile, &x, out),
        (Bytes::Narrow { .. }, false) => tile_tokens::<NARROW, false>(tile, &x, out),
        (Bytes::Narrow { .. }, true) => tile_tokens::<NARROW, true>(tile, &x, out),
        (Bytes::Five { .. }, false) => tile_tokens::<FIVE, false>(tile, &x, out),
        (Bytes::Five { .. }, true) => tile_tokens::<FIVE, true>(tile, &x, out),
        (Bytes::Six { .. }, false) => tile_tokens::<SIX, false>(tile, &x, out),
        (Bytes::Six { .. }, true) => tile_tokens::<SIX, true>(tile, &x, out),
        (Bytes::Wide, false) => tile_tokens::<WIDE, false>(tile, &x, out),
        (Bytes::Wide, true) => tile_tokens::<WIDE, true>(tile, &x, out),
    }
}

fn supported() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}

super::amplitude_kernels!(amplitudes_f32, f32, ["avx2,fma,f16c,popcnt"] Avx2(()));
super::amplitude_kernels!(amplitudes_f64, f64, ["avx2,fma,f16c,popcnt"] Avx2(()));

super::table! {
    name: "avx2", features: ["avx2,fma,f16c"], supported: supported, token: Avx2(()),
    packed_tokens: TOKENS, packed_tile: packed_tile, bit_planes: true,
    w8a8_tile: super::avx2_w8a8::w8a8_tile, w8a8_words: Some(super::avx2_w8a8::WORDS),
    hadamard: ["avx2,fma,f16c"] Avx2(()),
    int8: ["avx2,fma,f16c"] Avx2(()),
    amplitudes: amplitudes_f32::KERNELS, amplitudes_f64::KERNELS,
}
