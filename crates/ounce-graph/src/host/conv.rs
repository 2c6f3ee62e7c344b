//! Convolution, its transpose and its gradient by the kernel, as products of matrices or, depthwise, plane by plane.

use ounce_kernels::Team;
use ounce_kernels::ops::{
    ConvGeometry, Elements, Gemm, PANEL, Pointwise, convolution, convolution_fits, depthwise, depthwise_fits,
    depthwise_transposed, depthwise_weight_gradient, gemm, inner_products, int8_widen, pointwise,
};

use crate::ops::ConvShape;
use crate::tensor::{Element, Slice};

/// Longest sums of one product of matrices: a panel of 16 columns stays in the second-level cache.
const DEPTH: usize = 2048;

/// Sums of at least so many products are worth a kernel that adds up its vectors at the end.
const LONG: usize = 128;

/// The geometry as the kernels take it. A stride along which there is one place, and a dilation of one tap, have no effect.
pub(crate) fn geometry(shape: &ConvShape) -> ConvGeometry {
    let effective = |counts: [usize; 2], steps: [usize; 2]| {
        [0, 1].map(|axis| if counts[axis] == 1 { 1 } else { steps[axis] })
    };
    ConvGeometry {
        batch: shape.batch,
        channels: shape.channels,
        image: shape.image,
        outputs: shape.outputs,
        places: shape.places,
        kernel: shape.kernel,
        groups: shape.groups,
        stride: effective(shape.places, shape.window.stride),
        before: shape.window.before,
        dilation: effective(shape.kernel, shape.window.dilation),
    }
}

/// Whether the kernels take this shape: all but depthwise convolutions whose windows reach far beyond the image, or are very large.
pub(crate) fn fits(shape: &ConvShape) -> bool {
    !shape.is_depthwise() || depthwise_fits(&geometry(shape))
}

/// Fills every channel of an image with its bias, or with zero.
pub(crate) fn fill_channels(batch: usize, channels: usize, bias: Option<&[f32]>, out: &mut [f32]) {
    let Some(bias) = bias else { return out.fill(0.0) };
    let len = out.len().checked_div(batch * channels).unwrap_or(0);
    for (plane, bias) in out.chunks_exact_mut(len.max(1)).zip(bias.iter().cycle()) {
        plane.fill(*bias);
    }
}

/// Elements as floats: themselves, or converted into `scratch`.
#[allow(clippy::panic)]
pub(crate) fn as_floats<'a>(team: &mut Team<'_>, elements: Slice<'a>, scratch: &'a mut [f32]) -> &'a [f32] {
    match elements {
        Slice::F32(elements) => elements,
        Slice::I8(elements) => {
            let scratch = &mut scratch[..elements.len()];
            int8_widen(team, elements, scratch);
            scratch
        }
        other => panic!("a kernel of floats or bytes, which the shape rule promised, is {other:?}"),
    }
}

/// For the places of a panel's columns, where one tap reads an image of `[height, width]`: an offset, or `usize::MAX` in the padding.
fn reads(shape: &ConvShape, first: usize, width: usize, tap: usize) -> [usize; PANEL] {
    let (a, b) = (tap / shape.kernel[1], tap % shape.kernel[1]);
    let mut offsets = [usize::MAX; PANEL];
    for (column, offset) in offsets.iter_mut().enumerate().take(width) {
        let (i, j) = ((first + column) / shape.places[1], (first + column) % shape.places[1]);
        let row = shape.window.place(0, i, a, shape.image[0]);
        let place = shape.window.place(1, j, b, shape.image[1]);
        if let (Some(row), Some(place)) = (row, place) {
            *offset = row * shape.image[1] + place;
        }
    }
    offsets
}

