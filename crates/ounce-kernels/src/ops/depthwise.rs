//! Depthwise convolution of floats, its transpose and its gradient by the kernel, plane by plane; and the gradient of a pointwise convolution by the kernel.

use super::{ConvGeometry, Phases};
use crate::Team;
use crate::pool::{SharedMut, at_least};
use crate::simd::int8::copy_run;
use crate::simd::planes::{BLOCK, Rows, TILE};

/// The most taps of a window.
const MAX_TAPS: usize = 128;

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 15;

/// The padded gradient of a result, from which the gradient of the image is correlated phase by phase.
struct Spread {
    /// Rows and columns before the first element.
    before: [usize; 2],
    /// Elements of a row.
    pitch: usize,
    len: usize,
    /// First and last place of the image's phases along either axis.
    places: [[usize; 2]; 2],
}

impl Spread {
    fn of(g: &ConvGeometry) -> Option<Self> {
        let places = [0, 1].map(|axis| {
            let last = g.before[axis] + g.image[axis].max(1) - 1;
            [g.before[axis] / g.stride[axis], last / g.stride[axis]]
        });
        let before = [0, 1].map(|axis| (g.kernel[axis] - 1) * g.dilation[axis] / g.stride[axis]);
        let [rows, pitch] =
            [0, 1].map(|axis| places[axis][1].max(g.places[axis] - 1).saturating_add(before[axis] + 1));
        let len = rows.checked_mul(pitch)?;
        let room = g.places_len().saturating_add(g.image_len());
        (len <= room.saturating_mul(16).saturating_add(4096)).then_some(Self { before, pitch, len, places })
    }

    /// Elements of a phase, those beside the image included.
    fn flat(&self) -> usize {
        let [[top, bottom], [left, right]] = self.places;
        (bottom - top) * self.pitch + right - left + 1
    }
}

/// Whether [`depthwise`] and its relatives take a geometry: not where windows reach far beyond the image, nor very large windows.
pub fn depthwise_fits(g: &ConvGeometry) -> bool {
    let taps = g.kernel[0].saturating_mul(g.kernel[1]);
    g.is_depthwise() && taps <= MAX_TAPS && Phases::of(g).is_some() && Spread::of(g).is_some()
}

/// Copies floats, without the call that a copy of unknown length is.
fn copy(from: &[f32], to: &mut [f32]) {
    copy_run::<0>(bytemuck::cast_slice(from), bytemuck::cast_slice_mut(to));
}

/// The taps of a window: where each reads.
struct Taps {
    offsets: [usize; MAX_TAPS],
    count: usize,
}

impl Taps {
    fn of(g: &ConvGeometry, phases: &Phases) -> Self {
        let mut taps = Self { offsets: [0; MAX_TAPS], count: 0 };
        for a in 0..g.kernel[0] {
            for b in 0..g.kernel[1] {
                taps.offsets[taps.count] = phases.tap(a, b);
                taps.count += 1;
            }
        }
        taps
    }
}

/// Cuts planes into tasks of several: how many planes each.
fn together(team: &Team<'_>, planes: usize, products: usize) -> usize {
    (TASK / products.max(1)).clamp(1, planes.div_ceil(team.threads()).max(1))
}

/// `y = x * w + bias` for `x [batch, channels, height, width]` and `w [channels, 1, height, width]`.
///
/// # Panics
/// If lengths do not fit the geometry, or it is none that [`depthwise_fits`].
#[allow(clippy::expect_used)]
pub fn depthwise(
    team: &mut Team<'_>,
    g: &ConvGeometry,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let phases = Phases::of(g).expect("the caller asked whether the geometry fits");
    let taps = Taps::of(g, &phases);
    let (places, count) = (g.places_len(), taps.count);
    assert!(x.len() == g.batch * g.channels * g.image_len() && y.len() == g.batch * g.channels * places);
    let flat = ((g.places[0] - 1) * phases.pitch + g.places[1]).next_multiple_of(BLOCK);
    let planes = together(team, g.batch * g.channels, places * count);
    let kernels = team.kernels();
    let y = SharedMut::new(y);
    team.run_with_buffers((g.batch * g.channels).div_ceil(planes), |task, buffers| {
        let padded = at_least(&mut buffers.panel, phases.len + flat);
        let all = at_least(&mut buffers.work, flat);
        padded.fill(0.0);
        for plane in task * planes..(g.batch * g.channels).min((task + 1) * planes) {
            let channel = plane % g.channels;
            let image = &x[plane * g.image_len()..][..g.image_len()];
            phases.fill(g, image, &mut padded[..phases.len], copy, |x| x);
            let start = bias.map_or(0.0, |bias| bias[channel]);
            kernels.correlate(padded, &taps.offsets[..count], &w[channel * count..][..count], start, all);
            // SAFETY: planes do not overlap, and each belongs to one task.
            let y = unsafe { y.slice(plane * places, places) };
            for (y, all) in y.chunks_exact_mut(g.places[1]).zip(all.chunks(phases.pitch)) {
                copy(&all[..y.len()], y);
            }
        }
    });
}

