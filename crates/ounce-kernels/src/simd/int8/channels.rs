//! Depthwise convolution of an image whose channels lie side by side.

use super::Int8;
use super::scales::{ChannelScales, EachScale, Finish, Fixed, Nearest, Truncated, store, with_scale};
use crate::pool::SharedMut;

/// Rows of the image that are interleaved with each other at most: four quads.
pub(crate) const MAX_ROWS: usize = 16;

/// Some rows of a result, of some of its channels, from the rows of the image that they are made of.
pub(crate) struct Band<'a> {
    /// The image `[height, width, channels]`.
    pub(crate) x: &'a [i8],
    /// Width of the image, and channels.
    pub(crate) image: [usize; 2],
    /// Where in `x` each row begins that is read, or `None` for padding; a multiple of four of them.
    pub(crate) rows: &'a [Option<usize>],
    /// What stands for 0.
    pub(crate) x_zero: i8,
    /// Columns of padding before the image, and all columns that are read.
    pub(crate) before: usize,
    pub(crate) columns: usize,
    /// Taps across, their distance, and that of two places.
    pub(crate) kernel: usize,
    pub(crate) dilation: usize,
    pub(crate) stride: usize,
    /// For every 16 channels, every row of results of a band and every tap across: for each four rows of the image a weight of each channel.
    pub(crate) weights: &'a [i8],
    /// Rows of results that weights are for.
    pub(crate) outputs: usize,
    pub(crate) starts: &'a [i32],
    pub(crate) scales: &'a ChannelScales,
    pub(crate) zero: i16,
    pub(crate) bounds: [i8; 2],
    /// The first row of results, how many are wanted, and places in a row.
    pub(crate) row: usize,
    pub(crate) count: usize,
    pub(crate) width: usize,
    /// The channels that are computed, from a multiple of 16 on.
    pub(crate) channels: std::ops::Range<usize>,
    /// The result `[height, width, channels]`.
    pub(crate) y: &'a SharedMut<'a, i8>,
}

/// Bytes of scratch memory for [`convolve`].
pub(crate) fn band_len(columns: usize, rows: usize) -> usize {
    // A vector has up to 64 bytes.
    columns * rows.div_ceil(4) * 64
}

/// Places that are computed together.
const PLACES: usize = 8;

/// Computes a band. `scratch` has [`band_len`] bytes. No two calls that run at the same time write the same results.
#[inline(always)]
pub(crate) fn convolve<S: Int8>(s: S, job: &Band<'_>, scratch: &mut [u8]) {
    let quads = job.rows.len() / 4;
    let taps = job.kernel * quads;
    let (ends, vectors) = (job.channels.end.next_multiple_of(16), 64 * job.outputs * taps);
    assert!(job.rows.len().is_multiple_of(4) && job.rows.len() <= MAX_ROWS && job.count <= job.outputs);
    assert!(job.channels.start.is_multiple_of(16) && ends / 16 * vectors <= job.weights.len());
    assert!(job.starts.len() >= ends && job.scales.len() >= ends);
    assert!(scratch.len() >= band_len(job.columns, job.rows.len()) && job.width > 0);
    assert!((job.width - 1) * job.stride + (job.kernel - 1) * job.dilation < job.columns);
    assert!((job.row + job.count) * job.width * job.image[1] <= job.y.len());
    assert!(job.channels.end <= job.image[1]);
    // Columns of padding are the same for all channels.
    let (zero, inside, column) = ((128 + i32::from(job.x_zero)) as u8, inside(job), quads * 4 * S::LANES);
    scratch[..inside.start * column].fill(zero);
    scratch[inside.end * column..job.columns * column].fill(zero);
    for first in job.channels.clone().step_by(S::LANES) {
        let live = S::LANES.min(job.channels.end - first);
        fill(s, job, first, live, scratch);
        // SAFETY: the band, the weights and starts of all taps, scales and results were checked above; results are this call's alone.
        unsafe { with_scale!(s, job.scales, first, |scale| rows(s, job, scale, scratch, first, live)) }
    }
}

