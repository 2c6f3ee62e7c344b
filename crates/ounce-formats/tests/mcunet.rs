//! The published networks of MCUNetV3 and TinyEngine's training graph.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use ounce_formats::mcunet::{Attributes, Axis, Network, NetworkError, Parameters, TrainingGraph, scales};
use ounce_formats::pickle::Checkpoint;
use support::data;

fn network(name: &str) -> Option<Network> {
    let checkpoint = Checkpoint::open(&data(&format!("tiny/{name}"))?).unwrap();
    Some(Network::read(&checkpoint).unwrap())
}

/// Layers, blocks, weights and multiplications as the study of the originals counts them (42, 51 and 60 convolutions besides the classifier).
#[test]
fn published_networks() {
    let convs = [("mcunet-5fps.pkl", 42, 14), ("mbv2-w0.35.pkl", 51, 17), ("proxyless-w0.3.pkl", 60, 20)];
    for (name, convs, blocks) in convs {
        let Some(network) = network(name) else { continue };
        assert_eq!((network.convs().count() - 1, network.blocks.len()), (convs, blocks), "{name}");
        assert!(network.blocks[0].pointwise1.is_none() && network.feature_mix.is_none());
        assert_eq!(network.classifier.out_channels, 1000);
    }
    let Some(network) = network("mcunet-5fps.pkl") else { return };
    let weights: usize = network.convs().map(|conv| conv.weight.len()).sum();
    assert_eq!(weights, 463_216 + 160_000);
    let macs: usize = network.convs().map(|conv| conv.macs()).sum();
    assert!((22_550_000..22_650_000).contains(&macs), "{macs}");
    let first = &network.first_conv;
    assert_eq!((first.input.zero, first.output.zero, first.kernel), (0, -128, [3, 3]));
    let scale = first.effective_scales()[0];
    assert_eq!(scale, (first.input.scale * f64::from(first.weight_scales[0]) / first.output.scale) as f32);
    let kernels: Vec<_> = network.blocks.iter().map(|block| block.depthwise.kernel[0]).collect();
    assert_eq!(kernels, [3, 3, 3, 7, 3, 3, 7, 5, 3, 3, 7, 5, 5, 3]);
    let residual: Vec<_> = network.blocks.iter().map(|block| u8::from(block.residual.is_some())).collect();
    assert_eq!(residual, [0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0]);
    assert_eq!(network.blocks[2].residual.map(|sum| (sum.input.zero, sum.output.zero)), Some((0, 12)));
}

#[test]
fn training_graph_of_tinyengine() {
    let (Some(graph), Some(file)) = (data("tiny/49kb-int8-graph.json"), data("tiny/full-int8-params.pkl"))
    else {
        return;
    };
    let json = std::fs::read(graph).unwrap();
    let graph = TrainingGraph::parse(&json).unwrap();
    assert_eq!(graph.operators.len(), 423);
    let count = |op: &str| graph.operators.iter().filter(|operator| operator.op == op).count();
    assert_eq!((count("nn.mcuconv2d"), count("nn.conv2d_transpose"), count("where")), (43, 20, 25));
    let conv = &graph.operators[0];
    assert_eq!((conv.attrs.groups, conv.attrs.strides.as_deref()), (Some(1), Some(&[2, 2][..])));
    let mean = graph.operators.iter().find(|operator| operator.op == "mcumean").unwrap();
    assert!(matches!(&mean.attrs.axis, Some(Axis::Several(axes)) if !axes.is_empty()));
    assert_eq!(Attributes { axis: None, ..mean.attrs.clone() }.keepdims, mean.attrs.keepdims);

    // What is written again means the same, `null`s apart.
    let again = serde_json::to_vec(&graph).unwrap();
    assert_eq!(TrainingGraph::parse(&again).unwrap(), graph);

    let parameters = Parameters::read(&Checkpoint::open(&file).unwrap()).unwrap();
    assert_eq!(parameters.arrays.len(), 257);
    let bytes: usize = parameters.arrays.values().map(|array| array.data.len()).sum();
    assert_eq!(bytes, 513_151);
    let weight = &parameters.arrays["v0_weight"];
    assert_eq!(weight.shape, conv.inputs[1].shape);
    let scales = scales(&std::fs::read(data("tiny/scale.json").unwrap()).unwrap()).unwrap();
    assert_eq!((scales.len(), scales["v0_y_scale"]), (86, 0.0235294122248888));
}

