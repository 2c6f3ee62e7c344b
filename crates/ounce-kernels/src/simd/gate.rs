//! Activation functions and gates of one row.

use super::{Simd, exp};
use crate::ops::Activation;

#[inline(always)]
fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let e = exp(s, s.sub(s.splat(0.0), x));
    s.div(s.splat(1.0), s.add(s.splat(1.0), e))
}

/// The error function by Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
#[inline(always)]
fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.abs(x);
    let t = s.div(s.splat(1.0), s.mul_add(a, s.splat(0.327_591_1), s.splat(1.0)));
    let mut p = s.splat(1.061_405_4);
    for c in [-1.453_152, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        p = s.mul_add(p, t, s.splat(c));
    }
    let e = exp(s, s.sub(s.splat(0.0), s.mul(a, a)));
    s.copysign(s.sub(s.splat(1.0), s.mul(s.mul(p, t), e)), x)
}

#[inline(always)]
fn activate_vector<S: Simd>(s: S, kind: Activation, x: S::F) -> S::F {
    match kind {
        Activation::Silu => s.mul(x, sigmoid(s, x)),
        Activation::Relu => s.max(x, s.splat(0.0)),
        // 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
        Activation::GeluTanh => {
            let cube = s.mul_add(s.mul(x, s.mul(x, x)), s.splat(0.044_715), x);
            s.mul(x, sigmoid(s, s.mul(cube, s.splat(1.595_769))))
        }
        Activation::Gelu => {
            let half = s.mul(x, s.splat(0.5));
            s.mul_add(half, erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2))), half)
        }
    }
}

/// `x = act(x)`.
#[inline(always)]
pub(crate) fn activate<S: Simd>(s: S, kind: Activation, x: &mut [f32]) {
    let mut chunks = x.chunks_exact_mut(S::LANES);
    for chunk in &mut chunks {
        // SAFETY: a chunk has LANES floats.
        unsafe { s.store(chunk.as_mut_ptr(), activate_vector(s, kind, s.load(chunk.as_ptr()))) };
    }
    for x in chunks.into_remainder() {
        let mut lanes = [0.0f32; 64];
        // SAFETY: the array holds more floats than any vector.
        unsafe { s.store(lanes.as_mut_ptr(), activate_vector(s, kind, s.splat(*x))) };
        *x = lanes[0];
    }
}

/// `gate = act(gate) * up`.
#[inline(always)]
pub(crate) fn gate<S: Simd>(s: S, kind: Activation, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len());
    activate(s, kind, gate);
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate *= up;
    }
}

/// Rotates one head's vector: pairs `(2i, 2i+1)` if `interleaved`, else `(i, i+half)`, by the angles whose cosine and sine are given.
#[inline(always)]
pub(crate) fn rotate<S: Simd>(s: S, x: &mut [f32], cos: &[f32], sin: &[f32], interleaved: bool) {
    let half = cos.len();
    assert!(sin.len() == half && x.len() >= 2 * half);
    if interleaved {
        for ((pair, &c), &n) in x.chunks_exact_mut(2).zip(cos).zip(sin) {
            let (a, b) = (pair[0], pair[1]);
            pair[0] = a * c - b * n;
            pair[1] = a * n + b * c;
        }
        return;
    }
    let (low, high) = x.split_at_mut(half);
    let mut i = 0;
    while i + S::LANES <= half {
        // SAFETY: i + LANES <= half, the length of all four (`high` may be longer).
        unsafe {
            let (a, b) = (s.load(low.as_ptr().add(i)), s.load(high.as_ptr().add(i)));
            let (c, n) = (s.load(cos.as_ptr().add(i)), s.load(sin.as_ptr().add(i)));
            s.store(low.as_mut_ptr().add(i), s.sub(s.mul(a, c), s.mul(b, n)));
            s.store(high.as_mut_ptr().add(i), s.add(s.mul(a, n), s.mul(b, c)));
        }
        i += S::LANES;
    }
    for i in i..half {
        let (a, b) = (low[i], high[i]);
        low[i] = a * cos[i] - b * sin[i];
        high[i] = a * sin[i] + b * cos[i];
    }
}
