//! Classifiers: for other classes, and their logits.

use ounce_formats::mcunet::Quantization;
use ounce_graph::ops::{Dequantize, Op, QuantizedConv2d, QuantizedDense, Requantize, Scaling, Window};
use ounce_graph::{Graph, GraphError, Tensor, ValueId};
use ounce_import::ConvSite;
use ounce_random::Pcg32;

use super::network::{bias_name, weight_name};
use super::{Head, Network, StepError};

/// The largest magnitude of quantized weights.
const LARGEST: f64 = 127.0;
/// The least largest weight of a channel, so that a scale is never 0.
const LEAST: f64 = 5e-7;

impl Network {
    /// The network with a new classifier for `classes` classes. Weights and biases are drawn evenly within `1 / sqrt(features)` and quantized with a scale for each class, as the original
    /// initialises its classifier for a new data set (`create_quantized_head` around PyTorch's `Conv2d`); logits have a scale of 1.
    ///
    /// # Errors
    /// If the network's classifier is no convolution.
    pub fn with_classes(&self, classes: usize, seed: u64) -> Result<Self, StepError> {
        let missing = || StepError::Network("its classifier is no convolution".to_owned());
        let node = self.graph.producer(self.classifier.output).map(|(at, _)| &self.graph.nodes()[at]);
        let node = node.ok_or_else(missing)?;
        let Op::QuantizedConv2d(old) = &node.op else { return Err(missing()) };
        let features = self.graph.shape(self.features)[1];
        let input = self.classifier.input;
        let bound = 1.0 / (features.max(1) as f64).sqrt();
        let mut random = Pcg32::new(seed);
        let (mut weight, mut bias, mut weight_scales) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..classes {
            let weights: Vec<f64> = (0..features).map(|_| random.uniform(-bound, bound)).collect();
            let scale = weights.iter().fold(LEAST, |most, weight| most.max(weight.abs())) / LARGEST;
            weight.extend(weights.iter().map(|weight| (weight / scale).round_ties_even() as i8));
            let real = random.uniform(-bound, bound) / (scale * input.scale);
            bias.push(real.round_ties_even() as i32);
            weight_scales.push(scale as f32);
        }
        let quantization = Quantization { scale: 1.0, zero: 0 };
        let factors = weight_scales.iter().map(|scale| (f64::from(*scale) * input.scale) as f32).collect();
        let op = QuantizedConv2d {
            window: Window::default(),
            groups: 1,
            x_zero: input.zero.into(),
            y_zero: 0,
            requantize: Requantize::Float(factors),
            low: i8::MIN,
            high: i8::MAX,
            save_mask: old.save_mask,
        };
        let mut rewrite = self.without_classifier()?;
        let number = self.conv_count();
        let weight = Tensor::i8(&[classes, features, 1, 1], weight)?;
        let weight = rewrite.graph.parameter(&weight_name(number), weight)?;
        let bias = rewrite.graph.parameter(&bias_name(number), Tensor::i32(&[classes], bias)?)?;
        let x = rewrite.get(self.features)?;
        let outputs = rewrite.graph.append(node.name.clone(), op.into(), &[x, weight, bias])?;
        node.outputs.iter().zip(&outputs).for_each(|(old, new)| rewrite.set(*old, *new));
        let output = outputs[0];
        let site = ConvSite { weight, bias, output, weight_scales, input, quantization };
        self.around(rewrite.finish()?, site)
    }
}

/// Appends the logits, `[N, classes]` in f32.
pub(super) fn logits(graph: &mut Graph, network: &Network, head: Head) -> Result<ValueId, GraphError> {
    let site = &network.classifier;
    match head {
        Head::Int8 => {
            let logits = graph.flatten(site.output, 1)?;
            let scaling = Scaling::per_tensor(site.quantization.scale as f32, site.quantization.zero.into());
            graph.apply(Dequantize { scaling }, &[logits])
        }
        Head::Float => {
            let scale = |weight: &f32| (f64::from(*weight) * site.input.scale) as f32;
            let op = QuantizedDense {
                x_zero: site.input.zero.into(),
                scale: site.weight_scales.iter().map(scale).collect(),
            };
            let logits = graph.apply(op, &[network.features, site.weight, site.bias])?;
            graph.flatten(logits, 1)
        }
    }
}
