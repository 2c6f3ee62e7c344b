//! Quantization of one row of activations: with a scale per block of columns, or with one for the whole row.

use super::Simd;
use crate::matrix::ActivationScale;
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

/// Quantizes `x` with one scale, fills the rest of `out` with zeros, and returns the scale and the sum of the quants. The scale is NaN
/// where `x` holds an infinity or NaN.
#[inline(always)]
pub(crate) fn quantize_token<S: Simd>(s: S, x: &[f32], scale: ActivationScale, out: &mut [i8]) -> (f32, i32) {
    let (used, rest) = out.split_at_mut(x.len());
    rest.fill(0);
    let (vectors, tail) = x.split_at(x.len() / S::LANES * S::LANES);
    let (vector_quants, tail_quants) = used.split_at_mut(vectors.len());
    // Stays zero unless an element is not finite. Several sums, so that one addition need not wait for the one before.
    let mut poison = [s.splat(0.0); 4];
    let mut largest = poison;
    for x in vectors.chunks(4 * S::LANES) {
        for (i, x) in x.chunks_exact(S::LANES).enumerate() {
            // SAFETY: `x` has LANES floats.
            let x = unsafe { s.load(x.as_ptr()) };
            poison[i] = s.mul_add(x, s.splat(0.0), poison[i]);
            largest[i] = s.max(largest[i], s.abs(x));
        }
    }
    let mut poison = s.sum(s.add(s.add(poison[0], poison[1]), s.add(poison[2], poison[3])));
    let mut largest = s.maximum(s.max(s.max(largest[0], largest[1]), s.max(largest[2], largest[3])));
    for &x in tail {
        poison += x * 0.0;
        largest = largest.max(x.abs());
    }
    if poison.is_nan() {
        used.fill(0);
        return (f32::NAN, 0);
    }
    let (scale, inverse) = match scale {
        ActivationScale::PerToken => (largest / 127.0, 127.0 / largest),
        ActivationScale::Fixed(scale) => (scale, 1.0 / scale),
    };
    // Nothing but zeros, or so small that it may as well be.
    let inverse = if inverse.is_finite() { inverse } else { 0.0 };
    let mut sum = 0;
    for (x, out) in vectors.chunks_exact(S::LANES).zip(vector_quants.chunks_exact_mut(S::LANES)) {
        // SAFETY: both have LANES elements.
        unsafe {
            let scaled = s.mul(s.load(x.as_ptr()), s.splat(inverse));
            let scaled = s.max(s.min(scaled, s.splat(127.0)), s.splat(-127.0));
            s.store_i8(out.as_mut_ptr(), scaled);
        }
    }
    for (x, out) in tail.iter().zip(tail_quants) {
        *out = (x * inverse).clamp(-127.0, 127.0).round_ties_even() as i8;
    }
    for &q in &*used {
        sum += i32::from(q);
    }
    (scale, sum)
}
