//! Convolutions of bytes whose channels lie side by side, `[batch, height, width, channels]`, with weights that do not change and so are packed beforehand.

use std::ops::Range;

use super::weights::{self, Packed};
use super::{Int8Conv, Scale};
use crate::Team;
use crate::ops::ConvGeometry;
use crate::ops::phases::Phases;
use crate::pool::{SharedMut, bytes_at_least};
use crate::simd::int8::channels::{Band, MAX_ROWS, band_len};
use crate::simd::int8::copy_run;
use crate::simd::int8::finish::CopyRows;
use crate::simd::int8::places::{PANEL, Places};

/// Bytes of an image that are copied at a time for a pointwise convolution: less than the first-level cache has.
const BLOCK: usize = 24 << 10;

/// A multiple of the places that any table takes at a time.
const TILE: usize = 24;

/// Products that are worth a task of their own.
const TASK: usize = 1 << 17;

/// A convolution whose result is `[batch, height, width, outputs]`, with packed weights.
#[derive(Debug)]
pub struct Int8ChannelsLast {
    geometry: ConvGeometry,
    planes: bool,
    x_zero: i8,
    y_zero: i16,
    bounds: [i8; 2],
    packed: Packed,
}

impl Int8ChannelsLast {
    /// Packs weights `[outputs, channels / groups, height, width]`; the image in `conv` is not looked at. With `planes` the image is `[batch, channels, height, width]` of at most four
    /// channels. `scale` gives the factor of an output channel.
    ///
    /// `None` where there are no kernels for it: for groups that are not single channels, for windows that reach far beyond the image, and for sums and factors so large that they would have to
    /// saturate, and for factors of different kinds.
    pub fn new(
        conv: &Int8Conv<'_>,
        scale: &dyn Fn(usize) -> Scale,
        bounds: [i8; 2],
        planes: bool,
    ) -> Option<Self> {
        let g = conv.geometry;
        let depthwise = g.is_depthwise() && g.groups > 1;
        let fits = g.places_len() > 0
            && g.channels > 0
            && g.outputs > 0
            && (g.is_pointwise() || Phases::of(&g).is_some())
            && g.span(0)
                .checked_mul(g.span(1))
                .and_then(|len| len.checked_mul(g.channels.next_multiple_of(4)))
                .is_some_and(|len| len <= isize::MAX as usize)
            && (g.groups == 1 || depthwise && g.kernel[0] <= MAX_ROWS && g.kernel[1] <= 1 << 10)
            && (!planes || g.groups == 1 && g.channels <= 4);
        if !fits || conv.w.len() != g.outputs * g.depth() || conv.bias.len() != g.outputs {
            return None;
        }
        Some(Self {
            geometry: g,
            planes,
            x_zero: i8::try_from(conv.x_zero).ok()?,
            y_zero: i16::try_from(conv.y_zero).ok()?,
            bounds,
            packed: if depthwise { weights::channels(conv, scale)? } else { weights::places(conv, scale)? },
        })
    }

    /// The geometry that it was made for.
    pub fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    /// Whether the image is `[batch, channels, height, width]`.
    pub fn planes(&self) -> bool {
        self.planes
    }

    /// Floats of scratch memory for [`Int8ChannelsLast::run`].
    pub fn scratch(&self) -> usize {
        if self.packed.rows > 0 || self.is_direct() { 0 } else { self.padded_len().div_ceil(4) }
    }

    /// Whether places are rows of the image as it is.
    fn is_direct(&self) -> bool {
        self.geometry.is_pointwise() && !self.planes
    }

    fn padded_len(&self) -> usize {
        let g = &self.geometry;
        g.span(0) * g.span(1) * g.channels.next_multiple_of(4)
    }

    /// `y = clamp(scale(sum (x - x_zero) w + bias) + y_zero)`. Every table gives the same bits.
    ///
    /// # Panics
    /// If lengths do not fit the geometry.
    pub fn run(&self, team: &mut Team<'_>, x: &[i8], y: &mut [i8], scratch: &mut [f32]) {
        let g = &self.geometry;
        let (image_len, len) = (g.channels * g.image_len(), g.outputs * g.places_len());
        assert!(x.len() == g.batch * image_len && y.len() == g.batch * len);
        let y = SharedMut::new(y);
        if self.packed.rows > 0 {
            return self.depthwise(team, x, &y);
        }
        if self.is_direct() {
            return self.pointwise(team, x, &y);
        }
        let scratch: &mut [u8] = &mut bytemuck::cast_slice_mut(scratch)[..self.padded_len()];
        for n in 0..g.batch {
            self.pad(team, &x[n * image_len..][..image_len], scratch);
            self.windows(team, scratch, &y, n * g.places_len());
        }
    }

