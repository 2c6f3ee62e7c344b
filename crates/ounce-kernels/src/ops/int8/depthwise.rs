//! Depthwise convolution of bytes, one plane at a time.

use super::{Int8Conv, Int8Output, Scale};
use crate::Team;
use crate::ops::ConvGeometry;
use crate::pool::{SharedMut, bytes_at_least};
use crate::simd::int8::copy_run;
use crate::simd::int8::depthwise::{MAX_QUADS, Plane, Run, SLACK, quads};

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
    let (bytes, words, bounds) = match out {
        Int8Output::Bytes(y, bounds) => (Some(SharedMut::new(y)), None, bounds),
        Int8Output::Words(y) => (None, Some(SharedMut::new(y)), [0; 2]),
    };
    let long = g.places[1] >= LONG;
    let runs = if long { [g.places[0], g.places[1], layout.pitch] } else { [1, layout.flat(g), 0] };
    team.run_with_buffers(planes.div_ceil(together), |task, buffers| {
        let flat = if long { 0 } else { runs[1] };
        let buffer = bytes_at_least(&mut buffers.lines, layout.len + SLACK + 2 * flat + 8);
        let (padded, flat_results) = buffer.split_at_mut((layout.len + SLACK).next_multiple_of(8));
        padded.fill((128 + conv.x_zero) as u8);
        let mut weights = [0; MAX_QUADS];
        for number in task * together..planes.min((task + 1) * together) {
            let channel = number % g.channels;
            fill(g, &layout, &conv.x[number * g.image_len()..][..g.image_len()], padded);
            pack(g, conv.w, channel, &mut weights);
            let plane = Plane {
                x: padded,
                weights: &weights[..count],
                offsets: &offsets[..count],
                stride: g.stride[1],
                start: starts[channel],
                scale: scale(channel),
                zero: conv.y_zero,
                runs,
            };
            if let Some(y) = &bytes {
                // SAFETY: planes do not overlap, and each belongs to one task.
                let y = unsafe { y.slice(number * places, places) };
                if long {
                    kernels.int8_plane(&plane, Run::Bytes(y, bounds));
                } else {
                    let all = bytemuck::cast_slice_mut(&mut flat_results[..flat]);
                    kernels.int8_plane(&plane, Run::Bytes(all, bounds));
                    for (y, all) in y.chunks_exact_mut(g.places[1]).zip(all.chunks(layout.pitch)) {
                        copy_run::<0>(&all[..y.len()], y);
                    }
                }
            } else if let Some(y) = &words {
                // SAFETY: as above.
                let y = unsafe { y.slice(number * places, places) };
                if long {
                    kernels.int8_plane(&plane, Run::Words(y));
                } else {
                    let all: &mut [i16] = bytemuck::cast_slice_mut(&mut flat_results[..2 * flat]);
                    kernels.int8_plane(&plane, Run::Words(all));
                    for (y, all) in y.chunks_exact_mut(g.places[1]).zip(all.chunks(layout.pitch)) {
                        let y = bytemuck::cast_slice_mut(y);
                        copy_run::<0>(&bytemuck::cast_slice(all)[..y.len()], y);
                    }
                }
            }
        }
    });
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

/// Writes the rows of a plane into the padded one, whose padding stays.
fn fill(g: &ConvGeometry, layout: &Layout, plane: &[i8], padded: &mut [u8]) {
    let count = g.image[1].min(layout.width.saturating_sub(g.before[1]));
    let (mut phase, mut row) = (g.before[0] % g.stride[0], g.before[0] / g.stride[0]);
    for from in plane.chunks_exact(g.image[1].max(1)) {
        if row >= layout.rows {
            break;
        }
        let at = (phase * layout.rows + row) * layout.width + g.before[1];
        copy_run::<128>(&from[..count], bytemuck::cast_slice_mut(&mut padded[at..at + count]));
        phase += 1;
        if phase == g.stride[0] {
            (phase, row) = (0, row + 1);
        }
    }
}
