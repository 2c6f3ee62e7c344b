//! [`Int8`] by AVX-512 with VNNI: 16 sums a vector.

use std::arch::x86_64::*;

use super::avx512::Avx512;
use crate::simd::int8::Int8;

/// What lies beyond 2^16 becomes 2^16, or its negative.
#[inline(always)]
fn within(x: __m512) -> __m512 {
    // SAFETY: called only by methods of a token that proves AVX-512.
    unsafe { _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(65536.0)), _mm512_set1_ps(-65536.0)) }
}

/// The lowest bits of `count` elements.
#[inline(always)]
fn first_bits(count: usize) -> u16 {
    ((1u32 << count) - 1) as u16
}

// SAFETY: a value is made only inside functions that have the features, which are reached through a table whose `supported` has checked them.
unsafe impl Int8 for Avx512 {
    const LANES: usize = 16;
    const WIDE_ROWS: usize = 6;
    const TALL_ROWS: usize = 12;
    type Sums = __m512i;
    type Bytes = __m512i;
    type Weights = __m512i;
    type Factors = __m512;
    /// Multipliers of even sums and of odd ones, what is added to their products, and shifts.
    type FixedFactors = [__m512i; 5];

    #[inline(always)]
    fn splat(self, x: i32) -> __m512i {
        // SAFETY: the token proves AVX-512; so below.
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn sums(self, from: *const i32) -> __m512i {
        // SAFETY: 16 sums are readable, as the caller promises.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    fn repeat(self, quad: i32) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_set1_epi32(quad) }
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const i8) -> __m512i {
        // SAFETY: 64 bytes are readable, as the caller promises.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn bytes(self, from: *const u8) -> __m512i {
        // SAFETY: 64 bytes are readable, as the caller promises.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn windows<const STRIDE: usize>(self, from: *const u8) -> __m512i {
        // Four windows to a quarter of the vector: first the words that hold them, then their bytes.
        // SAFETY: 64 bytes are readable, as the caller promises.
        unsafe {
            if STRIDE == 1 {
                let words = _mm512_setr_epi32(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6);
                let bytes =
                    _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6));
                let x = _mm512_castsi256_si512(_mm256_loadu_si256(from.cast()));
                _mm512_shuffle_epi8(_mm512_permutexvar_epi32(words, x), bytes)
            } else {
                let words = _mm512_setr_epi32(0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9);
                let bytes =
                    _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9));
                let x = _mm512_loadu_si512(from.cast());
                _mm512_shuffle_epi8(_mm512_permutexvar_epi32(words, x), bytes)
            }
        }
    }
    #[inline(always)]
    fn dot(self, sums: __m512i, bytes: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_dpbusd_epi32(sums, bytes, weights) }
    }
    #[inline(always)]
    fn total(self, sums: __m512i) -> i32 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_reduce_add_epi32(sums) }
    }
    #[inline(always)]
    unsafe fn interleave(self, from: [*const i8; 4], to: *mut u8) {
        // A source is a quarter of the vector: first its words are dealt out to the quarters, then the bytes of each are transposed.
        // SAFETY: 16 bytes of each source are readable and 64 writable, as the caller promises.
        unsafe {
            let [a, b, c, d] = from;
            let x = _mm512_castsi128_si512(_mm_loadu_si128(a.cast()));
            let x = _mm512_inserti32x4::<1>(x, _mm_loadu_si128(b.cast()));
            let x = _mm512_inserti32x4::<2>(x, _mm_loadu_si128(c.cast()));
            let x = _mm512_inserti32x4::<3>(x, _mm_loadu_si128(d.cast()));
            let words = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes =
                _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
            let quads = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(words, x), bytes);
            _mm512_storeu_si512(to.cast(), _mm512_xor_si512(quads, _mm512_set1_epi8(i8::MIN)));
        }
    }
    #[inline(always)]
    unsafe fn interleave_four(self, from: [*const i8; 4], to: *mut u8) {
        // SAFETY: 64 bytes of each source are readable and 256 writable, as the caller promises.
        unsafe {
            let flip = _mm512_set1_epi8(i8::MIN);
            let [a, b, c, d] = from;
            let (a, b) = (_mm512_loadu_si512(a.cast()), _mm512_loadu_si512(b.cast()));
            let (c, d) = (_mm512_loadu_si512(c.cast()), _mm512_loadu_si512(d.cast()));
            let (a, b) = (_mm512_xor_si512(a, flip), _mm512_xor_si512(b, flip));
            let (c, d) = (_mm512_xor_si512(c, flip), _mm512_xor_si512(d, flip));
            let (low, high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
            let (further, last) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
            _mm512_storeu_si512(to.cast(), _mm512_unpacklo_epi16(low, further));
            _mm512_storeu_si512(to.add(64).cast(), _mm512_unpackhi_epi16(low, further));
            _mm512_storeu_si512(to.add(128).cast(), _mm512_unpacklo_epi16(high, last));
            _mm512_storeu_si512(to.add(192).cast(), _mm512_unpackhi_epi16(high, last));
        }
    }
    #[inline(always)]
    fn nearest(self, sums: __m512i, factor: f32) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_cvtps_epi32(within(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(factor)))) }
    }
    #[inline(always)]
    fn truncated(self, sums: __m512i, factor: f32) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe {
            _mm512_cvttps_epi32(within(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), _mm512_set1_ps(factor))))
        }
    }
    #[inline(always)]
    fn fixed(self, sums: __m512i, multiplier: i32, left: i32, right: i32) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe {
            let shifted = _mm512_sll_epi32(sums, _mm_cvtsi32_si128(left));
            let (by, half) = (_mm512_set1_epi32(multiplier), _mm512_set1_epi64(1 << 30));
            let even = _mm512_add_epi64(_mm512_mul_epi32(shifted, by), half);
            let odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64::<32>(shifted), by), half);
            let odd = _mm512_slli_epi64::<1>(odd);
            let high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64::<31>(even), odd);
            let mask = ((1i64 << right) - 1) as i32;
            let rest = _mm512_and_si512(high, _mm512_set1_epi32(mask));
            let negative = _mm512_srli_epi32::<31>(high);
            let threshold = _mm512_add_epi32(_mm512_set1_epi32(mask >> 1), negative);
            let up = _mm512_cmpgt_epi32_mask(rest, threshold);
            let down = _mm512_sra_epi32(high, _mm_cvtsi32_si128(right));
            let y = _mm512_mask_add_epi32(down, up, down, _mm512_set1_epi32(1));
            _mm512_max_epi32(_mm512_min_epi32(y, _mm512_set1_epi32(65536)), _mm512_set1_epi32(-65536))
        }
    }
    #[inline(always)]
    fn plus(self, sums: __m512i, x: i32) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_add_epi32(sums, _mm512_set1_epi32(x)) }
    }
    #[inline(always)]
    unsafe fn store_words(self, sums: __m512i, to: *mut i16, count: usize) {
        // SAFETY: `count` words are writable, as the caller promises.
        unsafe { _mm256_mask_storeu_epi16(to, first_bits(count), _mm512_cvtsepi32_epi16(sums)) }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, sums: __m512i, [low, high]: [i8; 2], to: *mut i8, count: usize) {
        // SAFETY: `count` bytes are writable, as the caller promises.
        unsafe {
            let y = _mm_max_epi8(
                _mm_min_epi8(_mm512_cvtsepi32_epi8(sums), _mm_set1_epi8(high)),
                _mm_set1_epi8(low),
            );
            if count == 16 {
                _mm_storeu_si128(to.cast(), y);
            } else {
                _mm_mask_storeu_epi8(to, first_bits(count), y);
            }
        }
    }
    #[inline(always)]
    unsafe fn store_four(self, [a, b, c, d]: [__m512i; 4], [low, high]: [i8; 2], to: *mut i8) {
        // SAFETY: 64 bytes are writable, as the caller promises.
        unsafe {
            let y = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
            let y = _mm512_max_epi8(_mm512_min_epi8(y, _mm512_set1_epi8(high)), _mm512_set1_epi8(low));
            _mm512_storeu_si512(to.cast(), y);
        }
    }
    #[inline(always)]
    unsafe fn copy<const FLIP: u8>(self, from: *const i8, to: *mut i8, count: usize) {
        // SAFETY: `count` bytes are readable and writable, as the caller promises.
        unsafe {
            let flip = _mm512_set1_epi8(FLIP as i8);
            let whole = count / 64 * 64;
            for at in (0..whole).step_by(64) {
                let x = _mm512_loadu_si512(from.add(at).cast());
                _mm512_storeu_si512(to.add(at).cast(), _mm512_xor_si512(x, flip));
            }
            let rest = (1u64 << (count - whole)) - 1;
            if rest != 0 {
                let x = _mm512_maskz_loadu_epi8(rest, from.wrapping_add(whole));
                _mm512_mask_storeu_epi8(to.wrapping_add(whole), rest, _mm512_xor_si512(x, flip));
            }
        }
    }
    #[inline(always)]
    unsafe fn broadcast(self, from: *const u8) -> __m512i {
        // SAFETY: 4 bytes are readable, as the caller promises.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn factors(self, from: *const f32) -> __m512 {
        // SAFETY: 16 factors are readable, as the caller promises.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn fixed_factors(self, multipliers: *const i32, right: *const i32) -> [__m512i; 5] {
        // SAFETY: 16 numbers are readable from both, as the caller promises.
        unsafe {
            let by = _mm512_loadu_si512(multipliers.cast());
            let right = _mm512_loadu_si512(right.cast());
            // Half of the last bit that is kept: of the product in its lower word, of the result in its upper one.
            let one = _mm512_set1_epi32(1);
            let half = _mm512_sllv_epi32(one, _mm512_sub_epi32(right, one));
            let low = _mm512_set1_epi64(1 << 31);
            let even = _mm512_or_si512(_mm512_slli_epi64::<32>(half), low);
            let odd = _mm512_mask_mov_epi32(low, 0xaaaa, half);
            [by, _mm512_srli_epi64::<32>(by), even, odd, right]
        }
    }
    #[inline(always)]
    fn nearest_each(self, sums: __m512i, factors: __m512) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), factors)) }
    }
    #[inline(always)]
    fn truncated_each(self, sums: __m512i, factors: __m512) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_cvttps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sums), factors)) }
    }
    #[inline(always)]
    fn fixed_each(
        self,
        sums: __m512i,
        [even_by, odd_by, even_half, odd_half, right]: [__m512i; 5],
    ) -> __m512i {
        // Twice the sum times the multiplier has the rounded product in its upper word. Where the sum is negative, one less than half is added for the second rounding: ties away from zero.
        // SAFETY: as in `splat`.
        unsafe {
            let twice = _mm512_add_epi32(sums, sums);
            let even = _mm512_add_epi64(_mm512_mul_epi32(twice, even_by), even_half);
            let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(twice), odd_by);
            let odd = _mm512_add_epi64(odd, odd_half);
            let high = _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even);
            _mm512_srav_epi32(_mm512_add_epi32(high, _mm512_srai_epi32::<31>(sums)), right)
        }
    }
    #[inline(always)]
    unsafe fn elements(self, from: *const i8) -> __m512i {
        // SAFETY: 16 elements are readable, as the caller promises.
        unsafe { _mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    fn sum(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn shift_left(self, sums: __m512i, by: i32) -> __m512i {
        // SAFETY: as in `splat`.
        unsafe { _mm512_sll_epi32(sums, _mm_cvtsi32_si128(by)) }
    }
    #[inline(always)]
    unsafe fn store_places(
        self,
        [a, b, c, d]: [__m512i; 4],
        zero: i16,
        [low, high]: [i8; 2],
        to: [*mut i8; 4],
        count: usize,
    ) {
        // SAFETY: `count` bytes are writable to each, as the caller promises.
        unsafe {
            let zero = _mm512_set1_epi16(zero);
            let first = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero);
            let last = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero);
            let mut y = _mm512_packs_epi16(first, last);
            if [low, high] != [i8::MIN, i8::MAX] {
                y = _mm512_max_epi8(_mm512_min_epi8(y, _mm512_set1_epi8(high)), _mm512_set1_epi8(low));
            }
            let words = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let y = _mm512_permutexvar_epi32(words, y);
            let rows = [
                _mm512_castsi512_si128(y),
                _mm512_extracti32x4_epi32::<1>(y),
                _mm512_extracti32x4_epi32::<2>(y),
                _mm512_extracti32x4_epi32::<3>(y),
            ];
            if count == 16 {
                for i in 0..4 {
                    _mm_storeu_si128(to[i].cast(), rows[i]);
                }
            } else if count == 8 {
                // Much faster than by a mask, and what is left of 24 or 40 channels.
                for i in 0..4 {
                    _mm_storel_epi64(to[i].cast(), rows[i]);
                }
            } else {
                for i in 0..4 {
                    _mm_mask_storeu_epi8(to[i], first_bits(count), rows[i]);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn clamp_words(self, from: *const i16, [low, high]: [i8; 2], to: *mut i8) -> u16 {
        // SAFETY: 16 words are readable and 16 bytes writable, as the caller promises.
        unsafe {
            let x = _mm256_loadu_si256(from.cast());
            let y = _mm256_min_epi16(x, _mm256_set1_epi16(high.into()));
            let y = _mm256_max_epi16(y, _mm256_set1_epi16(low.into()));
            _mm_storeu_si128(to.cast(), _mm256_cvtepi16_epi8(y));
            _mm256_cmpeq_epi16_mask(x, y)
        }
    }
}
