//! Classifiers: for other classes, and their logits.

use ounce_formats::mcunet::{Network as Mcunet, Quantization};
use ounce_graph::ops::{Dequantize, QuantizedDense, Scaling};
use ounce_graph::{Graph, GraphError, ValueId};
use ounce_random::Pcg32;

use super::{Head, Network};

/// The largest magnitude of quantized weights.
const LARGEST: f64 = 127.0;
/// The least largest weight of a channel, so that a scale is never 0.
const LEAST: f64 = 5e-7;

/// The network with a new classifier for `classes` classes. Weights and biases are drawn evenly within `1 / sqrt(features)` and quantized with a scale for each class, as the original initialises its
/// classifier for a new data set (`create_quantized_head` around PyTorch's `Conv2d`); logits have a scale of 1.
pub fn with_classes(network: &Mcunet, classes: usize, seed: u64) -> Mcunet {
    let mut network = network.clone();
    let head = &mut network.classifier;
    let features = head.in_channels;
    let bound = 1.0 / (features.max(1) as f64).sqrt();
    let mut random = Pcg32::new(seed);
    head.out_channels = classes;
    (head.weight, head.bias, head.weight_scales) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..classes {
        let weights: Vec<f64> = (0..features).map(|_| random.uniform(-bound, bound)).collect();
        let scale = weights.iter().fold(LEAST, |most, weight| most.max(weight.abs())) / LARGEST;
        head.weight.extend(weights.iter().map(|weight| (weight / scale).round_ties_even() as i8));
        let bias = random.uniform(-bound, bound) / (scale * head.input.scale);
        head.bias.push(bias.round_ties_even() as i32);
        head.weight_scales.push(scale as f32);
    }
    head.output = Quantization { scale: 1.0, zero: 0 };
    network
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
