//! Steps of training: which parameters they change, and that cuts and passes change nothing.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;

use ounce_graph::ops::{Op, Rounding};
use ounce_graph::{Executor, Graph, PlanOptions, Tensor, evaluate, passes, plan};
use ounce_kernels::ThreadPool;
use ounce_tiny::scheme::{Scheme, SchemeError};
use ounce_tiny::step::{Channels, Head, Network, StepError, StepOptions, inference, training_step};
use support::Random;
use support::learning::{scheme, small, whole};

fn network(classes: usize) -> Network {
    whole(&small(&mut Random(7), 5)).with_classes(classes, 3).unwrap()
}

/// Inputs of a step by name, of which a graph takes its own.
fn inputs(seed: u64) -> HashMap<&'static str, Tensor> {
    let image = Tensor::i8(&[1, 3, 11, 11], Random(seed).i8s(363)).unwrap();
    HashMap::from([
        ("image", image),
        ("label", Tensor::i32(&[1], vec![1]).unwrap()),
        ("rate", Tensor::scalar(0.05)),
        ("bias_rate", Tensor::scalar(0.02)),
        ("step", Tensor::i32(&[], vec![4]).unwrap()),
    ])
}

/// The loss and all updated parameters after a step.
fn stepped(graph: &Graph, given: &HashMap<&str, Tensor>) -> HashMap<String, Tensor> {
    let graph = passes::optimize(graph).unwrap();
    let mut executor = Executor::new(&graph, &plan::plan(&graph, &PlanOptions::default()).unwrap()).unwrap();
    for id in graph.inputs() {
        let name = graph.value(*id).name.as_str();
        executor.set_input(name, &given[name]).unwrap();
    }
    executor.run(&mut ThreadPool::new(1));
    let updated = graph.updates().iter().map(|(id, _)| graph.value(*id).name.clone());
    let mut all: HashMap<String, Tensor> =
        updated.map(|name| (name.clone(), executor.parameter(&name).unwrap())).collect();
    all.insert("loss".to_owned(), executor.output("loss").unwrap());
    all
}

/// All kinds of convolutions in whole and in part: 1 and 4 are pointwise, 2 and 5 depthwise.
fn mixed() -> Scheme {
    scheme(6, &[(1, 0.5), (2, 0.3), (4, 0.4), (5, 1.0), (6, 1.0)])
}

const ROUNDINGS: [Rounding; 4] =
    [Rounding::Nearest, Rounding::Truncate, Rounding::Stochastic { seed: 5 }, Rounding::ErrorFeedback];

fn options(rounding: Rounding, channels: Channels) -> StepOptions {
    let biases = if rounding == Rounding::Truncate { Rounding::TruncateStep } else { rounding };
    StepOptions { biases, channels, ..StepOptions::rounded(rounding) }
}

#[test]
fn the_channels_of_largest_weights_change_and_no_others() {
    let network = network(3);
    let step = training_step(&network, &mixed(), &options(Rounding::Nearest, Channels::Largest)).unwrap();
    let given = HashMap::from([("rate", Tensor::scalar(1e3)), ("bias_rate", Tensor::scalar(1e3))]);
    let after = stepped(&step, &inputs(1).into_iter().chain(given).collect());
    for (conv, axis, count) in [(1, 1, 3), (2, 0, 4), (4, 1, 2)] {
        let before = step.parameters().find(|(_, name, _)| *name == format!("conv{conv}.weight")).unwrap().2;
        let (shape, before) = (before.shape(), before.as_i8().unwrap());
        let after = after[&format!("conv{conv}.weight")].as_i8().unwrap();
        let inner: usize = shape[axis + 1..].iter().product();
        let channel = |i: usize| i / inner % shape[axis];
        let norm = |c: usize| -> i32 {
            let own = before.iter().enumerate().filter(|(i, _)| channel(*i) == c);
            own.map(|(_, w)| i32::from(*w).pow(2)).sum()
        };
        let mut changed: Vec<usize> =
            (0..before.len()).filter(|i| before[*i] != after[*i]).map(channel).collect();
        changed.sort_unstable();
        changed.dedup();
        assert_eq!(changed.len(), count, "conv{conv}");
        let least = changed.iter().map(|c| norm(*c)).min().unwrap();
        let others = (0..shape[axis]).filter(|c| !changed.contains(c)).map(norm).max().unwrap();
        assert!(least >= others, "conv{conv}: {least} {others}");
        assert!(changed.iter().enumerate().any(|(nth, c)| nth != *c), "conv{conv}: the first channels");
    }
}

