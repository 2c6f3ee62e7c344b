//! AVX-VNNI: AVX2 with `vpdpbusd` on 256-bit vectors. Floats are AVX2's.

use std::arch::x86_64::*;

use super::avx2::Avx2;
use super::dot::{Dot, TOKENS, packed_tile as packed_product};
use super::dot_w8a8::tile_product;
use super::tile::{PackedTile, W8A8Tile};
use crate::quantize::{QuantizedView, TokenView};

/// The token for AVX-VNNI.
#[derive(Clone, Copy)]
pub(super) struct AvxVnni(Avx2);

// SAFETY: a value is made only inside functions that have the features, which are reached through a table whose `supported` has
// checked them.
unsafe impl Dot for AvxVnni {
    type Floats = Avx2;
    type Ints = __m256i;
    type Quads = *const i8;
    const WIDE_ZERO: f32 = 128.0;

    #[inline(always)]
    fn floats(self) -> Avx2 {
        self.0
    }
    #[inline(always)]
    fn zero(self) -> __m256i {
        // SAFETY: the token proves AVX2 and AVX-VNNI; so below.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const u8) -> __m256i {
        // SAFETY: 32 bytes are readable, as the caller promises.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }
    #[inline(always)]
    fn low(self, bytes: __m256i) -> __m256i {
        // SAFETY: as in `zero`.
        unsafe { _mm256_and_si256(bytes, _mm256_set1_epi8(15)) }
    }
    #[inline(always)]
    fn high(self, bytes: __m256i) -> __m256i {
        // SAFETY: as in `zero`.
        unsafe { _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15)) }
    }
    #[inline(always)]
    fn wide(self, bytes: __m256i) -> __m256i {
        // SAFETY: as in `zero`.
        unsafe { _mm256_xor_si256(bytes, _mm256_set1_epi8(i8::MIN)) }
    }
    #[inline(always)]
    unsafe fn quads(self, from: *const i8) -> *const i8 {
        from
    }
    #[inline(always)]
    fn dot<const QUAD: i32>(self, sums: __m256i, weights: __m256i, x: *const i8) -> __m256i {
        // SAFETY: the caller of `quads` promised 16 readable bytes.
        unsafe {
            let x = x.cast::<i32>().add(QUAD as usize).read_unaligned();
            _mm256_dpbusd_avx_epi32(sums, weights, _mm256_set1_epi32(x))
        }
    }
    #[inline(always)]
    fn splat_int(self, x: i32) -> __m256i {
        // SAFETY: as in `zero`.
        unsafe { _mm256_set1_epi32(x) }
    }
    #[inline(always)]
    fn add(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: as in `zero`.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    fn to_floats(self, sums: __m256i) -> __m256 {
        // SAFETY: as in `zero`.
        unsafe { _mm256_cvtepi32_ps(sums) }
    }
}

#[target_feature(enable = "avxvnni,avx2,fma,f16c")]
fn packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]) {
    packed_product::<_, 1>(AvxVnni(Avx2(())), tile, x, out);
}

#[target_feature(enable = "avxvnni,avx2,fma,f16c")]
fn w8a8_tile(tile: &W8A8Tile<'_>, x: TokenView<'_>, out: &mut [f32]) {
    tile_product::<_, 2, 6>(AvxVnni(Avx2(())), tile, x, out);
}

fn supported() -> bool {
    is_x86_feature_detected!("avxvnni")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}

super::table! {
    name: "avx-vnni", features: ["avxvnni,avx2,fma,f16c"], supported: supported, token: Avx2(()),
    packed_tokens: TOKENS, packed_tile: packed_tile, bit_planes: false,
    w8a8_tile: w8a8_tile, w8a8_words: None,
    hadamard: ["avx2,fma,f16c"] Avx2(()),
    int8: ["avxvnni,avx2,fma,f16c"] AvxVnni(Avx2(())),
    amplitudes: super::avx2::amplitudes_f32::KERNELS, super::avx2::amplitudes_f64::KERNELS,
}
