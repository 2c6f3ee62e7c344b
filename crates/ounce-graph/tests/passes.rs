//! Each pass by itself: what it changes, and that results stay.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::HashMap;

use ounce_graph::ops::*;
use ounce_graph::train::Optimizer;
use ounce_graph::{DType, Graph, GraphError, Tensor, TensorType, ValueId, differentiate, evaluate, passes};
use support::assert_close;
use support::mcunet::{mcunet, training_step};

fn numbers(shape: &[usize], seed: u32) -> Tensor {
    let count = shape.iter().product();
    let data =
        (0..count).map(|i| ((i as u32).wrapping_mul(2654435761).wrapping_add(seed * 7919) >> 16) as f32);
    Tensor::f32(shape, data.map(|x| x / 32768.0 - 1.0).collect()).unwrap()
}

/// How often every operator occurs.
fn census(graph: &Graph) -> HashMap<&'static str, usize> {
    let mut census = HashMap::new();
    graph.nodes().iter().for_each(|node| *census.entry(node.op.name()).or_insert(0) += 1);
    census
}

/// Convolution, batch norm, ReLU6, convolution, ReLU.
fn convolutions() -> Graph {
    let mut g = Graph::new();
    let x = g.input("x", TensorType::f32(&[2, 3, 6, 6])).unwrap();
    let w = g.parameter("w", numbers(&[4, 3, 3, 3], 1)).unwrap();
    let stats = [2, 3, 4].map(|seed| g.parameter(&format!("p{seed}"), numbers(&[4], seed)).unwrap());
    let var = g.parameter("var", Tensor::f32(&[4], vec![0.5, 1.0, 2.0, 0.1]).unwrap()).unwrap();
    let y = g.conv2d(x, w, None, Window::square(1, 1), 1).unwrap();
    let y = g.batch_norm(y, [stats[0], stats[1], stats[2], var], 1e-3).unwrap();
    let y = g.relu6(y).unwrap();
    let v = g.parameter("v", numbers(&[2, 4, 1, 1], 5)).unwrap();
    let bias = g.parameter("b", numbers(&[2], 6)).unwrap();
    let y = g.conv2d(y, v, Some(bias), Window::default(), 1).unwrap();
    let y = g.relu(y).unwrap();
    g.output("y", y).unwrap();
    g
}

fn assert_same(before: &Graph, after: &Graph, inputs: &[(&str, &Tensor)], tolerance: f32) {
    let (before, after) = (evaluate(before, inputs).unwrap(), evaluate(after, inputs).unwrap());
    assert_eq!(before.outputs.len(), after.outputs.len());
    for (name, expected) in &before.outputs {
        assert_close(name, &after.outputs[name], expected, tolerance);
    }
    for (name, expected) in &before.updated {
        assert_close(name, &after.updated[name], expected, tolerance);
    }
}

#[test]
fn batch_norm_folds_and_activations_fuse() {
    let graph = convolutions();
    let x = numbers(&[2, 3, 6, 6], 9);
    // Parameters may still change, so nothing folds.
    assert_eq!(passes::fold_batch_norm(&graph).unwrap().nodes().len(), 5);
    let mut frozen = graph.clone();
    frozen.freeze_all();
    let folded = passes::fold_batch_norm(&frozen).unwrap();
    assert_eq!(folded.nodes().len(), 4);
    assert_same(&graph, &folded, &[("x", &x)], 1e-5);
    let optimized = passes::optimize(&frozen).unwrap();
    assert_eq!(census(&optimized), HashMap::from([("conv2d", 2)]));
    assert_same(&graph, &optimized, &[("x", &x)], 1e-5);
    let Op::Conv2d(conv) = &optimized.nodes()[0].op else { panic!("not a convolution") };
    assert_eq!(conv.activation, Some(Clip::RELU6));
}