#[test]
fn only_trained_channels_of_an_image_are_kept() {
    let scheme = scheme(4, &[(4, 0.4)]);
    for channels in [Channels::First, Channels::Largest] {
        let step = training_step(&network(3), &scheme, &options(Rounding::Nearest, channels)).unwrap();
        let optimized = passes::optimize(&step).unwrap();
        let gradients =
            optimized.nodes().iter().filter(|node| matches!(node.op, Op::Conv2dWeightGradient(_)));
        let images: Vec<usize> = gradients.map(|node| optimized.shape(node.inputs[0])[1]).collect();
        // Of 6 channels 2, and all features of the classifier.
        assert!(images.contains(&2) && images.contains(&9) && images.len() == 2, "{channels:?}: {images:?}");
    }
}

#[test]
fn passes_change_nothing() {
    let network = network(3);
    for rounding in ROUNDINGS {
        for channels in [Channels::First, Channels::Largest] {
            let step = training_step(&network, &mixed(), &options(rounding, channels)).unwrap();
            let given = inputs(2);
            let named: Vec<(&str, &Tensor)> = given
                .iter()
                .filter(|(name, _)| step.named(name).is_some())
                .map(|(name, x)| (*name, x))
                .collect();
            let by_book = evaluate(&step, &named).unwrap();
            let found = stepped(&step, &given);
            let loss = |x: &Tensor| x.as_f32().unwrap()[0];
            assert!((loss(&found["loss"]) - loss(&by_book.outputs["loss"])).abs() < 1e-4);
            for (name, expected) in &by_book.updated {
                let Some(found) = found.get(name).filter(|_| !name.ends_with("residual")) else { continue };
                let differ = found.as_bytes().iter().zip(expected.as_bytes()).filter(|(a, b)| a != b).count();
                assert!(differ * 50 <= found.as_bytes().len(), "{rounding:?} {channels:?} {name}: {differ}");
            }
        }
    }
}

#[test]
fn a_cut_network_takes_the_steps_of_the_whole() {
    let network = network(3);
    let (whole, scheme) = (network, scheme(4, &[(4, 0.4), (5, 1.0)]));
    for cut in [0, 1, 2, 3] {
        let (frozen, rest) = whole.split(cut).unwrap();
        assert_eq!((rest.first, rest.conv_count()), (cut, whole.conv_count()));
        let image = inputs(3);
        let given = [("image", &image["image"])];
        let kept = evaluate(&frozen, if cut == 0 { &[] } else { &given }).unwrap().outputs;
        for options in [StepOptions::ORIGINAL, StepOptions::default()] {
            let expected = stepped(&training_step(&whole, &scheme, &options).unwrap(), &image);
            let kept = kept.iter().map(|(name, value)| (name.as_str(), value.clone()));
            let given = image.clone().into_iter().chain(kept).collect();
            assert_eq!(stepped(&training_step(&rest, &scheme, &options).unwrap(), &given), expected);
        }
    }
    // Where a residual goes past the cut, two values are needed.
    assert_eq!(whole.split(2).unwrap().0.outputs().len(), 2);
    let (_, rest) = whole.split(4).unwrap();
    let refused = training_step(&rest, &scheme, &StepOptions::default()).unwrap_err();
    assert!(matches!(refused, StepError::Cut { wanted: 3, first: 4 }), "{refused}");
    let (frozen, rest) = whole.split(7).unwrap();
    assert_eq!((frozen.outputs().len(), rest.convs.len()), (1, 0));
    training_step(&rest, &Scheme::bias_only(0), &StepOptions::default()).unwrap();
    assert!(whole.split(8).is_err());
}

