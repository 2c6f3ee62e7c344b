//! Quantization of one row of activations.

use super::Simd;
use crate::quantize::{BLOCK, HALF_BLOCK, QuantizedRowMut};

/// Quantizes `x` (a multiple of 32 long) block by block: scale = max|x| / 127, quants rounded to nearest.
#[inline(always)]
pub(crate) fn quantize_row<S: Simd>(s: S, x: &[f32], out: QuantizedRowMut<'_>) {
    let blocks = x.len() / BLOCK;
    assert!(x.len().is_multiple_of(BLOCK) && out.quants.len() == x.len());
    assert!(out.scales.len() == blocks && out.sums.len() == blocks && out.half_sums.len() == 2 * blocks);
    for (b, block) in x.chunks_exact(BLOCK).enumerate() {
        let mut largest = s.splat(0.0);
        let mut i = 0;
        while i < BLOCK {
            // SAFETY: LANES divides 32, so i + LANES <= 32.
            largest = s.max(largest, s.abs(unsafe { s.load(block.as_ptr().add(i)) }));
            i += S::LANES;
        }
        let largest = s.maximum(largest);
        // A block of zeros, or one with an infinity or NaN in it, has no meaningful quants.
        let inverse = if largest > 0.0 && largest.is_finite() { 127.0 / largest } else { 0.0 };
        let quants = &mut out.quants[b * BLOCK..(b + 1) * BLOCK];
        let limit = s.splat(127.0);
        let mut i = 0;
        while i < BLOCK {
            // SAFETY: as above, for both slices of 32.
            unsafe {
                let scaled = s.mul(s.load(block.as_ptr().add(i)), s.splat(inverse));
                let scaled = s.max(s.min(scaled, limit), s.splat(-127.0));
                s.store_i8(quants.as_mut_ptr().add(i), scaled);
            }
            i += S::LANES;
        }
        let scale = largest / 127.0;
        out.scales[b] = scale;
        let mut total = 0;
        for (h, half) in quants.chunks_exact(HALF_BLOCK).enumerate() {
            let sum = half.iter().map(|&q| i32::from(q)).sum::<i32>();
            out.half_sums[2 * b + h] = scale * sum as f32;
            total += sum;
        }
        out.sums[b] = scale * total as f32;
    }
}
