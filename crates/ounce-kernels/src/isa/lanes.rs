//! The tokens of this architecture as tokens for the vectors of [`crate::amplitudes`].

use super::portable::Portable;
use crate::amplitudes::MAX_LANES;
use crate::amplitudes::lanes::Lanes;

macro_rules! map {
    (|$($arg:ident),*| $body:expr) => {
        std::array::from_fn(|i| { $(let $arg = $arg[i];)* $body })
    };
}

macro_rules! portable {
    ($real:ty, $lanes:literal) => {
        // SAFETY: plain Rust needs no instructions beyond the target's own.
        unsafe impl Lanes<$real> for Portable {
            const LANES: usize = $lanes;
            type V = [$real; $lanes];
            type P = [u32; $lanes];

            #[inline(always)]
            fn splat(self, x: $real) -> Self::V {
                [x; $lanes]
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $real) -> Self::V {
                // SAFETY: as the caller promises.
                unsafe { from.cast::<Self::V>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $real, x: Self::V) {
                // SAFETY: as the caller promises.
                unsafe { to.cast::<Self::V>().write_unaligned(x) }
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                map!(|a, b| a + b)
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                map!(|a, b| a - b)
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                map!(|a, b| a * b)
            }
            #[inline(always)]
            fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                map!(|a, b, c| a * b + c)
            }
            #[inline(always)]
            fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                map!(|a, b, c| c - a * b)
            }
            #[inline(always)]
            fn permutation(self, from: &[u32; MAX_LANES]) -> Self::P {
                map!(|from| from)
            }
            #[inline(always)]
            fn permute(self, x: Self::V, by: Self::P) -> Self::V {
                by.map(|from| x[from as usize % $lanes])
            }
            #[inline(always)]
            fn select(self, mask: Self::V, a: Self::V, b: Self::V) -> Self::V {
                map!(|mask, a, b| if mask.is_sign_negative() { a } else { b })
            }
        }
    };
}

portable!(f32, 8);
portable!(f64, 4);

/// Implements [`Lanes`] by intrinsics that stand in the order of the methods.
#[cfg(target_arch = "x86_64")]
macro_rules! x86 {
    (
        $token:ty, $real:ty, $lanes:literal, $vector:ty, $splat:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident
        $mul_add:ident $neg_mul_add:ident, permutation: $permutation:ty, |$from:ident| $make:expr, |$x:ident, $by:ident| $permute:expr,
        |$mask:ident, $a:ident, $b:ident| $select:expr
    ) => {
        // SAFETY: a value is made only inside functions that have the features, as for `Simd`.
        unsafe impl Lanes<$real> for $token {
            const LANES: usize = $lanes;
            type V = $vector;
            type P = $permutation;

            #[inline(always)]
            fn splat(self, x: $real) -> $vector {
                // SAFETY: the token proves the features; so below.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $real) -> $vector {
                // SAFETY: as the caller promises.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $real, x: $vector) {
                // SAFETY: as the caller promises.
                unsafe { $store(to, x) }
            }
            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sub(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            fn mul(self, a: $vector, b: $vector) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            fn mul_add(self, a: $vector, b: $vector, c: $vector) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $mul_add(a, b, c) }
            }
            #[inline(always)]
            fn neg_mul_add(self, a: $vector, b: $vector, c: $vector) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $neg_mul_add(a, b, c) }
            }
            #[inline(always)]
            fn permutation(self, $from: &[u32; MAX_LANES]) -> $permutation {
                // SAFETY: as in `splat`; loads read `MAX_LANES` numbers at most.
                unsafe { $make }
            }
            #[inline(always)]
            fn permute(self, $x: $vector, $by: $permutation) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $permute }
            }
            #[inline(always)]
            fn select(self, $mask: $vector, $a: $vector, $b: $vector) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $select }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::avx2::Avx2;
    use super::super::avx512::Avx512;
    use super::*;

    x86!(
        Avx512, f32, 16, __m512, _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps
        _mm512_fmadd_ps _mm512_fnmadd_ps,
        permutation: __m512i, |from| _mm512_loadu_si512(from.as_ptr().cast()), |x, by| _mm512_permutexvar_ps(by, x),
        |mask, a, b| _mm512_mask_blend_ps(_mm512_movepi32_mask(_mm512_castps_si512(mask)), b, a)
    );
    x86!(
        Avx512, f64, 8, __m512d, _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd
        _mm512_fmadd_pd _mm512_fnmadd_pd,
        permutation: __m512i, |from| _mm512_cvtepu32_epi64(_mm256_loadu_si256(from.as_ptr().cast())),
        |x, by| _mm512_permutexvar_pd(by, x),
        |mask, a, b| _mm512_mask_blend_pd(_mm512_movepi64_mask(_mm512_castpd_si512(mask)), b, a)
    );
    x86!(
        Avx2, f32, 8, __m256, _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps
        _mm256_fmadd_ps _mm256_fnmadd_ps,
        permutation: __m256i, |from| _mm256_loadu_si256(from.as_ptr().cast()), |x, by| _mm256_permutevar8x32_ps(x, by),
        |mask, a, b| _mm256_blendv_ps(b, a, mask)
    );
    x86!(
        Avx2, f64, 4, __m256d, _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd
        _mm256_fmadd_pd _mm256_fnmadd_pd,
        // Each lane as the two 32-bit lanes that it consists of.
        permutation: __m256i, |from| {
            let lanes = _mm256_cvtepu32_epi64(_mm_loadu_si128(from.as_ptr().cast()));
            let low = _mm256_add_epi32(lanes, lanes);
            let high = _mm256_add_epi32(low, _mm256_set1_epi32(1));
            _mm256_or_si256(low, _mm256_slli_epi64::<32>(high))
        },
        |x, by| _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(x), by)),
        |mask, a, b| _mm256_blendv_pd(b, a, mask)
    );
}
