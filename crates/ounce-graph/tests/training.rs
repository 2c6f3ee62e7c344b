//! Networks trained step by step as PyTorch trains them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;

use ounce_graph::ops::Window;
use ounce_graph::train::{Optimizer, Schedule, Trainer, training_graph};
use ounce_graph::{DType, Graph, GraphError, PlanOptions, Tensor, TensorType, ValueId};
use ounce_kernels::ThreadPool;
use support::{assert_close, golden};

type Golden = BTreeMap<String, Tensor>;

/// Builds logits from an image and the values of names.
type Net = fn(&mut Graph, ValueId, &dyn Fn(&str) -> ValueId) -> Result<ValueId, GraphError>;

fn lenet(g: &mut Graph, x: ValueId, p: &dyn Fn(&str) -> ValueId) -> Result<ValueId, GraphError> {
    let y = g.conv2d(x, p("conv1.weight"), Some(p("conv1.bias")), Window::square(1, 2), 1)?;
    let y = g.tanh(y)?;
    let y = g.max_pool2d(y, [2, 2], Window::square(2, 0))?;
    let y = g.conv2d(y, p("conv2.weight"), Some(p("conv2.bias")), Window::default(), 1)?;
    let y = g.relu(y)?;
    let y = g.max_pool2d(y, [2, 2], Window::square(2, 0))?;
    let y = g.flatten(y, 1)?;
    let y = g.linear(y, p("fc1.weight"), Some(p("fc1.bias")))?;
    let y = g.relu(y)?;
    g.linear(y, p("fc2.weight"), Some(p("fc2.bias")))
}

fn mobile(g: &mut Graph, x: ValueId, p: &dyn Fn(&str) -> ValueId) -> Result<ValueId, GraphError> {
    let norm = |g: &mut Graph, y: ValueId, name: &str| {
        let stats =
            ["weight", "bias", "running_mean", "running_var"].map(|part| p(&format!("{name}.{part}")));
        g.batch_norm(y, stats, 1e-5)
    };
    let x = g.conv2d(x, p("stem.weight"), None, Window::square(2, 1), 1)?;
    let x = norm(g, x, "stem_bn")?;
    let x = g.relu6(x)?;
    let y = g.conv2d(x, p("expand.weight"), None, Window::default(), 1)?;
    let y = norm(g, y, "expand_bn")?;
    let y = g.relu6(y)?;
    let y = g.conv2d(y, p("depthwise.weight"), None, Window::square(1, 1), 18)?;
    let y = norm(g, y, "depthwise_bn")?;
    let y = g.relu6(y)?;
    let y = g.conv2d(y, p("project.weight"), None, Window::default(), 1)?;
    let y = norm(g, y, "project_bn")?;
    let x = g.add(x, y)?;
    let x = g.global_avg_pool(x)?;
    let x = g.flatten(x, 1)?;
    g.linear(x, p("head.weight"), Some(p("head.bias")))
}

fn normalized(g: &mut Graph, x: ValueId, p: &dyn Fn(&str) -> ValueId) -> Result<ValueId, GraphError> {
    let norm = |g: &mut Graph, y: ValueId, name: &str| {
        let stats =
            ["weight", "bias", "running_mean", "running_var"].map(|part| p(&format!("{name}.{part}")));
        let y = g.batch_norm_training(y, stats, 1e-5, 0.1)?;
        g.relu(y)
    };
    let x = g.conv2d(x, p("conv1.weight"), None, Window::square(1, 1), 1)?;
    let x = norm(g, x, "bn1")?;
    let x = g.conv2d(x, p("conv2.weight"), None, Window::square(2, 0), 1)?;
    let x = norm(g, x, "bn2")?;
    let x = g.global_avg_pool(x)?;
    let x = g.flatten(x, 1)?;
    g.linear(x, p("head.weight"), Some(p("head.bias")))
}

/// Step `step` of a tensor `[steps, ..]`.
fn batch(all: &Tensor, step: usize) -> Tensor {
    let shape = &all.shape()[1..];
    let len: usize = shape.iter().product();
    let range = step * len..(step + 1) * len;
    match (all.as_f32(), all.as_i32()) {
        (Some(data), _) => Tensor::f32(shape, data[range].to_vec()).unwrap(),
        (_, Some(data)) => Tensor::i32(shape, data[range].to_vec()).unwrap(),
        _ => panic!("neither floats nor integers"),
    }
}

/// The graph of one step, and the names of what it trains.
fn step_graph(golden: &Golden, name: &str, net: Net, optimizer: Optimizer) -> (Graph, Vec<String>) {
    let mut graph = Graph::new();
    let prefix = format!("{name}.first.");
    let ids: BTreeMap<String, ValueId> = golden
        .iter()
        .filter_map(|(key, tensor)| {
            let key = key.strip_prefix(&prefix)?;
            Some((key.to_owned(), graph.parameter(key, tensor.clone()).unwrap()))
        })
        .collect();
    let x = graph.input("x", TensorType::f32(&golden[&format!("{name}.x")].shape()[1..])).unwrap();
    let labels = TensorType::new(DType::I32, &golden[&format!("{name}.labels")].shape()[1..]);
    let labels = graph.input("labels", labels).unwrap();
    let logits = net(&mut graph, x, &|key| ids[key]).unwrap();
    let loss = graph.cross_entropy(logits, labels).unwrap();
    let trained: Vec<String> = ids.keys().filter(|key| !key.contains("running")).cloned().collect();
    let parameters: Vec<ValueId> = trained.iter().map(|key| ids[key]).collect();
    (training_graph(&graph, loss, &parameters, optimizer).unwrap(), trained)
}

