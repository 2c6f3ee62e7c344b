//! The memory planner: what it promises for any graph, and what it reaches on networks of MCUNet's shape.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use ounce_graph::plan::{MemoryPlan, Place, plan};
use ounce_graph::{Executor, Graph, PlanOptions, Tensor, TensorType, ValueId, evaluate, passes};
use ounce_kernels::ThreadPool;
use proptest::prelude::*;
use support::mcunet::{Random, mcunet, training_step};

/// No two buffers that are needed at the same time overlap, all lie in the arena, and the bound is the most that is alive together.
fn check(plan: &MemoryPlan) {
    for (i, a) in plan.buffers.iter().enumerate() {
        assert!(a.offset + a.bytes <= plan.arena_bytes, "{a:?}");
        for b in &plan.buffers[..i] {
            let apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
            assert!(apart || !a.overlaps(b) || a.bytes == 0 || b.bytes == 0, "{a:?} and {b:?}");
        }
    }
    let alive = |step: usize| -> usize {
        plan.buffers.iter().filter(|b| b.birth <= step && step <= b.death).map(|b| b.bytes).sum()
    };
    let most = (0..=plan.steps).map(alive).max().unwrap_or(0);
    assert_eq!(plan.lower_bound, most);
    assert!(plan.arena_bytes >= plan.lower_bound);
}

/// A graph of random sums and functions of vectors of different lengths.
fn random_graph(choices: &[(u8, usize, usize)]) -> Graph {
    let mut g = Graph::new();
    let lengths = [3, 8, 21];
    let mut values: Vec<ValueId> = lengths
        .iter()
        .enumerate()
        .map(|(i, n)| g.input(&format!("x{i}"), TensorType::f32(&[*n])).unwrap())
        .collect();
    for (kind, a, b) in choices {
        let (a, b) = (values[a % values.len()], values[b % values.len()]);
        let new = match kind % 5 {
            0 if g.shape(a) == g.shape(b) => g.add(a, b),
            1 => g.relu(a),
            2 => g.concat(&[a, b], 0),
            3 => g.reshape(a, &[1, g.shape(a)[0]]).and_then(|y| g.flatten(y, 0)),
            _ => g.tanh(a),
        };
        values.push(new.unwrap());
        if g.shape(*values.last().unwrap())[0] > 200 {
            values.pop();
        }
    }
    for (i, id) in values.iter().rev().take(3).enumerate() {
        g.output(&format!("y{i}"), *id).unwrap();
    }
    g
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn random_graphs_keep_their_values(
        choices in prop::collection::vec((any::<u8>(), 0usize..1000, 0usize..1000), 0..40), seed in any::<u64>(),
    ) {
        let graph = random_graph(&choices);
        let inputs: Vec<(String, Tensor)> = graph.inputs().iter().map(|id| {
            let value = graph.value(*id);
            let n = value.ty.elements();
            (value.name.clone(), Tensor::f32(&[n], (0..n).map(|i| (i as f32 + 0.5) * 0.1 - 0.3).collect()).unwrap())
        }).collect();
        let given: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, data)| (name.as_str(), data)).collect();
        let expected = evaluate(&graph, &given).unwrap().outputs;
        for graph in [graph.clone(), passes::in_place(&graph).unwrap(), passes::optimize(&graph).unwrap()] {
            let plan = plan(&graph, &PlanOptions { alignment: 4, iterations: 100, seed }).unwrap();
            check(&plan);
            let mut executor = Executor::new(&graph, &plan).unwrap();
            for (name, data) in &given {
                executor.set_input(name, data).unwrap();
            }
            executor.run(&mut ThreadPool::new(1));
            for (name, expected) in &expected {
                prop_assert_eq!(&executor.output(name).unwrap(), expected);
            }
        }
    }
}

