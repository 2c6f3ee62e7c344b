//! The quantized networks of MCUNetV3 as graphs.
//!
//! The arithmetic is that of the original's simulation (`quantized_ops_diff.py`): sums of 32 bits, multiplied with a float per channel and rounded to nearest,
//! ties to even; the clamp to bytes is the activation. Weights and biases are parameters, `conv{i}.weight` and `conv{i}.bias`, numbered from input to
//! output as the original's update schemes number them. [`import_device`] takes TinyEngine's training graph instead, and its kernels' arithmetic.

mod device;
mod kernels;

pub use self::device::{Published, import_device};
pub use self::kernels::DeviceAdd;
use ounce_formats::mcunet::{Conv, Network, Quantization};
use ounce_graph::ops::{QuantizedAdd, QuantizedConv2d, QuantizedGlobalAvgPool, Requantize, Window};
use ounce_graph::{DType, Graph, GraphError, Tensor, TensorType, ValueId};

use crate::ConvSite;
use crate::limits::{LimitError, Limits, Watch};

/// How a network is imported.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Images at once.
    pub batch: usize,
    /// Height and width of the image; `None` for what the network was made for.
    pub size: Option<usize>,
    /// Let convolutions save which results were clamped, which gradients need.
    pub save_masks: bool,
    /// How sums become bytes.
    pub rounding: Rounding,
    /// How large the graph may be.
    pub limits: Limits,
}

impl Default for Options {
    /// One image of the network's size, for inference, rounded to nearest.
    fn default() -> Self {
        Self {
            batch: 1,
            size: None,
            save_masks: false,
            rounding: Rounding::Nearest,
            limits: Limits::default(),
        }
    }
}

/// How a scaled sum becomes an integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// To nearest, ties to even: the original's simulation.
    Nearest,
    /// Towards zero: TinyEngine's kernels on the device.
    TowardsZero,
}

/// Why a network could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum McunetError {
    /// Shapes that do not fit, as of an image that is too small.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// More than the caller allows.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// No image size is known.
    #[error("the network does not say for what size of images it was made: give one")]
    Size,
    /// A training graph that is none of TinyEngine's, or whose parameters do not fit.
    #[error("{operator}: {problem}")]
    Device {
        /// The operator.
        operator: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What came of a network.
#[derive(Clone, PartialEq, Debug)]
pub struct Imported {
    /// The network: input `image [N, C, H, W]` in i8, outputs `features` and `logits` in i8.
    pub graph: Graph,
    /// The convolutions from input to output, without the classifier.
    pub convs: Vec<ConvSite>,
    /// The mean over all places of what the last convolution gives, `[N, C, 1, 1]` in i8.
    pub features: ValueId,
    /// The quantization of the features.
    pub quantization: Quantization,
    /// The classifier, a convolution of the features.
    pub classifier: ConvSite,
}

struct Builder<'n> {
    graph: Graph,
    watch: Watch,
    options: &'n Options,
    convs: Vec<ConvSite>,
}

