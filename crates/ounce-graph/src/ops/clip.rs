//! Bounds on values: ReLU, ReLU6, clip.

use ounce_kernels::Team;

use super::Op;
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_floats, expect_shape};
use crate::types::TensorType;

/// `min(max(x, low), high)`. ReLU is `low = 0`, `high = inf`; ReLU6 has `high = 6`. NaN is passed on.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Clip {
    /// Lower bound, possibly minus infinity.
    pub low: f32,
    /// Upper bound, possibly infinity.
    pub high: f32,
}

impl Clip {
    /// `max(x, 0)`.
    pub const RELU: Self = Self { low: 0.0, high: f32::INFINITY };
    /// `min(max(x, 0), 6)`.
    pub const RELU6: Self = Self { low: 0.0, high: 6.0 };

    /// The clipped number.
    #[inline(always)]
    pub fn apply(&self, x: f32) -> f32 {
        // Two comparisons of which each is one instruction.
        let x = if x < self.low { self.low } else { x };
        if x > self.high { self.high } else { x }
    }

    /// The operator that gives the gradient by the input from that by the output, and the output.
    pub fn gradient_op(&self) -> Op {
        ClipGradient { low: self.low, high: self.high }.into()
    }
}

impl Operator for Clip {
    fn name(&self) -> &'static str {
        "clip"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 1)?;
        if self.low <= self.high {
            return Ok(inputs.to_vec());
        }
        Err(OpError::attribute(
            "low",
            format!("must not be above high, found {} and {}", self.low, self.high),
        ))
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let y = io.take_f32(0);
        if let Some(x) = io.f32_unless_overwritten(0) {
            y.copy_from_slice(x);
        }
        y.iter_mut().for_each(|y| *y = self.apply(*y));
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        super::unary::map_input(team, io, |x| self.apply(x));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let upstream = gradient.upstream_first()?;
        let y = gradient.output(0);
        let dx = gradient.apply(self.gradient_op(), &[upstream, y])?;
        gradient.add(0, dx)
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}

/// `g` where `low < y < high` and 0 elsewhere. Inputs: `g` and the clipped `y`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ClipGradient {
    /// Lower bound.
    pub low: f32,
    /// Upper bound.
    pub high: f32,
}

impl ClipGradient {
    /// The gradient, or 0 where the result is at a bound.
    #[inline(always)]
    fn passed(&self, g: f32, y: f32) -> f32 {
        // Without a branch, so that several elements go together.
        if (y > self.low) & (y < self.high) { g } else { 0.0 }
    }
}

impl Operator for ClipGradient {
    fn name(&self) -> &'static str {
        "clip_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 2)?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        super::unary::zip_inputs(io, |g, y| self.passed(g, y));
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        super::unary::zip_inputs_parallel(team, io, |g, y| self.passed(g, y));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let upstream = gradient.upstream_first()?;
        let y = gradient.input(1);
        if gradient.needs(0) {
            let dg = gradient.apply(*self, &[upstream, y])?;
            gradient.add(0, dg)?;
        }
        Ok(())
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0, 1]
    }
}