#[test]
fn mcunet_costs_what_is_published() {
    // 22.6 M multiplications and 463,216 weights of convolutions with 1000 classes.
    let net = mcunet(128, 1000, false);
    assert_eq!((net.graph.cost().macs as f64 / 1e5).round(), 226.0);
    let weights = net.convs[..42].iter().map(|conv| net.graph.ty(conv.weight).elements());
    assert_eq!(weights.sum::<usize>(), 463_216);
    let text = net.graph.to_string();
    assert!(text.contains("parameter conv0.weight: i8[16, 3, 3, 3]"), "{text}");
}

#[test]
fn inference_of_mcunet_reaches_the_bound() {
    let mut net = mcunet(128, 10, false);
    net.graph.output("logits", net.logits).unwrap();
    let graph = passes::optimize(&net.graph).unwrap();
    assert_eq!(net.convs.len(), 43);
    let plan = plan(&graph, &PlanOptions { alignment: 4, ..PlanOptions::default() }).unwrap();
    check(&plan);
    // 8 and 32 channels of 64 x 64 bytes.
    assert_eq!(plan.lower_bound, 163_840);
    assert_eq!(plan.arena_bytes, plan.lower_bound);
}

/// The scheme that MCUNetV3 ships for MCUNet-5fps and 49 KB.
const SCHEME: (usize, [(usize, f64); 3]) = (20, [(24, 0.25), (27, 0.5), (30, 0.5)]);

#[test]
fn sparse_training_of_mcunet_needs_no_more_than_its_forward_pass() {
    let net = mcunet(128, 10, true);
    let step = training_step(&net, SCHEME.0, &SCHEME.1);
    let options = PlanOptions { alignment: 4, ..PlanOptions::default() };
    let before = plan(&step, &options).unwrap();
    let optimized = passes::optimize(&step).unwrap();
    let after = plan(&optimized, &options).unwrap();
    check(&before);
    check(&after);
    assert!(after.arena_bytes < before.arena_bytes);
    // What inference needs, the label and the learning rate.
    assert_eq!(after.arena_bytes, 163_840 + 8);
    assert!(after.svg().starts_with("<svg"));
}

/// The arena of a packing that takes buffers in the order of a key and puts each at the lowest offset where it fits.
fn first_fit<K: Ord>(plan: &MemoryPlan, key: impl Fn(&ounce_graph::plan::Buffer) -> K) -> usize {
    let mut order: Vec<_> = plan.buffers.iter().collect();
    order.sort_by_key(|buffer| key(buffer));
    let mut placed: Vec<(usize, &ounce_graph::plan::Buffer)> = Vec::new();
    for buffer in order {
        let free = |offset: usize| {
            placed.iter().all(|(at, other)| {
                !buffer.overlaps(other) || offset + buffer.bytes <= *at || at + other.bytes <= offset
            })
        };
        let ends = placed.iter().map(|(at, other)| at + other.bytes);
        let offset = ends.chain([0]).filter(|offset| free(*offset)).min().unwrap();
        placed.push((offset, buffer));
    }
    placed.iter().map(|(at, buffer)| at + buffer.bytes).max().unwrap_or(0)
}

#[test]
fn packing_is_no_worse_than_first_fit_and_near_the_bound() {
    let net = mcunet(64, 10, true);
    let all: Vec<(usize, f64)> = (0..42).map(|i| (i, 1.0)).collect();
    let (mut packed, mut by_size, mut by_lifetime, mut bound) = (0, 0, 0, 0);
    for (biases, weights) in [(42, &all[..]), (42, &[]), (20, &SCHEME.1), (12, &all[30..]), (30, &all[20..])]
    {
        let step = training_step(&net, biases, weights);
        // As built, the gradients all wait for their updates, which is harder to pack.
        for graph in [passes::in_place(&step).unwrap(), passes::optimize(&step).unwrap()] {
            let plan = plan(&graph, &PlanOptions { alignment: 4, ..PlanOptions::default() }).unwrap();
            check(&plan);
            let size = first_fit(&plan, |buffer| std::cmp::Reverse(buffer.bytes));
            let lifetime = first_fit(&plan, |buffer| std::cmp::Reverse(buffer.death - buffer.birth));
            assert!(plan.arena_bytes <= size.min(lifetime), "{} {size} {lifetime}", plan.arena_bytes);
            assert!(plan.gap() <= 0.01, "{}", plan.gap());
            packed += plan.arena_bytes;
            by_size += size;
            by_lifetime += lifetime;
            bound += plan.lower_bound;
        }
    }
    println!("packed {packed}, bound {bound}, first fit by size {by_size}, by lifetime {by_lifetime}");
    assert!(packed < by_size && packed < by_lifetime);
}

