//! The gradient of a convolution by its kernel.

use ounce_kernels::Team;

use super::{Conv2d, ConvShape, ConvTranspose2d, Window};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host::conv;
use crate::io::Io;
use crate::operator::{Cost, Operator, expect_dtype, expect_dtypes, expect_inputs, expect_rank};
use crate::types::{DType, TensorType};

/// `dw[o, c] = sum_n correlate(x[n, c] - x_zero, g[n, o])`. Inputs: the image `x [N, C, H, W]` in f32 or i8 and the gradient of the convolution's result,
/// `g [N, O, h, w]`. The result is `[O, C / groups, kh, kw]` in f32. Padding contributes nothing, so an image in bytes must be padded with its zero point.
#[derive(Clone, PartialEq, Debug)]
pub struct Conv2dWeightGradient {
    /// The window of the convolution.
    pub window: Window,
    /// Its groups.
    pub groups: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// The zero point of an image in bytes; of no effect on floats.
    pub x_zero: i32,
}

impl Conv2dWeightGradient {
    fn extents(&self, inputs: &[TensorType]) -> Result<ConvShape, OpError> {
        let (x, g) = (&inputs[0].shape, &inputs[1].shape);
        let w = [g[1], x[1] / self.groups.max(1), self.kernel[0], self.kernel[1]];
        let shape = ConvShape::of(x, &w, self.groups, self.window)?;
        let expected = [shape.batch, shape.outputs, shape.places[0], shape.places[1]];
        if *g != expected {
            return Err(OpError::shape(1, format!("{expected:?}"), &inputs[1]));
        }
        Ok(shape)
    }

    /// The extents for inputs that the shape rule has accepted.
    #[allow(clippy::expect_used)]
    fn checked(&self, inputs: &[TensorType]) -> ConvShape {
        self.extents(inputs).expect("the shape rule accepted these inputs")
    }

    /// The zero point as it is taken from elements.
    fn zero(&self, x: DType) -> f32 {
        if x == DType::I8 { self.x_zero as f32 } else { 0.0 }
    }
}

impl Operator for Conv2dWeightGradient {
    fn name(&self) -> &'static str {
        "conv2d_weight_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 2)?;
        expect_dtypes(inputs, 0, &[DType::F32, DType::I8])?;
        expect_dtype(inputs, 1, DType::F32)?;
        expect_rank(inputs, 0, 4)?;
        expect_rank(inputs, 1, 4)?;
        let shape = self.extents(inputs)?;
        Ok(vec![TensorType::f32(&[shape.outputs, shape.group_channels(), shape.kernel[0], shape.kernel[1]])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        let zero = self.zero(io.input_type(0).dtype);
        let (out, g) = (io.take_f32(0), io.f32(1));
        out.fill(0.0);
        crate::tensor::with_elements!(io.input(0), x => {
            shape.for_each_product(|xi, wi, yi| {
                out[wi] += (crate::tensor::Element::real(x[xi]) - zero) * g[yi];
            });
        });
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        if !conv::fits(&shape) {
            return self.reference(io);
        }
        let zero = self.zero(io.input_type(0).dtype);
        let (out, g) = (io.take_f32(0), io.f32(1));
        conv::weight_gradient(team, &shape, io.input(0), zero, g, out);
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let upstream = gradient.upstream_first()?;
        let (x, g) = (gradient.input(0), gradient.input(1));
        if gradient.graph().ty(x).dtype != DType::F32 {
            return Err(gradient.refuse("the image is in bytes"));
        }
        if gradient.needs(0) {
            let image = gradient.shape(0);
            let op =
                ConvTranspose2d { window: self.window, groups: self.groups, output: [image[2], image[3]] };
            let dx = gradient.apply(op, &[g, upstream])?;
            gradient.add(0, dx)?;
        }
        if gradient.needs(1) {
            let dg = gradient.apply(Conv2d::new(self.window).grouped(self.groups), &[x, upstream])?;
            gradient.add(1, dg)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::of(self.checked(inputs).macs(), inputs, outputs)
    }
}
