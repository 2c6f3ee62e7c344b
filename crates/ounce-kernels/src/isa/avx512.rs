//! AVX-512 with VNNI: 16 floats a vector, 8-bit products by `vpdpbusd`. CPUs with AVX-512 but without VNNI use AVX2.

use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::dot::{Dot, TOKENS, packed_tile as packed_product};
use super::dot_w8a8::tile_product;
use super::tile::{PackedTile, W8A8Tile};
use crate::quantize::{QuantizedView, TokenView};
use crate::simd::Simd;

/// The token for AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

// SAFETY: a value is made only inside functions that have the features, which are reached through a table whose `supported` has
// checked them.
unsafe impl Simd for Avx512 {
    const LANES: usize = 16;
    type F = __m512;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: the token proves AVX-512; so below.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: 16 floats are readable, as the caller promises.
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: __m512) {
        // SAFETY: 16 floats are writable, as the caller promises.
        unsafe { _mm512_storeu_ps(to, x) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> __m512 {
        // SAFETY: 32 bytes are readable, as the caller promises.
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16, x: __m512) {
        // SAFETY: 32 bytes are writable, as the caller promises.
        unsafe {
            let halves = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
            _mm256_storeu_si256(to.cast(), halves);
        }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> __m512 {
        // SAFETY: 32 bytes are readable, as the caller promises.
        unsafe {
            let raw = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(raw))
        }
    }
    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> __m512 {
        // SAFETY: 16 bytes are readable, as the caller promises.
        unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8, x: __m512) {
        // SAFETY: 16 bytes are writable, as the caller promises.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x))) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    fn inside(self, a: __m512, low: __m512, high: __m512, value: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe {
            let above = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, low);
            _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(above, a, high), value)
        }
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    fn copysign(self, magnitude: __m512, sign: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe {
            let mask = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_andnot_ps(mask, magnitude), _mm512_and_ps(mask, sign))
        }
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    fn pow2(self, a: __m512) -> __m512 {
        // SAFETY: as in `splat`.
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        // SAFETY: as in `splat`; a prefetch of an invalid address does nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    fn maximum(self, a: __m512) -> f32 {
        // SAFETY: as in `splat`.
        unsafe { _mm512_reduce_max_ps(a) }
    }
}

// SAFETY: as for `Simd`.
unsafe impl Dot for Avx512 {
    type Floats = Self;
    type Ints = __m512i;
    type Quads = *const i8;
    const WIDE_ZERO: f32 = 128.0;

    #[inline(always)]
    fn floats(self) -> Self {
        self
    }
    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: the token proves AVX-512; so below.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> __m512i {
        // SAFETY: 64 bytes are readable, as the caller promises.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    fn low(self, bytes: __m512i) -> __m512i {
        // SAFETY: as in `zero`.
        unsafe { _mm512_and_si512(bytes, _mm512_set1_epi8(15)) }
    }
    #[inline(always)]
    fn high(self, bytes: __m512i) -> __m512i {
        // SAFETY: as in `zero`.
        unsafe { _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), _mm512_set1_epi8(15)) }
    }
    #[inline(always)]
    fn wide(self, bytes: __m512i) -> __m512i {
        // SAFETY: as in `zero`.
        unsafe { _mm512_xor_si512(bytes, _mm512_set1_epi8(i8::MIN)) }
    }
    #[inline(always)]
    unsafe fn quads(self, from: *const i8) -> *const i8 {
        from
    }
    #[inline(always)]
    fn dot<const QUAD: i32>(self, sums: __m512i, weights: __m512i, x: *const i8) -> __m512i {
        // SAFETY: the caller of `quads` promised 16 readable bytes. The instruction itself repeats the four in all lanes.
        unsafe {
            let x = x.cast::<i32>().add(QUAD as usize).read_unaligned();
            _mm512_dpbusd_epi32(sums, weights, _mm512_set1_epi32(x))
        }
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> __m512i {
        // SAFETY: as in `zero`.
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: as in `zero`.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    fn to_floats(self, sums: __m512i) -> __m512 {
        // SAFETY: as in `zero`.
        unsafe { _mm512_cvtepi32_ps(sums) }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
fn packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]) {
    packed_product::<_, 1>(Avx512(()), tile, x, out);
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
fn w8a8_tile(tile: &W8A8Tile<'_>, x: TokenView<'_>, out: &mut [f32]) {
    tile_product::<_, 1, 12>(Avx512(()), tile, x, out);
}

fn supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}

super::amplitude_kernels!(amplitudes_f32, f32, ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,popcnt"] Avx512(()));
super::amplitude_kernels!(amplitudes_f64, f64, ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c,popcnt"] Avx512(()));

// Compilers find better shuffles of 256 bits than of 512.
super::table! {
    name: "avx512-vnni", features: ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"],
    supported: supported, token: Avx512(()), packed_tokens: TOKENS, packed_tile: packed_tile, bit_planes: false,
    w8a8_tile: w8a8_tile, w8a8_words: None,
    hadamard: ["avx2,fma,f16c"] Avx2(()),
    int8: ["avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"] Avx512(()),
    amplitudes: amplitudes_f32::KERNELS, amplitudes_f64::KERNELS,
}
