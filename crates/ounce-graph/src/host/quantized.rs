//! Convolution of bytes.
//!
//! A product of two bytes less a zero point is below 2^15, so floats hold sums of 512 of them exactly (2^24), and the float kernels give
//! the integers that 32-bit sums would: in parts of 512, which are then added in integers.

use ounce_kernels::Team;

use super::conv;
use crate::ops::{ConvShape, QuantizedConv2d};
use crate::tensor::Slice;

/// The most products that are summed in floats.
const EXACT: usize = 512;

fn parts(shape: &ConvShape) -> usize {
    (shape.group_channels() * shape.kernel_len()).div_ceil(EXACT)
}

/// Floats of scratch memory: the kernel as floats, and the sums of one group of one image in parts.
pub(crate) fn scratch(shape: &ConvShape) -> usize {
    if shape.is_depthwise() {
        return shape.batch * shape.outputs * shape.places_len();
    }
    shape.outputs * shape.group_channels() * shape.kernel_len()
        + parts(shape) * shape.group_outputs() * shape.places_len()
}

/// Computes a convolution and, where wanted, the mask of what was not clamped.
#[allow(clippy::too_many_arguments)]
pub(crate) fn conv(
    team: &mut Team<'_>,
    op: &QuantizedConv2d,
    shape: &ConvShape,
    [x, w]: [&[i8]; 2],
    bias: &[i32],
    scratch: &mut [f32],
    y: &mut [i8],
    mut mask: Option<&mut [u8]>,
) {
    let places = shape.places_len();
    if let Some(mask) = &mut mask {
        mask.fill(0);
    }
    if shape.is_depthwise() {
        let sums: &mut [i32] = bytemuck::cast_slice_mut(&mut scratch[..y.len()]);
        let (image, taps) = (shape.image_len(), shape.kernel_len());
        team.for_each_chunk_mut(sums, places, |plane, sums| {
            let channel = plane % shape.channels;
            sums.fill(bias[channel]);
            let x = &x[plane * image..][..image];
            conv::depthwise_plane_i32(shape, x, op.x_zero, &w[channel * taps..][..taps], sums);
        });
        let sums = &*sums;
        finish(team, op, shape, 0, y, mask, |i, _| sums[i]);
        return;
    }
    let (cg, og, image) = (shape.group_channels(), shape.group_outputs(), shape.image_len());
    let depth = cg * shape.kernel_len();
    let (floats, sums) = scratch.split_at_mut(shape.outputs * depth);
    let floats = conv::as_floats(Slice::I8(w), floats);
    let len = og * places;
    let sums = &mut sums[..parts(shape) * len];
    for block in 0..shape.batch * shape.groups {
        let planes = &x[block * cg * image..][..cg * image];
        let group = &floats[block % shape.groups * og * depth..][..og * depth];
        conv::forward_exact(team, shape, planes, op.x_zero as f32, group, sums, EXACT);
        let sums = &*sums;
        let y = &mut y[block * len..][..len];
        finish(team, op, shape, block * len, y, mask.as_deref_mut(), |i, channel| {
            // Every part is an integer.
            sums[i..].iter().step_by(len).map(|sum| *sum as i32).sum::<i32>().wrapping_add(bias[channel])
        });
    }
}

/// Turns sums into bytes for a part of the result that begins at element `first`; `sum(index in the part, channel)`.
fn finish(
    team: &mut Team<'_>,
    op: &QuantizedConv2d,
    shape: &ConvShape,
    first: usize,
    y: &mut [i8],
    mask: Option<&mut [u8]>,
    sum: impl Fn(usize, usize) -> i32 + Sync,
) {
    let places = shape.places_len();
    super::pieces(team, y, |start, y| {
        for (i, y) in y.iter_mut().enumerate() {
            let channel = (first + start + i) / places % shape.outputs;
            *y = op.finish(sum(start + i, channel), channel).0;
        }
    });
    let Some(mask) = mask else { return };
    // Bytes of the mask that the part shares with a neighbour get the bits of both.
    let (begin, end) = (first / 8, (first + y.len()).div_ceil(8));
    let last = first + y.len();
    super::pieces(team, &mut mask[begin..end], |start, mask| {
        for (byte, mask) in mask.iter_mut().enumerate() {
            let at = (begin + start + byte) * 8;
            for i in at.max(first)..(at + 8).min(last) {
                let channel = i / places % shape.outputs;
                *mask |= u8::from(op.finish(sum(i - first, channel), channel).1) << (i - at);
            }
        }
    });
}
