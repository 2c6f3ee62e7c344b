//! Quantization after training: graphs in floats into graphs of quantized operators.
//!
//! [`quantize`] freezes parameters, folds batch norm and fuses activations; runs the network on samples to see in what range every value lies; and puts a
//! quantized operator in the place of every convolution, dense layer, sum, pooling and concatenation whose weights are constant. Weights are symmetric with a scale
//! for every output channel, activations asymmetric with one. What moves elements only works on bytes as it does on floats; everything else stays in
//! floats between a dequantization and a quantization, and [`Quantized::in_floats`] names it.

mod convert;
mod observe;
mod pairs;
mod pools;

use ounce_graph::{Graph, GraphError, OpError, Tensor, passes};
use ounce_kernels::ThreadPool;

use crate::ConvSite;

pub use observe::Observer;

/// How a graph is quantized.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Options {
    /// How ranges of activations are chosen.
    pub observer: Observer,
    /// How sums become bytes.
    pub arithmetic: Arithmetic,
    /// Inputs and outputs are bytes, too, as on small devices; else floats.
    pub bytes_outside: bool,
    /// Let convolutions save which results were clamped, which gradients need.
    pub save_masks: bool,
}

impl Default for Options {
    /// Ranges of least error, factors as floats, floats outside, for inference.
    fn default() -> Self {
        Self {
            observer: Observer::LeastSquares,
            arithmetic: Arithmetic::Float,
            bytes_outside: false,
            save_masks: false,
        }
    }
}

/// How a sum of products becomes a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arithmetic {
    /// Multiplied with a float, rounded to nearest.
    Float,
    /// Multiplied with an integer and shifted, as TensorFlow Lite does.
    Fixed,
}

/// Scale and zero point of bytes: `real = scale (byte - zero)`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quantization {
    /// Above 0.
    pub scale: f32,
    /// In -128..=127.
    pub zero: i32,
}

impl Quantization {
    /// The quantization whose bytes reach from `low` to `high`, 0 included and exact.
    pub fn of_range(low: f32, high: f32) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = (f64::from(high) - f64::from(low)) / 255.0;
        if scale < f64::from(f32::MIN_POSITIVE) {
            return Self { scale: 1.0, zero: 0 };
        }
        let zero = (-128.0 - f64::from(low) / scale).round_ties_even().clamp(-128.0, 127.0);
        Self { scale: scale as f32, zero: zero as i32 }
    }

    /// The same as convolutions have it.
    fn of_site(self) -> ounce_formats::mcunet::Quantization {
        ounce_formats::mcunet::Quantization { scale: self.scale.into(), zero: self.zero as i8 }
    }

    /// The byte nearest to a number.
    pub fn byte(self, x: f32) -> i8 {
        ((x / self.scale).round_ties_even() + self.zero as f32) as i8
    }
}

/// What came of a graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Quantized {
    /// The quantized network, with the inputs and outputs of the given one by name.
    pub graph: Graph,
    /// Quantization of inputs that are bytes.
    pub inputs: Vec<(String, Quantization)>,
    /// Quantization of outputs that are bytes.
    pub outputs: Vec<(String, Quantization)>,
    /// How many nodes compute with bytes.
    pub in_bytes: usize,
    /// Nodes that compute in floats: name and operator.
    pub in_floats: Vec<(String, &'static str)>,
    /// The convolutions and dense layers, in the order of the graph.
    pub convs: Vec<ConvSite>,
}

/// Why a graph could not be quantized.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum QuantizeError {
    /// No samples.
    #[error(
        "no samples are given, which tell the ranges of values: give some that are like what the network will see"
    )]
    NoSamples,
    /// A value that is not finite for some sample.
    #[error("value {0:?} is not a finite number for some sample: check the network in floats first")]
    NotFinite(String),
    /// A graph that updates its parameters.
    #[error("the graph updates parameters: quantize the network before gradients and updates are added")]
    Updates,
    /// A sample that does not fit, or a graph that does not.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A scale that no operator takes.
    #[error(transparent)]
    Op(#[from] OpError),
}

/// Quantizes a graph. A sample is the graph's inputs by name; the network runs on the threads of the pool. All values of one sample are held at once.
///
/// # Errors
/// If there are no samples, one does not fit or gives values that are not finite.
pub fn quantize(
    graph: &Graph,
    samples: &[Vec<(&str, &Tensor)>],
    options: &Options,
    pool: &mut ThreadPool,
) -> Result<Quantized, QuantizeError> {
    if samples.is_empty() {
        return Err(QuantizeError::NoSamples);
    }
    if !graph.updates().is_empty() {
        return Err(QuantizeError::Updates);
    }
    let mut graph = graph.clone();
    graph.freeze_all();
    let graph = prepared(&graph)?;
    let ranges = observe::ranges(&graph, samples, options.observer, pool)?;
    let of_range = |range: Option<(f32, f32)>| range.map(|(low, high)| Quantization::of_range(low, high));
    let quantizations: Vec<Option<Quantization>> = ranges.into_iter().map(of_range).collect();
    convert::Converter::new(&graph, &quantizations, options)?.run()
}

/// Puts quantized operators in the place of operators in floats between a dequantization and a quantization, as other quantizers write them into ONNX
/// models. Where a value is quantized, that is its quantization; [`Options::observer`] is of no effect. Operators whose inputs or results are not quantized
/// stay in floats.
///
/// # Errors
/// If the graph updates parameters.
pub fn fuse(graph: &Graph, options: &Options) -> Result<Quantized, QuantizeError> {
    if !graph.updates().is_empty() {
        return Err(QuantizeError::Updates);
    }
    let mut graph = graph.clone();
    graph.freeze_all();
    let graph = prepared(&graph)?;
    let (graph, quantizations) = pairs::without(&graph)?;
    convert::Converter::new(&graph, &quantizations, options)?.run()
}

/// Without what is not needed, constants computed, batch norm and activations in convolutions.
fn prepared(graph: &Graph) -> Result<Graph, QuantizeError> {
    let graph = passes::dead_code(graph)?;
    let graph = passes::fold_batch_norm(&graph)?;
    let graph = passes::constant_fold(&graph)?;
    let graph = passes::fuse_activation(&graph)?;
    Ok(passes::dead_code(&graph)?)
}
