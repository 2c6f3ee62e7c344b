//! Depthwise convolution of bytes, one plane at a time.

use super::{Int8Conv, Int8Output, Scale};
use crate::ops::ConvGeometry;
use crate::pool::{SharedMut, bytes_at_least};
use crate::simd::int8::depthwise::{MAX_QUADS, Plane, Run, SLACK, quads};
use crate::simd::int8::finish::CopyRows;
use crate::{Kernels, Team};

/// Rows of places that are at least so long are computed one by one, shorter ones with the padding between them as if they were one.
const LONG: usize = 32;

/// The largest padded plane: it should stay in the first-level cache, or at least in the second.
const LARGEST: usize = 1 << 18;

/// A padded plane: even rows before odd ones for a vertical stride of 2, and so on.
#[derive(Clone, Copy)]
struct Layout {
    /// Rows of a phase.
    rows: usize,
    /// Places that the next row of places is away.
    pitch: usize,
    /// Bytes of a row.
    width: usize,
    /// Bytes of the plane.
    len: usize,
}

impl Layout {
    fn of(g: &ConvGeometry) -> Option<Self> {
        let rows = g.span(0).div_ceil(g.stride[0]);
        let pitch = g.span(1).div_ceil(g.stride[1]);
        let width = pitch.checked_mul(g.stride[1])?;
        let len = rows.checked_mul(g.stride[0])?.checked_mul(width)?;
        Some(Self { rows, pitch, width, len })
    }

    /// Where a row of the padded image begins.
    fn row(&self, g: &ConvGeometry, down: usize) -> usize {
        (down % g.stride[0] * self.rows + down / g.stride[0]) * self.width
    }

    /// Places from the first to the last, those in the padding included.
    fn flat(&self, g: &ConvGeometry) -> usize {
        (g.places[0] - 1) * self.pitch + g.places[1]
    }
}

/// Whether the kernels take this geometry.
pub(super) fn fits(g: &ConvGeometry) -> bool {
    g.is_depthwise()
        && g.dilation[1] == 1
        && matches!(g.stride[1], 1 | 2)
        && quads(g.kernel) <= MAX_QUADS
        && g.places_len() > 0
        && Layout::of(g).is_some_and(|layout| layout.len <= LARGEST)
}

/// Convolves all planes.
pub(super) fn convolve(
    team: &mut Team<'_>,
    conv: &Int8Conv<'_>,
    scale: &(dyn Fn(usize) -> Scale + Sync),
    starts: &[i32],
    out: Int8Output<'_>,
) {
    let g = &conv.geometry;
    let Some(layout) = Layout::of(g) else { return };
    let places = g.places_len();
    let planes = g.batch * g.channels;
    let tasks = team.chunks_for(planes);
    let together = planes.div_ceil(tasks);
    let kernels = team.kernels();
    let (across, count) = (g.kernel[1].div_ceil(4), quads(g.kernel));
    let mut offsets = [0; MAX_QUADS];
    for (i, offset) in offsets.iter_mut().enumerate().take(count) {
        *offset = layout.row(g, i / across * g.dilation[0]) + i % across * 4;
    }
    let out = match out {
        Int8Output::Bytes(y, bounds) => Results::Bytes(SharedMut::new(y), bounds),
        Int8Output::Words(y) => Results::Words(SharedMut::new(y)),
    };
    let long = g.places[1] >= LONG;
    let runs = if long { [g.places[0], g.places[1], layout.pitch] } else { [1, layout.flat(g), 0] };
    let flat = if long { 0 } else { runs[1] };
    let (padded_len, flat_len) = ((layout.len + SLACK).next_multiple_of(64), (2 * flat).next_multiple_of(64));
    // Several small planes are taken at a time: what has just been written in parts cannot be read at once as a whole.
    let group = if layout.len <= SMALL { GROUP } else { 1 };
    team.run_with_buffers(planes.div_ceil(together), |task, buffers| {
        let buffer = bytes_at_least(&mut buffers.lines, group * (padded_len + flat_len));
        let (padded, results) = buffer.split_at_mut(group * padded_len);
        padded.fill((128 + conv.x_zero) as u8);
        let mut weights = [0; MAX_QUADS];
        let end = planes.min((task + 1) * together);
        for first in (task * together..end).step_by(group) {
            let numbers = first..end.min(first + group);
            for (number, padded) in numbers.clone().zip(padded.chunks_exact_mut(padded_len)) {
                fill(kernels, g, &layout, &conv.x[number * g.image_len()..][..g.image_len()], padded);
            }
            for (i, number) in numbers.clone().enumerate() {
                let channel = number % g.channels;
                pack(g, conv.w, channel, &mut weights);
                let plane = Plane {
                    x: &padded[i * padded_len..][..padded_len],
                    weights: &weights[..count],
                    offsets: &offsets[..count],
                    stride: g.stride[1],
                    start: starts[channel],
                    scale: scale(channel),
                    zero: conv.y_zero,
                    runs,
                };
                // SAFETY: planes do not overlap, and each belongs to one task.
                let run =
                    unsafe { out.run(number * places, places, long, &mut results[i * flat_len..], flat) };
                kernels.int8_plane(&plane, run);
            }
            if long {
                continue;
            }
            for (i, number) in numbers.enumerate() {
                // SAFETY: as above; the slice that the kernel wrote to is gone.
                let (to, size) = unsafe { out.bytes(number * places, places) };
                kernels.int8_copy_rows(CopyRows {
                    from: bytemuck::cast_slice(&results[i * flat_len..][..flat_len]),
                    to,
                    steps: [layout.pitch * size, g.places[1] * size],
                    len: g.places[1] * size,
                    rows: g.places[0],
                    flip: false,
                });
            }
        }
    });
}