#[test]
fn fused_convolutions_have_the_gradient_of_their_parts() {
    let mut graph = convolutions();
    let y = graph.outputs()[0].1;
    let loss = graph.mean_all(y).unwrap();
    graph.output("loss", loss).unwrap();
    let fused = passes::fuse_activation(&graph).unwrap();
    assert_eq!(fused.nodes().len(), graph.nodes().len() - 1);
    let x = numbers(&[2, 3, 6, 6], 9);
    let gradients = |graph: &Graph| {
        let loss = graph.outputs().iter().find(|(name, _)| name == "loss").unwrap().1;
        let wrt: Vec<ValueId> = ["w", "v", "b", "x"].iter().map(|name| graph.named(name).unwrap()).collect();
        let mut result = differentiate(graph, loss, &wrt).unwrap();
        for (i, gradient) in result.gradients.iter().enumerate() {
            result.graph.output(&format!("{i}"), *gradient).unwrap();
        }
        result.graph
    };
    assert_same(&gradients(&graph), &gradients(&fused), &[("x", &x)], 1e-6);
}

#[test]
fn batch_norm_in_training_takes_the_activation_along_both_ways() {
    // The first activation is read twice, the second has a batch norm of its own, the third is no ReLU6 of a batch norm alone.
    let mut g = Graph::new();
    let x = g.input("x", TensorType::f32(&[3, 4, 5, 6])).unwrap();
    let mut wrt = Vec::new();
    let mut norm = |g: &mut Graph, x: ValueId, i: u32| {
        let weight = g.parameter(&format!("weight{i}"), numbers(&[4], i)).unwrap();
        let bias = g.parameter(&format!("bias{i}"), numbers(&[4], i + 10)).unwrap();
        let stats =
            ["mean", "var"].map(|name| g.parameter(&format!("{name}{i}"), numbers(&[4], i + 20)).unwrap());
        wrt.extend([weight, bias]);
        g.batch_norm_training(x, [weight, bias, stats[0], stats[1]], 1e-5, 0.1).unwrap()
    };
    let y = norm(&mut g, x, 0);
    let y = g.relu6(y).unwrap();
    let z = norm(&mut g, y, 1);
    let z = g.relu(z).unwrap();
    let sum = g.add(y, z).unwrap();
    let sum = norm(&mut g, sum, 2);
    let relu = g.relu(sum).unwrap();
    let sum = g.mul(sum, relu).unwrap();
    let loss = g.mean_all(sum).unwrap();
    let mut result = differentiate(&g, loss, &wrt).unwrap();
    result.graph.output("sum", sum).unwrap();
    for (i, gradient) in result.gradients.iter().enumerate() {
        result.graph.output(&format!("{i}"), *gradient).unwrap();
    }
    let fused = passes::fuse_activation(&result.graph).unwrap();
    let counts = |graph: &Graph| {
        let census = census(graph);
        ["clip", "clip_gradient", "batch_norm_training", "batch_norm_training_gradient"]
            .map(|name| census.get(name).copied().unwrap_or(0))
    };
    assert_eq!((counts(&result.graph), counts(&fused)), ([3, 3, 3, 3], [1, 1, 3, 3]));
    assert_same(&result.graph, &fused, &[("x", &numbers(&[3, 4, 5, 6], 9))], 1e-6);
}

#[test]
fn constants_are_folded_but_not_blown_up() {
    let mut g = Graph::new();
    let x = g.input("x", TensorType::f32(&[2])).unwrap();
    let (a, b) = (g.scalar(2.0), g.constant(Tensor::f32(&[2], vec![1.0, 3.0]).unwrap()));
    let c = g.mul(a, b).unwrap();
    let c = g.exp(c).unwrap();
    let large = g.apply(Expand { shape: vec![100, 2] }, &[c]).unwrap();
    let y = g.add(x, c).unwrap();
    let y = g.add(y, large).unwrap();
    g.output("y", y).unwrap();
    let folded = passes::constant_fold(&g).unwrap();
    assert_eq!(census(&folded), HashMap::from([("expand", 1), ("add", 2)]));
    assert_same(&g, &folded, &[("x", &Tensor::f32(&[2], vec![0.5, -1.0]).unwrap())], 0.0);
}

