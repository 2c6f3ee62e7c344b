//! NEON: 4 floats a vector. 8-bit products by `sdot` where the CPU has it (the table in `neon_dotprod`), or by `smull`.

use std::arch::aarch64::*;
use std::arch::asm;

use super::dot::{Dot, TOKENS, packed_tile as packed_product};
use super::dot_w8a8::tile_product;
use super::tile::{PackedTile, W8A8Tile};
use crate::quantize::{QuantizedView, TokenView};
use crate::simd::Simd;

/// The token for NEON, and if `SDOT` for the dot products of Armv8.2.
#[derive(Clone, Copy)]
pub(crate) struct Neon<const SDOT: bool>(pub(super) ());

// SAFETY: a value is made only inside functions that have the features, which are reached through a table whose `supported` has
// checked them.
unsafe impl<const SDOT: bool> Simd for Neon<SDOT> {
    const LANES: usize = 4;
    type F = float32x4_t;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: the token proves NEON; so below.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: 4 floats are readable, as the caller promises.
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: float32x4_t) {
        // SAFETY: 4 floats are writable, as the caller promises.
        unsafe { vst1q_f32(to, x) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> float32x4_t {
        // SAFETY: 8 bytes are readable, as the caller promises.
        unsafe { vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16, x: float32x4_t) {
        // SAFETY: 8 bytes are writable, as the caller promises.
        unsafe { vst1_u8(to.cast(), vreinterpret_u8_f16(vcvt_f16_f32(x))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> float32x4_t {
        // SAFETY: 8 bytes are readable, as the caller promises.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vreinterpret_u16_u8(vld1_u8(from.cast())))) }
    }
    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> float32x4_t {
        // SAFETY: 4 bytes are readable, as the caller promises.
        unsafe {
            let bytes = vreinterpret_s8_s32(vdup_n_s32(from.cast::<i32>().read_unaligned()));
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))))
        }
    }
    #[inline(always)]
    unsafe fn store_i8(self, to: *mut i8, x: float32x4_t) {
        // SAFETY: 4 bytes are writable, as the caller promises.
        unsafe {
            let words = vmovn_s32(vcvtnq_s32_f32(x));
            let bytes = vmovn_s16(vcombine_s16(words, words));
            to.cast::<i32>().write_unaligned(vget_lane_s32::<0>(vreinterpret_s32_s8(bytes)));
        }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vminq_f32(a, b) }
    }
    #[inline(always)]
    fn inside(self, a: float32x4_t, low: float32x4_t, high: float32x4_t, value: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe {
            let inside = vandq_u32(vcgtq_f32(a, low), vcltq_f32(a, high));
            vreinterpretq_f32_u32(vandq_u32(inside, vreinterpretq_u32_f32(value)))
        }
    }
    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vabsq_f32(a) }
    }
    #[inline(always)]
    fn copysign(self, magnitude: float32x4_t, sign: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vbslq_f32(vdupq_n_u32(1 << 31), sign, magnitude) }
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe { vrndnq_f32(a) }
    }
    #[inline(always)]
    fn pow2(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: as in `splat`.
        unsafe {
            let exponent = vaddq_s32(vcvtnq_s32_f32(a), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        }
    }
    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        // SAFETY: as in `splat`.
        unsafe { vaddvq_f32(a) }
    }
    #[inline(always)]
    fn maximum(self, a: float32x4_t) -> f32 {
        // SAFETY: as in `splat`.
        unsafe { vmaxvq_f32(a) }
    }
}

/// `sdot`, whose intrinsic is not yet stable: adds to every sum four weights times the bytes of lane `QUAD` of `x`.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot<const QUAD: i32>(mut sums: int32x4_t, weights: int32x4_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: one instruction of the function's features, which reads and writes the registers named here and nothing else.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {weights:v}.16b, {x:v}.4b[{quad}]",
            sums = inout(vreg) sums,
            weights = in(vreg) weights,
            x = in(vreg) x,
            quad = const QUAD,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// The same without the instruction. Products are at most 128 * 127, so pairs of them fit 16 bits.
