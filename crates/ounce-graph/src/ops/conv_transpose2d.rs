//! Transposed convolution, which is also the gradient of a convolution by its image.

use ounce_kernels::Team;

use super::conv2d::bias_sum;
use super::{Conv2d, Conv2dWeightGradient, ConvShape, Window};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host::conv;
use crate::io::Io;
use crate::operator::{
    Cost, Operator, expect_dtype, expect_dtypes, expect_inputs_between, expect_rank, expect_shape,
};
use crate::types::{DType, TensorType};

/// Spreads every element of `x [N, O, h, w]` over the window that a convolution would have read to make it. Inputs: `x`, the kernel
/// `[O, C / groups, kh, kw]` in f32 or i8 (PyTorch's layout for `ConvTranspose2d`, and that of the convolution it transposes), and optionally `bias [C]`.
/// The result is `[N, C, H, W]`.
#[derive(Clone, PartialEq, Debug)]
pub struct ConvTranspose2d {
    /// The window of the convolution from the result to `x`.
    pub window: Window,
    /// As of [`Conv2d`].
    pub groups: usize,
    /// Height and width of the result, which several values of a strided convolution would share.
    pub output: [usize; 2],
}

impl ConvTranspose2d {
    /// As PyTorch computes the result's extents: `(extent - 1) * stride - padding + dilation * (kernel - 1) + output_padding + 1`.
    ///
    /// # Errors
    /// If the extents are not positive.
    pub fn with_output_padding(
        window: Window,
        groups: usize,
        image: [usize; 2],
        kernel: [usize; 2],
        output_padding: [usize; 2],
    ) -> Result<Self, OpError> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let reach = image[axis]
                .checked_sub(1)
                .and_then(|n| n.checked_mul(window.stride[axis]))
                .and_then(|n| n.checked_add(window.dilation[axis].checked_mul(kernel[axis].checked_sub(1)?)?))
                .and_then(|n| n.checked_add(output_padding[axis])?.checked_add(1));
            let extent =
                reach.and_then(|n| n.checked_sub(window.before[axis].checked_add(window.after[axis])?));
            output[axis] = extent.filter(|n| *n > 0).ok_or_else(|| {
                OpError::attribute("window", "the padding leaves nothing of the result, or extents overflow")
            })?;
        }
        Ok(Self { window, groups, output })
    }

    /// The convolution from the result to `x`.
    fn extents(&self, inputs: &[TensorType]) -> Result<ConvShape, OpError> {
        let (x, w) = (&inputs[0].shape, &inputs[1].shape);
        let channels =
            w[1].checked_mul(self.groups.max(1)).ok_or_else(|| OpError::attribute("groups", "too many"))?;
        let result = [x[0], channels, self.output[0], self.output[1]];
        // What the window skips at the lower and right edge is no part of `x`, and padding there reads nothing: both give zeros.
        let mut window = self.window;
        for axis in 0..2 {
            let reach = x[2 + axis].saturating_sub(1).saturating_mul(window.stride[axis]).saturating_add(1);
            let reach =
                reach.saturating_add(window.dilation[axis].saturating_mul(w[2 + axis].saturating_sub(1)));
            let had = self.output[axis].saturating_add(window.before[axis]);
            window.after[axis] = reach.saturating_sub(had);
        }
        let shape = ConvShape::of(&result, w, self.groups, window)?;
        if shape.outputs != x[1] {
            return Err(OpError::shape(0, format!("[N, {}, h, w]", shape.outputs), &inputs[0]));
        }
        if shape.places[0] < x[2] || shape.places[1] < x[3] {
            let problem = format!("a convolution of {:?} does not give {:?}", self.output, &x[2..]);
            return Err(OpError::attribute("output", problem));
        }
        Ok(ConvShape { places: [x[2], x[3]], ..shape })
    }

    /// The extents for inputs that the shape rule has accepted.
    #[allow(clippy::expect_used)]
    fn checked(&self, inputs: &[TensorType]) -> ConvShape {
        self.extents(inputs).expect("the shape rule accepted these inputs")
    }
}

impl Operator for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs_between(inputs, 2, 3)?;
        expect_dtype(inputs, 0, DType::F32)?;
        expect_dtypes(inputs, 1, &[DType::F32, DType::I8])?;
        expect_rank(inputs, 0, 4)?;
        expect_rank(inputs, 1, 4)?;
        let shape = self.extents(inputs)?;
        if inputs.len() == 3 {
            expect_dtype(inputs, 2, DType::F32)?;
            expect_shape(inputs, 2, &[shape.channels])?;
        }
        Ok(vec![TensorType::f32(&[shape.batch, shape.channels, shape.image[0], shape.image[1]])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        let (out, x) = (io.take_f32(0), io.f32(0));
        let bias = (io.inputs() == 3).then(|| io.f32(2));
        conv::fill_channels(shape.batch, shape.channels, bias, out);
        crate::tensor::with_elements!(io.input(1), w => {
            shape.for_each_product(|xi, wi, yi| out[xi] += x[yi] * crate::tensor::Element::real(w[wi]));
        });
    }

    fn execute(&self, team: &mut Team<'_>, scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        if !conv::fits(&shape) {
            return self.reference(io);
        }
        let out = io.take_f32(0);
        let bias = (io.inputs() == 3).then(|| io.f32(2));
        conv::transposed(team, &shape, io.f32(0), io.input(1), bias, scratch, out);
    }

    fn scratch(&self, inputs: &[TensorType], _outputs: &[TensorType]) -> usize {
        inputs[1].elements()
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let upstream = gradient.upstream_first()?;
        let (x, w) = (gradient.input(0), gradient.input(1));
        let types = [gradient.shape(0), gradient.shape(1)].map(|shape| TensorType::f32(&shape));
        let shape = self.checked(&types);
        // The window whose convolution of the result gives exactly the extents of `x`.
        let window = shape.window;
        let exact = window.output(shape.image, shape.kernel).is_ok_and(|places| places == shape.places);
        if !exact && (gradient.needs(0) || gradient.needs(1)) {
            return Err(gradient.refuse("its output extents leave a whole stride beyond the window"));
        }
        if gradient.needs(1) {
            let op = Conv2dWeightGradient { window, groups: self.groups, kernel: shape.kernel, x_zero: 0 };
            let dw = gradient.apply(op, &[upstream, x])?;
            gradient.add(1, dw)?;
        }
        if gradient.needs(0) {
            let dx = gradient.apply(Conv2d::new(window).grouped(self.groups), &[upstream, w])?;
            gradient.add(0, dx)?;
        }
        if gradient.inputs() == 3 && gradient.needs(2) {
            let bias = gradient.apply(bias_sum(), &[upstream])?;
            gradient.add(2, bias)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::of(self.checked(inputs).macs(), inputs, outputs)
    }
}
