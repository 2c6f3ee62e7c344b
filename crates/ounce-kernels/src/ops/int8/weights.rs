//! Weights as kernels for images with their channels side by side read them.

use super::{Int8Conv, Scale};
use crate::amplitudes::Line;
use crate::ops::ConvGeometry;
use crate::simd::int8::places::PANEL;
use crate::simd::int8::scales::ChannelScales;

/// Packed weights, with what belongs to each output channel. Channels are padded to whole panels.
pub(super) struct Packed {
    lines: Vec<Line>,
    /// What sums start from: the bias, less what 128 and the zero point add.
    pub(super) starts: Vec<i32>,
    pub(super) scales: ChannelScales,
    /// Where the taps of a window read, in bytes of the padded image; none if depthwise.
    pub(super) taps: Vec<usize>,
    /// If depthwise: rows of the image that are interleaved, padding to quads included, else 0.
    pub(super) rows: usize,
    /// Those that are read, and their distance.
    pub(super) reach: usize,
    pub(super) step: usize,
    /// Rows of results that are made of them.
    pub(super) outputs: usize,
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed({} bytes)", 64 * self.lines.len())
    }
}

impl Packed {
    pub(super) fn weights(&self) -> &[i8] {
        bytemuck::cast_slice(&self.lines)
    }
}

/// For each panel, for every quad of channels of every tap, four weights of each output channel.
pub(super) fn places(conv: &Int8Conv<'_>, scale: &dyn Fn(usize) -> Scale) -> Option<Packed> {
    let g = &conv.geometry;
    let pixel = g.channels.next_multiple_of(4);
    let (taps, depth) = (g.kernel[0] * g.kernel[1], g.depth());
    let mut lines = zeroed(g.outputs.div_ceil(PANEL) * taps * pixel / 4);
    let to: &mut [i8] = bytemuck::cast_slice_mut(&mut lines);
    for (output, w) in conv.w.chunks_exact(depth).enumerate() {
        let panel = &mut to[output / PANEL * taps * pixel * PANEL..];
        for (i, w) in w.iter().enumerate() {
            let (channel, tap) = (i / taps, i % taps);
            let quad = tap * pixel / 4 + channel / 4;
            panel[(quad * PANEL + output % PANEL) * 4 + channel % 4] = *w;
        }
    }
    let tap = |i: usize| {
        let (down, across) = (i / g.kernel[1] * g.dilation[0], i % g.kernel[1] * g.dilation[1]);
        (down * g.span(1) + across) * pixel
    };
    let (starts, scales) = finish(conv, scale)?;
    let taps = (0..taps).map(tap).collect();
    Some(Packed { lines, starts, scales, taps, rows: 0, reach: 0, step: 0, outputs: 0 })
}

/// For each panel of channels, every row of results of a band, every tap across and every four rows of the image, four weights of each channel.
pub(super) fn channels(conv: &Int8Conv<'_>, scale: &dyn Fn(usize) -> Scale) -> Option<Packed> {
    let g = &conv.geometry;
    let [down, across] = g.kernel;
    let rows = down.next_multiple_of(4);
    // As many rows of results as the rows of whole quads are enough for.
    let outputs = if g.dilation[0] == 1 { (rows - down) / g.stride[0] + 1 } else { 1 };
    let mut lines = zeroed(g.channels.div_ceil(PANEL) * outputs * across * rows / 4);
    let to: &mut [i8] = bytemuck::cast_slice_mut(&mut lines);
    for (i, w) in conv.w.iter().enumerate() {
        let (channel, tap) = (i / (down * across), [i / across % down, i % across]);
        for output in 0..outputs {
            let row = output * g.stride[0] + tap[0];
            let quad = ((channel / PANEL * outputs + output) * across + tap[1]) * (rows / 4) + row / 4;
            to[(quad * PANEL + channel % PANEL) * 4 + row % 4] = *w;
        }
    }
    let (starts, scales) = finish(conv, scale)?;
    let reach = down + (outputs - 1) * g.stride[0];
    Some(Packed { lines, starts, scales, taps: Vec::new(), rows, reach, step: g.dilation[0], outputs })
}

fn zeroed(lines: usize) -> Vec<Line> {
    vec![bytemuck::Zeroable::zeroed(); lines]
}

/// Starts and scales of all channels, or `None` if the kernels' arithmetic does not suffice.
fn finish(conv: &Int8Conv<'_>, scale: &dyn Fn(usize) -> Scale) -> Option<(Vec<i32>, ChannelScales)> {
    let g: &ConvGeometry = &conv.geometry;
    let padded = g.outputs.next_multiple_of(PANEL);
    let mut starts = vec![0; padded];
    let (mut factors, mut multipliers, mut right) = (vec![0.0; padded], vec![0; padded], vec![1; padded]);
    let mut kinds = [false; 3];
    for (o, (w, bias)) in conv.w.chunks_exact(g.depth()).zip(conv.bias).enumerate() {
        let (sum, magnitude) = w.iter().fold((0i64, 0i64), |(sum, magnitude), w| {
            (sum + i64::from(*w), magnitude + i64::from(w.unsigned_abs()))
        });
        let start = i64::from(*bias) - i64::from(128 + conv.x_zero) * sum;
        let most = start.abs() + 255 * magnitude;
        starts[o] = i32::try_from(start).ok()?;
        match scale(o) {
            Scale::Nearest(factor) => (kinds[0], factors[o]) = (true, factor),
            Scale::Truncated(factor) => (kinds[1], factors[o]) = (true, factor),
            Scale::Fixed { multiplier, shift } => {
                if most >= 1 << 30 || !(-31..=-1).contains(&shift) || multiplier < 0 {
                    return None;
                }
                (kinds[2], multipliers[o], right[o]) = (true, multiplier, -shift);
            }
        }
        if most >= 1 << 31 || most as f64 * f64::from(factors[o]).abs() >= f64::from(1u32 << 30) {
            return None;
        }
    }
    let scales = match kinds {
        [true, false, false] => ChannelScales::Nearest(factors),
        [false, true, false] => ChannelScales::Truncated(factors),
        [false, false, true] => ChannelScales::Fixed(multipliers, right),
        _ => return None,
    };
    Some((starts, scales))
}