#[inline]
#[target_feature(enable = "neon")]
fn widening_dot<const QUAD: i32>(sums: int32x4_t, weights: int32x4_t, x: int8x16_t) -> int32x4_t {
    let weights = vreinterpretq_s8_s32(weights);
    let x = vreinterpretq_s8_s32(vdupq_laneq_s32::<QUAD>(vreinterpretq_s32_s8(x)));
    let low = vmull_s8(vget_low_s8(weights), vget_low_s8(x));
    let high = vmull_high_s8(weights, x);
    vpadalq_s16(sums, vpaddq_s16(low, high))
}

// SAFETY: as for `Simd`.
unsafe impl<const SDOT: bool> Dot for Neon<SDOT> {
    type Floats = Self;
    type Ints = int32x4_t;
    type Quads = int8x16_t;
    const WIDE_ZERO: f32 = 0.0;

    #[inline(always)]
    fn floats(self) -> Self {
        self
    }
    #[inline(always)]
    fn zero(self) -> int32x4_t {
        // SAFETY: the token proves NEON; so below.
        unsafe { vdupq_n_s32(0) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> int32x4_t {
        // SAFETY: 16 bytes are readable, as the caller promises.
        unsafe { vreinterpretq_s32_u8(vld1q_u8(from)) }
    }
    #[inline(always)]
    fn low(self, bytes: int32x4_t) -> int32x4_t {
        // SAFETY: as in `zero`.
        unsafe { vandq_s32(bytes, vreinterpretq_s32_u8(vdupq_n_u8(15))) }
    }
    #[inline(always)]
    fn high(self, bytes: int32x4_t) -> int32x4_t {
        // SAFETY: as in `zero`.
        unsafe { vreinterpretq_s32_u8(vshrq_n_u8::<4>(vreinterpretq_u8_s32(bytes))) }
    }
    #[inline(always)]
    fn wide(self, bytes: int32x4_t) -> int32x4_t {
        bytes
    }
    #[inline(always)]
    unsafe fn quads(self, from: *const i8) -> int8x16_t {
        // SAFETY: 16 bytes are readable, as the caller promises.
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    fn dot<const QUAD: i32>(self, sums: int32x4_t, weights: int32x4_t, x: int8x16_t) -> int32x4_t {
        // SAFETY: the token proves NEON, and if `SDOT` the dot products.
        unsafe { if SDOT { sdot::<QUAD>(sums, weights, x) } else { widening_dot::<QUAD>(sums, weights, x) } }
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> int32x4_t {
        // SAFETY: as in `zero`.
        unsafe { vdupq_n_s32(x) }
    }
    #[inline(always)]
    fn add(self, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        // SAFETY: as in `zero`.
        unsafe { vaddq_s32(a, b) }
    }
    #[inline(always)]
    fn to_floats(self, sums: int32x4_t) -> float32x4_t {
        // SAFETY: as in `zero`.
        unsafe { vcvtq_f32_s32(sums) }
    }
}

#[target_feature(enable = "neon")]
fn packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]) {
    packed_product::<_, 2>(Neon::<false>(()), tile, x, out);
}

#[target_feature(enable = "neon")]
fn w8a8_tile(tile: &W8A8Tile<'_>, x: TokenView<'_>, out: &mut [f32]) {
    tile_product::<_, 4, 4>(Neon::<false>(()), tile, x, out);
}

super::table! {
    name: "neon", features: ["neon"], supported: || std::arch::is_aarch64_feature_detected!("neon"), token: Neon::<false>(()),
    packed_tokens: TOKENS, packed_tile: packed_tile, bit_planes: false,
    w8a8_tile: w8a8_tile, w8a8_words: None,
    hadamard: ["neon"] Neon::<false>(()),
    int8: ["neon"] super::portable::Portable,
    amplitudes: super::portable::amplitudes_f32::KERNELS, super::portable::amplitudes_f64::KERNELS,
}