/// Turns a network into a graph.
///
/// # Errors
/// If the image is too small or too large, or the network's parts do not fit.
pub fn import(network: &Network, options: &Options) -> Result<Imported, McunetError> {
    let size = options.size.or(network.first_conv.in_size).ok_or(McunetError::Size)?;
    let mut builder =
        Builder { graph: Graph::new(), watch: Watch::new(options.limits), options, convs: Vec::new() };
    let image = TensorType::new(DType::I8, &[options.batch, network.first_conv.in_channels, size, size]);
    builder.watch.value(&image)?;
    let mut x = builder.graph.input("image", image)?;
    x = builder.conv(&network.first_conv, x)?;
    let mut quantization = network.first_conv.output;
    for block in &network.blocks {
        let mut y = x;
        for conv in block.convs() {
            y = builder.conv(conv, y)?;
        }
        quantization = block.pointwise2.output;
        if let Some(residual) = block.residual {
            let (a, b) = (residual.input, quantization);
            let op = QuantizedAdd {
                scales: [a.scale as f32, b.scale as f32],
                zeros: [a.zero.into(), b.zero.into()],
                y_scale: residual.output.scale as f32,
                y_zero: residual.output.zero.into(),
                save_mask: false,
            };
            y = builder.graph.apply(op, &[x, y])?;
            quantization = residual.output;
        }
        x = y;
    }
    if let Some(conv) = &network.feature_mix {
        x = builder.conv(conv, x)?;
        quantization = conv.output;
    }
    let features = builder.graph.apply(QuantizedGlobalAvgPool, &[x])?;
    let logits = builder.conv(&network.classifier, features)?;
    builder.graph.output("features", features)?;
    builder.graph.output("logits", logits)?;
    builder.watch.graph(&builder.graph)?;
    let Some(classifier) = builder.convs.pop() else { return Err(McunetError::Size) };
    Ok(Imported { graph: builder.graph, convs: builder.convs, features, quantization, classifier })
}

impl Builder<'_> {
    fn conv(&mut self, conv: &Conv, x: ValueId) -> Result<ValueId, McunetError> {
        let at = self.convs.len();
        let kernel =
            [conv.out_channels, conv.in_channels / conv.groups.max(1), conv.kernel[0], conv.kernel[1]];
        let weight = Tensor::i8(&kernel, conv.weight.clone())?;
        let weight = self.graph.parameter(&format!("conv{at}.weight"), weight)?;
        let bias =
            Tensor::i32(&[conv.out_channels], bias_within_reach(&conv.weight, &conv.bias, conv.input.zero))?;
        let bias = self.graph.parameter(&format!("conv{at}.bias"), bias)?;
        let padding = conv.kernel.map(|side| side / 2);
        let window =
            Window { stride: [conv.stride; 2], before: padding, after: padding, ..Window::default() };
        let factors = conv.effective_scales();
        let op = QuantizedConv2d {
            window,
            groups: conv.groups,
            x_zero: conv.input.zero.into(),
            y_zero: conv.output.zero.into(),
            requantize: match self.options.rounding {
                Rounding::Nearest => Requantize::Float(factors),
                Rounding::TowardsZero => Requantize::FloatTruncated(factors),
            },
            low: i8::MIN,
            high: i8::MAX,
            save_mask: self.options.save_masks,
        };
        let output = self.graph.append(format!("conv{at}"), op.into(), &[x, weight, bias])?[0];
        self.watch.graph(&self.graph)?;
        let weight_scales = conv.weight_scales.clone();
        let (input, quantization) = (conv.input, conv.output);
        self.convs.push(ConvSite { weight, bias, output, weight_scales, input, quantization });
        Ok(output)
    }
}

/// The biases, as far as no sum can go beyond 32 bits. The published networks have channels whose weights are all but zero, with biases at the ends of the
/// range of integers; the original's simulation adds them as floats.
fn bias_within_reach(weight: &[i8], bias: &[i32], zero: i8) -> Vec<i32> {
    let inner = weight.len() / bias.len().max(1);
    let zero = i64::from(zero);
    let (least, most) = (-128 - zero, 127 - zero);
    let channels = bias.iter().zip(weight.chunks(inner.max(1)));
    let within = channels.map(|(bias, weights)| {
        let products = |weight: &i8| [i64::from(*weight) * least, i64::from(*weight) * most];
        let below: i64 = weights.iter().map(|weight| products(weight).into_iter().fold(0, i64::min)).sum();
        let above: i64 = weights.iter().map(|weight| products(weight).into_iter().fold(0, i64::max)).sum();
        let (low, high) = (i64::from(i32::MIN) - below, i64::from(i32::MAX) - above);
        // The largest kernels reach over 2^30 to either side.
        i64::from(*bias).max(low).min(high) as i32
    });
    within.collect()
}