#[test]
fn backward_computation_is_pruned_to_what_is_asked_for() {
    // A chain of four layers, of which the last two biases are trained.
    let mut g = Graph::new();
    let mut x = g.input("x", TensorType::f32(&[3, 4])).unwrap();
    let mut biases = Vec::new();
    for layer in 0..4 {
        let w = g.parameter(&format!("w{layer}"), numbers(&[4, 4], layer)).unwrap();
        let b = g.parameter(&format!("b{layer}"), numbers(&[4], layer + 9)).unwrap();
        biases.push(b);
        let y = g.linear(x, w, Some(b)).unwrap();
        x = g.tanh(y).unwrap();
    }
    let loss = g.mean_all(x).unwrap();
    let all = differentiate(&g, loss, &biases).unwrap().graph;
    let last = differentiate(&g, loss, &biases[2..]).unwrap().graph;
    // Each earlier layer would need its activation's gradient and a product with the next layer's weights.
    let products = |graph: &Graph| census(graph)["matmul"] - 4;
    assert_eq!((products(&all), products(&last)), (3, 1));
    assert_eq!((census(&all)["unary_gradient"], census(&last)["unary_gradient"]), (4, 2));
}

#[test]
fn leading_blocks_of_kernel_gradients_are_computed_alone() {
    let net = mcunet(16, 4, true);
    // Number 22 is depthwise, 24 pointwise.
    let step = training_step(&net, 21, &[(22, 0.25), (24, 0.5)]);
    let narrow = passes::narrow(&step).unwrap();
    let shapes = |graph: &Graph| -> Vec<Vec<usize>> {
        let gradients = graph.nodes().iter().filter(|node| node.op.name() == "conv2d_weight_gradient");
        gradients.map(|node| graph.shape(node.outputs[0]).to_vec()).collect()
    };
    let head = vec![4, 160, 1, 1];
    assert_eq!(shapes(&step), [head.clone(), vec![144, 48, 1, 1], vec![160, 1, 5, 5]]);
    assert_eq!(shapes(&narrow), [head, vec![40, 1, 5, 5], vec![144, 24, 1, 1]]);
    let x = Tensor::i8(&[1, 3, 16, 16], (0..768).map(|i| (i * 37 % 251) as u8 as i8).collect()).unwrap();
    let (labels, rate) = (Tensor::i32(&[1], vec![1]).unwrap(), Tensor::scalar(1000.0));
    assert_same(&step, &narrow, &[("x", &x), ("labels", &labels), ("rate", &rate)], 0.0);
}

#[test]
fn gradients_die_before_the_next_is_made() {
    // Ten layers of equal width: without reordering all kernel gradients wait for the updates at the end.
    let mut g = Graph::new();
    let mut x = g.input("x", TensorType::f32(&[1, 64])).unwrap();
    let mut weights = Vec::new();
    for layer in 0..10 {
        let w = g.parameter(&format!("w{layer}"), numbers(&[64, 64], layer)).unwrap();
        weights.push(w);
        let y = g.linear(x, w, None).unwrap();
        x = g.tanh(y).unwrap();
    }
    let loss = g.mean_all(x).unwrap();
    let mut result = differentiate(&g, loss, &weights).unwrap();
    for (w, gradient) in weights.iter().zip(&result.gradients) {
        Optimizer::SGD.update(&mut result.graph, *w, *gradient).unwrap();
    }
    result.graph.output("loss", loss).unwrap();
    let bound = |graph: &Graph| {
        ounce_graph::plan::plan(graph, &Default::default()).unwrap().lower_bound / (64 * 64 * 4)
    };
    let shared = passes::in_place(&result.graph).unwrap();
    let reordered = passes::reorder(&result.graph).unwrap();
    assert_eq!((bound(&shared), bound(&reordered)), (10, 1));
    let x = numbers(&[1, 64], 77);
    assert_same(&result.graph, &reordered, &[("x", &x), ("learning_rate", &Tensor::scalar(0.1))], 0.0);
    // All updates are in place.
    let updates = reordered.nodes().iter().filter(|node| node.op.name() == "sgd");
    assert!(updates.map(|node| node.in_place).all(|input| input == Some(0)));
}

