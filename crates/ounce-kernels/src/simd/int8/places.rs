//! Products of places of an image, whose channels lie side by side, with panels of weights.

use std::ops::Range;

use super::Int8;
use super::scales::{ChannelScales, Finish, Fixed, Nearest, Truncated, store, with_scale};
use crate::pool::SharedMut;

/// Output channels of a panel.
pub(crate) const PANEL: usize = 16;

/// Some places times some panels.
pub(crate) struct Places<'a> {
    /// The image, 128 added to every element, every pixel padded to a multiple of four channels.
    pub(crate) x: &'a [u8],
    /// Places in a row of the result, and how far the windows of two are apart in the image, in bytes: down and across.
    pub(crate) width: usize,
    pub(crate) steps: [usize; 2],
    /// Where the taps of a window read, from its first on.
    pub(crate) taps: &'a [usize],
    /// Quads of channels of a tap.
    pub(crate) quads: usize,
    /// For each panel: for every quad of every tap, four weights of each of its channels.
    pub(crate) panels: &'a [i8],
    /// What the sums of every channel start from, up to the end of the last panel.
    pub(crate) starts: &'a [i32],
    pub(crate) scales: &'a ChannelScales,
    pub(crate) zero: i16,
    pub(crate) bounds: [i8; 2],
    /// Output channels.
    pub(crate) outputs: usize,
    /// The places that are computed, of which the first `origin` do not lie in `x`.
    pub(crate) places: Range<usize>,
    pub(crate) origin: usize,
    /// The panels that are computed.
    pub(crate) columns: Range<usize>,
    /// The result: `outputs` bytes a place.
    pub(crate) y: &'a SharedMut<'a, i8>,
}

/// Computes places times panels. No two calls that run at the same time write the same results.
#[inline(always)]
pub(crate) fn multiply<S: Int8>(s: S, job: &Places<'_>) {
    let depth = job.taps.len() * job.quads;
    let reach = job.taps.iter().max().map_or(0, |most| most + 4 * job.quads);
    let Some(last) = job.places.clone().last() else { return };
    let row = (last - job.origin) / job.width;
    let across = if row > 0 { job.width - 1 } else { last - job.origin };
    assert!(job.places.start >= job.origin);
    assert!(row * job.steps[0] + across * job.steps[1] + reach <= job.x.len());
    assert!(
        job.columns.end * depth * 4 * PANEL <= job.panels.len()
            && job.columns.end * PANEL <= job.starts.len()
    );
    assert!(job.scales.len() >= job.columns.end * PANEL && job.places.end * job.outputs <= job.y.len());
    let mut vector = job.columns.start * (PANEL / S::LANES);
    let end = (job.columns.end * PANEL).min(job.outputs.next_multiple_of(S::LANES)) / S::LANES;
    while vector < end {
        vector += match end - vector {
            3 | 5.. if S::LANES == PANEL => rows::<S, 3, 8>(s, job, vector),
            2.. if S::LANES == PANEL => rows::<S, 2, 12>(s, job, vector),
            2.. => rows::<S, 2, 4>(s, job, vector),
            _ => rows::<S, 1, 8>(s, job, vector),
        };
    }
}

/// All places, `R` at a time, times `V` vectors of output channels. Returns `V`.
#[inline(always)]
fn rows<S: Int8, const V: usize, const R: usize>(s: S, job: &Places<'_>, vector: usize) -> usize {
    let mut place = job.places.start;
    while place < job.places.end {
        place += match job.places.end - place {
            n if n >= R => tile::<S, V, R>(s, job, vector, place),
            8.. if R > 8 => tile::<S, V, 8>(s, job, vector, place),
            4.. if R > 4 => tile::<S, V, 4>(s, job, vector, place),
            2.. => tile::<S, V, 2>(s, job, vector, place),
            _ => tile::<S, V, 1>(s, job, vector, place),
        };
    }
    V
}

/// `R` places times `V` vectors of output channels. Returns `R`.
#[inline(always)]
fn tile<S: Int8, const V: usize, const R: usize>(
    s: S,
    job: &Places<'_>,
    vector: usize,
    place: usize,
) -> usize {
    let depth = job.taps.len() * job.quads;
    let mut sums = [[s.splat(0); V]; R];
    let mut weights = [job.panels.as_ptr(); V];
    let mut from = [job.x.as_ptr(); R];
    for v in 0..V {
        let channel = (vector + v) * S::LANES;
        let at = channel / PANEL * depth * 4 * PANEL + channel % PANEL * 4;
        weights[v] = weights[v].wrapping_add(at);
        // SAFETY: `multiply` checked the starts of all panels.
        let start = unsafe { s.sums(job.starts[channel..].as_ptr()) };
        for sums in &mut sums {
            sums[v] = start;
        }
    }
    let first = place - job.origin;
    let (mut down, mut across) =
        if first < job.width { (0, first) } else { (first / job.width, first % job.width) };
    for from in &mut from {
        *from = from.wrapping_add(down * job.steps[0] + across * job.steps[1]);
        across += 1;
        if across == job.width {
            (down, across) = (down + 1, 0);
        }
    }
    let mut at = 0;
    for tap in job.taps {
        for quad in 0..job.quads {
            // SAFETY: `multiply` checked that panels and the windows of all places lie in their slices.
            unsafe {
                let mut w = [s.weights(weights[0].add(at)); V];
                for v in 1..V {
                    w[v] = s.weights(weights[v].add(at));
                }
                for r in 0..R {
                    let x = s.broadcast(from[r].add(tap + 4 * quad));
                    for v in 0..V {
                        sums[r][v] = s.dot(sums[r][v], x, w[v]);
                    }
                }
            }
            at += 4 * PANEL;
        }
    }
    // SAFETY: scales reach as far as panels, results were checked by `multiply`, whose caller promises that no other call writes them.
    unsafe {
        finish::<S, V, R, 0>(s, job, &sums, vector, place);
        if V > 1 {
            finish::<S, V, R, 1>(s, job, &sums, vector, place);
        }
        if V > 2 {
            finish::<S, V, R, 2>(s, job, &sums, vector, place);
        }
    }
    R
}

/// Scales and stores vector `AT` of every place, if there are so many.
///
/// # Safety
/// The channels have scales, and all places results, which no other call writes.
#[inline(always)]
unsafe fn finish<S: Int8, const V: usize, const R: usize, const AT: usize>(
    s: S,
    job: &Places<'_>,
    sums: &[[S::Sums; V]; R],
    vector: usize,
    place: usize,
) {
    let channel = (vector + AT) * S::LANES;
    let count = S::LANES.min(job.outputs - channel);
    let finish = Finish { zero: job.zero, bounds: job.bounds, step: job.outputs, count };
    let to = job.y.as_mut_ptr().wrapping_add(place * job.outputs + channel);
    let mut column = [s.splat(0); R];
    for r in 0..R {
        column[r] = sums[r][AT % V];
    }
    // SAFETY: as the caller promises.
    unsafe { with_scale!(s, job.scales, channel, |scale| store(s, &column, scale, finish, to)) };
}