/// The gradient of [`depthwise`] by the image, plus a bias for each channel: `dy` has the shape of its result, `out` that of the image.
///
/// # Panics
/// As [`depthwise`].
#[allow(clippy::expect_used)]
pub fn depthwise_transposed(
    team: &mut Team<'_>,
    g: &ConvGeometry,
    dy: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    out: &mut [f32],
) {
    let spread = Spread::of(g).expect("the caller asked whether the geometry fits");
    let (places, image, count) = (g.places_len(), g.image_len(), g.kernel[0] * g.kernel[1]);
    assert!(dy.len() == g.batch * g.channels * places && out.len() == g.batch * g.channels * image);
    if image == 0 {
        return;
    }
    let flat = spread.flat().next_multiple_of(BLOCK);
    let planes = together(team, g.batch * g.channels, places * count);
    let kernels = team.kernels();
    let out = SharedMut::new(out);
    team.run_with_buffers((g.batch * g.channels).div_ceil(planes), |task, buffers| {
        let padded = at_least(&mut buffers.panel, spread.len + flat);
        let all = at_least(&mut buffers.work, flat);
        padded.fill(0.0);
        for plane in task * planes..(g.batch * g.channels).min((task + 1) * planes) {
            let channel = plane % g.channels;
            let from = dy[plane * places..][..places].chunks_exact(g.places[1]);
            for (row, from) in from.enumerate() {
                let at = (row + spread.before[0]) * spread.pitch + spread.before[1];
                copy(from, &mut padded[at..at + from.len()]);
            }
            // SAFETY: planes do not overlap, and each belongs to one task.
            let out = unsafe { out.slice(plane * image, image) };
            let start = bias.map_or(0.0, |bias| bias[channel]);
            let w = &w[channel * count..][..count];
            for down in 0..g.stride[0] {
                for right in 0..g.stride[1] {
                    let (offsets, weights, taken) = phase_taps(g, &spread, [down, right], w);
                    kernels.correlate(padded, &offsets[..taken], &weights[..taken], start, all);
                    scatter(g, &spread, [down, right], all, out);
                }
            }
        }
    });
}

/// The taps that reach one phase of the image, and how many.
fn phase_taps(
    g: &ConvGeometry,
    spread: &Spread,
    phase: [usize; 2],
    w: &[f32],
) -> ([usize; MAX_TAPS], [f32; MAX_TAPS], usize) {
    let (mut offsets, mut weights, mut taken) = ([0; MAX_TAPS], [0.0; MAX_TAPS], 0);
    for a in (0..g.kernel[0]).filter(|a| a * g.dilation[0] % g.stride[0] == phase[0]) {
        for b in (0..g.kernel[1]).filter(|b| b * g.dilation[1] % g.stride[1] == phase[1]) {
            let row = spread.places[0][0] + spread.before[0] - a * g.dilation[0] / g.stride[0];
            let column = spread.places[1][0] + spread.before[1] - b * g.dilation[1] / g.stride[1];
            offsets[taken] = row * spread.pitch + column;
            weights[taken] = w[a * g.kernel[1] + b];
            taken += 1;
        }
    }
    (offsets, weights, taken)
}

/// Writes the elements of one phase to their places in the image.
fn scatter(g: &ConvGeometry, spread: &Spread, phase: [usize; 2], all: &[f32], out: &mut [f32]) {
    let [[top, bottom], [left, _]] = spread.places;
    // The first column of the image in this phase, and its place.
    let mut first = left * g.stride[1] + phase[1];
    let mut skip = 0;
    if first < g.before[1] {
        (first, skip) = (first + g.stride[1], 1);
    }
    for place in top..=bottom {
        let Some(row) = (place * g.stride[0] + phase[0]).checked_sub(g.before[0]) else { continue };
        let Some(to) = out.get_mut(row * g.image[1]..(row + 1) * g.image[1]) else { continue };
        let Some(to) = to.get_mut(first - g.before[1]..) else { continue };
        let from = &all[(place - top) * spread.pitch + skip..];
        if g.stride[1] == 1 {
            copy(&from[..to.len()], to);
        } else {
            to.iter_mut().step_by(g.stride[1]).zip(from).for_each(|(to, from)| *to = *from);
        }
    }
}

