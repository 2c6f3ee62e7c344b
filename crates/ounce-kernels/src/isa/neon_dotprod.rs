//! NEON with the dot products of Armv8.2.

use std::arch::is_aarch64_feature_detected;

use super::dot::{TOKENS, packed_tile as packed_product};
use super::dot_w8a8::tile_product;
use super::neon::Neon;
use super::tile::{PackedTile, W8A8Tile};
use crate::quantize::{QuantizedView, TokenView};

#[target_feature(enable = "neon,dotprod")]
fn packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]) {
    packed_product::<_, 2>(Neon::<true>(()), tile, x, out);
}

#[target_feature(enable = "neon,dotprod")]
fn w8a8_tile(tile: &W8A8Tile<'_>, x: TokenView<'_>, out: &mut [f32]) {
    tile_product::<_, 4, 4>(Neon::<true>(()), tile, x, out);
}

fn supported() -> bool {
    is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod")
}

super::table! {
    name: "neon-dotprod", features: ["neon,dotprod"], supported: supported, token: Neon::<true>(()),
    packed_tokens: TOKENS, packed_tile: packed_tile, bit_planes: false,
    w8a8_tile: w8a8_tile, w8a8_words: None,
    hadamard: ["neon,dotprod"] Neon::<true>(()),
    int8: ["neon,dotprod"] super::portable::Portable,
    amplitudes: super::portable::amplitudes_f32::KERNELS, super::portable::amplitudes_f64::KERNELS,
}
