//! Floats to bytes.

use crate::simd::Simd;

/// `y = clamp(round(x / scale) + zero)` to -128..=127, ties to even, for numbers.
#[inline(always)]
pub(crate) fn quantize<S: Simd>(s: S, x: &[f32], scale: f32, zero: f32, y: &mut [i8]) {
    assert_eq!(x.len(), y.len());
    let whole = x.len() / S::LANES * S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        // SAFETY: a vector from `at` on lies in both slices.
        unsafe { vector(s, x[at..].as_ptr(), scale, zero, y[at..].as_mut_ptr()) };
    }
    let rest = x.len() - whole;
    if rest > 0 {
        let (mut from, mut to) = ([0.0; 16], [0; 16]);
        from[..rest].copy_from_slice(&x[whole..]);
        // SAFETY: a vector has at most 16 elements.
        unsafe { vector(s, from.as_ptr(), scale, zero, to.as_mut_ptr()) };
        y[whole..].copy_from_slice(&to[..rest]);
    }
}

/// # Safety
/// A vector of floats is readable from `x`, one of bytes writable to `y`.
#[inline(always)]
unsafe fn vector<S: Simd>(s: S, x: *const f32, scale: f32, zero: f32, y: *mut i8) {
    // SAFETY: as the caller promises.
    unsafe {
        let x = s.add(s.round(s.div(s.load(x), s.splat(scale))), s.splat(zero));
        s.store_i8(y, s.max(s.min(x, s.splat(127.0)), s.splat(-128.0)));
    }
}