/// As [`reads`], of the transposed convolution: for places of the image, which place of the result read it with this tap.
fn readers(shape: &ConvShape, first: usize, width: usize, tap: usize) -> [usize; PANEL] {
    let (a, b) = (tap / shape.kernel[1], tap % shape.kernel[1]);
    let mut offsets = [usize::MAX; PANEL];
    for (column, offset) in offsets.iter_mut().enumerate().take(width) {
        let (row, place) = ((first + column) / shape.image[1], (first + column) % shape.image[1]);
        let i = shape.window.reader(0, row, a, shape.places[0]);
        let j = shape.window.reader(1, place, b, shape.places[1]);
        if let (Some(i), Some(j)) = (i, j) {
            *offset = i * shape.places[1] + j;
        }
    }
    offsets
}

/// Writes rows `channel * taps + tap` of a panel for the channels and taps of `depth`, from planes of `len` elements.
pub(crate) fn gather<T: Element>(
    planes: &[T],
    len: usize,
    taps: usize,
    depth: std::ops::Range<usize>,
    panel: &mut [f32],
    offsets: impl Fn(usize) -> [usize; PANEL],
) {
    for tap in 0..taps {
        let offsets = offsets(tap);
        let contiguous = offsets.iter().enumerate().all(|(i, offset)| *offset == offsets[0].wrapping_add(i));
        let first = depth.start.saturating_sub(tap).div_ceil(taps);
        for channel in first.. {
            let row = channel * taps + tap;
            if row >= depth.end {
                break;
            }
            let plane = &planes[channel * len..][..len];
            let out = &mut panel[(row - depth.start) * PANEL..][..PANEL];
            if contiguous && let Some(from) = plane.get(offsets[0]..offsets[0].wrapping_add(PANEL)) {
                out.iter_mut().zip(from).for_each(|(out, x)| *out = x.real());
            } else {
                for (out, offset) in out.iter_mut().zip(offsets) {
                    *out = plane.get(offset).map_or(0.0, |x| x.real());
                }
            }
        }
    }
}

/// Columns of planes as they are: `panel[l] = planes[start + l][first..first + width]`.
fn copy_columns(
    planes: &[f32],
    len: usize,
    depth: std::ops::Range<usize>,
    first: usize,
    width: usize,
    panel: &mut [f32],
) {
    for (plane, panel) in
        planes[depth.start * len..].chunks(len).take(depth.len()).zip(panel.chunks_exact_mut(PANEL))
    {
        let from = &plane[first..first + width];
        match (from.first_chunk::<PANEL>(), panel.first_chunk_mut()) {
            (Some(from), Some(panel)) => *panel = *from,
            _ => panel[..width].copy_from_slice(from),
        }
    }
}

/// `y = x * w + bias`.
pub(crate) fn forward(
    team: &mut Team<'_>,
    shape: &ConvShape,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    if shape.is_depthwise() {
        return depthwise(team, &geometry(shape), x, w, bias, y);
    }
    if shape.is_pointwise() && shape.groups == 1 {
        let (batch, len, depth, outputs) = (shape.batch, shape.image_len(), shape.channels, shape.outputs);
        let job = Pointwise { batch, len, depth, outputs, rows: w, transposed: false, bias, x, out: y };
        return pointwise(team, job);
    }
    let own = geometry(shape);
    if convolution_fits(&own) {
        return convolution(team, &own, x, w, bias, y);
    }
    fill_channels(shape.batch, shape.outputs, bias, y);
    let (places, image, taps) = (shape.places_len(), shape.image_len(), shape.kernel_len());
    let (cg, og) = (shape.group_channels(), shape.group_outputs());
    let depth = cg * taps;
    for (block, y) in y.chunks_exact_mut((og * places).max(1)).enumerate() {
        let group = block % shape.groups;
        let planes = &x[block * cg * image..][..cg * image];
        let w = &w[group * og * depth..][..og * depth];
        for start in (0..depth).step_by(DEPTH) {
            let part = start..depth.min(start + DEPTH);
            let product = Gemm {
                rows: &w[start..],
                row_stride: depth,
                transposed: false,
                m: og,
                depth: part.len(),
                n: places,
                out: y,
                out_stride: places,
                accumulate: true,
            };
            gemm(team, product, |first, width, panel| {
                if shape.is_pointwise() {
                    return copy_columns(planes, image, part.clone(), first, width, panel);
                }
                gather(planes, image, taps, part.clone(), panel, |tap| reads(shape, first, width, tap));
            });
        }
    }
}

