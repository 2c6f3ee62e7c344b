//! Between element types: cast, quantize, dequantize.

use ounce_kernels::Team;
use ounce_kernels::ops::int8_quantize;

use super::{BinaryKind, Reshape};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_dtypes, expect_inputs};
use crate::shape::around;
use crate::tensor::{Slice, SliceMut, Tensor};
use crate::types::{DType, TensorType};

/// Converts numbers. To integers towards zero and saturating, as Rust's `as`. The gradient passes unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cast {
    /// The new element type: f32, i8 or i32.
    pub to: DType,
}

impl Operator for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtypes(inputs, 0, &[DType::F32, DType::I8, DType::I32])?;
        if self.to == DType::Bits {
            return Err(OpError::attribute("to", "f32, i8 or i32"));
        }
        Ok(vec![TensorType::new(self.to, &inputs[0].shape)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        macro_rules! convert {
            ($($from:ident, $to:ident, $ty:ty;)*) => {
                match (io.input(0), io.take(0)) {
                    $((Slice::$from(from), SliceMut::$to(to)) => {
                        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as $ty);
                    })*
                    other => panic!("numbers, which the shape rule promised, are {other:?}"),
                }
            };
        }
        convert! {
            F32, F32, f32; F32, I8, i8; F32, I32, i32;
            I8, F32, f32; I8, I8, i8; I8, I32, i32;
            I32, F32, f32; I32, I8, i8; I32, I32, i32;
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        gradient.add(0, g)
    }
}

/// Scales and zero point of quantized numbers: `real = (quantized - zero_point) * scale`.
#[derive(Clone, PartialEq, Debug)]
pub struct Scaling {
    /// One for all, or one for each index of `axis`.
    pub scale: Vec<f32>,
    /// The axis along which scales differ; of no effect with one scale.
    pub axis: usize,
    /// The number that stands for 0.
    pub zero_point: i32,
}

impl Scaling {
    /// One scale for all elements.
    pub fn per_tensor(scale: f32, zero_point: i32) -> Self {
        Self { scale: vec![scale], axis: 0, zero_point }
    }

    fn check(&self, shape: &[usize]) -> Result<(), OpError> {
        let count = self.scale.len();
        if count != 1 && shape.get(self.axis) != Some(&count) {
            let problem =
                format!("{count} scales for axis {} of {shape:?}: give one, or one for each", self.axis);
            return Err(OpError::attribute("scale", problem));
        }
        if self.scale.iter().all(|scale| *scale > 0.0 && scale.is_finite()) {
            return Ok(());
        }
        Err(OpError::attribute("scale", "must be positive and finite"))
    }

    /// Calls `visit(index, scale)` for every element.
    fn for_each(&self, shape: &[usize], mut visit: impl FnMut(usize, f32)) {
        let [outer, axis, inner] =
            if self.scale.len() == 1 { [1, 1, shape.iter().product()] } else { around(shape, self.axis) };
        for i in 0..outer * axis {
            let scale = self.scale[i % axis];
            (i * inner..(i + 1) * inner).for_each(|at| visit(at, scale));
        }
    }

    /// Multiplies a gradient with the scales, or divides by them.
    fn scale_gradient(&self, gradient: &mut Gradient<'_>, kind: BinaryKind) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let mut shape = vec![1; gradient.shape(0).len()];
        if self.scale.len() > 1 {
            shape[self.axis] = self.scale.len();
        }
        let scale = Tensor::f32(&[self.scale.len()], self.scale.clone())?;
        let scale = gradient.graph().constant(scale);
        let scale = gradient.apply(Reshape { shape }, &[scale])?;
        let dx = gradient.binary(kind, g, scale)?;
        gradient.add(0, dx)
    }
}

/// `clamp(round(x / scale) + zero_point)` to i8 in -128..=127, ties to even; or to i32 for a bias.
#[derive(Clone, PartialEq, Debug)]
pub struct Quantize {
    /// Scales and zero point.
    pub scaling: Scaling,
    /// i8 or i32.
    pub to: DType,
}

impl Operator for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtype(inputs, 0, DType::F32)?;
        self.scaling.check(&inputs[0].shape)?;
        if !matches!(self.to, DType::I8 | DType::I32) {
            return Err(OpError::attribute("to", "i8 or i32"));
        }
        Ok(vec![TensorType::new(self.to, &inputs[0].shape)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let x = io.f32(0);
        let zero = self.scaling.zero_point as f32;
        let shape = io.shape(0);
        let quantized = |at: usize, scale: f32| (x[at] / scale).round_ties_even() + zero;
        match io.take(0) {
            SliceMut::I8(y) => self.scaling.for_each(shape, |at, scale| y[at] = quantized(at, scale) as i8),
            SliceMut::I32(y) => self.scaling.for_each(shape, |at, scale| y[at] = quantized(at, scale) as i32),
            other => panic!("integers, which the shape rule promised, are {other:?}"),
        }
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let ([scale], DType::I8) = (&self.scaling.scale[..], self.to) else { return self.reference(io) };
        int8_quantize(team, io.f32(0), *scale, self.scaling.zero_point, io.take_i8(0));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        self.scaling.scale_gradient(gradient, BinaryKind::Div)
    }
}

/// `(x - zero_point) * scale` of i8 or i32.
#[derive(Clone, PartialEq, Debug)]
pub struct Dequantize {
    /// Scales and zero point.
    pub scaling: Scaling,
}

impl Operator for Dequantize {
    fn name(&self) -> &'static str {
        "dequantize"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtypes(inputs, 0, &[DType::I8, DType::I32])?;
        self.scaling.check(&inputs[0].shape)?;
        Ok(vec![TensorType::f32(&inputs[0].shape)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let y = io.take_f32(0);
        let (shape, zero) = (io.shape(0), i64::from(self.scaling.zero_point));
        match io.input(0) {
            Slice::I8(x) => {
                self.scaling.for_each(shape, |at, s| y[at] = (i64::from(x[at]) - zero) as f32 * s)
            }
            Slice::I32(x) => {
                self.scaling.for_each(shape, |at, s| y[at] = (i64::from(x[at]) - zero) as f32 * s)
            }
            other => panic!("integers, which the shape rule promised, are {other:?}"),
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        self.scaling.scale_gradient(gradient, BinaryKind::Mul)
    }
}