/// The gradient of [`depthwise`] by the kernel, for an image less a zero point: `out [channels, 1, height, width]`.
///
/// # Panics
/// As [`depthwise`].
#[allow(clippy::expect_used)]
pub fn depthwise_weight_gradient<T: Copy + Sync>(
    team: &mut Team<'_>,
    g: &ConvGeometry,
    x: &[T],
    convert: impl Fn(T) -> f32 + Sync,
    dy: &[f32],
    out: &mut [f32],
) {
    let phases = Phases::of(g).expect("the caller asked whether the geometry fits");
    let taps = Taps::of(g, &phases);
    let (places, count) = (g.places_len(), taps.count);
    assert!(x.len() == g.batch * g.channels * g.image_len() && dy.len() == g.batch * g.channels * places);
    assert_eq!(out.len(), g.channels * count);
    let flat = ((g.places[0] - 1) * phases.pitch + g.places[1]).next_multiple_of(BLOCK);
    let channels = together(team, g.channels, g.batch * places * count);
    let kernels = team.kernels();
    let out = SharedMut::new(out);
    team.run_with_buffers(g.channels.div_ceil(channels), |task, buffers| {
        let buffer = at_least(&mut buffers.panel, phases.len + 2 * flat);
        let (padded, spread) = buffer.split_at_mut(phases.len + flat);
        let sums = at_least(&mut buffers.work, count * BLOCK);
        padded.fill(0.0);
        spread.fill(0.0);
        for channel in task * channels..g.channels.min((task + 1) * channels) {
            sums.fill(0.0);
            for n in 0..g.batch {
                let plane = n * g.channels + channel;
                let image = &x[plane * g.image_len()..][..g.image_len()];
                let rows = |from: &[T], to: &mut [f32]| {
                    to.iter_mut().zip(from).for_each(|(to, x)| *to = convert(*x));
                };
                phases.fill(g, image, &mut padded[..phases.len], rows, &convert);
                let from = dy[plane * places..][..places].chunks_exact(g.places[1]);
                for (from, to) in from.zip(spread.chunks_mut(phases.pitch)) {
                    copy(from, &mut to[..from.len()]);
                }
                kernels.correlate_taps(padded, &taps.offsets[..count], spread, sums);
            }
            // SAFETY: channels do not overlap, and each belongs to one task.
            let out = unsafe { out.slice(channel * count, count) };
            for (out, sums) in out.iter_mut().zip(sums.chunks_exact(BLOCK)) {
                *out = sums.iter().sum();
            }
        }
    });
}

/// `out[o][c] = sum over n and p of a[n][o][p] * b[n][c][p]` for `a [batch, rows, len]`, `b [batch, columns, len]`: the gradient of a pointwise convolution
/// by its kernel.
///
/// # Panics
/// If lengths do not fit.
pub fn inner_products(
    team: &mut Team<'_>,
    [batch, rows, columns, len]: [usize; 4],
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
) {
    /// Elements of a row that are multiplied before the next rows are.
    const DEPTH: usize = 1024;
    assert!(a.len() == batch * rows * len && b.len() == batch * columns * len && out.len() == rows * columns);
    let kernels = team.kernels();
    let pieces = DEPTH.div_ceil(len.max(1));
    team.for_each_chunk_mut(out, TILE * columns, |block, out| {
        out.fill(0.0);
        let first = block * TILE;
        for n in (0..batch).step_by(pieces) {
            let pieces = pieces.min(batch - n);
            // Rows beyond the last are the last once more.
            let a = std::array::from_fn(|r| &a[(n * rows + (first + r).min(rows - 1)) * len..]);
            for column in (0..columns).step_by(TILE) {
                let b = std::array::from_fn(|c| &b[(n * columns + (column + c).min(columns - 1)) * len..]);
                let tile = Rows { a, b, len, strides: [rows * len, columns * len], pieces };
                let products = kernels.inner_products(&tile);
                for (out, products) in out.chunks_exact_mut(columns).zip(products) {
                    out[column..].iter_mut().zip(products).for_each(|(out, product)| *out += product);
                }
            }
        }
    });
}
