//! Updates of quantized parameters in place, with quantization-aware scaling.

use super::SelectChannels;
use crate::error::OpError;
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_dtypes, expect_inputs, expect_shape};
use crate::shape::{strides, walk};
use crate::tensor::{Slice, SliceMut};
use crate::types::{DType, TensorType};

/// How the difference of integer parameter and real step becomes an integer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rounding {
    /// `w - step` towards zero, wrapping around where it does not fit: what C does for `w -= step` in TinyEngine's kernels for gradients in floats. Steps
    /// below 1 move a weight towards zero, or not at all.
    Truncate,
    /// `w` less the step rounded towards zero: TinyEngine's update of biases. Steps below 1 are lost.
    TruncateStep,
    /// To nearest, ties to even, saturating. Steps below 1/2 are lost.
    Nearest,
    /// Up or down with the probability that makes the mean right, saturating. The numbers follow from the seed, the step's number and the place of the element.
    Stochastic {
        /// Of the random numbers.
        seed: u64,
    },
    /// To nearest, saturating; what rounding took away is kept in a residual and added to the next step.
    ErrorFeedback,
}

/// `w - rate factor[c] g` for a parameter in i8 or i32 with output channels `c` along axis 0, in its own element type.
///
/// Inputs: `w`; the gradient `g` in f32, of the shape of `w`, of a leading block of it, or of chosen channels of it, outside which `w` stays; the learning rate, a single float. Then, for
/// [`Rounding::Stochastic`], the number of the step in i32; for [`Rounding::ErrorFeedback`], the residual, an f32 of the shape of `g`. Output 0 is the new
/// parameter; with error feedback, output 1 is the new residual.
///
/// Quantization-aware scaling (Lin et al. 2022) is a matter of factors: `scale^-2` of the weight's scale for weights, `(weight scale * input scale)^-2` for biases.
#[derive(Clone, PartialEq, Debug)]
pub struct QuantizedSgd {
    /// One for all, or one for each output channel of the gradient.
    pub factor: Vec<f32>,
    /// How integers are made.
    pub rounding: Rounding,
    /// Which channels of `w` the gradient is of; `None` for `w` itself or a leading block of it.
    pub channels: Option<SelectChannels>,
}

