//! Padded planes of an image, cut into phases by the stride of a window: what one tap reads along a row is then contiguous.

use super::ConvGeometry;
use crate::Kernels;
use crate::simd::plane_rows::PlaneRows;

/// The layout of one padded plane: for every vertical and every horizontal remainder by the stride, the rows and columns with that remainder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phases {
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Rows of a phase.
    rows: usize,
    /// Rows from one phase to the next: of all planes that lie there one after another.
    apart: usize,
    /// Elements of a row of a phase: what two rows of places are apart.
    pub(crate) pitch: usize,
    /// Elements of all planes.
    pub(crate) len: usize,
}

impl Phases {
    /// The layout for a convolution, or `None` where it would take far more memory than image and result, or where there is no place.
    pub(crate) fn of(g: &ConvGeometry) -> Option<Self> {
        if g.places_len() == 0 {
            return None;
        }
        let spans = [g.span(0), g.span(1)];
        if spans.iter().any(|span| *span > isize::MAX as usize) {
            return None;
        }
        let [rows, pitch] = [0, 1].map(|axis| spans[axis].div_ceil(g.stride[axis]));
        let phases = g.stride[0].checked_mul(g.stride[1])?;
        let len = rows.checked_mul(pitch)?.checked_mul(phases)?;
        let room = g.places_len().saturating_mul(phases).saturating_add(g.image_len());
        let fits = len <= room.saturating_mul(16).saturating_add(4096);
        fits.then_some(Self { stride: g.stride, dilation: g.dilation, rows, apart: rows, pitch, len })
    }

    /// The layout of so many planes, the same phase of one behind that of another.
    pub(crate) fn stacked(&self, planes: usize) -> Self {
        Self { apart: self.rows * planes, len: self.len * planes, ..*self }
    }

    /// Elements from one plane of a stack to the next.
    pub(crate) fn plane(&self) -> usize {
        self.rows * self.pitch
    }

    /// The layout of an image that needs none: one tap reads it as it is, as a single row.
    pub(crate) fn flat(len: usize) -> Self {
        Self { stride: [1, 1], dilation: [1, 1], rows: 1, apart: 1, pitch: len, len }
    }

    /// Where in the plane the window at the first place reads with a tap.
    pub(crate) fn tap(&self, a: usize, b: usize) -> usize {
        let [down, right] = [a * self.dilation[0], b * self.dilation[1]];
        self.at(down, right)
    }

    /// Where an element of the padded plane lies.
    pub(crate) fn at(&self, down: usize, right: usize) -> usize {
        let phase = down % self.stride[0] * self.stride[1] + right % self.stride[1];
        (phase * self.apart + down / self.stride[0]) * self.pitch + right / self.stride[1]
    }

    /// How many rows of an image that begins after `before` rows of padding belong to one vertical phase, and the first of them.
    pub(crate) fn rows_of(&self, image: usize, before: usize, phase: usize) -> (usize, usize) {
        let first = (phase + self.stride[0] - before % self.stride[0]) % self.stride[0];
        let room = self.rows.saturating_sub((first + before) / self.stride[0]);
        (image.saturating_sub(first).div_ceil(self.stride[0]).min(room), first)
    }

    /// Writes the elements of a plane of the image to their places in `out`, whose padding stays: rows by `copy` where there is no horizontal stride, elements by `convert`.
    pub(crate) fn fill<T: Copy, U>(
        &self,
        g: &ConvGeometry,
        plane: &[T],
        out: &mut [U],
        copy: impl Fn(&[T], &mut [U]),
        convert: impl Fn(T) -> U,
    ) {
        for (row, from) in plane.chunks_exact(g.image[1].max(1)).enumerate() {
            let down = row + g.before[0];
            if down / self.stride[0] >= self.rows {
                break;
            }
            for right in 0..self.stride[1] {
                // The first column of the image that belongs to this phase.
                let skip = (right + self.stride[1] - g.before[1] % self.stride[1]) % self.stride[1];
                let first = skip + g.before[1];
                let (Some(count), Some(from)) =
                    (self.pitch.checked_sub(first / self.stride[1]), from.get(skip..))
                else {
                    continue;
                };
                let to = &mut out[self.at(down, first)..][..count];
                if self.stride[1] == 1 {
                    let count = count.min(from.len());
                    copy(&from[..count], &mut to[..count]);
                } else {
                    strided(from, self.stride[1], to, &convert);
                }
            }
        }
    }
}

/// Writes a plane of the image to its places among padded planes, and fetches the one that is `ahead`.
pub(crate) fn pad(
    kernels: Kernels,
    g: &ConvGeometry,
    phases: &Phases,
    image: &[f32],
    ahead: usize,
    out: &mut [f32],
) {
    let ([down, right], [height, width]) = (g.stride, g.image);
    if right > 2 {
        let copy = |from: &[f32], to: &mut [f32]| to.copy_from_slice(from);
        return phases.fill(g, image, out, copy, |x| x);
    }
    for phase in 0..down {
        let (rows, first) = phases.rows_of(height, g.before[0], phase);
        if rows == 0 {
            continue;
        }
        let from = &image[first * width..];
        let row = first + g.before[0];
        let pitches = [down * width, phases.pitch];
        // What no window reaches is left out.
        let room = phases.pitch.saturating_sub(g.before[1] / right);
        if right == 1 {
            let job = PlaneRows { rows, len: width.min(room), pitches, ahead };
            if job.len == 0 {
                continue;
            }
            kernels.copy_rows(job, from, &mut out[phases.at(row, g.before[1])..]);
        } else {
            let odd = phases.pitch.saturating_sub(g.before[1].div_ceil(2));
            let len = width.div_ceil(2).min(room) + (width / 2).min(odd);
            if len == 0 {
                continue;
            }
            let at = [0, 1].map(|i| phases.at(row, g.before[1] + i));
            kernels.split_rows(PlaneRows { rows, len, pitches, ahead }, from, out, at);
        }
    }
}

/// Every `stride`-th element, as far as there are any.
fn strided<T: Copy, U>(from: &[T], stride: usize, to: &mut [U], convert: impl Fn(T) -> U) {
    if stride != 2 {
        return to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, x)| *to = convert(*x));
    }
    // Pairs of known length are taken apart several at a time.
    let pairs = (from.len() / 2).min(to.len());
    for (to, pair) in to.iter_mut().zip(from.chunks_exact(2)) {
        *to = convert(pair[0]);
    }
    if let (Some(to), Some(x)) = (to.get_mut(pairs), from.get(2 * pairs)) {
        *to = convert(*x);
    }
}
