//! Times steps operator by operator: inference and training of a network of MCUNet's shape, and a training step of three convolutions in floats.
//!
//! `cargo run --release -p ounce-graph --example step_speed -- [threads] [picture.svg]`

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/support/mcunet.rs"]
mod mcunet;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ounce_graph::ops::Window;
use ounce_graph::plan::plan;
use ounce_graph::train::{Optimizer, training_graph};
use ounce_graph::{Executor, Graph, GraphError, PlanOptions, Tensor, TensorType, passes};
use ounce_kernels::{ThreadPool, available_threads};

const RUNS: u32 = 50;

fn time(name: &str, graph: &Graph, pool: &mut ThreadPool) -> String {
    let begin = Instant::now();
    let graph = passes::optimize(graph).unwrap();
    let optimized = begin.elapsed();
    let begin = Instant::now();
    let plan = plan(&graph, &PlanOptions { alignment: 4, ..PlanOptions::default() }).unwrap();
    let planned = begin.elapsed();
    let mut executor = Executor::new(&graph, &plan).unwrap();
    let names: Vec<&str> = executor.steps().map(|op| op.name()).collect();
    let mut fastest = vec![Duration::MAX; names.len()];
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        for id in graph.inputs() {
            executor.set_input(&graph.value(*id).name, &Tensor::zeros(graph.ty(*id))).unwrap();
        }
        let begin = Instant::now();
        let mut last = begin;
        executor.run_observed(pool, |step| {
            let now = Instant::now();
            fastest[step] = fastest[step].min(now - last);
            last = now;
        });
        least = least.min(begin.elapsed());
    }
    let macs = graph.cost().macs as f64;
    println!(
        "{name}: {} nodes, {:.2} M MACs; arena {} bytes, bound {}, gap {:.2} %; parameters {}, constants {}; passes {optimized:.2?}, plan {planned:.2?}",
        graph.nodes().len(),
        macs / 1e6,
        plan.arena_bytes,
        plan.lower_bound,
        plan.gap() * 100.0,
        plan.parameter_bytes,
        plan.constant_bytes,
    );
    println!("  best of {RUNS} runs {least:.2?}: {:.2} G MACs/s", macs / least.as_secs_f64() / 1e9);
    // Of every node its fastest run, for other programs may be at work.
    let mut spent: BTreeMap<&str, Duration> = BTreeMap::new();
    for (name, time) in names.into_iter().zip(fastest) {
        *spent.entry(name).or_default() += time;
    }
    let mut spent: Vec<_> = spent.into_iter().collect();
    spent.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    for (op, time) in spent.into_iter().take(8) {
        println!("  {op:28} {time:.2?}");
    }
    plan.svg()
}

/// A 3 x 3, a depthwise and a pointwise convolution with ReLU6, all trained.
fn floats() -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    let mut x = graph.input("x", TensorType::f32(&[1, 32, 64, 64]))?;
    let mut weights = Vec::new();
    for (i, (shape, groups)) in
        [([64, 32, 3, 3], 1), ([64, 1, 3, 3], 64), ([128, 64, 1, 1], 1)].into_iter().enumerate()
    {
        let data = (0..shape.iter().product()).map(|i| (i % 13) as f32 * 0.01 - 0.06).collect();
        let w = graph.parameter(&format!("w{i}"), Tensor::f32(&shape, data)?)?;
        weights.push(w);
        x = graph.conv2d(x, w, None, Window::square(1, shape[2] / 2), groups)?;
        x = graph.relu6(x)?;
    }
    let loss = graph.mean_all(x)?;
    training_graph(&graph, loss, &weights, Optimizer::SGD)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().and_then(|n| n.parse().ok()).unwrap_or_else(available_threads);
    let mut pool = ThreadPool::new(threads);
    println!("{threads} threads, {:?}", pool.kernels());
    let mut net = mcunet::mcunet(128, 10, false);
    net.graph.output("logits", net.logits).unwrap();
    time("inference", &net.graph, &mut pool);
    let net = mcunet::mcunet(128, 10, true);
    let scheme = [(24, 0.25), (27, 0.5), (30, 0.5)];
    let picture = time("sparse step, 49 KB", &mcunet::training_step(&net, 20, &scheme), &mut pool);
    let all: Vec<(usize, f64)> = (0..42).map(|i| (i, 1.0)).collect();
    time("full step", &mcunet::training_step(&net, 42, &all), &mut pool);
    time("floats", &floats().unwrap(), &mut pool);
    if let Some(path) = arguments.next() {
        std::fs::write(path, picture).expect("the picture can be written");
    }
}
