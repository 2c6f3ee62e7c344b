//! Addition of bytes.

use crate::ops::Int8Add;
use crate::simd::Simd;

/// `y` from two terms; `None` is a term that `y` holds.
#[inline(always)]
pub(crate) fn add<S: Simd>(s: S, add: &Int8Add, terms: [Option<&[i8]>; 2], y: &mut [i8]) {
    let len = y.len();
    assert!(terms.iter().flatten().all(|term| term.len() == len));
    let whole = len / S::LANES * S::LANES;
    for at in (0..whole).step_by(S::LANES) {
        let [a, b] = pointers(&terms, y, at);
        // SAFETY: a vector from `at` on lies in all slices.
        unsafe { vector(s, add, a, b, y[at..].as_mut_ptr()) };
    }
    if whole < len {
        let mut copies = [[0i8; 16]; 3];
        let [a, b] = pointers(&terms, y, whole);
        for (copy, from) in copies.iter_mut().zip([a, b]) {
            // SAFETY: what is left of a slice is shorter than a vector, and that at most 16 elements.
            unsafe { from.copy_to_nonoverlapping(copy.as_mut_ptr(), len - whole) };
        }
        let [a, b, out] = &mut copies;
        // SAFETY: a vector has at most 16 elements.
        unsafe { vector(s, add, a.as_ptr(), b.as_ptr(), out.as_mut_ptr()) };
        y[whole..].copy_from_slice(&out[..len - whole]);
    }
}

fn pointers(terms: &[Option<&[i8]>; 2], y: &[i8], at: usize) -> [*const i8; 2] {
    terms.map(|term| term.unwrap_or(y)[at..].as_ptr())
}

/// # Safety
/// A vector of bytes is readable from `a` and `b`, and writable to `y`.
#[inline(always)]
unsafe fn vector<S: Simd>(s: S, add: &Int8Add, a: *const i8, b: *const i8, y: *mut i8) {
    // SAFETY: as the caller promises.
    unsafe {
        let a = s.mul(s.sub(s.load_i8(a), s.splat(add.zeros[0])), s.splat(add.scales[0]));
        let b = s.mul(s.sub(s.load_i8(b), s.splat(add.zeros[1])), s.splat(add.scales[1]));
        let sum = s.round(s.div(s.add(a, b), s.splat(add.y_scale)));
        let sum = s.add(sum, s.splat(add.y_zero));
        s.store_i8(y, s.max(s.min(sum, s.splat(127.0)), s.splat(-128.0)));
    }
}