/// A number in 0..1 that follows from the three (SplitMix64's finaliser).
fn uniform(seed: u64, step: i32, index: usize) -> f32 {
    let mut z = seed
        .wrapping_add((step as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add((index as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ z >> 31) >> 40) as f32 / (1u64 << 24) as f32
}

/// To nearest, ties to even: adding and taking away 1.5 * 2^52 does that below 2^51.
fn round(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    if x.abs() < 2_251_799_813_685_248.0 { (x + ROUND) - ROUND } else { x }
}

/// Integers that are parameters.
trait Stored: Copy {
    fn get(self) -> i32;
    fn wrapped(x: f32) -> Self;
    fn saturated(x: f64) -> Self;
}

impl Stored for i8 {
    fn get(self) -> i32 {
        self.into()
    }
    fn wrapped(x: f32) -> Self {
        x as i32 as i8
    }
    fn saturated(x: f64) -> Self {
        x as i8
    }
}

impl Stored for i32 {
    fn get(self) -> i32 {
        self
    }
    fn wrapped(x: f32) -> Self {
        x as i32
    }
    fn saturated(x: f64) -> Self {
        x as i32
    }
}

/// The new value of element `index` of the gradient's block, and what rounding took away.
#[inline(always)]
fn stepped<T: Stored>(rounding: Rounding, w: T, step: f32, number: i32, index: usize) -> (T, f32) {
    let exact = f64::from(w.get()) - f64::from(step);
    let rounded = round(exact);
    let new = match rounding {
        Rounding::Truncate => T::wrapped(w.get() as f32 - step),
        Rounding::TruncateStep => T::saturated(f64::from(w.get()) - f64::from(step.trunc())),
        Rounding::Nearest | Rounding::ErrorFeedback => T::saturated(rounded),
        Rounding::Stochastic { seed } => {
            let floor = rounded - f64::from(u8::from(rounded > exact));
            let up = exact - floor > f64::from(uniform(seed, number, index));
            T::saturated(floor + f64::from(u8::from(up)))
        }
    };
    (new, (rounded - exact) as f32)
}

/// What is the same for elements of a gradient that lie side by side.
struct Run {
    factor: f32,
    rate: f32,
    number: i32,
    /// The number of the first element.
    first: usize,
}

impl Run {
    #[inline(always)]
    fn update<T: Stored>(&self, rounding: Rounding, w: &mut [T], g: &[f32], residual: Option<&mut [f32]>) {
        let pairs = w.iter_mut().zip(g).enumerate();
        match residual {
            Some(residual) => pairs.zip(residual).for_each(|((i, (w, g)), residual)| {
                let step = g * self.factor * self.rate + *residual;
                (*w, *residual) = stepped(rounding, *w, step, self.number, self.first + i);
            }),
            None => pairs.for_each(|(i, (w, g))| {
                *w = stepped(rounding, *w, g * self.factor * self.rate, self.number, self.first + i).0;
            }),
        }
    }
}

impl QuantizedSgd {
    fn update<T: Stored>(&self, io: &Io<'_, '_>, w: &mut [T], mut residual: Option<&mut [f32]>) {
        let (g, rate, shape) = (io.f32(1), io.f32(2)[0], io.shape(1));
        if g.is_empty() {
            return;
        }
        let number = if let Rounding::Stochastic { .. } = self.rounding { io.i32(3)[0] } else { 0 };
        // What lies side by side in the parameter too: an axis, and those after it where the block has all of them.
        let own = io.shape(0);
        let whole = (1..shape.len()).rev().take_while(|axis| shape[*axis] == own[*axis]).count();
        let chosen = self.channels.as_ref();
        let outer = (shape.len() - whole).saturating_sub(1).max(chosen.map_or(1, |chosen| chosen.axis + 1));
        let len: usize = shape[outer..].iter().product();
        let channel = g.len() / shape[0];
        let strides = strides(own);
        walk(&shape[..outer], [&strides[..outer]], |i, [at]| {
            let first = i * len;
            // Where a chosen channel lies, from where a leading one would.
            let apart = chosen.map_or(0, |SelectChannels { axis, channels }| {
                let nth = i / shape[axis + 1..outer].iter().product::<usize>() % channels.len();
                (channels[nth] - nth) * strides[*axis]
            });
            let at = at + apart;
            let factor = self.factor[if self.factor.len() == 1 { 0 } else { first / channel }];
            let run = Run { factor, rate, number, first };
            let (w, g) = (&mut w[at..at + len], &g[first..first + len]);
            let residual = residual.as_deref_mut().map(|residual| &mut residual[first..first + len]);
            // One loop for every way of rounding.
            match self.rounding {
                Rounding::Truncate => run.update(Rounding::Truncate, w, g, residual),
                Rounding::TruncateStep => run.update(Rounding::TruncateStep, w, g, residual),
                Rounding::Nearest => run.update(Rounding::Nearest, w, g, residual),
                Rounding::Stochastic { seed } => run.update(Rounding::Stochastic { seed }, w, g, residual),
                Rounding::ErrorFeedback => run.update(Rounding::ErrorFeedback, w, g, residual),
            }
        });
    }
}

impl Operator for QuantizedSgd {
    fn name(&self) -> &'static str {
        "quantized_sgd"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        let further = matches!(self.rounding, Rounding::Stochastic { .. } | Rounding::ErrorFeedback);
        expect_inputs(inputs, 3 + usize::from(further))?;
        expect_dtypes(inputs, 0, &[DType::I8, DType::I32])?;
        expect_dtype(inputs, 1, DType::F32)?;
        expect_dtype(inputs, 2, DType::F32)?;
        expect_shape(inputs, 2, &[])?;
        let (w, g) = (&inputs[0].shape, &inputs[1].shape);
        if let Some(channels) = &self.channels {
            expect_shape(inputs, 1, &channels.selected(w)?)?;
        } else if w.is_empty() || w.len() != g.len() || w.iter().zip(g).any(|(w, g)| g > w) {
            return Err(OpError::shape(1, format!("{w:?} or a leading block of it"), &inputs[1]));
        }
        if self.factor.len() != 1 && self.factor.len() < g[0] {
            let problem =
                format!("{} for {} output channels: give one, or one for each", self.factor.len(), g[0]);
            return Err(OpError::attribute("factor", problem));
        }
        let mut types = vec![inputs[0].clone()];
        match self.rounding {
            Rounding::Stochastic { .. } => {
                expect_dtype(inputs, 3, DType::I32)?;
                expect_shape(inputs, 3, &[])?;
            }
            Rounding::ErrorFeedback => {
                expect_dtype(inputs, 3, DType::F32)?;
                expect_shape(inputs, 3, g)?;
                types.push(inputs[3].clone());
            }
            _ => {}
        }
        Ok(types)
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let residual = (self.rounding == Rounding::ErrorFeedback).then(|| {
            let residual = io.take_f32(1);
            residual.copy_from_slice(io.f32(3));
            residual
        });
        match (io.input(0), io.take(0)) {
            (Slice::I8(old), SliceMut::I8(new)) => {
                new.copy_from_slice(old);
                self.update(io, new, residual);
            }
            (Slice::I32(old), SliceMut::I32(new)) => {
                new.copy_from_slice(old);
                self.update(io, new, residual);
            }
            (Slice::Overwritten, SliceMut::I8(new)) => self.update(io, new, residual),
            (Slice::Overwritten, SliceMut::I32(new)) => self.update(io, new, residual),
            other => panic!("integers, which the shape rule promised, are {other:?}"),
        }
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}
