//! The executor on a planned arena against the reference: every operator, any number of threads, no allocation.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;

use ounce_graph::ops::Window;
use ounce_graph::plan::plan;
use ounce_graph::{Executor, Graph, PlanOptions, Tensor, differentiate, evaluate, passes};
use ounce_kernels::ThreadPool;
use peak_alloc::PeakAlloc;
use support::cases::cases;
use support::{assert_close, golden, graph_of, inputs_of};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn executor(graph: &Graph) -> Executor {
    let plan = plan(graph, &PlanOptions { iterations: 200, ..PlanOptions::default() }).unwrap();
    assert!(plan.arena_bytes >= plan.lower_bound);
    Executor::new(graph, &plan).unwrap()
}

fn run(executor: &mut Executor, inputs: &BTreeMap<String, Tensor>, pool: &mut ThreadPool) {
    for (name, tensor) in inputs.iter().filter(|(_, tensor)| tensor.as_f32().is_none()) {
        executor.set_input(name, tensor).unwrap();
    }
    executor.run(pool);
}

#[test]
fn every_operator_is_as_in_the_reference_whatever_the_threads() {
    let golden = golden("operators.safetensors");
    let mut pools: Vec<ThreadPool> = (1..=3).map(ThreadPool::new).collect();
    for (case, build) in cases() {
        let inputs = inputs_of(&golden, case);
        let prefix = format!("{case}.grad.");
        let wrt: Vec<String> =
            golden.keys().filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned())).collect();
        let graph = graph_of(build, &inputs, &golden[&format!("{case}.cotangent")], &wrt);
        let given: Vec<(&str, &Tensor)> =
            inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let expected = evaluate(&graph, &given).unwrap().outputs;
        let optimized = passes::optimize(&graph).unwrap();
        for graph in [&graph, &optimized] {
            let mut first: Option<BTreeMap<&str, Tensor>> = None;
            for pool in &mut pools {
                let mut executor = executor(graph);
                // The second run finds the arena as the first left it.
                run(&mut executor, &inputs, pool);
                run(&mut executor, &inputs, pool);
                let found: BTreeMap<&str, Tensor> =
                    expected.keys().map(|name| (name.as_str(), executor.output(name).unwrap())).collect();
                for (name, found) in &found {
                    assert_close(&format!("{case} {name}"), found, &expected[*name], 1e-5);
                }
                assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{case}: threads matter");
            }
        }
    }
}

#[test]
fn a_run_allocates_nothing() {
    let golden = golden("operators.safetensors");
    let mut pool = ThreadPool::new(1);
    for (case, build) in cases() {
        let inputs = inputs_of(&golden, case);
        let prefix = format!("{case}.grad.");
        let wrt: Vec<String> =
            golden.keys().filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned())).collect();
        let graph = graph_of(build, &inputs, &golden[&format!("{case}.cotangent")], &wrt);
        let mut executor = executor(&passes::optimize(&graph).unwrap());
        run(&mut executor, &inputs, &mut pool);
        // Other tests of this file may allocate meanwhile, so one quiet run of several is proof.
        let quiet = (0..200).any(|_| {
            let before = ALLOCATOR.current_usage();
            ALLOCATOR.reset_peak_usage();
            run(&mut executor, &inputs, &mut pool);
            ALLOCATOR.peak_usage() == before
        });
        assert!(quiet, "{case}: every run allocated");
    }
}

/// Numbers that look random.
fn numbers(shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let data = (0..count).map(|i: usize| (i.wrapping_mul(0x9e37_79b9) >> 7 & 0xff) as f32 / 128.0 - 1.0);
    Tensor::f32(shape, data.collect()).unwrap()
}

/// Builds an output from two inputs.
type Build = fn(&mut Graph, [ounce_graph::ValueId; 2]) -> ounce_graph::ValueId;

#[test]
fn long_sums_are_cut_without_loss() {
    let cases: [(&[usize], &[usize], Build); 4] = [
        // Gradients of the kernel that sum over more places, and results that sum over more products, than are multiplied at a time.
        (&[1, 3, 53, 50], &[5, 3, 3, 3], |g, [x, w]| g.conv2d(x, w, None, Window::square(1, 1), 1).unwrap()),
        (&[2, 2, 97, 99], &[4, 2, 3, 2], |g, [x, w]| g.conv2d(x, w, None, Window::square(2, 1), 1).unwrap()),
        (&[1, 300, 7, 6], &[20, 300, 3, 3], |g, [x, w]| {
            g.conv2d(x, w, None, Window::square(1, 1), 1).unwrap()
        }),
        (&[3, 4100], &[4100, 18], |g, [x, w]| g.matmul(x, w).unwrap()),
    ];
    for (x, w, build) in cases {
        let mut graph = Graph::new();
        let inputs = [graph.parameter("x", numbers(x)).unwrap(), graph.parameter("w", numbers(w)).unwrap()];
        let y = build(&mut graph, inputs);
        let square = graph.square(y).unwrap();
        let loss = graph.mean_all(square).unwrap();
        let mut result = differentiate(&graph, loss, &inputs).unwrap();
        for (name, id) in [("y", y), ("dx", result.gradients[0]), ("dw", result.gradients[1])] {
            result.graph.output(name, id).unwrap();
        }
        let expected = evaluate(&result.graph, &[]).unwrap().outputs;
        let graph = passes::optimize(&result.graph).unwrap();
        let mut found: Option<Vec<Tensor>> = None;
        for threads in 1..=2 {
            let mut executor = executor(&graph);
            executor.run(&mut ThreadPool::new(threads));
            let outputs: Vec<Tensor> =
                ["y", "dx", "dw"].iter().map(|name| executor.output(name).unwrap()).collect();
            for (name, output) in ["y", "dx", "dw"].iter().zip(&outputs) {
                assert_close(&format!("{x:?} {name}"), output, &expected[*name], 1e-4);
            }
            assert_eq!(found.get_or_insert_with(|| outputs.clone()), &outputs, "threads matter");
        }
    }
}