#[test]
fn gradients_of_clamped_logits_vanish_but_not_those_of_floats() {
    let mut network = network(3);
    // Logits of 1000 and above.
    let large = vec![100_000_000; 3];
    network.graph.set_parameter("conv7.bias", Tensor::i32(&[3], large.clone()).unwrap()).unwrap();
    let nothing = Scheme::bias_only(0);
    let moved = |head| {
        let options = StepOptions { head, ..options(Rounding::Nearest, Channels::First) };
        let mut given = inputs(4);
        given.insert("bias_rate", Tensor::scalar(1e3));
        let after = stepped(&training_step(&network, &nothing, &options).unwrap(), &given);
        after["conv7.bias"].as_i32().unwrap() != large
    };
    assert!(!moved(Head::Int8));
    assert!(moved(Head::Float));
}

#[test]
fn both_heads_give_the_same_logits_where_nothing_is_clamped() {
    let network = network(4);
    let logits = |head| {
        let graph = inference(&network, head).unwrap();
        evaluate(&graph, &[("image", &inputs(5)["image"])]).unwrap().outputs["logits"].clone()
    };
    let (bytes, floats) = (logits(Head::Int8), logits(Head::Float));
    assert_eq!(bytes.shape(), [1, 4]);
    for (byte, float) in bytes.as_f32().unwrap().iter().zip(floats.as_f32().unwrap()) {
        assert!((byte - float).abs() <= 0.5001 && byte.fract() == 0.0, "{byte} {float}");
    }
}

#[test]
fn without_scaling_factors_are_one() {
    let network = network(3);
    let factors = |scaling| {
        let options = StepOptions { scaling, ..StepOptions::default() };
        let step = training_step(&network, &scheme(1, &[(6, 1.0)]), &options).unwrap();
        let factors = step.nodes().iter().filter_map(|node| match &node.op {
            Op::QuantizedSgd(op) => Some(op.factor.clone()),
            _ => None,
        });
        factors.collect::<Vec<_>>()
    };
    assert!(factors(false).iter().all(|factor| *factor == [1.0]));
    let [weights, biases, ..] = &factors(true)[..] else { panic!("no updates") };
    let conv = &network.convs[6];
    for (channel, scale) in conv.weight_scales.iter().enumerate() {
        let scale = f64::from(*scale);
        let near = |found: f32, expected: f64| (f64::from(found) / expected - 1.0).abs() < 1e-6;
        assert!(near(weights[channel], scale.powi(-2)));
        assert!(near(biases[channel], (scale * conv.input.scale).powi(-2)));
    }
}

#[test]
fn new_classifiers_follow_from_the_seed() {
    let network = whole(&small(&mut Random(7), 5));
    let head = |seed| network.with_classes(12, seed).unwrap();
    assert_eq!(head(1), head(1));
    let head = |seed| {
        let network = head(seed);
        let named = |name: &str| {
            let (_, _, data) = network.graph.parameters().find(|(_, known, _)| *known == name).unwrap();
            (**data).clone()
        };
        (named("conv7.weight"), named("conv7.bias"), network.classifier.weight_scales)
    };
    assert_ne!(head(1), head(2));
    let (weight, bias, scales) = head(1);
    assert_eq!((weight.shape(), bias.shape(), scales.len()), (&[12, 9, 1, 1][..], &[12][..], 12));
    let real = weight.as_i8().unwrap().chunks(9).zip(&scales);
    for (weights, scale) in real {
        // The largest is 127 steps, and at most 1/3.
        assert_eq!(weights.iter().map(|w| w.unsigned_abs()).max(), Some(127));
        assert!(127.0 * scale <= 1.0 / 3.0 + 1e-6);
    }
}

#[test]
fn schemes_that_do_not_fit_are_refused() {
    let refused = training_step(&network(3), &Scheme::bias_only(8), &StepOptions::default()).unwrap_err();
    assert!(matches!(refused, StepError::Scheme(SchemeError::Biases { biases: 8, convs: 7 })), "{refused}");
}
