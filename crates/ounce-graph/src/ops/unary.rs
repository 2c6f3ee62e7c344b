//! Functions of one number, applied to every element.

use ounce_kernels::Team;

use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host;
use crate::io::Io;
use crate::operator::{Operator, expect_floats, expect_shape};
use crate::types::TensorType;

/// Which function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnaryKind {
    /// `-x`
    Neg,
    /// `|x|`
    Abs,
    /// `e^x`
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// `1 / sqrt(x)`
    Rsqrt,
    /// `1 / x`
    Reciprocal,
    /// `x x`
    Square,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// The error function.
    Erf,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// `x Phi(x)` with the error function, PyTorch's default.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// `x sigmoid(x)`, also called swish.
    Silu,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `x hardsigmoid(x)`
    HardSwish,
    /// `log(1 + e^x)`
    Softplus,
}

use UnaryKind as K;

/// A function of one number, applied to every element of an input in f32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unary {
    /// Which function.
    pub kind: UnaryKind,
}

/// `sqrt(2 / pi)`
const GELU_SCALE: f32 = 0.797_884_6;
/// The cubic coefficient of GELU's approximation.
const GELU_CUBIC: f32 = 0.044_715;

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

impl UnaryKind {
    /// The function's name.
    pub fn name(self) -> &'static str {
        match self {
            K::Neg => "neg",
            K::Abs => "abs",
            K::Exp => "exp",
            K::Log => "log",
            K::Sqrt => "sqrt",
            K::Rsqrt => "rsqrt",
            K::Reciprocal => "reciprocal",
            K::Square => "square",
            K::Sin => "sin",
            K::Cos => "cos",
            K::Erf => "erf",
            K::Sigmoid => "sigmoid",
            K::Tanh => "tanh",
            K::Gelu => "gelu",
            K::GeluTanh => "gelu_tanh",
            K::Silu => "silu",
            K::HardSigmoid => "hard_sigmoid",
            K::HardSwish => "hard_swish",
            K::Softplus => "softplus",
        }
    }

    /// The function's value.
    #[inline(always)]
    pub fn value(self, x: f32) -> f32 {
        match self {
            K::Neg => -x,
            K::Abs => x.abs(),
            K::Exp => x.exp(),
            K::Log => x.ln(),
            K::Sqrt => x.sqrt(),
            K::Rsqrt => 1.0 / x.sqrt(),
            K::Reciprocal => 1.0 / x,
            K::Square => x * x,
            K::Sin => x.sin(),
            K::Cos => x.cos(),
            K::Erf => libm::erff(x),
            K::Sigmoid => sigmoid(x),
            K::Tanh => x.tanh(),
            K::Gelu => 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)),
            K::GeluTanh => 0.5 * x * (1.0 + (GELU_SCALE * (x + GELU_CUBIC * x * x * x)).tanh()),
            K::Silu => x * sigmoid(x),
            K::HardSigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
            K::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            K::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        }
    }

    /// Whether the derivative is computed from the result rather than the argument.
    pub fn derives_from_result(self) -> bool {
        matches!(self, K::Exp | K::Sqrt | K::Rsqrt | K::Reciprocal | K::Sigmoid | K::Tanh)
    }

    /// The derivative at the argument `v`, or at the result `v` where [`UnaryKind::derives_from_result`].
    #[inline(always)]
    pub fn derivative(self, v: f32) -> f32 {
        let inside = |low: f32, high: f32| if v > low && v < high { 1.0 } else { 0.0 };
        match self {
            K::Neg => -1.0,
            K::Abs => {
                if v == 0.0 {
                    0.0
                } else {
                    v.signum()
                }
            }
            K::Exp => v,
            K::Log => 1.0 / v,
            K::Sqrt => 0.5 / v,
            K::Rsqrt => -0.5 * v * v * v,
            K::Reciprocal => -v * v,
            K::Square => 2.0 * v,
            K::Sin => v.cos(),
            K::Cos => -v.sin(),
            K::Erf => std::f32::consts::FRAC_2_SQRT_PI * (-v * v).exp(),
            K::Sigmoid => v * (1.0 - v),
            K::Tanh => 1.0 - v * v,
            K::Gelu => {
                let cdf = 0.5 * (1.0 + libm::erff(v * std::f32::consts::FRAC_1_SQRT_2));
                let pdf = 0.5 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
                cdf + v * pdf * (-0.5 * v * v).exp()
            }
            K::GeluTanh => {
                let t = (GELU_SCALE * (v + GELU_CUBIC * v * v * v)).tanh();
                let inner = GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * v * v);
                0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * inner
            }
            K::Silu => {
                let s = sigmoid(v);
                s * (1.0 + v * (1.0 - s))
            }
            K::HardSigmoid => inside(-3.0, 3.0) / 6.0,
            K::HardSwish => {
                if v >= 3.0 {
                    1.0
                } else {
                    inside(-3.0, 3.0) * (2.0 * v + 3.0) / 6.0
                }
            }
            K::Softplus => sigmoid(v),
        }
    }
}