    /// What all tasks of a convolution over all channels have in common.
    fn job<'a>(&'a self, y: &'a SharedMut<'a, i8>) -> Places<'a> {
        let g = &self.geometry;
        let pixel = g.channels.next_multiple_of(4);
        Places {
            x: &[],
            width: g.places[1],
            steps: [g.stride[0] * g.span(1) * pixel, g.stride[1] * pixel],
            taps: &self.packed.taps,
            quads: pixel / 4,
            panels: self.packed.weights(),
            starts: &self.packed.starts,
            scales: &self.packed.scales,
            zero: self.y_zero,
            bounds: self.bounds,
            outputs: g.outputs,
            places: 0..0,
            origin: 0,
            columns: 0..g.outputs.div_ceil(PANEL),
            y,
        }
    }

    /// How `places` and panels are shared out: parts of the places, each at most `most`, and parts of the panels.
    fn tasks(&self, threads: usize, places: usize, most: usize) -> [usize; 2] {
        let g = &self.geometry;
        let wanted = wanted(threads, places * g.depth() * g.outputs);
        let tiles = places.div_ceil(TILE);
        let down = places.div_ceil(most).next_multiple_of(wanted.min(threads)).max(wanted).min(tiles);
        [down, wanted.div_ceil(down).min(g.outputs.div_ceil(PANEL))]
    }

    /// Every place is a row of the image.
    fn pointwise(&self, team: &mut Team<'_>, x: &[i8], y: &SharedMut<'_, i8>) {
        let g = &self.geometry;
        let (channels, pixel) = (g.channels, g.channels.next_multiple_of(4));
        let places = g.batch * g.places_len();
        let [down, across] = self.tasks(team.threads(), places, (BLOCK / pixel / TILE).max(1) * TILE);
        let panels = self.job(y).columns.end;
        let kernels = team.kernels();
        team.run_with_buffers(down * across, |task, buffers| {
            let places = tiles(places, down, task / across);
            let copy = bytes_at_least(&mut buffers.lines, places.len() * pixel);
            let from = &x[places.start * channels..places.end * channels];
            let to: &mut [i8] = bytemuck::cast_slice_mut(copy);
            if pixel == channels {
                let (len, steps) = (from.len(), [0, 0]);
                kernels.int8_copy_rows(CopyRows { from, to, steps, len, rows: 1, flip: true });
            } else {
                flip_pixels(from, to, channels);
            }
            let steps = [0, pixel];
            let columns = part(panels, across, task % across);
            let width = places.len();
            let origin = places.start;
            kernels.int8_places(&Places { x: copy, width, steps, places, origin, columns, ..self.job(y) });
        });
    }

    /// Places of one image that lies padded in `padded`; the first is number `first` of the result.
    fn windows(&self, team: &mut Team<'_>, padded: &[u8], y: &SharedMut<'_, i8>, first: usize) {
        let places = self.geometry.places_len();
        let [down, across] = self.tasks(team.threads(), places, places);
        let panels = self.job(y).columns.end;
        let kernels = team.kernels();
        team.run_with_buffers(down * across, |task, _| {
            let places = tiles(places, down, task / across);
            let (places, columns) =
                (first + places.start..first + places.end, part(panels, across, task % across));
            kernels.int8_places(&Places { x: padded, places, origin: first, columns, ..self.job(y) });
        });
    }

    /// Copies an image with padding around, 128 added, pixels padded to quads of channels.
    fn pad(&self, team: &mut Team<'_>, x: &[i8], padded: &mut [u8]) {
        let g = &self.geometry;
        let (channels, pixel) = (g.channels, g.channels.next_multiple_of(4));
        let [height, width] = g.image;
        let (across, zero) = (g.span(1), (128 + i32::from(self.x_zero)) as u8);
        let inside = width.min(across.saturating_sub(g.before[1]));
        let together = (TASK / (across * pixel).max(1)).max(1);
        let kernels = team.kernels();
        team.for_each_chunk_mut(padded, together * across * pixel, |chunk, rows| {
            for (i, to) in rows.chunks_exact_mut(across * pixel).enumerate() {
                let row = (chunk * together + i).wrapping_sub(g.before[0]);
                if row >= height || inside == 0 {
                    to.fill(zero);
                    continue;
                }
                to[..g.before[1] * pixel].fill(zero);
                to[(g.before[1] + inside) * pixel..].fill(zero);
                let to = &mut to[g.before[1] * pixel..][..inside * pixel];
                if self.planes {
                    let plane = |c: usize| &x[(c.min(channels - 1) * height + row) * width..][..inside];
                    kernels.int8_quads([0, 1, 2, 3].map(plane), to);
                } else {
                    let from = &x[row * width * channels..][..inside * channels];
                    let to: &mut [i8] = bytemuck::cast_slice_mut(to);
                    if pixel == channels {
                        copy_run::<128>(from, to)
                    } else {
                        flip_pixels(from, to, channels)
                    }
                }
            }
        });
    }

    fn depthwise(&self, team: &mut Team<'_>, x: &[i8], y: &SharedMut<'_, i8>) {
        let g = &self.geometry;
        let packed = &self.packed;
        let image_len = g.channels * g.image_len();
        let bands = g.places[0].div_ceil(packed.outputs);
        let vectors = g.channels.div_ceil(PANEL);
        let work = g.batch * g.places_len() * g.outputs * (4 * packed.rows.div_ceil(4) * g.kernel[1] + TILE);
        let wanted = wanted(team.threads(), work);
        let down = wanted.min(g.batch * bands);
        let across = wanted.div_ceil(down).min(vectors);
        let kernels = team.kernels();
        team.run_with_buffers(down * across, |task, buffers| {
            let scratch = bytes_at_least(&mut buffers.lines, band_len(g.span(1), packed.rows));
            let columns = part(vectors, across, task % across);
            let channels = columns.start * PANEL..g.channels.min(columns.end * PANEL);
            for number in part(g.batch * bands, down, task / across) {
                let (n, row) = (number / bands, number % bands * packed.outputs);
                let mut rows = [None; MAX_ROWS];
                for (i, at) in rows.iter_mut().enumerate().take(packed.reach) {
                    let down = (row * g.stride[0] + i * packed.step).wrapping_sub(g.before[0]);
                    *at = (down < g.image[0]).then(|| n * image_len + down * g.image[1] * g.channels);
                }
                kernels.int8_band(
                    &Band {
                        x,
                        image: [g.image[1], g.channels],
                        rows: &rows[..packed.rows],
                        x_zero: self.x_zero,
                        before: g.before[1],
                        columns: g.span(1),
                        kernel: g.kernel[1],
                        dilation: g.dilation[1],
                        stride: g.stride[1],
                        weights: packed.weights(),
                        outputs: packed.outputs,
                        starts: &packed.starts,
                        scales: &packed.scales,
                        zero: self.y_zero,
                        bounds: self.bounds,
                        row: n * g.places[0] + row,
                        count: packed.outputs.min(g.places[0] - row),
                        width: g.places[1],
                        channels: channels.clone(),
                        y,
                    },
                    scratch,
                );
            }
        });
    }
}

/// Tasks that so many products are worth: as many for each thread.
fn wanted(threads: usize, products: usize) -> usize {
    if threads == 1 { 1 } else { (products / TASK / threads).clamp(1, 4) * threads }
}

/// Part number `i` of `0..count`, cut into parts that differ by one at most.
fn part(count: usize, parts: usize, i: usize) -> Range<usize> {
    count * i / parts..count * (i + 1) / parts
}

/// Part number `i` of some places, cut between tiles.
fn tiles(places: usize, parts: usize, i: usize) -> Range<usize> {
    let tiles = part(places.div_ceil(TILE), parts, i);
    tiles.start * TILE..places.min(tiles.end * TILE)
}

/// Pixels of `channels` each, 128 added, padded to quads.
fn flip_pixels(from: &[i8], to: &mut [i8], channels: usize) {
    for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(channels.next_multiple_of(4))) {
        copy_run::<128>(from, &mut to[..channels]);
        to[channels..].fill(0);
    }
}
