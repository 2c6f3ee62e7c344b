//! The operations of a transformer and of convolutional networks, each run by all threads of a [`Team`](crate::Team).
//!
//! Activations are row-major `[n, d]` floats, n being the number of tokens. An operation panics only if the lengths it is given do
//! not fit one another, which is an error of the caller's code, never of its data.

mod attention;
mod depthwise;
mod elementwise;
mod gemm;
mod geometry;
mod gram;
mod int8;
mod kv;
mod pages;
mod phases;
mod project;
mod project_float;
mod rope;
mod rotate;

pub use attention::{Attention, Run, attention};
pub use depthwise::{
    depthwise, depthwise_fits, depthwise_transposed, depthwise_weight_gradient, inner_products,
};
pub use elementwise::{add, norm, norm_add, norm_in_place, softmax};
pub use gemm::{Gemm, PANEL, gemm};
pub use geometry::ConvGeometry;
pub use gram::{gram, gram_strided, mirror, quadratic_forms};
pub use int8::{
    Int8Add, Int8ChannelsLast, Int8Conv, Int8FixedAdd, Int8Output, Scale, Term, int8_add, int8_clamp,
    int8_conv, int8_conv_scratch, int8_fixed_add, int8_quantize, int8_widen,
};
pub use kv::{KvLayer, KvType, OutOfMemory};
pub(crate) use phases::Phases;
pub use project::{Input, MAX_OUTPUTS, Output, project, project_gated};
pub use rope::{RopeStyle, rope};
pub use rotate::{BlockError, Rotation, rotate};

/// A normalisation of the rows of a matrix.
#[derive(Clone, Copy, Debug)]
pub enum Norm<'a> {
    /// `x / sqrt(mean(x^2) + eps) * weight` (Zhang and Sennrich 2019).
    Rms {
        /// `[d]`
        weight: &'a [f32],
        /// Added to the mean square.
        eps: f32,
    },
    /// `(x - mean) / sqrt(var + eps) * weight + bias` (Ba et al. 2016).
    Layer {
        /// `[d]`
        weight: &'a [f32],
        /// `[d]`
        bias: Option<&'a [f32]>,
        /// Added to the variance.
        eps: f32,
    },
}

/// An activation function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Activation {
    /// `x sigmoid(x)`, also called swish.
    Silu,
    /// GELU by its tanh approximation, PyTorch's `gelu(approximate="tanh")`.
    GeluTanh,
    /// GELU by the error function, PyTorch's default.
    Gelu,
    /// `max(x, 0)`.
    Relu,
}
