//! All operators. A new one is a file here and its types in the list below.

mod binary;
mod channels_last;
mod clip;
mod conv2d;
mod conv2d_weight_gradient;
mod conv_transpose2d;
mod convert;
mod gather;
mod layout;
mod mask;
mod matmul;
mod normalize;
mod pieces;
mod pool;
mod quantized_add;
mod quantized_conv2d;
mod quantized_dense;
mod quantized_pool;
mod quantized_sgd;
mod reduce;
mod requantize;
mod resize;
mod select_channels;
mod sgd;
mod softmax;
mod unary;
mod window;

use std::ops::Deref;

pub use binary::{Binary, BinaryKind};
pub use channels_last::ChannelsLastConv2d;
pub use clip::{Clip, ClipGradient};
pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::{Conv2d, ConvShape};
pub use conv2d_weight_gradient::Conv2dWeightGradient;
pub use convert::{Cast, Dequantize, Quantize, Scaling};
pub use gather::{Gather, ScatterAdd};
pub use layout::{Expand, Reshape, Transpose};
pub use mask::ApplyMask;
pub use matmul::MatMul;
pub use normalize::{BatchNorm, Normalize, NormalizeGradient};
pub use pieces::{Concat, Crop, Pad};
pub use pool::{Pool2d, Pool2dGradient, PoolKind};
pub use quantized_add::QuantizedAdd;
pub use quantized_conv2d::QuantizedConv2d;
pub use quantized_dense::QuantizedDense;
pub use quantized_pool::{ChannelsLastMean, MeanRounding, QuantizedGlobalAvgPool, QuantizedPool2d};
pub use quantized_sgd::{QuantizedSgd, Rounding};
pub use reduce::{Reduce, ReduceKind, ReduceMaxGradient};
pub use requantize::{FixedScale, Requantize};
pub use resize::{Coordinates, Resize, ResizeGradient, ResizeMode};
pub use select_channels::SelectChannels;
pub use sgd::{Adam, Momentum, MovingAverage, Sgd};
pub use softmax::{CrossEntropy, CrossEntropyGradient, Softmax, SoftmaxGradient};
pub use unary::{Unary, UnaryGradient, UnaryKind};
pub use window::Window;

use crate::operator::{Custom, Operator};

/// Makes an enum of operators, which dereferences to what they have in common.
macro_rules! operators {
    ($($name:ident),* $(,)?) => {
        /// Any operator. What emits code or shares out work matches on it and reads the attributes.
        #[derive(Clone, PartialEq, Debug)]
        #[allow(missing_docs)]
        pub enum Op {
            $($name($name),)*
        }

        impl Deref for Op {
            type Target = dyn Operator;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Op::$name(op) => op,)*
                }
            }
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Self {
                Op::$name(op)
            }
        })*
    };
}

operators! {
    Adam, ApplyMask, BatchNorm, Binary, Cast, ChannelsLastConv2d, ChannelsLastMean, Clip, ClipGradient, Concat, Conv2d, Conv2dWeightGradient, ConvTranspose2d, Crop, CrossEntropy,
    CrossEntropyGradient, Custom, Dequantize, Expand, Gather, MatMul, Momentum, MovingAverage, Normalize, NormalizeGradient, Pad, Pool2d,
    Pool2dGradient, Quantize, QuantizedAdd, QuantizedConv2d, QuantizedDense, QuantizedGlobalAvgPool, QuantizedPool2d, QuantizedSgd, Reduce,
    ReduceMaxGradient, Reshape, Resize, ResizeGradient, ScatterAdd, SelectChannels, Sgd, Softmax, SoftmaxGradient, Transpose, Unary,
    UnaryGradient,
}