#[test]
fn an_update_waits_for_readers_of_the_old_parameter_or_is_copied() {
    let mut g = Graph::new();
    let w = g.parameter("w", Tensor::f32(&[2], vec![1.0, 2.0]).unwrap()).unwrap();
    let gradient = g.constant(Tensor::f32(&[2], vec![1.0, 1.0]).unwrap());
    let rate = g.scalar(1.0);
    let new = g.apply(Sgd::default(), &[w, gradient, rate]).unwrap();
    g.update(w, new).unwrap();
    let later = g.add(w, new).unwrap();
    g.output("sum", later).unwrap();
    let optimized = passes::optimize(&g).unwrap();
    let plan = ounce_graph::plan::plan(&optimized, &Default::default()).unwrap();
    let mut executor = ounce_graph::Executor::new(&optimized, &plan).unwrap();
    let mut pool = ounce_kernels::ThreadPool::new(1);
    for (sum, new) in [([1.0, 3.0], [0.0, 1.0]), ([-1.0, 1.0], [-1.0, 0.0])] {
        executor.run(&mut pool);
        assert_eq!(executor.output("sum").unwrap().as_f32().unwrap(), sum);
        assert_eq!(executor.parameter("w").unwrap().as_f32().unwrap(), new);
    }
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let mut g = Graph::new();
    let x = g.input("x", TensorType::f32(&[1, 3, 8, 8])).unwrap();
    let w = g.parameter("w", numbers(&[4, 2, 3, 3], 0)).unwrap();
    let message = |result: Result<ValueId, GraphError>| result.unwrap_err().to_string();
    let conv = message(g.conv2d(x, w, None, Window::default(), 1));
    assert!(conv.contains("conv2d_0") && conv.contains("3 channels"), "{conv}");
    let small = message(g.max_pool2d(x, [9, 1], Window::default()));
    assert!(small.contains("spans 9"), "{small}");
    let bytes = g.constant(Tensor::i8(&[2], vec![1, 2]).unwrap());
    let dtype = message(g.relu(bytes));
    assert!(dtype.contains("f32") && dtype.contains("dequantize"), "{dtype}");
    assert!(message(g.add(x, w)).contains("broadcast"));
    assert!(message(g.input("x", TensorType::f32(&[]))).contains("taken"));
    assert!(message(g.input("y", TensorType::f32(&[usize::MAX, 2]))).contains("too large"));
    assert!(message(g.input("y", TensorType::f32(&[1; 9]))).contains("8 axes"));
    assert!(g.update(x, w).unwrap_err().to_string().contains("not a parameter"));
    assert!(differentiate(&g, x, &[w]).unwrap_err().to_string().contains("sum or mean"));
    let loss = g.sum_all(x).unwrap();
    assert!(differentiate(&g, loss, &[w]).unwrap_err().to_string().contains("does not depend"));
    let error = evaluate(&g, &[]).unwrap_err().to_string();
    assert!(error.contains("\"x\""), "{error}");
    let wrong = Tensor::zeros(&TensorType::new(DType::I32, &[1]));
    assert!(evaluate(&g, &[("x", &wrong)]).unwrap_err().to_string().contains("i32[1]"));
    assert!(Tensor::f32(&[3], vec![1.0]).is_err() && Tensor::f32(&[usize::MAX, usize::MAX], vec![]).is_err());
    let other = Graph::new();
    assert!(other.clone().apply(Clip::RELU, &[x]).unwrap_err().to_string().contains("0 values"));
}

/// An operator of another crate.
#[derive(Debug)]
struct Triple;

impl ounce_graph::Operator for Triple {
    fn name(&self) -> &'static str {
        "triple"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, ounce_graph::OpError> {
        Ok(inputs.to_vec())
    }

