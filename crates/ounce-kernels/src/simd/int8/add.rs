//! Addition of bytes.

use super::Int8;
use crate::ops::{Int8Add, Int8FixedAdd};
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

/// `y = a + b` in integers.
#[inline(always)]
pub(crate) fn fixed<S: Int8>(s: S, add: &Int8FixedAdd, [a, b]: [&[i8]; 2], y: &mut [i8]) {
    assert!(a.len() == y.len() && b.len() == y.len());
    let together = 4 * S::LANES;
    let whole = y.len() / together * together;
    for at in (0..whole).step_by(together) {
        // SAFETY: four vectors from `at` on lie in all slices.
        unsafe { fixed_vectors(s, add, [a[at..].as_ptr(), b[at..].as_ptr()], y[at..].as_mut_ptr()) };
    }
    let rest = y.len() - whole;
    if rest > 0 {
        let mut copies = [[0i8; 64]; 3];
        copies[0][..rest].copy_from_slice(&a[whole..]);
        copies[1][..rest].copy_from_slice(&b[whole..]);
        let [a, b, out] = &mut copies;
        // SAFETY: four vectors have at most 64 elements.
        unsafe { fixed_vectors(s, add, [a.as_ptr(), b.as_ptr()], out.as_mut_ptr()) };
        y[whole..].copy_from_slice(&out[..rest]);
    }
}

/// # Safety
/// Four vectors of bytes are readable from the terms, and writable to `y`.
#[inline(always)]
unsafe fn fixed_vectors<S: Int8>(s: S, add: &Int8FixedAdd, terms: [*const i8; 2], y: *mut i8) {
    let (mut sums, mut to) = ([s.splat(0); 4], [y; 4]);
    // SAFETY: as the caller promises; factors are repeated for 16 sums, and no vector has more.
    unsafe {
        for term in 0..2 {
            let [multiplier, right] = add.terms[term];
            let (multipliers, shifts) = ([multiplier; 16], [right; 16]);
            let exact = right == 0;
            let factors =
                s.fixed_factors(multipliers.as_ptr(), if exact { [1; 16] } else { shifts }.as_ptr());
            for i in 0..4 {
                let x = s.plus(s.elements(terms[term].add(i * S::LANES)), -add.zeros[term]);
                // A factor of one half, the largest, rounds nothing.
                let x = if exact {
                    s.shift_left(x, Int8FixedAdd::SHIFT - 1)
                } else {
                    s.fixed_each(s.shift_left(x, Int8FixedAdd::SHIFT), factors)
                };
                sums[i] = s.sum(sums[i], x);
            }
        }
        let [multiplier, right] = add.y;
        let (multipliers, shifts) = ([multiplier; 16], [right; 16]);
        let factors = s.fixed_factors(multipliers.as_ptr(), shifts.as_ptr());
        for i in 0..4 {
            sums[i] = s.fixed_each(sums[i], factors);
            to[i] = y.add(i * S::LANES);
        }
        s.store_places(sums, add.y_zero, add.bounds, to, S::LANES);
    }
}
