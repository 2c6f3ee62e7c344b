//! [`Int8`] by AVX2, with `vpdpbusd` where the CPU has AVX-VNNI: 8 sums a vector.

use std::arch::x86_64::*;

use super::avx_vnni::AvxVnni;
use super::avx2::Avx2;
use crate::simd::int8::Int8;

/// What lies beyond 2^16 becomes 2^16, or its negative.
#[inline(always)]
fn within(x: __m256) -> __m256 {
    // SAFETY: called only by methods of tokens that prove AVX2.
    unsafe { _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(65536.0)), _mm256_set1_ps(-65536.0)) }
}

/// What both tokens have in common: all but how four products are added. `$make` makes a vector of bytes ready for that.
macro_rules! common {
    (|$bytes:ident| $make:expr, |$quads:ident| $ready:expr) => {
        const LANES: usize = 8;
        const WIDE_ROWS: usize = 2;
        const TALL_ROWS: usize = 8;
        type Sums = __m256i;
        type Factors = __m256;
        /// Multipliers of even sums and of odd ones, what is added to their products, and shifts.
        type FixedFactors = [__m256i; 5];

        #[inline(always)]
        fn splat(self, x: i32) -> __m256i {
            // SAFETY: the token proves AVX2; so below.
            unsafe { _mm256_set1_epi32(x) }
        }
        #[inline(always)]
        unsafe fn sums(self, from: *const i32) -> __m256i {
            // SAFETY: 8 sums are readable, as the caller promises.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }
        #[inline(always)]
        fn repeat(self, quad: i32) -> Self::Weights {
            // SAFETY: as in `splat`.
            unsafe {
                let $quads = _mm256_set1_epi32(quad);
                $ready
            }
        }
        #[inline(always)]
        unsafe fn weights(self, from: *const i8) -> Self::Weights {
            // SAFETY: 32 bytes are readable, as the caller promises.
            unsafe {
                let $quads = _mm256_loadu_si256(from.cast());
                $ready
            }
        }
        #[inline(always)]
        unsafe fn bytes(self, from: *const u8) -> Self::Bytes {
            // SAFETY: 32 bytes are readable, as the caller promises.
            unsafe {
                let $bytes = _mm256_loadu_si256(from.cast());
                $make
            }
        }
        #[inline(always)]
        unsafe fn windows<const STRIDE: usize>(self, from: *const u8) -> Self::Bytes {
            // Four windows to each half of the vector.
            // SAFETY: 64 bytes are readable, as the caller promises.
            unsafe {
                let order = if STRIDE == 1 {
                    _mm_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6)
                } else {
                    _mm_setr_epi8(0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7, 8, 9)
                };
                let low = _mm256_castsi128_si256(_mm_loadu_si128(from.cast()));
                let x = _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(from.add(4 * STRIDE).cast()));
                let $bytes = _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order));
                $make
            }
        }
        #[inline(always)]
        fn total(self, sums: __m256i) -> i32 {
            // SAFETY: as in `splat`.
            unsafe {
                let half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
                let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
                _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<1>(quarter)))
            }
        }
        #[inline(always)]
        unsafe fn interleave(self, from: [*const i8; 4], to: *mut u8) {
            // SAFETY: 8 bytes of each source are readable and 32 writable, as the caller promises.
            unsafe {
                let flip = _mm_set1_epi8(i8::MIN);
                let [a, b, c, d] = from;
                let first = _mm_unpacklo_epi8(_mm_loadl_epi64(a.cast()), _mm_loadl_epi64(b.cast()));
                let last = _mm_unpacklo_epi8(_mm_loadl_epi64(c.cast()), _mm_loadl_epi64(d.cast()));
                let (first, last) = (_mm_xor_si128(first, flip), _mm_xor_si128(last, flip));
                _mm_storeu_si128(to.cast(), _mm_unpacklo_epi16(first, last));
                _mm_storeu_si128(to.add(16).cast(), _mm_unpackhi_epi16(first, last));
            }
        }
        #[inline(always)]
        unsafe fn interleave_four(self, from: [*const i8; 4], to: *mut u8) {
            // SAFETY: 32 bytes of each source are readable and 128 writable, as the caller promises.
            unsafe {
                let flip = _mm256_set1_epi8(i8::MIN);
                let [a, b, c, d] = from;
                let (a, b) = (_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast()));
                let (c, d) = (_mm256_loadu_si256(c.cast()), _mm256_loadu_si256(d.cast()));
                let (a, b) = (_mm256_xor_si256(a, flip), _mm256_xor_si256(b, flip));
                let (c, d) = (_mm256_xor_si256(c, flip), _mm256_xor_si256(d, flip));
                let (low, high) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
                let (further, last) = (_mm256_unpacklo_epi8(c, d), _mm256_unpackhi_epi8(c, d));
                _mm256_storeu_si256(to.cast(), _mm256_unpacklo_epi16(low, further));
                _mm256_storeu_si256(to.add(32).cast(), _mm256_unpackhi_epi16(low, further));
                _mm256_storeu_si256(to.add(64).cast(), _mm256_unpacklo_epi16(high, last));
                _mm256_storeu_si256(to.add(96).cast(), _mm256_unpackhi_epi16(high, last));
            }
        }
        #[inline(always)]
        fn nearest(self, sums: __m256i, factor: f32) -> __m256i {
            // SAFETY: as in `splat`.
            unsafe {
                _mm256_cvtps_epi32(within(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(factor))))
            }
        }
        #[inline(always)]
        fn truncated(self, sums: __m256i, factor: f32) -> __m256i {
            // SAFETY: as in `splat`.
            unsafe {
                _mm256_cvttps_epi32(within(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(factor))))
            }
        }
        #[inline(always)]
        fn fixed(self, sums: __m256i, multiplier: i32, left: i32, right: i32) -> __m256i {
            // SAFETY: as in `splat`.
            unsafe {
                let shifted = _mm256_sll_epi32(sums, _mm_cvtsi32_si128(left));
                let (by, half) = (_mm256_set1_epi32(multiplier), _mm256_set1_epi64x(1 << 30));
                let even = _mm256_add_epi64(_mm256_mul_epi32(shifted, by), half);
                let odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64::<32>(shifted), by), half);
                let odd = _mm256_slli_epi64::<1>(odd);
                let high = _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<31>(even), odd);
                let mask = ((1i64 << right) - 1) as i32;
                let rest = _mm256_and_si256(high, _mm256_set1_epi32(mask));
                let negative = _mm256_srli_epi32::<31>(high);
                let threshold = _mm256_add_epi32(_mm256_set1_epi32(mask >> 1), negative);
                let up = _mm256_cmpgt_epi32(rest, threshold);
                let y = _mm256_sub_epi32(_mm256_sra_epi32(high, _mm_cvtsi32_si128(right)), up);
                _mm256_max_epi32(_mm256_min_epi32(y, _mm256_set1_epi32(65536)), _mm256_set1_epi32(-65536))
            }
        }
        #[inline(always)]
        fn plus(self, sums: __m256i, x: i32) -> __m256i {
            // SAFETY: as in `splat`.
            unsafe { _mm256_add_epi32(sums, _mm256_set1_epi32(x)) }
        }
        #[inline(always)]
        unsafe fn store_words(self, sums: __m256i, to: *mut i16, count: usize) {
            // SAFETY: `count` words are writable, as the caller promises.
            unsafe {
                let y = _mm_packs_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
                if count == 8 {
                    return _mm_storeu_si128(to.cast(), y);
                }
                let mut all = [0i16; 8];
                _mm_storeu_si128(all.as_mut_ptr().cast(), y);
                all.as_ptr().copy_to_nonoverlapping(to, count);
            }
        }
        #[inline(always)]
        unsafe fn store_bytes(self, sums: __m256i, [low, high]: [i8; 2], to: *mut i8, count: usize) {
            // SAFETY: `count` bytes are writable, as the caller promises.
            unsafe {
                let y = _mm_packs_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
                let y = _mm_packs_epi16(y, y);
                let y = _mm_max_epi8(_mm_min_epi8(y, _mm_set1_epi8(high)), _mm_set1_epi8(low));
                if count == 8 {
                    return _mm_storel_epi64(to.cast(), y);
                }
                let mut all = [0i8; 16];
                _mm_storeu_si128(all.as_mut_ptr().cast(), y);
                all.as_ptr().copy_to_nonoverlapping(to, count);
            }
        }
        #[inline(always)]
        unsafe fn store_four(self, [a, b, c, d]: [__m256i; 4], [low, high]: [i8; 2], to: *mut i8) {
            // SAFETY: 32 bytes are writable, as the caller promises.
            unsafe {
                let y = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
                let y = _mm256_max_epi8(_mm256_min_epi8(y, _mm256_set1_epi8(high)), _mm256_set1_epi8(low));
                _mm256_storeu_si256(to.cast(), y);
            }
        }
        #[inline(always)]
        unsafe fn broadcast(self, from: *const u8) -> Self::Bytes {
            // SAFETY: 4 bytes are readable, as the caller promises.
            unsafe {
                let $bytes = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
                $make
            }
        }
        #[inline(always)]
        unsafe fn factors(self, from: *const f32) -> __m256 {
            // SAFETY: 8 factors are readable, as the caller promises.
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn fixed_factors(self, multipliers: *const i32, right: *const i32) -> [__m256i; 5] {
            // SAFETY: 8 numbers are readable from both, as the caller promises.
            unsafe {
                let by = _mm256_loadu_si256(multipliers.cast());
                let right = _mm256_loadu_si256(right.cast());
                // Half of the last bit that is kept: of the product in its lower word, of the result in its upper one.
                let one = _mm256_set1_epi32(1);
                let half = _mm256_sllv_epi32(one, _mm256_sub_epi32(right, one));
                let low = _mm256_set1_epi64x(1 << 31);
                let even = _mm256_or_si256(_mm256_slli_epi64::<32>(half), low);
                let odd = _mm256_blend_epi32::<0xaa>(low, half);
                [by, _mm256_srli_epi64::<32>(by), even, odd, right]
            }
        }
        #[inline(always)]
        fn nearest_each(self, sums: __m256i, factors: __m256) -> __m256i {
            // SAFETY: as in `splat`.
            unsafe { _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), factors)) }
        }
        #[inline(always)]
        fn truncated_each(self, sums: __m256i, factors: __m256) -> __m256i {
            // SAFETY: as in `splat`.
            unsafe { _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), factors)) }
        }
        #[inline(always)]
        fn fixed_each(
            self,
            sums: __m256i,
            [even_by, odd_by, even_half, odd_half, right]: [__m256i; 5],
        ) -> __m256i {
            // Twice the sum times the multiplier has the rounded product in its upper word. Where the sum is negative, one less than half is added for the second rounding: ties away from zero.
            // SAFETY: as in `splat`.
            unsafe {
                let twice = _mm256_add_epi32(sums, sums);
                let even = _mm256_add_epi64(_mm256_mul_epi32(twice, even_by), even_half);
                let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(twice), odd_by);
                let odd = _mm256_add_epi64(odd, odd_half);
                let high = _mm256_blend_epi32::<0xaa>(_mm256_srli_epi64::<32>(even), odd);
                _mm256_srav_epi32(_mm256_add_epi32(high, _mm256_srai_epi32::<31>(sums)), right)
            }
        }
        #[inline(always)]
        unsafe fn elements(self, from: *const i8) -> __m256i {
            // SAFETY: 8 elements are readable, as the caller promises.
            unsafe { _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast())) }
        }
        #[inline(always)]
        fn sum(self, a: __m256i, b: __m256i) -> __m256i {
            // SAFETY: as in `splat`.
            unsafe { _mm256_add_epi32(a, b) }
        }
        #[inline(always)]
        fn shift_left(self, sums: __m256i, by: i32) -> __m256i {
            // SAFETY: as in `splat`.
            unsafe { _mm256_sll_epi32(sums, _mm_cvtsi32_si128(by)) }
        }
        #[inline(always)]
        unsafe fn store_places(
            self,
            [a, b, c, d]: [__m256i; 4],
            zero: i16,
            [low, high]: [i8; 2],
            to: [*mut i8; 4],
            count: usize,
        ) {
            // SAFETY: `count` bytes are writable to each, as the caller promises.
            unsafe {
                let zero = _mm256_set1_epi16(zero);
                let first = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero);
                let last = _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero);
                let y = _mm256_packs_epi16(first, last);
                let y = _mm256_max_epi8(_mm256_min_epi8(y, _mm256_set1_epi8(high)), _mm256_set1_epi8(low));
                let y = _mm256_permutevar8x32_epi32(y, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
                if count == 8 {
                    let (first, last) = (_mm256_castsi256_si128(y), _mm256_extracti128_si256::<1>(y));
                    _mm_storel_epi64(to[0].cast(), first);
                    _mm_storel_epi64(to[1].cast(), _mm_unpackhi_epi64(first, first));
                    _mm_storel_epi64(to[2].cast(), last);
                    _mm_storel_epi64(to[3].cast(), _mm_unpackhi_epi64(last, last));
                    return;
                }
                let mut all = [0i8; 32];
                _mm256_storeu_si256(all.as_mut_ptr().cast(), y);
                for (row, to) in all.chunks_exact(8).zip(to) {
                    row.as_ptr().copy_to_nonoverlapping(to, count);
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
                let same = _mm256_cmpeq_epi16(x, y);
                let y = _mm_packs_epi16(_mm256_castsi256_si128(y), _mm256_extracti128_si256::<1>(y));
                _mm_storeu_si128(to.cast(), y);
                let same = _mm_packs_epi16(_mm256_castsi256_si128(same), _mm256_extracti128_si256::<1>(same));
                _mm_movemask_epi8(same) as u16
            }
        }
    };
}

