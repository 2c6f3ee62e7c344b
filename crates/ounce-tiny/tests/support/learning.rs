//! Training graphs of imported networks.
#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use std::path::Path;

use super::Random;
use ounce_formats::mcunet::{Block, Conv, Network, Quantization, Residual};
use ounce_formats::pickle::Checkpoint;
use ounce_formats::tflite::Tflite;
use ounce_graph::Graph;
use ounce_import::mcunet::{self, Imported, Options};
use ounce_import::{ConvSite, Limits, onnx, quantize, tflite};
use ounce_tiny::scheme::{Scheme, TrainedWeight};
use ounce_tiny::step;

/// A scheme of biases and shares of weights.
pub(crate) fn scheme(biases: usize, weights: &[(usize, f64)]) -> Scheme {
    Scheme { biases, weights: weights.iter().map(|&(conv, share)| TrainedWeight { conv, share }).collect() }
}

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

/// A network to be trained, whole.
pub(crate) fn whole(network: &Network) -> step::Network {
    import(network, true).into()
}

/// Small networks in `conformance/tiny`, with 4 convolutions and 5 classes.
pub(crate) const FILES: [&str; 2] = ["small.tflite", "small.onnx"];

/// A network of `conformance/tiny` as its reader gives it.
pub(crate) fn read_file(name: &str) -> (Graph, Vec<ConvSite>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/tiny").join(name);
    if name.ends_with("tflite") {
        let file = Tflite::open(&path).unwrap();
        let imported = tflite::import(&file.model().unwrap(), Limits::default()).unwrap();
        return (imported.graph, imported.convs);
    }
    let bytes = std::fs::read(&path).unwrap();
    let model = ounce_formats::onnx::Model::parse(&bytes).unwrap();
    let options = onnx::Options { batch: Some(1), ..onnx::Options::default() };
    let imported = onnx::import(&model, &options).unwrap();
    let options = quantize::Options { bytes_outside: true, ..quantize::Options::default() };
    let quantized = quantize::fuse(&imported.graph, &options).unwrap();
    (quantized.graph, quantized.convs)
}

/// One of them, to be trained.
pub(crate) fn of_file(name: &str) -> step::Network {
    let (graph, convs) = read_file(name);
    step::Network::recognize(&graph, &convs).unwrap()
}