/// Small planes that are taken at a time.
const GROUP: usize = 4;

/// The most bytes of a small plane.
const SMALL: usize = 4096;

/// The results of all planes.
enum Results<'a> {
    Bytes(SharedMut<'a, i8>, [i8; 2]),
    Words(SharedMut<'a, i16>),
}

impl Results<'_> {
    /// Where a plane's kernel writes: to the results themselves, or to `flat` elements of scratch memory.
    ///
    /// # Safety
    /// No other slice of these results is alive.
    unsafe fn run<'b>(
        &'b self,
        at: usize,
        len: usize,
        direct: bool,
        scratch: &'b mut [u8],
        flat: usize,
    ) -> Run<'b> {
        // SAFETY: as the caller promises.
        unsafe {
            match (self, direct) {
                (Self::Bytes(y, bounds), true) => Run::Bytes(y.slice(at, len), *bounds),
                (Self::Bytes(_, bounds), false) => {
                    Run::Bytes(bytemuck::cast_slice_mut(&mut scratch[..flat]), *bounds)
                }
                (Self::Words(y), true) => Run::Words(y.slice(at, len)),
                (Self::Words(_), false) => Run::Words(bytemuck::cast_slice_mut(&mut scratch[..2 * flat])),
            }
        }
    }

    /// A plane's results as bytes, and how many bytes an element has.
    ///
    /// # Safety
    /// No other slice of these results is alive.
    #[allow(clippy::mut_from_ref)]
    unsafe fn bytes(&self, at: usize, len: usize) -> (&mut [i8], usize) {
        // SAFETY: as the caller promises.
        unsafe {
            match self {
                Self::Bytes(y, _) => (y.slice(at, len), 1),
                Self::Words(y) => (bytemuck::cast_slice_mut(y.slice(at, len)), 2),
            }
        }
    }
}

/// The window of a channel in quads of taps.
fn pack(g: &ConvGeometry, w: &[i8], channel: usize, out: &mut [i32; MAX_QUADS]) {
    let [rows, columns] = g.kernel;
    let mut next = 0;
    for a in 0..rows {
        let row = (channel * rows + a) * columns;
        for b in (0..columns).step_by(4) {
            let count = (columns - b).min(4);
            // What follows a row is cut off, where there is anything.
            out[next] = match w[row + b..].first_chunk::<4>() {
                Some(quad) => {
                    i32::from_le_bytes(quad.map(|w| w as u8)) & (u32::MAX >> (32 - 8 * count)) as i32
                }
                None => {
                    let mut quad = [0; 4];
                    quad.iter_mut().zip(&w[row + b..]).take(count).for_each(|(quad, w)| *quad = *w as u8);
                    i32::from_le_bytes(quad)
                }
            };
            next += 1;
        }
    }
}

/// Writes the rows of a plane into the padded one, whose padding stays: those of one phase after those of another.
fn fill(kernels: Kernels, g: &ConvGeometry, layout: &Layout, plane: &[i8], padded: &mut [u8]) {
    let len = g.image[1].min(layout.width.saturating_sub(g.before[1]));
    let stride = g.stride[0];
    if len == 0 {
        return;
    }
    for first in 0..stride.min(g.image[0]) {
        let down = first + g.before[0];
        let (phase, row) = (down % stride, down / stride);
        let rows = (g.image[0] - first).div_ceil(stride).min(layout.rows.saturating_sub(row));
        if rows == 0 {
            continue;
        }
        let at = (phase * layout.rows + row) * layout.width + g.before[1];
        kernels.int8_copy_rows(CopyRows {
            from: &plane[first * g.image[1]..],
            to: bytemuck::cast_slice_mut(&mut padded[at..]),
            steps: [stride * g.image[1], layout.width],
            len,
            rows,
            flip: true,
        });
    }
}
