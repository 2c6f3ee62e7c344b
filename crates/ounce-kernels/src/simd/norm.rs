//! Norms, softmax and element-wise sums of one row.

use super::{Simd, exp};
use crate::ops::Norm;

/// `out = norm(x)`.
#[inline(always)]
pub(crate) fn norm_row<S: Simd>(s: S, norm: &Norm<'_>, x: &[f32], out: &mut [f32]) {
    match *norm {
        Norm::Rms { weight, eps } => rms_norm(s, x, weight, eps, out),
        Norm::Layer { weight, bias, eps } => layer_norm(s, x, weight, bias, eps, out),
    }
}

#[inline(always)]
fn sum_of<S: Simd>(s: S, x: &[f32], term: impl Fn(S::F) -> S::F, scalar: impl Fn(f32) -> f32) -> f32 {
    let (mut a, mut b) = (s.splat(0.0), s.splat(0.0));
    let mut pairs = x.chunks_exact(2 * S::LANES);
    for pair in &mut pairs {
        // SAFETY: a pair has 2 * LANES floats.
        let (u, v) = unsafe { (s.load(pair.as_ptr()), s.load(pair.as_ptr().add(S::LANES))) };
        a = s.add(a, term(u));
        b = s.add(b, term(v));
    }
    s.sum(s.add(a, b)) + pairs.remainder().iter().map(|&x| scalar(x)).sum::<f32>()
}

/// `out = x / rms(x) * weight`, `rms(x) = sqrt(mean(x^2) + eps)`.
#[inline(always)]
fn rms_norm<S: Simd>(s: S, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let n = x.len();
    assert!(weight.len() == n && out.len() == n);
    let squares = sum_of(
        s,
        x,
        #[inline(always)]
        |v| s.mul(v, v),
        |x| x * x,
    );
    let factor = 1.0 / (squares / n as f32 + eps).sqrt();
    let mut i = 0;
    while i + S::LANES <= n {
        // SAFETY: i + LANES <= n, the length of all three.
        unsafe {
            let y = s.mul(s.mul(s.load(x.as_ptr().add(i)), s.splat(factor)), s.load(weight.as_ptr().add(i)));
            s.store(out.as_mut_ptr().add(i), y);
        }
        i += S::LANES;
    }
    for i in i..n {
        out[i] = x[i] * factor * weight[i];
    }
}

/// `out = (x - mean) / sqrt(var + eps) * weight + bias`.
#[inline(always)]
fn layer_norm<S: Simd>(s: S, x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32, out: &mut [f32]) {
    let n = x.len();
    assert!(weight.len() == n && out.len() == n && bias.is_none_or(|bias| bias.len() == n));
    let mean = sum_of(
        s,
        x,
        #[inline(always)]
        |v| v,
        |x| x,
    ) / n as f32;
    let squares = sum_of(
        s,
        x,
        #[inline(always)]
        |v| {
            let d = s.sub(v, s.splat(mean));
            s.mul(d, d)
        },
        |x| (x - mean) * (x - mean),
    );
    let factor = 1.0 / (squares / n as f32 + eps).sqrt();
    for i in 0..n {
        out[i] = (x[i] - mean) * factor * weight[i] + bias.map_or(0.0, |bias| bias[i]);
    }
}

/// The largest element, negative infinity for none.
#[inline(always)]
pub(crate) fn maximum<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut largest = s.splat(f32::NEG_INFINITY);
    let mut chunks = x.chunks_exact(S::LANES);
    for chunk in &mut chunks {
        // SAFETY: a chunk has LANES floats.
        largest = s.max(largest, unsafe { s.load(chunk.as_ptr()) });
    }
    chunks.remainder().iter().fold(s.maximum(largest), |a, &b| a.max(b))
}

/// `x = exp(x - shift)`; returns the sum.
#[inline(always)]
pub(crate) fn exp_sum<S: Simd>(s: S, x: &mut [f32], shift: f32) -> f32 {
    let mut total = s.splat(0.0);
    let mut chunks = x.chunks_exact_mut(S::LANES);
    for chunk in &mut chunks {
        // SAFETY: a chunk has LANES floats.
        unsafe {
            let e = exp(s, s.sub(s.load(chunk.as_ptr()), s.splat(shift)));
            s.store(chunk.as_mut_ptr(), e);
            total = s.add(total, e);
        }
    }
    let mut sum = s.sum(total);
    for x in chunks.into_remainder() {
        let mut lane = [0.0f32; 64];
        // SAFETY: the array holds more floats than any vector.
        unsafe { s.store(lane.as_mut_ptr(), exp(s, s.splat(*x - shift))) };
        *x = lane[0];
        sum += lane[0];
    }
    sum
}

/// `x *= factor`.
#[inline(always)]
pub(crate) fn scale<S: Simd>(s: S, x: &mut [f32], factor: f32) {
    let mut chunks = x.chunks_exact_mut(S::LANES);
    for chunk in &mut chunks {
        // SAFETY: a chunk has LANES floats.
        unsafe { s.store(chunk.as_mut_ptr(), s.mul(s.load(chunk.as_ptr()), s.splat(factor))) };
    }
    for x in chunks.into_remainder() {
        *x *= factor;
    }
}

/// Softmax in place.
#[inline(always)]
pub(crate) fn softmax<S: Simd>(s: S, x: &mut [f32]) {
    if x.is_empty() {
        return;
    }
    let largest = maximum(s, x);
    let sum = exp_sum(s, x, largest);
    scale(s, x, 1.0 / sum);
}

/// `y += x`.
#[inline(always)]
pub(crate) fn add<S: Simd>(s: S, x: &[f32], y: &mut [f32]) {
    let n = x.len();
    assert_eq!(n, y.len());
    let mut i = 0;
    while i + S::LANES <= n {
        // SAFETY: i + LANES <= n, the length of both.
        unsafe {
            let sum = s.add(s.load(x.as_ptr().add(i)), s.load(y.as_ptr().add(i)));
            s.store(y.as_mut_ptr().add(i), sum);
        }
        i += S::LANES;
    }
    for i in i..n {
        y[i] += x[i];
    }
}