impl Operator for Unary {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 1)?;
        Ok(inputs.to_vec())
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let y = io.take_f32(0);
        if let Some(x) = io.f32_unless_overwritten(0) {
            y.copy_from_slice(x);
        }
        y.iter_mut().for_each(|y| *y = self.kind.value(*y));
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        map_input(team, io, |x| self.kind.value(x));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let upstream = gradient.upstream_first()?;
        let at = if self.kind.derives_from_result() { gradient.output(0) } else { gradient.input(0) };
        let dx = gradient.apply(UnaryGradient { kind: self.kind }, &[upstream, at])?;
        gradient.add(0, dx)
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}

/// `g f'(v)`. Inputs: `g`, and the argument or the result of the function, as [`UnaryKind::derives_from_result`] says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnaryGradient {
    /// Which function.
    pub kind: UnaryKind,
}

impl Operator for UnaryGradient {
    fn name(&self) -> &'static str {
        "unary_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 2)?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        zip_inputs(io, |g, v| g * self.kind.derivative(v));
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        match self.kind {
            K::Neg => zip_inputs_parallel(team, io, |g, v| g * K::Neg.derivative(v)),
            K::Square => zip_inputs_parallel(team, io, |g, v| g * K::Square.derivative(v)),
            kind => zip_inputs_parallel(team, io, |g, v| g * kind.derivative(v)),
        }
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0, 1]
    }
}

/// `output 0 = f(input 0)`, element by element, in place or not.
pub(crate) fn map_input(team: &mut Team<'_>, io: &mut Io<'_, '_>, f: impl Fn(f32) -> f32 + Sync) {
    let y = io.take_f32(0);
    match io.f32_unless_overwritten(0) {
        None => host::map(team, y, f),
        Some(x) => host::pieces(team, y, |first, y| {
            y.iter_mut().zip(&x[first..]).for_each(|(y, x)| *y = f(*x));
        }),
    }
}

/// `output 0 = f(input 0, input 1)` for inputs of equal shape, either of which may be overwritten.
pub(crate) fn zip_inputs(io: &mut Io<'_, '_>, f: impl Fn(f32, f32) -> f32) {
    let y = io.take_f32(0);
    zip_piece(y, 0, io.f32_unless_overwritten(0), io.f32_unless_overwritten(1), f);
}

/// As [`zip_inputs`], on all threads.
pub(crate) fn zip_inputs_parallel(
    team: &mut Team<'_>,
    io: &mut Io<'_, '_>,
    f: impl Fn(f32, f32) -> f32 + Sync,
) {
    let y = io.take_f32(0);
    let (a, b) = (io.f32_unless_overwritten(0), io.f32_unless_overwritten(1));
    host::pieces(team, y, |first, y| zip_piece(y, first, a, b, &f));
}

fn zip_piece(y: &mut [f32], first: usize, a: Option<&[f32]>, b: Option<&[f32]>, f: impl Fn(f32, f32) -> f32) {
    match (a.map(|a| &a[first..]), b.map(|b| &b[first..])) {
        (Some(a), Some(b)) => {
            y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = f(*a, *b));
        }
        (None, Some(b)) => y.iter_mut().zip(b).for_each(|(y, b)| *y = f(*y, *b)),
        (Some(a), None) => y.iter_mut().zip(a).for_each(|(y, a)| *y = f(*a, *y)),
        (None, None) => y.iter_mut().for_each(|y| *y = f(*y, *y)),
    }
}