// SAFETY: a value is made only inside functions that have the features, which are reached through a table whose `supported` has checked them.
unsafe impl Int8 for AvxVnni {
    type Bytes = __m256i;
    type Weights = __m256i;

    common!(|bytes| bytes, |quads| quads);

    #[inline(always)]
    fn dot(self, sums: __m256i, bytes: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: the token proves AVX-VNNI.
        unsafe { _mm256_dpbusd_avx_epi32(sums, bytes, weights) }
    }
}

// SAFETY: as above. Bytes are multiplied as words, even ones and odd ones, for products of bytes saturate when added in 16 bits.
unsafe impl Int8 for Avx2 {
    type Bytes = [__m256i; 2];
    type Weights = [__m256i; 2];

    common!(
        |bytes| [_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16::<8>(bytes)],
        |quads| [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(quads)), _mm256_srai_epi16::<8>(quads)]
    );

    #[inline(always)]
    fn dot(self, sums: __m256i, bytes: [__m256i; 2], weights: [__m256i; 2]) -> __m256i {
        // SAFETY: the token proves AVX2.
        unsafe {
            let sums = _mm256_add_epi32(sums, _mm256_madd_epi16(bytes[0], weights[0]));
            _mm256_add_epi32(sums, _mm256_madd_epi16(bytes[1], weights[1]))
        }
    }
}
