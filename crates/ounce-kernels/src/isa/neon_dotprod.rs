//! NEON with the dot products of Armv8.2.

use std::arch::is_aarch64_feature_detected;

use super::dot::{TOKENS, packed_tile as packed_product};
use super::neon::Neon;
use super::tile::PackedTile;
use crate::quantize::QuantizedView;

#[target_feature(enable = "neon,dotprod")]
fn packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]) {
    packed_product::<_, 2>(Neon::<true>(()), tile, x, out);
}

fn supported() -> bool {
    is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod")
}

super::table! {
    name: "neon-dotprod", features: ["neon,dotprod"], supported: supported, token: Neon::<true>(()),
    packed_tokens: TOKENS, packed_tile: packed_tile, bit_planes: false,
}
