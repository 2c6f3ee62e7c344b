//! Convolution of bytes.

use ounce_kernels::Team;
use ounce_kernels::ops::{Int8Conv, Int8Output, int8_clamp, int8_conv, int8_conv_scratch};

use super::conv::geometry;
use crate::ops::{ConvShape, QuantizedConv2d};

/// Floats that take as many words as the result has elements.
fn words(op: &QuantizedConv2d, shape: &ConvShape) -> usize {
    if op.save_mask { (shape.batch * shape.outputs * shape.places_len()).div_ceil(2) } else { 0 }
}

/// Floats of scratch memory, or `None` if the kernels do not take this shape: with more padding than image and result have elements.
pub(crate) fn scratch(op: &QuantizedConv2d, shape: &ConvShape) -> Option<usize> {
    Some(words(op, shape) + int8_conv_scratch(&geometry(shape))?)
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
    mask: Option<&mut [u8]>,
) {
    let conv = Int8Conv { geometry: geometry(shape), x, x_zero: op.x_zero, w, bias, y_zero: op.y_zero };
    let (words, scratch) = scratch.split_at_mut(words(op, shape));
    let scale = |channel: usize| op.requantize.scale(channel);
    let bounds = [op.low, op.high];
    let Some(mask) = mask else {
        return int8_conv(team, &conv, &scale, Int8Output::Bytes(y, bounds), scratch);
    };
    let words = &mut bytemuck::cast_slice_mut(words)[..y.len()];
    int8_conv(team, &conv, &scale, Int8Output::Words(words), scratch);
    int8_clamp(team, words, bounds, y, mask);
}
