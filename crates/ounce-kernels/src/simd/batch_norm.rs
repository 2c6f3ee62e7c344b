//! Batch norm of one channel: sums over its planes, and the maps that are made of them.

use super::Simd;
use crate::planes::{Planes, PlanesMut};

/// Elements whose sum is taken in floats before it goes on in double precision: a multiple of [`WAYS`] vectors.
const RUN: usize = 4096;
/// Vectors that are summed side by side.
const WAYS: usize = 4;
/// The most floats of a vector.
const MAX_LANES: usize = 16;

/// `y = (x - mean) * scale + bias`, within bounds if there are any.
#[derive(Clone, Copy)]
pub(crate) struct Affine {
    pub(crate) mean: f32,
    pub(crate) scale: f32,
    pub(crate) bias: f32,
    pub(crate) bounds: Option<[f32; 2]>,
}

/// Vectors of several arrays at one place. Beyond `len` elements there are those of `pad`.
///
/// # Safety
/// `len` floats, or a vector where `len` is more, are readable from every pointer.
#[inline(always)]
unsafe fn load<S: Simd, const N: usize>(
    s: S,
    from: &[*const f32; N],
    at: usize,
    len: usize,
    pad: &[f32; N],
) -> [S::F; N] {
    let mut vectors = [s.splat(0.0); N];
    for i in 0..N {
        // SAFETY: as the caller promises; the buffer holds the longest vector.
        unsafe {
            vectors[i] = if len >= S::LANES {
                s.load(from[i].add(at))
            } else {
                let mut lanes = [pad[i]; MAX_LANES];
                from[i].add(at).copy_to_nonoverlapping(lanes.as_mut_ptr(), len);
                s.load(lanes.as_ptr())
            };
        }
    }
    vectors
}

