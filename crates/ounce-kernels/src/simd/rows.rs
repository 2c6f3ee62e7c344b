//! Rows of floats in memory: conversion, and products with one vector.

use super::{Bf16, Element, F16, F32, Float, I8, Simd};

#[inline(always)]
fn widen_as<S: Simd, E: Float>(s: S, from: *const u8, out: &mut [f32]) {
    let from = from.cast::<E::Raw>();
    let n = out.len();
    let mut i = 0;
    // SAFETY: the caller checked that `from` has `n` elements, aligned.
    unsafe {
        while i + S::LANES <= n {
            s.store(out.as_mut_ptr().add(i), E::load(s, from.add(i)));
            i += S::LANES;
        }
        for (i, out) in out.iter_mut().enumerate().skip(i) {
            *out = E::widen(*from.add(i));
        }
    }
}

/// Converts `from`, aligned elements of the given type, to floats.
#[inline(always)]
pub(crate) fn widen<S: Simd>(s: S, element: Element, from: &[u8], out: &mut [f32]) {
    assert_eq!(from.len(), out.len() * element.size());
    assert!(from.as_ptr().addr().is_multiple_of(element.size()));
    match element {
        Element::F32 => widen_as::<S, F32>(s, from.as_ptr(), out),
        Element::F16 => widen_as::<S, F16>(s, from.as_ptr(), out),
        Element::Bf16 => widen_as::<S, Bf16>(s, from.as_ptr(), out),
        Element::I8 => widen_as::<S, I8>(s, from.as_ptr(), out),
    }
}

/// Converts floats to half precision.
#[inline(always)]
pub(crate) fn narrow<S: Simd>(s: S, x: &[f32], out: &mut [u16]) {
    let n = x.len();
    assert_eq!(n, out.len());
    let mut i = 0;
    while i + S::LANES <= n {
        // SAFETY: i + LANES <= n, the length of both.
        unsafe { s.store_f16(out.as_mut_ptr().add(i), s.load(x.as_ptr().add(i))) };
        i += S::LANES;
    }
    for i in i..n {
        out[i] = half::f16::from_f32_const(x[i]).to_bits();
    }
}

/// `R` dot products: rows `stride` elements apart with `x`.
///
/// # Safety
/// `R` rows of `x.len()` elements are readable from `rows`.
#[inline(always)]
pub(crate) unsafe fn dot<S: Simd, E: Float, const R: usize>(
    s: S,
    rows: *const E::Raw,
    stride: usize,
    x: &[f32],
) -> [f32; R] {
    let n = x.len();
    let mut even = [s.splat(0.0); R];
    let mut odd = [s.splat(0.0); R];
    let mut i = 0;
    // SAFETY: i + 2 * LANES <= n in the first loop, i + LANES <= n in the second, i < n in the third.
    unsafe {
        while i + 2 * S::LANES <= n {
            let (u, v) = (s.load(x.as_ptr().add(i)), s.load(x.as_ptr().add(i + S::LANES)));
            for r in 0..R {
                let row = rows.add(r * stride + i);
                // The same place in the rows that come next.
                s.prefetch(row.wrapping_add(R * stride).cast());
                even[r] = s.mul_add(E::load(s, row), u, even[r]);
                odd[r] = s.mul_add(E::load(s, row.add(S::LANES)), v, odd[r]);
            }
            i += 2 * S::LANES;
        }
        if i + S::LANES <= n {
            let u = s.load(x.as_ptr().add(i));
            for r in 0..R {
                even[r] = s.mul_add(E::load(s, rows.add(r * stride + i)), u, even[r]);
            }
            i += S::LANES;
        }
        let mut sums = [0.0; R];
        for r in 0..R {
            sums[r] = s.sum(s.add(even[r], odd[r]));
            for i in i..n {
                sums[r] += E::widen(*rows.add(r * stride + i)) * x[i];
            }
        }
        sums
    }
}

#[inline(always)]
fn dot_rows_as<S: Simd, E: Float>(s: S, rows: &[u8], x: &[f32], out: &mut [f32]) {
    let n = x.len();
    let rows = rows.as_ptr().cast::<E::Raw>();
    let mut r = 0;
    // SAFETY: the caller checked that `rows` has `out.len()` rows of `n` elements.
    unsafe {
        while r + 4 <= out.len() {
            out[r..r + 4].copy_from_slice(&dot::<S, E, 4>(s, rows.add(r * n), n, x));
            r += 4;
        }
        while r < out.len() {
            out[r] = dot::<S, E, 1>(s, rows.add(r * n), n, x)[0];
            r += 1;
        }
    }
}

/// `out[r] = rows[r] . x` for row-major, aligned rows of the given type.
#[inline(always)]
pub(crate) fn dot_rows<S: Simd>(s: S, element: Element, rows: &[u8], x: &[f32], out: &mut [f32]) {
    assert_eq!(rows.len(), out.len() * x.len() * element.size());
    assert!(rows.as_ptr().addr().is_multiple_of(element.size()));
    match element {
        Element::F32 => dot_rows_as::<S, F32>(s, rows, x, out),
        Element::F16 => dot_rows_as::<S, F16>(s, rows, x, out),
        Element::Bf16 => dot_rows_as::<S, Bf16>(s, rows, x, out),
        Element::I8 => dot_rows_as::<S, I8>(s, rows, x, out),
    }
}