#[test]
fn optimized_training_of_mcunet_gives_the_same_parameters() {
    let net = mcunet(32, 4, true);
    let step = training_step(&net, SCHEME.0, &SCHEME.1);
    let optimized = passes::optimize(&step).unwrap();
    let x = Tensor::i8(&[1, 3, 32, 32], Random(99).bytes(3 * 32 * 32, 127)).unwrap();
    let (labels, rate) = (Tensor::i32(&[1], vec![1]).unwrap(), Tensor::scalar(20_000.0));
    let given = [("x", &x), ("labels", &labels), ("rate", &rate)];
    let expected = evaluate(&step, &given).unwrap();
    let options = PlanOptions::default();
    let mut executor = Executor::new(&optimized, &plan(&optimized, &options).unwrap()).unwrap();
    for (name, data) in given {
        executor.set_input(name, data).unwrap();
    }
    executor.run(&mut ThreadPool::new(2));
    assert_eq!(executor.output("loss").unwrap(), expected.outputs["loss"]);
    let mut moved = 0;
    for (name, expected) in &expected.updated {
        let found = executor.parameter(name).unwrap();
        // Sums in another order may round to the neighbour.
        let pairs: Vec<(i64, i64)> =
            match (found.as_i8(), expected.as_i8(), found.as_i32(), expected.as_i32()) {
                (Some(f), Some(e), ..) => {
                    f.iter().zip(e).map(|(f, e)| (i64::from(*f), i64::from(*e))).collect()
                }
                (_, _, Some(f), Some(e)) => {
                    f.iter().zip(e).map(|(f, e)| (i64::from(*f), i64::from(*e))).collect()
                }
                _ => panic!("{name}"),
            };
        assert!(pairs.iter().all(|(f, e)| (f - e).abs() <= 1), "{name}");
        assert!(pairs.iter().filter(|(f, e)| f != e).count() * 1000 <= pairs.len() + 1000, "{name}");
        let (_, _, first) = step.parameters().find(|(_, known, _)| known == name).unwrap();
        moved += usize::from(found != **first);
    }
    assert!(moved > expected.updated.len() / 2, "only {moved} of {} moved", expected.updated.len());
}

#[test]
fn plans_are_reproducible_and_checked() {
    let net = mcunet(32, 4, true);
    let step = passes::optimize(&training_step(&net, 5, &[])).unwrap();
    let options = PlanOptions { alignment: 16, iterations: 300, seed: 5 };
    let first = plan(&step, &options).unwrap();
    assert_eq!(first, plan(&step, &options).unwrap());
    assert!(plan(&step, &PlanOptions { alignment: 3, ..options }).is_err());
    let error = Executor::new(&net.graph, &first).unwrap_err().to_string();
    assert!(error.contains("another size"), "{error}");
    // A plan that lets everything lie at the start is refused, not run.
    let mut wrong = first.clone();
    for place in wrong.places.iter_mut().flatten() {
        if let Place::Arena { offset, .. } = place {
            *offset = 0;
        }
    }
    let error = Executor::new(&step, &wrong).unwrap_err().to_string();
    assert!(error.contains("overwrite"), "{error}");
}
