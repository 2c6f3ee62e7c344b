//! Depthwise convolution of floats, its transpose and its gradient by the kernel, plane by plane; and the gradient of a pointwise convolution by the kernel.

use super::phases::pad;
use super::{ConvGeometry, Phases};
use crate::pool::{Buffers, SharedMut, at_least};
use crate::simd::Element;
use crate::simd::plane_rows::PlaneRows;
use crate::simd::planes::{BLOCK, Rows, TILE};
use crate::{Kernels, Team};

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

/// Floats of padded planes that stay in the first-level cache.
const CACHED: usize = 1 << 12;

/// The planes of all channels in stacks of several of one channel, which share their weights and are convolved as one.
#[derive(Clone, Copy)]
struct Stacks {
    batch: usize,
    channels: usize,
    /// Planes of a stack, as far as there are any.
    planes: usize,
    /// Stacks of a channel.
    count: usize,
}

impl Stacks {
    /// Stacks of planes that take `len` floats each when they are padded.
    fn of(g: &ConvGeometry, len: usize) -> Self {
        let most = (CACHED / len.max(1)).clamp(1, g.batch.max(1));
        let count = g.batch.div_ceil(most);
        Self { batch: g.batch, channels: g.channels, planes: g.batch.div_ceil(count.max(1)).max(1), count }
    }

    /// The places in the array of planes of stack `stack` of a channel.
    fn planes(&self, channel: usize, stack: usize) -> impl ExactSizeIterator<Item = usize> {
        let channels = self.channels;
        let images = stack * self.planes..self.batch.min((stack + 1) * self.planes);
        images.map(move |image| image * channels + channel)
    }

    /// How far behind a stack, where planes have `len` elements, lies the next: of the channel, or the first of the next channel.
    fn ahead(&self, channel: usize, stack: usize, len: usize) -> usize {
        let start = |channel: usize, stack: usize| (stack * self.planes * self.channels + channel) * len;
        let next = if stack + 1 < self.count { start(channel, stack + 1) } else { start(channel + 1, 0) };
        next.wrapping_sub(start(channel, stack))
    }

    /// Calls `job(channel, stack)` for all stacks, several to a task where their products are few.
    fn run(
        &self,
        team: &mut Team<'_>,
        products: usize,
        job: impl Fn(&mut dyn Iterator<Item = [usize; 2]>, &mut Buffers) + Sync,
    ) {
        let all = self.channels * self.count;
        let together = together(team, all, products * self.planes);
        team.run_with_buffers(all.div_ceil(together), |task, buffers| {
            let stacks = task * together..all.min((task + 1) * together);
            job(&mut stacks.map(|stack| [stack / self.count, stack % self.count]), buffers);
        });
    }
}

/// Cuts items into tasks of several: how many each.
fn together(team: &Team<'_>, items: usize, products: usize) -> usize {
    (TASK / products.max(1)).clamp(1, items.div_ceil(team.threads()).max(1))
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
    let stacks = Stacks::of(g, phases.len);
    let phases = phases.stacked(stacks.planes);
    let taps = Taps::of(g, &phases);
    let (places, image, count) = (g.places_len(), g.image_len(), taps.count);
    assert!(x.len() == g.batch * g.channels * image && y.len() == g.batch * g.channels * places);
    let flat = flat(g, &phases, stacks.planes);
    let kernels = team.kernels();
    let y = SharedMut::new(y);
    stacks.run(team, places * count, |stack, buffers| {
        let padded = at_least(&mut buffers.panel, phases.len + flat);
        let all = at_least(&mut buffers.work, flat);
        padded.fill(0.0);
        for [channel, stack] in stack {
            let ahead = stacks.ahead(channel, stack, image);
            for (i, plane) in stacks.planes(channel, stack).enumerate() {
                let at = i * phases.plane();
                pad(kernels, g, &phases, &x[plane * image..][..image], ahead, &mut padded[at..]);
            }
            let start = bias.map_or(0.0, |bias| bias[channel]);
            kernels.correlate(padded, &taps.offsets[..count], &w[channel * count..][..count], start, all);
            for (i, plane) in stacks.planes(channel, stack).enumerate() {
                // SAFETY: planes do not overlap, and each belongs to one stack.
                let y = unsafe { y.slice(plane * places, places) };
                let [rows, len] = g.places;
                let job = PlaneRows { rows, len, pitches: [phases.pitch, len], ahead: 0 };
                kernels.copy_rows(job, &all[i * phases.plane()..], y);
            }
        }
    });
}

