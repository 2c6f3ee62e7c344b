//! Convolution of bytes.

use ounce_kernels::Team;

use super::conv2d::{bias_sum, input_gradients};
use super::{ApplyMask, BinaryKind, ConvShape, Op, Requantize, Window};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host::quantized;
use crate::io::Io;
use crate::operator::{Cost, Operator, expect_dtype, expect_inputs, expect_rank, expect_shape};
use crate::tensor::Tensor;
use crate::types::{DType, TensorType};

/// `y = clamp(requantize(sum (x - x_zero) w + bias) + y_zero, low, high)`. Inputs: `x [N, C, H, W]` and `w [O, C / groups, kh, kw]` in i8, `bias [O]` in i32.
/// Padding is `x_zero`. A ReLU6 is the clamp itself, with `y_zero = low`. A dense layer is a 1 x 1 kernel on a 1 x 1 image.
///
/// Output 0 is `y` in i8; with `save_mask`, output 1 has a bit for each element that was not clamped, which the gradient needs.
#[derive(Clone, PartialEq, Debug)]
pub struct QuantizedConv2d {
    /// How the kernel slides.
    pub window: Window,
    /// Channels are cut into so many groups. 0 is taken for 1.
    pub groups: usize,
    /// The byte that stands for 0 in `x`.
    pub x_zero: i32,
    /// The byte that stands for 0 in `y`.
    pub y_zero: i32,
    /// From sums to bytes, for every output channel: `x scale * w scale / y scale`.
    pub requantize: Requantize,
    /// The least result, usually -128.
    pub low: i8,
    /// The largest result, usually 127.
    pub high: i8,
    /// Save which results were not clamped.
    pub save_mask: bool,
}

impl QuantizedConv2d {
    fn extents(&self, inputs: &[TensorType]) -> Result<ConvShape, OpError> {
        ConvShape::of(&inputs[0].shape, &inputs[1].shape, self.groups, self.window)
    }

    /// The extents for inputs that the shape rule has accepted.
    #[allow(clippy::expect_used)]
    fn checked(&self, inputs: &[TensorType]) -> ConvShape {
        self.extents(inputs).expect("the shape rule accepted these inputs")
    }

    /// The byte for a sum of output channel `channel`, and whether it was within the bounds.
    #[inline]
    pub fn finish(&self, sum: i32, channel: usize) -> (i8, bool) {
        let y = self.requantize.apply(sum, channel).saturating_add(self.y_zero);
        let (low, high) = (i32::from(self.low), i32::from(self.high));
        (y.clamp(low, high) as i8, (low..=high).contains(&y))
    }
}

impl Operator for QuantizedConv2d {
    fn name(&self) -> &'static str {
        "quantized_conv2d"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 3)?;
        expect_dtype(inputs, 0, DType::I8)?;
        expect_dtype(inputs, 1, DType::I8)?;
        expect_dtype(inputs, 2, DType::I32)?;
        expect_rank(inputs, 0, 4)?;
        expect_rank(inputs, 1, 4)?;
        let shape = self.extents(inputs)?;
        expect_shape(inputs, 2, &[shape.outputs])?;
        self.requantize.check(shape.outputs)?;
        if self.low > self.high {
            return Err(OpError::attribute("low", "must not be above high"));
        }
        let in_bytes = |zero: i32| (-128..=127).contains(&zero);
        if !in_bytes(self.x_zero) || !in_bytes(self.y_zero) {
            return Err(OpError::attribute("x_zero", "zero points must be in -128..=127"));
        }
        if shape.group_channels() * shape.kernel_len() > 1 << 15 {
            return Err(OpError::attribute(
                "groups",
                "sums of more than 32768 products may overflow 32 bits",
            ));
        }
        let out = [shape.batch, shape.outputs, shape.places[0], shape.places[1]];
        let mut types = vec![TensorType::new(DType::I8, &out)];
        if self.save_mask {
            types.push(TensorType::new(DType::Bits, &out));
        }
        Ok(types)
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        let (x, w, bias) = (io.i8(0), io.i8(1), io.i32(2));
        let y = io.take_i8(0);
        let mut mask = if self.save_mask { Some(io.take_bits(1)) } else { None };
        if let Some(mask) = &mut mask {
            mask.fill(0);
        }
        let mut sums: Vec<i32> = (0..y.len()).map(|i| bias[i / shape.places_len() % shape.outputs]).collect();
        shape.for_each_product(|xi, wi, yi| {
            sums[yi] = sums[yi].wrapping_add((i32::from(x[xi]) - self.x_zero) * i32::from(w[wi]));
        });
        for (i, sum) in sums.into_iter().enumerate() {
            let (byte, inside) = self.finish(sum, i / shape.places_len() % shape.outputs);
            y[i] = byte;
            if let Some(mask) = &mut mask {
                mask[i / 8] |= u8::from(inside) << (i % 8);
            }
        }
    }

    fn execute(&self, team: &mut Team<'_>, scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        if quantized::scratch(self, &shape).is_none() {
            return self.reference(io);
        }
        let y = io.take_i8(0);
        let mask = if self.save_mask { Some(io.take_bits(1)) } else { None };
        quantized::conv(team, self, &shape, [io.i8(0), io.i8(1)], io.i32(2), scratch, y, mask);
    }

    fn scratch(&self, inputs: &[TensorType], _outputs: &[TensorType]) -> usize {
        self.extents(inputs).ok().and_then(|shape| quantized::scratch(self, &shape)).unwrap_or(0)
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        if !self.save_mask {
            return Err(gradient.refuse("which results were clamped is not known: build it with save_mask"));
        }
        let upstream = gradient.upstream_first()?;
        let mask = gradient.output(1);
        let masked = gradient.apply(ApplyMask, &[upstream, mask])?;
        let factors = self.requantize.factors();
        let factors = Tensor::f32(&[1, factors.len(), 1, 1], factors)?;
        let factors = gradient.graph().constant(factors);
        let scaled = gradient.binary(BinaryKind::Mul, masked, factors)?;
        input_gradients(gradient, scaled, self.window, self.groups, self.x_zero)?;
        if gradient.needs(2) {
            let bias = gradient.apply(bias_sum(), &[scaled])?;
            gradient.add(2, bias)?;
        }
        Ok(())
    }

    fn without_unused(&self, used: &[bool]) -> Option<Op> {
        (used == [true, false]).then(|| Self { save_mask: false, ..self.clone() }.into())
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::of(self.checked(inputs).macs(), inputs, outputs)
    }
}
