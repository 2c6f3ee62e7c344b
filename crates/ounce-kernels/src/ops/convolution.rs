//! Convolutions of floats whose windows are gathered from padded planes, strip by strip.

use super::phases::pad;
use super::{ConvGeometry, Phases};
use crate::Team;
use crate::planes::{Place, PlanesMut};
use crate::pool::{SharedMut, at_least};
use crate::simd::plane_rows::PlaneRows;
use crate::simd::pointwise::{PANEL, Strip};

/// The longest sums: a panel of a strip stays in the second-level cache.
const DEPTH: usize = 512;
/// Places of a strip, as far as they are whole rows.
const PLACES: usize = 256;

/// Some rows of the result: the convolution of the rows of the image that their windows reach.
struct Part {
    /// Image and result are as high as needed.
    geometry: ConvGeometry,
    phases: Phases,
    /// The first row of the image.
    row: usize,
}

/// Rows of the result in a strip.
fn strip_rows(g: &ConvGeometry) -> usize {
    (PLACES / g.places[1].max(1)).clamp(1, g.places[0].max(1))
}

/// The rows of the result from `first` on, as many as a strip has.
fn part(g: &ConvGeometry, first: usize) -> Option<Part> {
    let rows = strip_rows(g).min(g.places[0] - first);
    let (top, span) = (first * g.stride[0], (rows - 1) * g.stride[0] + (g.kernel[0] - 1) * g.dilation[0] + 1);
    let row = top.saturating_sub(g.before[0]).min(g.image[0]);
    let end = (top + span).saturating_sub(g.before[0]).clamp(row, g.image[0]);
    let geometry = ConvGeometry {
        image: [end - row, g.image[1]],
        places: [rows, g.places[1]],
        before: [g.before[0].saturating_sub(top), g.before[1]],
        ..*g
    };
    Some(Part { phases: Phases::of(&geometry)?, geometry, row })
}

/// Whether [`convolution`] takes a geometry: of one group, with sums that are not long and windows that do not reach far beyond the image.
pub fn convolution_fits(g: &ConvGeometry) -> bool {
    let inside = |first| part(g, first).is_some();
    g.groups == 1
        && g.depth() <= DEPTH
        && g.places_len() > 0
        && (0..g.places[0]).step_by(strip_rows(g)).all(inside)
}

/// `y = x * w + bias` for `x [batch, channels, height, width]` and `w [outputs, channels, height, width]`. An element is summed in the order of the kernel's, whatever the
/// number of threads.
///
/// # Panics
/// If lengths do not fit the geometry, or it is none that [`convolution_fits`].
#[allow(clippy::expect_used)]
pub fn convolution(
    team: &mut Team<'_>,
    g: &ConvGeometry,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let (image, places, depth) = (g.image_len(), g.places_len(), g.depth());
    assert!(x.len() == g.batch * g.channels * image && y.len() == g.batch * g.outputs * places);
    assert!(w.len() == g.outputs * depth && bias.is_none_or(|bias| bias.len() == g.outputs));
    let rows = strip_rows(g);
    let strips = g.places[0].div_ceil(rows);
    let kernels = team.kernels();
    let y = SharedMut::new(y);
    team.run_with_buffers(g.batch * strips, |task, buffers| {
        let (n, first) = (task / strips, task % strips * rows);
        let Part { geometry, phases, row } =
            part(g, first).expect("the caller asked whether the geometry fits");
        let padded = at_least(&mut buffers.work, g.channels * phases.len);
        padded.fill(0.0);
        for (channel, padded) in padded.chunks_exact_mut(phases.len).enumerate() {
            let plane = &x[(n * g.channels + channel) * image..][..image];
            let from = &plane[row * g.image[1]..][..geometry.image_len()];
            pad(kernels, &geometry, &phases, from, 0, padded);
        }
        let columns = geometry.places_len();
        let pitch = columns.next_multiple_of(PANEL);
        let panel = at_least(&mut buffers.panel, depth * pitch);
        let taps = (0..g.kernel[0]).flat_map(|a| (0..g.kernel[1]).map(move |b| (a, b)));
        for (tap, (a, b)) in taps.enumerate() {
            for channel in 0..g.channels {
                let [rows, len] = geometry.places;
                let job = PlaneRows { rows, len, pitches: [phases.pitch, len], ahead: 0 };
                let from = &padded[channel * phases.len + phases.tap(a, b)..];
                let at = (channel * g.kernel[0] * g.kernel[1] + tap) * pitch;
                kernels.copy_rows(job, from, &mut panel[at..]);
            }
        }
        let first = n * g.outputs * places + first * g.places[1];
        let place = Place { first, len: columns, stride: places, count: g.outputs };
        // SAFETY: strips differ in their image or their rows, and each is computed once.
        let out = unsafe { PlanesMut::of(&y, place) };
        kernels.pointwise(&Strip { panel, pitch, rows: w, strides: [depth, 1], depth, bias, out });
    });
}
