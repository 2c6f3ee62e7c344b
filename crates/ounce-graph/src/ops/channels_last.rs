//! Convolution of bytes whose channels lie side by side, with weights packed for it.

use std::sync::Arc;

use ounce_kernels::Team;
use ounce_kernels::ops::{Int8ChannelsLast, Int8Conv};

use super::{ConvShape, QuantizedConv2d};
use crate::error::OpError;
use crate::host::conv::geometry;
use crate::io::Io;
use crate::operator::{Cost, Operator, expect_dtype, expect_inputs, expect_shape};
use crate::tensor::Tensor;
use crate::types::{DType, TensorType};

/// A [`QuantizedConv2d`] with constant weights. Input: `x [N, H, W, C]` in i8, or `[N, C, H, W]` if it was made so, of the very shape that it was made for. The result is `[N, H, W, O]` in i8.
///
/// The pass [`channels_last`](crate::passes::channels_last) makes it; it is for running on this machine.
#[derive(Clone, Debug)]
pub struct ChannelsLastConv2d(Arc<Packed>);

#[derive(Debug)]
struct Packed {
    conv: QuantizedConv2d,
    shape: ConvShape,
    w: Tensor,
    bias: Tensor,
    kernels: Int8ChannelsLast,
}

impl ChannelsLastConv2d {
    /// Packs the weights `[O, C / groups, kh, kw]` in i8 for images `[N, C, H, W]`, which come so if `planes`, else `[N, H, W, C]`; `bias [O]` is in i32.
    ///
    /// `None` if there are no kernels for it, or the convolution saves what was clamped.
    pub fn new(
        conv: &QuantizedConv2d,
        image: &[usize],
        w: &Tensor,
        bias: &Tensor,
        planes: bool,
    ) -> Option<Self> {
        let shape = ConvShape::of(image, w.shape(), conv.groups, conv.window).ok()?;
        if conv.save_mask {
            return None;
        }
        let job = Int8Conv {
            geometry: geometry(&shape),
            x: &[],
            x_zero: conv.x_zero,
            w: w.as_i8()?,
            bias: bias.as_i32()?,
            y_zero: conv.y_zero,
        };
        let scale = |channel: usize| conv.requantize.scale(channel);
        let kernels = Int8ChannelsLast::new(&job, &scale, [conv.low, conv.high], planes)?;
        let (conv, w, bias) = (conv.clone(), w.clone(), bias.clone());
        Some(Self(Arc::new(Packed { conv, shape, w, bias, kernels })))
    }

    fn image(&self) -> [usize; 4] {
        let s = &self.0.shape;
        if self.0.kernels.planes() {
            [s.batch, s.channels, s.image[0], s.image[1]]
        } else {
            [s.batch, s.image[0], s.image[1], s.channels]
        }
    }
}

impl PartialEq for ChannelsLastConv2d {
    /// Whether both are the same object.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Operator for ChannelsLastConv2d {
    fn name(&self) -> &'static str {
        "channels_last_conv2d"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::I8)?;
        expect_shape(inputs, 0, &self.image())?;
        let s = &self.0.shape;
        Ok(vec![TensorType::new(DType::I8, &[s.batch, s.places[0], s.places[1], s.outputs])])
    }

    #[allow(clippy::expect_used)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let Packed { conv, shape, w, bias, kernels } = &*self.0;
        let (y, x) = (io.take_i8(0), io.i8(0));
        let w = w.as_i8().expect("weights are bytes");
        let bias = bias.as_i32().expect("the bias is of words");
        let (area, places) = (shape.image[0] * shape.image[1], shape.places_len());
        let mut sums: Vec<i32> = (0..y.len()).map(|i| bias[i / places % shape.outputs]).collect();
        shape.for_each_product(|xi, wi, yi| {
            let (plane, at) = (xi / area, xi % area);
            let last = (plane / shape.channels * area + at) * shape.channels + plane % shape.channels;
            let x = x[if kernels.planes() { xi } else { last }];
            sums[yi] = sums[yi].wrapping_add((i32::from(x) - conv.x_zero) * i32::from(w[wi]));
        });
        for (i, sum) in sums.into_iter().enumerate() {
            let (plane, at) = (i / places, i % places);
            let (n, channel) = (plane / shape.outputs, plane % shape.outputs);
            y[(n * places + at) * shape.outputs + channel] = conv.finish(sum, channel).0;
        }
    }

    fn execute(&self, team: &mut Team<'_>, scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let y = io.take_i8(0);
        self.0.kernels.run(team, io.i8(0), y, scratch);
    }

    fn scratch(&self, _inputs: &[TensorType], _outputs: &[TensorType]) -> usize {
        self.0.kernels.scratch()
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        let constants = (self.0.w.ty().bytes() + self.0.bias.ty().bytes()) as u64;
        Cost::of(self.0.shape.macs(), inputs, outputs) + Cost { macs: 0, bytes: constants }
    }
}
