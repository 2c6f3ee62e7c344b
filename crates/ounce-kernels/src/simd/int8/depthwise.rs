//! Convolution of one plane with one window: sums of the products of a window's rows, four taps at a time.

use super::{Int8, scaled};
use crate::ops::Scale;

/// The most quads of taps of a window.
pub(crate) const MAX_QUADS: usize = 36;

/// Bytes that must be readable behind a plane.
pub(crate) const SLACK: usize = 256;

/// Quads of taps that a window takes.
pub(crate) fn quads(kernel: [usize; 2]) -> usize {
    kernel[0] * kernel[1].div_ceil(4)
}

/// One plane and its window.
pub(crate) struct Plane<'a> {
    /// The padded plane, 128 added to every element, and [`SLACK`] bytes.
    pub(crate) x: &'a [u8],
    /// Four neighbouring taps of a row of the window each, the first in the lowest byte, zeros beyond the row.
    pub(crate) weights: &'a [i32],
    /// Where in the plane the first tap of each quad reads for the first place.
    pub(crate) offsets: &'a [usize],
    /// Horizontal stride, 1 or 2.
    pub(crate) stride: usize,
    /// What sums start from.
    pub(crate) start: i32,
    pub(crate) scale: Scale,
    pub(crate) zero: i32,
    /// Runs of places: how many, how long each, and the distance of two in the plane, in places.
    pub(crate) runs: [usize; 3],
}

/// Where the results of all runs go, one run behind the other.
pub(crate) enum Run<'a> {
    /// As bytes within bounds.
    Bytes(&'a mut [i8], [i8; 2]),
    /// As words, saturated.
    Words(&'a mut [i16]),
}

/// Computes all runs of a plane.
#[inline(always)]
pub(crate) fn convolve<S: Int8>(s: S, plane: &Plane<'_>, out: Run<'_>) {
    if plane.stride == 1 {
        strided::<S, 1>(s, plane, out);
    } else {
        strided::<S, 2>(s, plane, out);
    }
}

#[inline(always)]
fn strided<S: Int8, const STRIDE: usize>(s: S, plane: &Plane<'_>, mut out: Run<'_>) {
    let [runs, len, distance] = plane.runs;
    assert!(plane.stride == STRIDE && plane.weights.len() == plane.offsets.len());
    let reach = plane.offsets.iter().max().map_or(0, |most| most + 1);
    assert!(reach + ((runs - 1) * distance + len) * STRIDE + SLACK <= plane.x.len() + STRIDE);
    for run in 0..runs {
        let base = plane.x.as_ptr().wrapping_add(run * distance * STRIDE);
        let mut first = 0;
        while first < len {
            let left = len - first;
            let from = base.wrapping_add(first * STRIDE);
            // SAFETY: `reach` bytes and one for each further place lie in the plane, and behind them is the slack that vectors may read.
            unsafe {
                if left > 3 * S::LANES {
                    let sums = taps::<S, STRIDE, 4>(s, plane, from);
                    for (v, sums) in sums.into_iter().enumerate() {
                        let count = S::LANES.min(left - v * S::LANES);
                        let y = scaled(s, sums, plane.scale, plane.zero);
                        store(s, y, &mut out, run * len + first + v * S::LANES, count);
                    }
                    first += 4 * S::LANES;
                } else {
                    let [sums] = taps::<S, STRIDE, 1>(s, plane, from);
                    let y = scaled(s, sums, plane.scale, plane.zero);
                    store(s, y, &mut out, run * len + first, S::LANES.min(left));
                    first += S::LANES;
                }
            }
        }
    }
}

/// Sums for `V` vectors of places.
///
/// # Safety
/// `64 + (V - 1) * LANES * STRIDE` bytes are readable behind `from` and each of the offsets.
#[inline(always)]
unsafe fn taps<S: Int8, const STRIDE: usize, const V: usize>(
    s: S,
    plane: &Plane<'_>,
    from: *const u8,
) -> [S::Sums; V] {
    let mut sums = [s.splat(plane.start); V];
    for (weights, offset) in plane.weights.iter().zip(plane.offsets) {
        let weights = s.repeat(*weights);
        for v in 0..V {
            // SAFETY: as the caller promises.
            let windows = unsafe { s.windows::<STRIDE>(from.add(offset + v * S::LANES * STRIDE)) };
            sums[v] = s.dot(sums[v], windows, weights);
        }
    }
    sums
}

#[inline(always)]
fn store<S: Int8>(s: S, y: S::Sums, out: &mut Run<'_>, at: usize, count: usize) {
    // SAFETY: the slices are as long as what is stored.
    unsafe {
        match out {
            Run::Bytes(out, bounds) => {
                let out = &mut out[at..at + count];
                s.store_bytes(y, *bounds, out.as_mut_ptr(), count);
            }
            Run::Words(out) => {
                let out = &mut out[at..at + count];
                s.store_words(y, out.as_mut_ptr(), count);
            }
        }
    }
}