/// A network in protocol 0, with the text of one field changed.
fn tiny(from: &str, to: &str) -> Result<Network, NetworkError> {
    let array = |kind: &str, shape: &str, data: &str| {
        format!(
            "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n({shape}t\
             cnumpy\ndtype\n(S'{kind}'\nI00\nI01\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'{data}'\ntb"
        )
    };
    let conv = |cin: usize, cout: usize, groups: usize, bias: &str, weight: &str| {
        let weight = array("i1", &format!("I{cout}\nI{}\nI1\nI1\n", cin / groups), weight);
        let (bias, scales) =
            (array("i4", &format!("I{cout}\n"), bias), array("f4", &format!("I{cout}\n"), bias));
        format!(
            "(S'in_channel'\nI{cin}\nS'out_channel'\nI{cout}\nS'in_shape'\nI4\nS'out_shape'\nI4\nS'kernel_size'\nI1\nS'stride'\nI1\n\
             S'groups'\nI{groups}\nS'act'\nNS'params'\n(S'weight'\n{weight}S'bias'\n{bias}S'w_scales'\n{scales}S'x_scale'\nF0.5\n\
             S'x_zero'\nI0\nS'y_scale'\nF0.25\nS'y_zero'\nI-128\ndd"
        )
    };
    let one = conv(1, 1, 1, "\\x01\\x00\\x00\\x00", "\\x05");
    let depthwise = conv(2, 2, 2, "\\x01\\x00\\x00\\x00\\x02\\x00\\x00\\x00", "ab");
    let narrow = conv(2, 1, 1, "\\x01\\x00\\x00\\x00", "cd");
    let wide = conv(1, 2, 1, "\\x01\\x00\\x00\\x00\\x02\\x00\\x00\\x00", "ef");
    let text = format!(
        "(S'first_conv'\n{one}S'blocks'\n((S'pointwise1'\n{wide}S'depthwise'\n{depthwise}S'pointwise2'\n{narrow}\
         S'residual'\n(S'params'\n(S'x_scale'\nF1.0\nS'x_zero'\nI1\nS'y_scale'\nF1.0\nS'y_zero'\nI2\nddS'se'\nNdlS'feature_mix'\nNS'classifier'\n{one}d."
    );
    assert!(text.contains(from));
    let text = text.replacen(from, to, 1);
    Network::read(&Checkpoint::from_bytes(Arc::new(text.into_bytes())).unwrap())
}

#[test]
fn wrong_networks_are_refused_by_place() {
    let network = tiny("(", "(").unwrap();
    assert_eq!(network.blocks[0].depthwise.weight, [97, 98]);
    assert_eq!(network.blocks[0].residual.unwrap().output.zero, 2);
    let message = |from: &str, to: &str| tiny(from, to).unwrap_err().to_string();
    assert_eq!(
        message("S'stride'\nI1", "S'stride'\nI0"),
        "first_conv.stride: expected a number above 0, found the integer 0; this is no quantized network of MCUNet"
    );
    assert!(
        message("S'stride'\nI1", "S'stride'\nI2")
            .starts_with("first_conv.out_shape: expected in_shape / stride")
    );
    assert!(
        message("S'y_zero'\nI-128", "S'y_zero'\nI128")
            .starts_with("first_conv.params.y_zero: expected a zero")
    );
    assert!(message("S'x_scale'\nF0.5", "S'x_scale'\nF0.0").starts_with("first_conv.params.x_scale"));
    assert!(message("S'kernel_size'\nI1", "S'kernel_size'\nI2").contains("odd height and width"));
    assert!(message("S'kernel_size'\nI1", "S'kernel_size'\nI3").contains("the layer needs [1, 1, 3, 3]"));
    assert!(message("S'se'\nN", "S'se'\nI1\n").contains("blocks[0].se: squeeze-and-excitation"));
    assert!(
        message("S'in_channel'\nI1\nS'out_channel'\nI2", "S'in_channel'\nI3\nS'out_channel'\nI2")
            .contains("shape")
    );
    assert!(message("S'blocks'", "S'stages'").starts_with("blocks: expected a value, found None"));
    assert!(message("S'i1'", "S'O8'").contains("elements of type O8"));
    let chain = tiny("S'in_shape'\nI4\nS'out_shape'\nI4", "S'in_shape'\nI2\nS'out_shape'\nI2").unwrap_err();
    assert!(matches!(&chain, NetworkError::Chain { place, .. } if place.contains("blocks[0]")), "{chain}");
}

/// TinyEngine's parameters were made from the published network: same weights, and scales that were multiplied as here.
#[test]
fn effective_scales_are_those_of_tinyengine() {
    let (Some(network), Some(file)) = (network("mcunet-5fps.pkl"), data("tiny/full-int8-params.pkl")) else {
        return;
    };
    let parameters = Parameters::read(&Checkpoint::open(&file).unwrap()).unwrap();
    let array = |name: &str| &parameters.arrays[name];
    let blocks = network.blocks.iter().enumerate();
    let convs = blocks.flat_map(|(i, block)| {
        block.convs().enumerate().map(move |(j, conv)| (format!("v{}_conv_{j}", i + 1), conv))
    });
    for (name, conv) in std::iter::once(("v0".to_owned(), &network.first_conv)).chain(convs) {
        assert_eq!(array(&format!("{name}_weight")).to_i8s().as_ref(), Some(&conv.weight), "{name}");
        assert_eq!(array(&format!("{name}_bias")).to_i32s().as_ref(), Some(&conv.bias), "{name}");
        assert_eq!(array(&format!("{name}_scale")).to_f32s(), Some(conv.effective_scales()), "{name}");
    }
}