/// The gradient by the image, plus a bias for each of its channels: `out = transpose(w) * g + bias`.
pub(crate) fn transposed(
    team: &mut Team<'_>,
    shape: &ConvShape,
    g: &[f32],
    w: Slice<'_>,
    bias: Option<&[f32]>,
    scratch: &mut [f32],
    out: &mut [f32],
) {
    if shape.is_depthwise() {
        let w = as_floats(team, w, scratch);
        return depthwise_transposed(team, &geometry(shape), g, w, bias, out);
    }
    if shape.is_pointwise() && shape.groups == 1 {
        let (batch, len, depth, outputs) = (shape.batch, shape.image_len(), shape.outputs, shape.channels);
        let rows = as_floats(team, w, scratch);
        let job = Pointwise { batch, len, depth, outputs, rows, transposed: true, bias, x: g, out };
        return pointwise(team, job);
    }
    fill_channels(shape.batch, shape.channels, bias, out);
    let (places, image, taps) = (shape.places_len(), shape.image_len(), shape.kernel_len());
    let (cg, og) = (shape.group_channels(), shape.group_outputs());
    let depth = og * taps;
    let pointwise = shape.is_pointwise();
    // Rows of channels: of a pointwise kernel as it lies, transposed.
    let rows = if pointwise { as_floats(team, w, scratch) } else { turned(shape, w, scratch) };
    for (block, out) in out.chunks_exact_mut((cg * image).max(1)).enumerate() {
        let group = block % shape.groups;
        let planes = &g[block * og * places..][..og * places];
        let rows = &rows[group * cg * depth..][..cg * depth];
        for start in (0..depth).step_by(DEPTH) {
            let part = start..depth.min(start + DEPTH);
            let product = Gemm {
                rows: if pointwise { &rows[start * cg..] } else { &rows[start..] },
                row_stride: if pointwise { cg } else { depth },
                transposed: pointwise,
                m: cg,
                depth: part.len(),
                n: image,
                out,
                out_stride: image,
                accumulate: true,
            };
            gemm(team, product, |first, width, panel| {
                if pointwise {
                    return copy_columns(planes, places, part.clone(), first, width, panel);
                }
                gather(planes, places, taps, part.clone(), panel, |tap| readers(shape, first, width, tap));
            });
        }
    }
}

/// A kernel as floats with the channels of the image before those of the result.
fn turned<'a>(shape: &ConvShape, w: Slice<'_>, scratch: &'a mut [f32]) -> &'a [f32] {
    let (cg, og, taps) = (shape.group_channels(), shape.group_outputs(), shape.kernel_len());
    let wt = &mut scratch[..shape.outputs * cg * taps];
    crate::tensor::with_elements!(w, w => {
        for (o, w) in w.chunks_exact((cg * taps).max(1)).enumerate() {
            for (c, w) in w.chunks_exact(taps).enumerate() {
                let at = ((o / og * cg + c) * og + o % og) * taps;
                wt[at..at + taps].iter_mut().zip(w).for_each(|(out, w)| *out = w.real());
            }
        }
    });
    wt
}

/// Writes what one tap reads at the places `part` to every [`PANEL`]-th element of `out`.
fn column_of_places<T: Element>(
    shape: &ConvShape,
    plane: &[T],
    zero: f32,
    tap: usize,
    part: std::ops::Range<usize>,
    out: &mut [f32],
) {
    let (a, b) = (tap / shape.kernel[1], tap % shape.kernel[1]);
    let columns = shape.places[1];
    let (begin, end, from) = span(shape, b);
    let mut place = part.start;
    while place < part.end {
        // A row of places, or what of it lies in the part.
        let (i, first) = (place / columns, place % columns);
        let last = columns.min(first + part.end - place);
        let out = &mut out[(place - part.start) * PANEL..];
        let row = shape.window.place(0, i, a, shape.image[0]);
        let inside = match row {
            Some(_) => begin.clamp(first, last)..end.clamp(first, last),
            None => first..first,
        };
        let mut out = out.iter_mut().step_by(PANEL);
        (&mut out).take(inside.start - first).for_each(|out| *out = 0.0);
        if let (Some(row), false) = (row, inside.is_empty()) {
            let at = row * shape.image[1] + from + (inside.start - begin) * shape.window.stride[1];
            let x = strided(plane, at, shape.window.stride[1], inside.len());
            (&mut out).take(inside.len()).zip(x).for_each(|(out, x)| *out = x.real() - zero);
        }
        out.take(last - inside.end.max(inside.start)).for_each(|out| *out = 0.0);
        place += last - first;
    }
}

