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

/// Whether sums of a depthwise convolution are exact as a whole.
fn by_channel(shape: &ConvShape) -> bool {
    shape.is_depthwise() && shape.kernel_len() <= EXACT
}

/// Floats of scratch memory: the kernel as floats, and the sums of one group of one image in parts; depthwise, the image as floats and all sums.
pub(crate) fn scratch(shape: &ConvShape) -> usize {
    let kernel = shape.outputs * shape.group_channels() * shape.kernel_len();
    if by_channel(shape) {
        return kernel + shape.batch * shape.channels * (shape.image_len() + shape.places_len());
    }
    kernel + parts(shape) * shape.group_outputs() * shape.places_len()
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
    if let Some(mask) = &mut mask {
        mask.fill(0);
    }
    let (cg, og, image) = (shape.group_channels(), shape.group_outputs(), shape.image_len());
    let depth = cg * shape.kernel_len();
    let zero = op.x_zero as f32;
    let (kernel, scratch) = scratch.split_at_mut(shape.outputs * depth);
    let kernel = conv::as_floats(Slice::I8(w), kernel);
    if by_channel(shape) {
        let (floats, sums) = scratch.split_at_mut(x.len());
        super::pieces(team, floats, |first, floats| {
            floats.iter_mut().zip(&x[first..]).for_each(|(out, x)| *out = f32::from(*x) - zero);
        });
        let sums = &mut sums[..y.len()];
        sums.fill(0.0);
        conv::depthwise_forward(team, shape, floats, kernel, sums);
        let sums = Sums { sums, parts: 1, bias, shape, op };
        return sums.finish(team, 0, y, mask);
    }
    let len = og * shape.places_len();
    let sums = &mut scratch[..parts(shape) * len];
    for block in 0..shape.batch * shape.groups {
        let planes = &x[block * cg * image..][..cg * image];
        let kernel = &kernel[block % shape.groups * og * depth..][..og * depth];
        conv::forward_exact(team, shape, planes, zero, kernel, sums, EXACT);
        let sums = Sums { sums, parts: parts(shape), bias, shape, op };
        sums.finish(team, block * len, &mut y[block * len..][..len], mask.as_deref_mut());
    }
}

/// Sums of products for a part of the result, in `parts` equal pieces one behind the other, every one an integer.
struct Sums<'a> {
    sums: &'a [f32],
    parts: usize,
    bias: &'a [i32],
    shape: &'a ConvShape,
    op: &'a QuantizedConv2d,
}

impl Sums<'_> {
    /// The sum of element `i` of the part.
    #[inline(always)]
    fn at(&self, i: usize, bias: i32) -> i32 {
        let len = self.sums.len() / self.parts;
        let sum: i32 = self.sums[i..].iter().step_by(len).map(|sum| *sum as i32).sum();
        sum.wrapping_add(bias)
    }

    /// Turns the sums into the bytes `y`, which begin at element `first` of the result, at a whole channel.
    fn finish(&self, team: &mut Team<'_>, first: usize, y: &mut [i8], mask: Option<&mut [u8]>) {
        let places = self.shape.places_len();
        let outputs = self.shape.outputs;
        super::rows(team, y, places, |plane, y| {
            let channel = (first / places + plane) % outputs;
            let bias = self.bias[channel];
            let finish = self.op.finisher(channel);
            if self.parts == 1 {
                let sums = &self.sums[plane * places..][..places];
                finish.row(sums.iter().map(|sum| (*sum as i32).wrapping_add(bias)), y);
            } else {
                finish.row((0..places).map(|i| self.at(plane * places + i, bias)), y);
            }
        });
        let Some(mask) = mask else { return };
        // Bytes of the mask that the part shares with a neighbour get the bits of both.
        let (begin, last) = (first / 8, first + y.len());
        let (low, high) = (self.op.low, self.op.high);
        let y = &*y;
        super::pieces(team, &mut mask[begin..last.div_ceil(8)], |start, mask| {
            for (byte, mask) in mask.iter_mut().enumerate() {
                let at = (begin + start + byte) * 8;
                for i in at.max(first)..(at + 8).min(last) {
                    let value = y[i - first];
                    // Only at the bounds the sum decides.
                    let inside = (value != low && value != high) || {
                        let channel = i / places % outputs;
                        self.op.finish(self.at(i - first, self.bias[channel]), channel).1
                    };
                    *mask |= u8::from(inside) << (i - at);
                }
            }
        });
    }
}
