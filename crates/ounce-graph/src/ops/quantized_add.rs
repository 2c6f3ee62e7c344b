//! Addition of bytes.

use ounce_kernels::Team;
use ounce_kernels::ops::{Int8Add, Term, int8_add};

use super::{BinaryKind, Op};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_inputs, expect_shape};
use crate::types::{DType, TensorType};

/// `y = clamp(round(((a - a_zero) a_scale + (b - b_zero) b_scale) / y_scale) + y_zero)` of two inputs in i8 of equal shape, in floats, ties to even.
///
/// The gradient passes where a sum was clamped too, as in MCUNetV3.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct QuantizedAdd {
    /// Scales of the inputs.
    pub scales: [f32; 2],
    /// Zero points of the inputs.
    pub zeros: [i32; 2],
    /// Scale of the result.
    pub y_scale: f32,
    /// Zero point of the result.
    pub y_zero: i32,
}

impl QuantizedAdd {
    /// The sum of two bytes.
    #[inline(always)]
    pub fn sum(&self, a: i8, b: i8) -> i8 {
        let a = (i32::from(a) - self.zeros[0]) as f32 * self.scales[0];
        let b = (i32::from(b) - self.zeros[1]) as f32 * self.scales[1];
        // The cast saturates.
        (((a + b) / self.y_scale).round_ties_even() + self.y_zero as f32) as i8
    }
}

impl Operator for QuantizedAdd {
    fn name(&self) -> &'static str {
        "quantized_add"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 2)?;
        expect_dtype(inputs, 0, DType::I8)?;
        expect_dtype(inputs, 1, DType::I8)?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        let scales = [self.scales[0], self.scales[1], self.y_scale];
        if !scales.iter().all(|scale| *scale > 0.0 && scale.is_finite()) {
            return Err(OpError::attribute("scales", "must be positive and finite"));
        }
        let zeros = [self.zeros[0], self.zeros[1], self.y_zero];
        if !zeros.iter().all(|zero| (-128..=127).contains(zero)) {
            return Err(OpError::attribute("zeros", "zero points must be in -128..=127"));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let y = io.take_i8(0);
        let overwritten = io.overwritten();
        let read = |i: usize| if overwritten == Some(i) { None } else { Some(io.i8(i)) };
        match (read(0), read(1)) {
            (Some(a), Some(b)) => {
                y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = self.sum(*a, *b));
            }
            (None, Some(b)) => y.iter_mut().zip(b).for_each(|(y, b)| *y = self.sum(*y, *b)),
            (Some(a), None) => y.iter_mut().zip(a).for_each(|(y, a)| *y = self.sum(*a, *y)),
            (None, None) => {}
        }
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let y = io.take_i8(0);
        let overwritten = io.overwritten();
        let terms =
            [0, 1].map(|i| if overwritten == Some(i) { Term::Overwritten } else { Term::Of(io.i8(i)) });
        let add = Int8Add {
            scales: self.scales,
            zeros: self.zeros.map(|zero| zero as f32),
            y_scale: self.y_scale,
            y_zero: self.y_zero as f32,
        };
        int8_add(team, add, terms, y);
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        for i in 0..2 {
            if gradient.needs(i) {
                let factor = gradient.graph().scalar(self.scales[i] / self.y_scale);
                let dx = gradient.binary(BinaryKind::Mul, g, factor)?;
                gradient.add(i, dx)?;
            }
        }
        Ok(())
    }

    fn channels_last(&self, _inputs: &[TensorType]) -> Option<Op> {
        Some((*self).into())
    }

    fn overwrites(&self, inputs: &[TensorType]) -> Vec<usize> {
        (0..inputs.len()).collect()
    }
}