/// The gradient by the kernel.
#[allow(clippy::panic)]
pub(crate) fn weight_gradient(
    team: &mut Team<'_>,
    shape: &ConvShape,
    x: Slice<'_>,
    zero: f32,
    g: &[f32],
    out: &mut [f32],
) {
    if shape.is_depthwise() {
        let x = match x {
            Slice::F32(x) => Elements::Floats(x),
            Slice::I8(x) => Elements::Bytes(x, zero),
            other => panic!("an image of floats or bytes, which the shape rule promised, is {other:?}"),
        };
        return depthwise_weight_gradient(team, &geometry(shape), x, g, out);
    }
    if let Slice::F32(x) = x
        && shape.is_pointwise()
        && shape.groups == 1
        && shape.batch * shape.places_len() >= LONG
    {
        return inner_products(
            team,
            [shape.batch, shape.outputs, shape.channels, shape.places_len()],
            g,
            x,
            out,
        );
    }
    out.fill(0.0);
    crate::tensor::with_elements!(x, x => general_weight_gradient(team, shape, x, zero, g, out));
}

/// The gradient by the kernel, added to `out`, as products of matrices.
fn general_weight_gradient<T: Element>(
    team: &mut Team<'_>,
    shape: &ConvShape,
    x: &[T],
    zero: f32,
    g: &[f32],
    out: &mut [f32],
) {
    let (places, image, taps) = (shape.places_len(), shape.image_len(), shape.kernel_len());
    let (cg, og) = (shape.group_channels(), shape.group_outputs());
    for block in 0..shape.batch * shape.groups {
        let out = &mut out[block % shape.groups * og * cg * taps..][..og * cg * taps];
        let planes = &x[block * cg * image..][..cg * image];
        let g = &g[block * og * places..][..og * places];
        for start in (0..places).step_by(DEPTH) {
            let part = start..places.min(start + DEPTH);
            let product = Gemm {
                rows: &g[start..],
                row_stride: places,
                transposed: false,
                m: og,
                depth: part.len(),
                n: cg * taps,
                out,
                out_stride: cg * taps,
                accumulate: true,
            };
            gemm(team, product, |first, width, panel| {
                for column in 0..width {
                    let (channel, tap) = ((first + column) / taps, (first + column) % taps);
                    let plane = &planes[channel * image..][..image];
                    column_of_places(shape, plane, zero, tap, part.clone(), &mut panel[column..]);
                }
            });
        }
    }
}

/// For one tap in one row of places: the columns `begin..end` that read inside the image, and what the first of them reads.
fn span(shape: &ConvShape, tap: usize) -> (usize, usize, usize) {
    let stride = shape.window.stride[1];
    let (offset, before) = (tap * shape.window.dilation[1], shape.window.before[1]);
    let begin = before.saturating_sub(offset).div_ceil(stride);
    let Some(reach) = (shape.image[1] + before).checked_sub(offset + 1) else { return (0, 0, 0) };
    let end = shape.places[1].min(reach / stride + 1);
    if begin >= end { (0, 0, 0) } else { (begin, end, begin * stride + offset - before) }
}

/// Elements `0..len` of a row, `stride` apart, starting at `from`.
#[inline(always)]
fn strided<T>(plane: &[T], from: usize, stride: usize, len: usize) -> impl Iterator<Item = &T> {
    plane[from..].iter().step_by(stride).take(len)
}
