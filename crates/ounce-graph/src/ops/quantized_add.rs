//! Addition of bytes.

use ounce_kernels::Team;
use ounce_kernels::ops::{Int8Add, Term, int8_add};

use super::{ApplyMask, BinaryKind, Op};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_inputs, expect_shape};
use crate::tensor::set_bits;
use crate::types::{DType, TensorType};

/// `y = clamp(round(((a - a_zero) a_scale + (b - b_zero) b_scale) / y_scale) + y_zero)` of two inputs in i8 of equal shape, in floats, ties to even.
///
/// Output 0 is `y`; with `save_mask`, output 1 has a bit for each element that was not clamped, and the gradient passes there alone: so it must be where the clamp is an activation. Without
/// it the gradient passes everywhere, as in MCUNetV3.
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
    /// Save which results were not clamped.
    pub save_mask: bool,
}

impl QuantizedAdd {
    /// The sum of two bytes, not clamped.
    #[inline(always)]
    fn rounded(&self, a: i8, b: i8) -> f32 {
        let a = (i32::from(a) - self.zeros[0]) as f32 * self.scales[0];
        let b = (i32::from(b) - self.zeros[1]) as f32 * self.scales[1];
        ((a + b) / self.y_scale).round_ties_even() + self.y_zero as f32
    }

    /// The sum of two bytes.
    #[inline(always)]
    pub fn sum(&self, a: i8, b: i8) -> i8 {
        // The cast saturates.
        self.rounded(a, b) as i8
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
        let mut types = vec![inputs[0].clone()];
        if self.save_mask {
            types.push(TensorType::new(DType::Bits, &inputs[0].shape));
        }
        Ok(types)
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let y = io.take_i8(0);
        let overwritten = io.overwritten();
        if self.save_mask {
            let mask = io.take_bits(1);
            let byte =
                |y: &[i8], i: usize, at: usize| if overwritten == Some(i) { y[at] } else { io.i8(i)[at] };
            set_bits(mask, y.len(), |at| {
                let sum = self.rounded(byte(y, 0, at), byte(y, 1, at));
                (-128.0..=127.0).contains(&sum)
            });
        }
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
        if self.save_mask {
            return self.reference(io);
        }
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
        let mut g = gradient.upstream_first()?;
        if self.save_mask {
            let mask = gradient.output(1);
            g = gradient.apply(ApplyMask, &[g, mask])?;
        }
        for i in 0..2 {
            if gradient.needs(i) {
                let factor = gradient.graph().scalar(self.scales[i] / self.y_scale);
                let dx = gradient.binary(BinaryKind::Mul, g, factor)?;
                gradient.add(i, dx)?;
            }
        }
        Ok(())
    }

    fn without_unused(&self, used: &[bool]) -> Option<Op> {
        (used == [true, false]).then(|| Self { save_mask: false, ..*self }.into())
    }

    fn channels_last(&self, _inputs: &[TensorType]) -> Option<Op> {
        (!self.save_mask).then(|| (*self).into())
    }

    fn overwrites(&self, inputs: &[TensorType]) -> Vec<usize> {
        (0..inputs.len()).collect()
    }
}
