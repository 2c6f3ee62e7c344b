//! Networks of MCUNetV3 give what the original's arithmetic gives in PyTorch, bit for bit (`conformance/mcunet`).

#![allow(clippy::unwrap_used)]

mod support;

use ounce_formats::mcunet::{Block, Conv, Network, Quantization, Residual};
use ounce_formats::pickle::Checkpoint;
use ounce_graph::{Tensor, evaluate};
use ounce_import::mcunet::{self, Imported, McunetError, Options};
use ounce_import::{LimitError, Limits};
use support::{Golden, data, executed};

fn quantization(golden: &Golden, name: &str, which: usize) -> Quantization {
    let (scales, zeros) = (golden.f64s(&format!("{name}.scales")), golden.i32s(&format!("{name}.zeros")));
    Quantization { scale: scales[which], zero: zeros[which].try_into().unwrap() }
}

fn conv(golden: &Golden, at: usize, stride: usize, groups: usize, size: Option<usize>) -> Conv {
    let name = format!("small.{at}");
    let shape = golden.shape(&format!("{name}.weight"));
    Conv {
        in_channels: shape[1] * groups,
        out_channels: shape[0],
        kernel: [shape[2], shape[3]],
        stride,
        groups,
        in_size: size,
        out_size: size.map(|size| size / stride),
        weight: golden.i8s(&format!("{name}.weight")),
        bias: golden.i32s(&format!("{name}.bias")),
        weight_scales: golden.f32s(&format!("{name}.w_scales")),
        input: quantization(golden, &name, 0),
        output: quantization(golden, &name, 1),
    }
}

fn small(golden: &Golden) -> Network {
    let residual = Residual {
        input: quantization(golden, "small.residual", 0),
        output: quantization(golden, "small.residual", 1),
    };
    let first = Block {
        pointwise1: Some(conv(golden, 1, 1, 1, Some(8))),
        depthwise: conv(golden, 2, 1, 16, Some(8)),
        pointwise2: conv(golden, 3, 1, 1, Some(8)),
        residual: Some(residual),
    };
    let second = Block {
        pointwise1: None,
        depthwise: conv(golden, 4, 2, 8, Some(8)),
        pointwise2: conv(golden, 5, 1, 1, Some(4)),
        residual: None,
    };
    Network {
        first_conv: conv(golden, 0, 2, 1, Some(16)),
        blocks: vec![first, second],
        feature_mix: None,
        classifier: conv(golden, 6, 1, 1, None),
    }
}

/// The results of all convolutions in order, besides the outputs.
fn with_convs(imported: &Imported) -> ounce_graph::Graph {
    let mut graph = imported.graph.clone();
    for (i, conv) in imported.convs.iter().enumerate() {
        graph.output(&format!("conv{i}"), conv.output).unwrap();
    }
    graph
}

#[test]
fn a_small_network_is_that_of_pytorch() {
    let golden = Golden::open("mcunet.safetensors");
    let x = golden.tensor("small.x");
    for save_masks in [false, true] {
        let options = Options { batch: 2, save_masks, ..Options::default() };
        let imported = mcunet::import(&small(&golden), &options).unwrap();
        let graph = with_convs(&imported);
        let (by_the_book, fast) =
            (evaluate(&graph, &[("image", &x)]).unwrap().outputs, executed(&graph, &[("image", &x)]));
        for outputs in [by_the_book, fast] {
            for i in 0..6 {
                assert_eq!(
                    outputs[&format!("conv{i}")],
                    golden.tensor(&format!("small.{i}.y")),
                    "convolution {i}"
                );
            }
            assert_eq!(outputs["features"], golden.tensor("small.features"));
            assert_eq!(outputs["logits"], golden.tensor("small.logits"));
        }
    }
}

#[test]
fn published_networks_are_those_of_pytorch() {
    let golden = Golden::open("mcunet.safetensors");
    for name in ["mcunet-5fps", "mbv2-w0.35", "proxyless-w0.3"] {
        let Some(path) = data(&format!("tiny/{name}.pkl")) else { continue };
        let network = Network::read(&Checkpoint::open(&path).unwrap()).unwrap();
        let imported = mcunet::import(&network, &Options::default()).unwrap();
        let size = network.first_conv.in_size.unwrap();
        let byte = |i: usize| ((i * 7919 + i / 13 * 31 + i / 128 * 17) % 256) as i64 - 128;
        let x =
            Tensor::i8(&[1, 3, size, size], (0..3 * size * size).map(|i| byte(i) as i8).collect()).unwrap();
        let outputs = executed(&with_convs(&imported), &[("image", &x)]);
        for (i, expected) in golden.i32s(&format!("{name}.checksums")).into_iter().enumerate() {
            let y = &outputs[&format!("conv{i}")];
            let terms =
                y.as_i8().unwrap().iter().enumerate().map(|(i, y)| i64::from(*y) * (i as i64 % 251 + 1));
            assert_eq!(
                terms.sum::<i64>().rem_euclid(1 << 31),
                i64::from(expected),
                "{name}: convolution {i}"
            );
        }
        assert_eq!(outputs["features"], golden.tensor(&format!("{name}.features")), "{name}");
        assert_eq!(outputs["logits"], golden.tensor(&format!("{name}.logits")), "{name}");
    }
}

#[test]
fn sizes_are_bounded() {
    let golden = Golden::open("mcunet.safetensors");
    let network = small(&golden);
    let import = |options: &Options| mcunet::import(&network, options);
    let huge = import(&Options { size: Some(1 << 30), ..Options::default() });
    assert!(matches!(huge, Err(McunetError::Limit(LimitError::Value { .. }))), "{huge:?}");
    let limits = Limits { total_bytes: 1000, ..Limits::default() };
    let many = import(&Options { limits, ..Options::default() });
    assert!(matches!(many, Err(McunetError::Limit(LimitError::Total(1000)))), "{many:?}");
    assert!(import(&Options { size: Some(1), ..Options::default() }).is_ok());
    assert!(import(&Options { size: Some(0), ..Options::default() }).is_err());
}
