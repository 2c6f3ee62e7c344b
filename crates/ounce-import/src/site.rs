//! Convolutions of a graph, with what is known of their numbers.

use ounce_formats::mcunet::Quantization;
use ounce_graph::ValueId;

/// A convolution of a graph, or a dense layer, which is one of a single place.
#[derive(Clone, PartialEq, Debug)]
pub struct ConvSite {
    /// The weight `[O, C / groups, kh, kw]` in i8.
    pub weight: ValueId,
    /// The bias `[O]` in i32.
    pub bias: ValueId,
    /// The result in i8.
    pub output: ValueId,
    /// Scale of the weights of each output channel, one for each.
    pub weight_scales: Vec<f32>,
    /// Quantization of the input.
    pub input: Quantization,
    /// Quantization of the result.
    pub quantization: Quantization,
}