/// The sums of what `term` makes of the elements of planes. Vectors at the ends of planes are filled up with `pad`, which `term` makes zeros of.
#[inline(always)]
fn sums<S: Simd, const N: usize, const M: usize>(
    s: S,
    planes: [Planes<'_>; N],
    pad: [f32; N],
    term: impl Fn([S::F; N]) -> [S::F; M],
) -> [f64; M] {
    assert!(planes.iter().all(|other| planes[0].same_extents(other)));
    let len = planes[0].len;
    let mut totals = [0.0f64; M];
    let mut own = [[s.splat(0.0); M]; WAYS];
    let mut counted = 0;
    for plane in 0..planes[0].count {
        let mut from = [std::ptr::null(); N];
        for i in 0..N {
            from[i] = planes[i].plane(plane);
        }
        let mut at = 0;
        while at < len {
            let begin = at;
            let end = len.min(begin + RUN);
            // SAFETY: `end` is within the planes, which are within their arrays.
            unsafe {
                while at + WAYS * S::LANES <= end {
                    for way in 0..WAYS {
                        let terms = term(load(s, &from, at + way * S::LANES, S::LANES, &pad));
                        for m in 0..M {
                            own[way][m] = s.add(own[way][m], terms[m]);
                        }
                    }
                    at += WAYS * S::LANES;
                }
                while at < end {
                    let terms = term(load(s, &from, at, end - at, &pad));
                    for m in 0..M {
                        own[0][m] = s.add(own[0][m], terms[m]);
                    }
                    at = end.min(at + S::LANES);
                }
            }
            counted += end - begin;
            if counted >= RUN || (at == len && plane + 1 == planes[0].count) {
                for m in 0..M {
                    let sum = s.add(s.add(own[0][m], own[1][m]), s.add(own[2][m], own[3][m]));
                    totals[m] += f64::from(s.sum(sum));
                }
                own = [[s.splat(0.0); M]; WAYS];
                counted = 0;
            }
        }
    }
    totals
}

/// Writes what `f` makes of the elements of planes.
#[inline(always)]
fn map<S: Simd, const N: usize>(
    s: S,
    planes: [Planes<'_>; N],
    to: &PlanesMut<'_>,
    f: impl Fn([S::F; N]) -> S::F,
) {
    assert!(planes.iter().all(|other| to.read().same_extents(other)));
    let Planes { len, count, .. } = to.read();
    for plane in 0..count {
        let mut from = [std::ptr::null(); N];
        for i in 0..N {
            from[i] = planes[i].plane(plane);
        }
        let to = to.plane(plane);
        let mut at = 0;
        // SAFETY: `len` elements are in each of the planes, and those written are this value's alone.
        unsafe {
            while at + S::LANES <= len {
                s.store(to.add(at), f(load(s, &from, at, S::LANES, &[0.0; N])));
                at += S::LANES;
            }
            if at < len {
                let mut lanes = [0.0f32; MAX_LANES];
                s.store(lanes.as_mut_ptr(), f(load(s, &from, at, len - at, &[0.0; N])));
                to.add(at).copy_from_nonoverlapping(lanes.as_ptr(), len - at);
            }
        }
    }
}

/// Mean and variance of all elements of planes, of which there is one at least.
#[inline(always)]
pub(crate) fn batch_moments<S: Simd>(s: S, x: Planes<'_>) -> [f64; 2] {
    let count = (x.len * x.count) as f64;
    let [sum] = sums(
        s,
        [x],
        [0.0],
        #[inline(always)]
        |[x]| [x],
    );
    let mean = sum / count;
    // The sums of squares are those around a float near the mean, from which the mean's distance is known.
    let near = mean as f32;
    let [squares] = sums(
        s,
        [x],
        [near],
        #[inline(always)]
        |[x]| {
            let d = s.sub(x, s.splat(near));
            [s.mul(d, d)]
        },
    );
    [mean, (squares / count - (mean - f64::from(near)).powi(2)).max(0.0)]
}

/// `y`, the affine map of `x`.
#[inline(always)]
pub(crate) fn batch_normalize<S: Simd>(s: S, x: Planes<'_>, by: &Affine, y: &PlanesMut<'_>) {
    let [mean, scale, bias] = [s.splat(by.mean), s.splat(by.scale), s.splat(by.bias)];
    match by.bounds {
        None => map(
            s,
            [x],
            y,
            #[inline(always)]
            |[x]| s.mul_add(s.sub(x, mean), scale, bias),
        ),
        Some([low, high]) => {
            let [low, high] = [s.splat(low), s.splat(high)];
            map(
                s,
                [x],
                y,
                // NaN, in second place, passes through both.
                #[inline(always)]
                |[x]| s.min(high, s.max(low, s.mul_add(s.sub(x, mean), scale, bias))),
            );
        }
    }
}

/// Gradients that pass the bounds of an affine map of `x`.
#[inline(always)]
fn passed<S: Simd>(s: S, g: S::F, d: S::F, by: &Affine) -> S::F {
    match by.bounds {
        None => g,
        Some([low, high]) => {
            let y = s.mul_add(d, s.splat(by.scale), s.splat(by.bias));
            s.inside(y, s.splat(low), s.splat(high), g)
        }
    }
}

/// The sums of the gradients `g` of `y` that pass the bounds, and of these times `x - mean`.
#[inline(always)]
pub(crate) fn batch_gradient_sums<S: Simd>(s: S, g: Planes<'_>, x: Planes<'_>, by: &Affine) -> [f64; 2] {
    sums(
        s,
        [g, x],
        [0.0, by.mean],
        #[inline(always)]
        |[g, x]| {
            let d = s.sub(x, s.splat(by.mean));
            let g = passed(s, g, d, by);
            [g, s.mul(g, d)]
        },
    )
}

/// `dx = a g + b (x - mean) + c` for the gradients that pass the bounds.
#[inline(always)]
pub(crate) fn batch_gradient<S: Simd>(
    s: S,
    [g, x]: [Planes<'_>; 2],
    by: &Affine,
    [a, b, c]: [f32; 3],
    dx: &PlanesMut<'_>,
) {
    let [a, b, c] = [s.splat(a), s.splat(b), s.splat(c)];
    map(
        s,
        [g, x],
        dx,
        #[inline(always)]
        |[g, x]| {
            let d = s.sub(x, s.splat(by.mean));
            let g = passed(s, g, d, by);
            s.mul_add(a, g, s.mul_add(b, d, c))
        },
    );
}