/// All rows of results of a vector of channels.
///
/// # Safety
/// As [`tile`], for all places.
#[inline(always)]
unsafe fn rows<S: Int8>(
    s: S,
    job: &Band<'_>,
    scale: impl EachScale<S>,
    band: &[u8],
    first: usize,
    live: usize,
) {
    let taps = job.kernel * job.rows.len() / 4;
    for row in 0..job.count {
        let at = (first / 16 * job.outputs + row) * taps * 64 + first % 16 * 4;
        let weights = job.weights.as_ptr().wrapping_add(at);
        let to = ((job.row + row) * job.width * job.image[1] + first) as isize;
        let to = job.y.as_mut_ptr().wrapping_offset(to);
        let mut place = 0;
        while place < job.width {
            // The last places of a row are computed together with some before, for the second time.
            // SAFETY: as the caller promises.
            unsafe {
                if job.width >= PLACES {
                    let from = place.min(job.width - PLACES);
                    tile::<S, PLACES>(s, job, scale, band, weights, to, [first, live, from]);
                    place += PLACES;
                } else if job.width >= 4 {
                    tile::<S, 4>(s, job, scale, band, weights, to, [first, live, place.min(job.width - 4)]);
                    place += 4;
                } else {
                    tile::<S, 1>(s, job, scale, band, weights, to, [first, live, place]);
                    place += 1;
                }
            }
        }
    }
}

/// Columns of a band that lie in the image.
fn inside(job: &Band<'_>) -> std::ops::Range<usize> {
    job.before.min(job.columns)..job.columns.min(job.before + job.image[0])
}

/// Interleaves the rows of `live` channels from `first` on: for every column, for each four rows, a quad of every channel.
#[inline(always)]
fn fill<S: Int8>(s: S, job: &Band<'_>, first: usize, live: usize, scratch: &mut [u8]) {
    let channels = job.image[1];
    let bytes = 4 * S::LANES;
    let quads = job.rows.len() / 4;
    let padding = [job.x_zero; 64];
    let inside = inside(job);
    if inside.is_empty() {
        return;
    }
    for quad in 0..quads {
        let rows: [Option<usize>; 4] = std::array::from_fn(|i| job.rows[quad * 4 + i]);
        // Pixels from which on a vector can be read.
        let whole = rows.iter().flatten().max().map_or(inside.len(), |row| {
            let room = (job.x.len() + 1).saturating_sub(row + first + S::LANES);
            inside.len().min(room.div_ceil(channels))
        });
        let mut from = rows.map(|row| row.map_or(padding.as_ptr(), |row| job.x[row + first..].as_ptr()));
        let steps = rows.map(|row| if row.is_some() { channels } else { 0 });
        let mut to = scratch[(inside.start * quads + quad) * bytes..].as_mut_ptr();
        for _ in 0..whole {
            // SAFETY: a vector is readable from each of the first pixels; the band was checked by the caller.
            unsafe { s.interleave(from, to) };
            for i in 0..4 {
                from[i] = from[i].wrapping_add(steps[i]);
            }
            to = to.wrapping_add(quads * bytes);
        }
        for pixel in whole..inside.len() {
            let copies = rows.map(|row| copy(job, row.map(|row| row + pixel * channels + first), live));
            // SAFETY: as above, from copies.
            unsafe { s.interleave(copies.each_ref().map(|copy| copy.as_ptr()), to) };
            to = to.wrapping_add(quads * bytes);
        }
    }
}

/// What one row has for `live` channels, in a vector of its own.
fn copy(job: &Band<'_>, at: Option<usize>, live: usize) -> [i8; 64] {
    let mut copy = [job.x_zero; 64];
    if let Some(at) = at {
        copy[..live].copy_from_slice(&job.x[at..at + live]);
    }
    copy
}

/// `P` neighbouring places of a row of results, of which the first of all begins at `to`: for `live` channels from `first` on, from place `place` on.
///
/// # Safety
/// All places' windows lie in the band, `weights` has those of all taps, the channels have starts and scales; no other call writes these results.
#[inline(always)]
unsafe fn tile<S: Int8, const P: usize>(
    s: S,
    job: &Band<'_>,
    scale: impl EachScale<S>,
    band: &[u8],
    mut weights: *const i8,
    to: *mut i8,
    [first, live, place]: [usize; 3],
) {
    let quads = job.rows.len() / 4;
    let (column, bytes) = (quads * 4 * S::LANES, 4 * S::LANES);
    // SAFETY: as the caller promises.
    unsafe {
        let mut sums = [s.sums(job.starts.as_ptr().add(first)); P];
        let base = band.as_ptr().add(place * job.stride * column);
        for tap in 0..job.kernel {
            for quad in 0..quads {
                let w = s.weights(weights);
                weights = weights.add(64);
                let from = base.add(tap * job.dilation * column + quad * bytes);
                for p in 0..P {
                    sums[p] = s.dot(sums[p], s.bytes(from.add(p * job.stride * column)), w);
                }
            }
        }
        let step = job.image[1];
        let finish = Finish { zero: job.zero, bounds: job.bounds, step, count: live };
        store(s, &sums, scale, finish, to.wrapping_add(place * step));
    }
}
