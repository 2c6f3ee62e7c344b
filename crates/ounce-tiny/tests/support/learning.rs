//! Training graphs of imported networks.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use std::path::Path;

use super::Random;
use ounce_formats::mcunet::{Block, Conv, Network, Quantization, Residual};
use ounce_formats::pickle::Checkpoint;
use ounce_graph::ops::{Crop, Dequantize, QuantizedSgd, Rounding, Scaling};
use ounce_graph::{DType, Graph, Tensor, TensorType, differentiate, passes};
use ounce_import::mcunet::{self, ConvSite, Imported, Options};

/// What is trained.
pub(crate) struct Scheme {
    /// Of how many convolutions, from the last, the biases.
    pub(crate) biases: usize,
    /// Of which convolutions the weights, and for what share of the input channels.
    pub(crate) weights: &'static [(usize, f64)],
}

/// The published scheme of 49 KB for mcunet-5fps.
pub(crate) const SCHEME_49: Scheme = Scheme { biases: 20, weights: &[(24, 0.25), (27, 0.5), (30, 0.5)] };

/// A published network with a classifier of fewer classes.
pub(crate) fn network(path: &Path, classes: usize) -> Network {
    let mut network = Network::read(&Checkpoint::open(path).unwrap()).unwrap();
    let head = &mut network.classifier;
    let features = head.weight.len() / head.out_channels;
    head.out_channels = classes;
    head.weight.truncate(classes * features);
    head.bias.truncate(classes);
    head.weight_scales.truncate(classes);
    network
}

/// A small network with random weights: a first convolution, an inverted bottleneck with a residual, one with a stride, a classifier.
pub(crate) fn small(random: &mut Random, classes: usize) -> Network {
    let mut conv = |channels: [usize; 2], kernel: usize, stride: usize, depthwise: bool| {
        let [in_channels, out_channels] = channels;
        let groups = if depthwise { in_channels } else { 1 };
        let taps = in_channels / groups * kernel * kernel;
        let count = (taps * out_channels) as i32;
        let scale = |random: &mut Random| 0.004 * (1.0 + random.next() as f32 / (1u32 << 31) as f32);
        Conv {
            in_channels,
            out_channels,
            kernel: [kernel; 2],
            stride,
            groups,
            in_size: Some(11),
            out_size: None,
            weight: random.i8s(count),
            bias: random.i32s(out_channels as i32, 500),
            weight_scales: (0..out_channels).map(|_| scale(random)).collect(),
            input: Quantization { scale: 0.03, zero: -5 },
            output: Quantization { scale: 0.04 * (taps as f64).sqrt() / 2.0, zero: -5 },
        }
    };
    let residual = Residual {
        input: Quantization { scale: 0.05, zero: -5 },
        output: Quantization { scale: 0.09, zero: -5 },
    };
    let first_conv = conv([3, 6], 3, 2, false);
    let first = Block {
        pointwise1: Some(conv([6, 16], 1, 1, false)),
        depthwise: conv([16, 16], 3, 1, true),
        pointwise2: conv([16, 6], 1, 1, false),
        residual: Some(residual),
    };
    let second = Block {
        pointwise1: Some(conv([6, 13], 1, 1, false)),
        depthwise: conv([13, 13], 5, 2, true),
        pointwise2: conv([13, 9], 1, 1, false),
        residual: None,
    };
    let mut classifier = conv([9, classes], 1, 1, false);
    classifier.output = Quantization { scale: 0.1, zero: 0 };
    Network { first_conv, blocks: vec![first, second], feature_mix: None, classifier }
}

/// The same network for inference and for training.
pub(crate) fn import(network: &Network, save_masks: bool) -> Imported {
    mcunet::import(network, &Options { save_masks, ..Options::default() }).unwrap()
}

/// One step of training with an output `loss`: inputs `image`, `label`, `rate` (weights), `bias_rate`, and with stochastic rounding `step`.
pub(crate) fn training_step(
    imported: &Imported,
    scheme: &Scheme,
    weights: Rounding,
    biases: Rounding,
) -> Graph {
    let mut graph = imported.graph.clone();
    graph.clear_outputs();
    let label = graph.input("label", TensorType::new(DType::I32, &[1])).unwrap();
    let scale = imported.classifier.quantization.scale as f32;
    let zero = imported.classifier.quantization.zero.into();
    let logits = graph.flatten(imported.classifier.output, 1).unwrap();
    let logits = graph.apply(Dequantize { scaling: Scaling::per_tensor(scale, zero) }, &[logits]).unwrap();
    let loss = graph.cross_entropy(logits, label).unwrap();
    let first = imported.convs.len() - scheme.biases;
    let trained = |at: usize| scheme.weights.iter().find(|(i, _)| *i == at).map(|(_, share)| *share);
    let sites = imported.convs.iter().enumerate().skip(first).map(|(i, site)| (site, trained(i)));
    let sites: Vec<(&ConvSite, Option<f64>)> = sites.chain([(&imported.classifier, Some(1.0))]).collect();
    let mut wrt = Vec::new();
    for (site, share) in &sites {
        wrt.extend(share.map(|_| site.weight));
        wrt.push(site.bias);
    }
    let result = differentiate(&graph, loss, &wrt).unwrap();
    let mut graph = result.graph;
    let rate = graph.input("rate", TensorType::f32(&[])).unwrap();
    let bias_rate = graph.input("bias_rate", TensorType::f32(&[])).unwrap();
    let stochastic = matches!(weights, Rounding::Stochastic { .. });
    let number = stochastic.then(|| graph.input("step", TensorType::new(DType::I32, &[])).unwrap());
    let mut gradients = result.gradients.into_iter();
    for (site, share) in sites {
        let input = site.input.scale as f32;
        if let Some(share) = share {
            let mut gradient = gradients.next().unwrap();
            if share < 1.0 {
                let mut sizes = graph.shape(gradient).to_vec();
                let axis = usize::from(sizes[1] > 1);
                sizes[axis] = (sizes[axis] as f64 * share).round() as usize;
                gradient = graph.apply(Crop::leading(&sizes), &[gradient]).unwrap();
            }
            let factor = site.weight_scales.iter().map(|s| s.powi(-2)).collect();
            update(&mut graph, site.weight, gradient, rate, number, factor, weights);
        }
        let factor = site.weight_scales.iter().map(|s| (s * input).powi(-2)).collect();
        update(&mut graph, site.bias, gradients.next().unwrap(), bias_rate, number, factor, biases);
    }
    graph.output("loss", loss).unwrap();
    passes::dead_code(&graph).unwrap()
}

fn update(
    graph: &mut Graph,
    parameter: ounce_graph::ValueId,
    gradient: ounce_graph::ValueId,
    rate: ounce_graph::ValueId,
    number: Option<ounce_graph::ValueId>,
    factor: Vec<f32>,
    rounding: Rounding,
) {
    let mut inputs = vec![parameter, gradient, rate];
    let mut residual = None;
    match rounding {
        Rounding::Stochastic { .. } => inputs.extend(number),
        Rounding::ErrorFeedback => {
            let name = format!("{}.residual", graph.value(parameter).name);
            let kept = graph.parameter(&name, Tensor::zeros(graph.ty(gradient))).unwrap();
            inputs.push(kept);
            residual = Some(kept);
        }
        _ => {}
    }
    let new = graph.apply_all(QuantizedSgd { factor, rounding }, &inputs).unwrap();
    graph.update(parameter, new[0]).unwrap();
    if let Some(residual) = residual {
        graph.update(residual, new[1]).unwrap();
    }
}