    fn reference(&self, io: &mut ounce_graph::Io<'_, '_>) {
        let y = io.take_f32(0);
        y.iter_mut().zip(io.f32(0)).for_each(|(y, x)| *y = 3.0 * x);
    }

    fn gradient(&self, gradient: &mut ounce_graph::Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let dx = gradient.apply(ounce_graph::Custom::new(Triple), &[g])?;
        gradient.add(0, dx)
    }
}

#[test]
fn other_crates_bring_operators() {
    let mut g = Graph::new();
    let x = g.parameter("x", Tensor::f32(&[2], vec![1.0, -2.0]).unwrap()).unwrap();
    let y = g.apply(ounce_graph::Custom::new(Triple), &[x]).unwrap();
    let y = g.square(y).unwrap();
    let loss = g.sum_all(y).unwrap();
    let mut result = differentiate(&g, loss, &[x]).unwrap();
    result.graph.output("dx", result.gradients[0]).unwrap();
    let graph = passes::optimize(&result.graph).unwrap();
    let Op::Custom(triple) = &graph.nodes()[0].op else { panic!("not a custom operator") };
    assert!(triple.downcast_ref::<Triple>().is_some() && triple.downcast_ref::<Clip>().is_none());
    let dx = evaluate(&graph, &[]).unwrap().outputs.remove("dx").unwrap();
    assert_eq!(dx.as_f32().unwrap(), [18.0, -36.0]);
}

#[test]
fn padding_goes_into_convolutions() {
    let pad = |value: f32, top: usize| Pad {
        before: vec![0, 0, top, 1],
        after: vec![0, 0, 2, 0],
        between: vec![0; 4],
        value,
    };
    for (value, folds) in [(0.0, true), (1.0, false)] {
        let mut g = Graph::new();
        let x = g.input("x", TensorType::f32(&[1, 2, 5, 6])).unwrap();
        let padded = g.apply(pad(value, 1), &[x]).unwrap();
        let w = g.parameter("w", numbers(&[3, 2, 3, 3], 1)).unwrap();
        let y = g.conv2d(padded, w, None, Window::square(2, 1), 1).unwrap();
        g.output("y", y).unwrap();
        let optimized = passes::optimize(&g).unwrap();
        assert_eq!(!census(&optimized).contains_key("pad"), folds);
        assert_same(&g, &optimized, &[("x", &numbers(&[1, 2, 5, 6], 2))], 1e-6);
    }
    // Bytes are padded with the zero point; padding that something else reads stays for it.
    for (value, pads) in [(-7.0, 0), (-8.0, 1)] {
        let mut g = Graph::new();
        let x = g.input("x", TensorType::new(DType::I8, &[1, 2, 5, 6])).unwrap();
        let padded = g.apply(pad(value, 3), &[x]).unwrap();
        let bytes = (0..36).map(|i| (i * 37 % 251) as u8 as i8).collect();
        let w = g.parameter("w", Tensor::i8(&[2, 2, 3, 3], bytes).unwrap()).unwrap();
        let bias = g.parameter("b", Tensor::i32(&[2], vec![100, -50]).unwrap()).unwrap();
        let op = QuantizedConv2d {
            window: Window::default(),
            groups: 1,
            x_zero: -7,
            y_zero: 3,
            requantize: Requantize::Float(vec![0.002]),
            low: -128,
            high: 127,
            save_mask: false,
        };
        let y = g.apply(op, &[padded, w, bias]).unwrap();
        g.output("y", y).unwrap();
        let optimized = passes::optimize(&g).unwrap();
        assert_eq!(census(&optimized).get("pad").copied().unwrap_or(0), pads);
        let x = Tensor::i8(&[1, 2, 5, 6], (0..60).map(|i| (i * 91 % 256) as u8 as i8).collect()).unwrap();
        assert_same(&g, &optimized, &[("x", &x)], 0.0);
        g.output("padded", padded).unwrap();
        assert_eq!(census(&passes::optimize(&g).unwrap())["pad"], 1);
    }
}