/// The places of a stack of planes, those beside the results included.
fn flat(g: &ConvGeometry, phases: &Phases, planes: usize) -> usize {
    let one = (g.places[0] - 1) * phases.pitch + g.places[1];
    ((planes - 1) * phases.plane() + one).next_multiple_of(BLOCK)
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
    let stacks = Stacks::of(g, spread.len);
    let flat = ((stacks.planes - 1) * spread.len + spread.flat()).next_multiple_of(BLOCK);
    let kernels = team.kernels();
    let out = SharedMut::new(out);
    stacks.run(team, places * count, |stack, buffers| {
        let padded = at_least(&mut buffers.panel, stacks.planes * spread.len + flat);
        let all = at_least(&mut buffers.work, g.stride[1] * flat);
        padded.fill(0.0);
        for [channel, stack] in stack {
            let ahead = stacks.ahead(channel, stack, places);
            for (i, plane) in stacks.planes(channel, stack).enumerate() {
                let [rows, len] = g.places;
                let at = i * spread.len + spread.before[0] * spread.pitch + spread.before[1];
                let job = PlaneRows { rows, len, pitches: [len, spread.pitch], ahead };
                kernels.copy_rows(job, &dy[plane * places..][..places], &mut padded[at..]);
            }
            let start = bias.map_or(0.0, |bias| bias[channel]);
            let w = &w[channel * count..][..count];
            for down in 0..g.stride[0] {
                for (right, all) in all.chunks_exact_mut(flat).enumerate() {
                    let (offsets, weights, taken) = phase_taps(g, &spread, [down, right], w);
                    kernels.correlate(padded, &offsets[..taken], &weights[..taken], start, all);
                }
                for (i, plane) in stacks.planes(channel, stack).enumerate() {
                    // SAFETY: planes do not overlap, and each belongs to one stack.
                    let out = unsafe { out.slice(plane * image, image) };
                    scatter(kernels, g, &spread, down, |right| &all[right * flat + i * spread.len..], out);
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

/// Writes the elements of one vertical phase to their rows in the image; `all(right)` are those of a horizontal phase.
fn scatter<'a>(
    kernels: Kernels,
    g: &ConvGeometry,
    spread: &Spread,
    down: usize,
    all: impl Fn(usize) -> &'a [f32],
    out: &mut [f32],
) {
    let ([height, width], [[top, _], [left, _]]) = (g.image, spread.places);
    let (stride, before) = (g.stride[1], g.before[1]);
    // The first row of the image in this phase, and where it was computed.
    let place = g.before[0].saturating_sub(down).div_ceil(g.stride[0]);
    let row = place * g.stride[0] + down - g.before[0];
    let rows = height.saturating_sub(row).div_ceil(g.stride[0]);
    if rows == 0 {
        return;
    }
    let to = &mut out[row * width..];
    // The first row of what was computed for column `c`, from that column's element on.
    let from = |c: usize| {
        let column = (before + c) / stride - left;
        &all((before + c) % stride)[(place - top) * spread.pitch + column..]
    };
    let job = PlaneRows { rows, len: width, pitches: [spread.pitch, g.stride[0] * width], ahead: 0 };
    match stride {
        1 => kernels.copy_rows(job, from(0), to),
        2 => kernels.join_rows(job, [from(0), from(1)], to),
        _ => {
            for c in 0..stride.min(width) {
                let from = from(c).chunks(spread.pitch).take(rows);
                for (to, from) in to.chunks_mut(g.stride[0] * width).zip(from) {
                    to[c..width].iter_mut().step_by(stride).zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }
}

/// Elements of an image: floats, or bytes less a zero point.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// Floats.
    Floats(&'a [f32]),
    /// Bytes, and the zero point that is taken off each.
    Bytes(&'a [i8], f32),
}

impl Elements<'_> {
    fn len(&self) -> usize {
        match self {
            Elements::Floats(x) => x.len(),
            Elements::Bytes(x, _) => x.len(),
        }
    }

    /// `len` elements from `start` on as floats, in `buffer` where they are not floats yet.
    fn floats<'b>(
        &'b self,
        kernels: Kernels,
        start: usize,
        len: usize,
        buffer: &'b mut Vec<f32>,
    ) -> &'b [f32] {
        match self {
            Elements::Floats(x) => &x[start..start + len],
            Elements::Bytes(x, zero) => {
                let buffer = at_least(buffer, len);
                kernels.widen(Element::I8, bytemuck::cast_slice(&x[start..start + len]), buffer);
                buffer.iter_mut().for_each(|x| *x -= zero);
                buffer
            }
        }
    }
}

/// The gradient of [`depthwise`] by the kernel: `out [channels, 1, height, width]`.
///
/// # Panics
/// If lengths do not fit the geometry, or it is none that [`depthwise_fits`].
#[allow(clippy::expect_used)]
pub fn depthwise_weight_gradient(
    team: &mut Team<'_>,
    g: &ConvGeometry,
    x: Elements<'_>,
    dy: &[f32],
    out: &mut [f32],
) {
    let phases = Phases::of(g).expect("the caller asked whether the geometry fits");
    let stacks = Stacks::of(g, phases.len);
    let phases = phases.stacked(stacks.planes);
    let taps = Taps::of(g, &phases);
    let (places, image, count) = (g.places_len(), g.image_len(), taps.count);
    assert!(x.len() == g.batch * g.channels * image && dy.len() == g.batch * g.channels * places);
    assert_eq!(out.len(), g.channels * count);
    let flat = flat(g, &phases, stacks.planes);
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
            for stack in 0..stacks.count {
                let planes = stacks.planes(channel, stack);
                if planes.len() < stacks.planes {
                    // Nothing may be left of the planes of the stack before.
                    padded.fill(0.0);
                    spread.fill(0.0);
                }
                let of_dy = stacks.ahead(channel, stack, places);
                let of_x = if let Elements::Floats(_) = x { stacks.ahead(channel, stack, image) } else { 0 };
                for (i, plane) in planes.enumerate() {
                    let x = x.floats(kernels, plane * image, image, &mut buffers.rows);
                    let at = i * phases.plane();
                    pad(kernels, g, &phases, x, of_x, &mut padded[at..]);
                    let [rows, len] = g.places;
                    let job = PlaneRows { rows, len, pitches: [len, phases.pitch], ahead: of_dy };
                    kernels.copy_rows(job, &dy[plane * places..][..places], &mut spread[at..]);
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