fn check(name: &str, net: Net, optimizer: Optimizer, rate: f32) {
    let golden = golden("training.safetensors");
    let (graph, trained) = step_graph(&golden, name, net, optimizer);
    let options = PlanOptions { iterations: 300, ..PlanOptions::default() };
    let mut trainer = Trainer::new(&graph, Schedule::Constant(rate), &options).unwrap();
    let mut pool = ThreadPool::new(2);
    let losses = golden[&format!("{name}.losses")].as_f32().unwrap();
    for (step, expected) in losses.iter().enumerate() {
        let x = batch(&golden[&format!("{name}.x")], step);
        let labels = batch(&golden[&format!("{name}.labels")], step);
        let progress = trainer.step(&mut pool, &[("x", &x), ("labels", &labels)]).unwrap();
        let error = (progress.loss - expected).abs();
        assert!(
            error < 2e-5 * expected.max(1.0),
            "{name} step {step}: {}, expected {expected}",
            progress.loss
        );
    }
    let running = trained.iter().filter_map(|key| key.strip_suffix(".weight"));
    let running = running.flat_map(|key| ["mean", "var"].map(|of| format!("{key}.running_{of}")));
    let running: Vec<String> =
        running.filter(|key| golden.contains_key(&format!("{name}.last.{key}"))).collect();
    for key in trained.into_iter().chain(running) {
        let found = trainer.executor().parameter(&key).unwrap();
        assert_close(&format!("{name} {key}"), &found, &golden[&format!("{name}.last.{key}")], 2e-5);
    }
}

#[test]
fn lenet_with_momentum_trains_as_in_pytorch() {
    check("lenet", lenet, Optimizer::Sgd { momentum: 0.9, decay: 1e-3 }, 0.05);
}

#[test]
fn a_mobilenet_block_with_adamw_trains_as_in_pytorch() {
    check("mobile", mobile, Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.02 }, 0.01);
}

#[test]
fn batch_norm_with_running_statistics_trains_as_in_pytorch() {
    check("normalized", normalized, Optimizer::SGD, 0.1);
}

#[test]
fn training_goes_on_from_a_checkpoint_bit_for_bit() {
    let golden = golden("training.safetensors");
    let optimizer = Optimizer::ADAM;
    let (graph, _) = step_graph(&golden, "lenet", lenet, optimizer);
    let schedule = Schedule::Cosine { peak: 0.01, warmup: 2, total: 8 };
    let options = PlanOptions { iterations: 50, ..PlanOptions::default() };
    let mut pool = ThreadPool::new(1);
    let mut run = |trainer: &mut Trainer, steps: std::ops::Range<usize>| -> Vec<f32> {
        steps
            .map(|step| {
                let (x, labels) = (batch(&golden["lenet.x"], step), batch(&golden["lenet.labels"], step));
                trainer.step(&mut pool, &[("x", &x), ("labels", &labels)]).unwrap().loss
            })
            .collect()
    };
    let mut whole = Trainer::new(&graph, schedule, &options).unwrap();
    let losses = run(&mut whole, 0..8);
    let mut first = Trainer::new(&graph, schedule, &options).unwrap();
    run(&mut first, 0..4);
    let checkpoint = first.checkpoint().unwrap();
    let mut second = Trainer::new(&graph, schedule, &options).unwrap();
    second.restore(&checkpoint).unwrap();
    assert_eq!(run(&mut second, 4..8), losses[4..]);
    assert_eq!(second.checkpoint().unwrap(), whole.checkpoint().unwrap());
}

#[test]
fn the_loop_ends_when_data_or_patience_does() {
    let golden = golden("training.safetensors");
    let (graph, _) = step_graph(&golden, "lenet", lenet, Optimizer::SGD);
    let mut trainer = Trainer::new(&graph, Schedule::Constant(0.1), &PlanOptions::default()).unwrap();
    let mut pool = ThreadPool::new(1);
    let data = |step: u64| {
        let step = usize::try_from(step).unwrap();
        (step < 6).then(|| {
            vec![("x", batch(&golden["lenet.x"], step)), ("labels", batch(&golden["lenet.labels"], step))]
        })
    };
    let mut seen = Vec::new();
    trainer
        .fit(&mut pool, data, |progress| {
            seen.push(progress.steps);
            if progress.steps == 4 {
                std::ops::ControlFlow::Break(())
            } else {
                std::ops::ControlFlow::Continue(())
            }
        })
        .unwrap();
    trainer.fit(&mut pool, data, |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!(seen, [1, 2, 3, 4]);
    assert_eq!(trainer.checkpoint().unwrap().steps, 6);
}
