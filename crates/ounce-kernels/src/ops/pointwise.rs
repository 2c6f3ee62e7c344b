//! Pointwise convolutions of floats: rows times the planes of every image.

use crate::Team;
use crate::planes::{Place, PlanesMut};
use crate::pool::{SharedMut, at_least};
use crate::simd::pointwise::{PANEL, Strip};

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 15;
/// Floats of a panel that stays in the first-level cache.
const CACHED: usize = 1 << 13;
/// Columns that a tile takes at least, while the sums are no longer than [`DEEP`], and those of a panel at most.
const COLUMNS: [usize; 2] = [64, 512];
/// Products of a sum of which a panel of [`COLUMNS`] does not stay in the second-level cache.
const DEEP: usize = 1024;

/// A pointwise convolution, `out[b] = rows * x[b] + bias` for every image, or with the kernel's rows transposed its gradient by the image.
#[derive(Debug)]
pub struct Pointwise<'a> {
    /// Images.
    pub batch: usize,
    /// Elements of a plane.
    pub len: usize,
    /// Planes of an image of `x`, the length of the sums.
    pub depth: usize,
    /// Planes of an image of `out`.
    pub outputs: usize,
    /// `[outputs, depth]`; transposed, `[depth, outputs]`.
    pub rows: &'a [f32],
    /// Whether `rows` is transposed.
    pub transposed: bool,
    /// `[outputs]`, or zeros.
    pub bias: Option<&'a [f32]>,
    /// `[batch, depth, len]`
    pub x: &'a [f32],
    /// `[batch, outputs, len]`
    pub out: &'a mut [f32],
}

/// Computes a pointwise convolution. An element is summed in order of depth, whatever the extents and the number of threads.
///
/// # Panics
/// If lengths do not fit.
pub fn pointwise(team: &mut Team<'_>, job: Pointwise<'_>) {
    let Pointwise { batch, len, depth, outputs, rows, transposed, bias, x, out } = job;
    assert!(rows.len() == outputs * depth && bias.is_none_or(|bias| bias.len() == outputs));
    assert!(x.len() == batch * depth * len && out.len() == batch * outputs * len);
    if out.is_empty() {
        return;
    }
    let strides = if transposed { [1, outputs] } else { [depth, 1] };
    let [least, most] = COLUMNS;
    let columns =
        if depth > DEEP { PANEL } else { (CACHED / depth.max(1) / least * least).clamp(least, most) };
    let columns = columns.min(len.next_multiple_of(PANEL));
    let strips = len.div_ceil(columns);
    let together =
        (TASK / (columns * depth * outputs).max(1)).clamp(1, (batch * strips).div_ceil(team.threads()));
    let kernels = team.kernels();
    let out = SharedMut::new(out);
    team.run_with_buffers((batch * strips).div_ceil(together), |task, buffers| {
        let panel = at_least(&mut buffers.panel, depth * columns);
        for strip in task * together..(batch * strips).min((task + 1) * together) {
            let (image, first) = (strip / strips, strip % strips * columns);
            let width = columns.min(len - first);
            let pitch = width.next_multiple_of(PANEL);
            let planes = x[image * depth * len..][..depth * len].chunks_exact(len);
            for (plane, panel) in planes.zip(panel.chunks_exact_mut(pitch)) {
                copy(&plane[first..first + width], panel);
            }
            let place =
                Place { first: image * outputs * len + first, len: width, stride: len, count: outputs };
            // SAFETY: strips differ in their image or their columns, and each is computed once.
            let out = unsafe { PlanesMut::of(&out, place) };
            kernels.pointwise(&Strip { panel, pitch, rows, strides, depth, bias, out });
        }
    });
}

/// Copies floats to the beginning of `to`, without the call that a copy of unknown length is.
fn copy(from: &[f32], to: &mut [f32]) {
    let (whole, rest) = from.as_chunks::<PANEL>();
    let (places, _) = to.as_chunks_mut::<PANEL>();
    for (to, from) in places.iter_mut().zip(whole) {
        *to = *from;
    }
    to[whole.len() * PANEL..][..rest.len()].copy_from_slice(rest);
}
