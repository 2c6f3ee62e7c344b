//! The executor on a planned arena against the reference: every operator, any number of threads, no allocation.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;

use ounce_graph::plan::plan;
use ounce_graph::{Executor, Graph, PlanOptions, Tensor, evaluate, passes};
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
