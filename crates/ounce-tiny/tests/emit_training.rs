//! Emitted training steps: as the graph's executor up to the rounding of floats, and the same bits on every machine.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_graph::ops::Rounding;
use ounce_graph::{Graph, Tensor};
use ounce_tiny::emit::{EmitOptions, Emitted, Entry, emit};
use ounce_tiny::simulate::Target;
use support::emitted::{data, executor, run_here, run_simulated};
use support::learning::{SCHEME_49, Scheme, import, network, training_step};
use support::{Random, simulation_is_possible};

fn program(inference: &Graph, step: &Graph) -> Emitted {
    let entries = [Entry { name: "invoke", graph: inference }, Entry { name: "train_step", graph: step }];
    emit(&entries, &EmitOptions::default()).unwrap()
}

#[test]
fn a_published_network_learns_with_the_scheme_of_49_kb() {
    let Some(path) = data("tiny/mcunet-5fps.pkl") else { return };
    let network = network(&path, 10);
    let (inference, training) = (import(&network, false), import(&network, true));
    let step = training_step(&training, &SCHEME_49, Rounding::Nearest, Rounding::Nearest);
    let mut inference = inference.graph;
    inference.clear_outputs();
    let logits = import(&network, false).classifier.output;
    inference.output("logits", logits).unwrap();
    let program = program(&inference, &step);
    println!("{:?}", program.memory);
    let mut random = Random(5);
    let image = Tensor::i8(&[1, 3, 128, 128], random.i8s(3 * 128 * 128)).unwrap();
    let label = Tensor::i32(&[1], vec![3]).unwrap();
    let (rate, bias_rate) = (Tensor::scalar(8e-4), Tensor::scalar(4e-4));
    let train = program.function("train_step").unwrap();
    let invoke = program.function("invoke").unwrap();
    let mut requests = Vec::new();
    for _ in 0..2 {
        requests.extend(train.request(&[&image, &label, &rate, &bias_rate]).unwrap());
    }
    requests.extend(invoke.request(&[&image]).unwrap());
    requests.push(ounce_tiny::emit::interface::STATE);
    let Some(answers) = run_here(&program, &requests) else { return };
    let mut left = &answers[..];
    let mut executor = executor(&step);
    for _ in 0..2 {
        let loss = train.answer(&mut left).unwrap()[0].as_f32().unwrap()[0];
        for (name, value) in
            [("image", &image), ("label", &label), ("rate", &rate), ("bias_rate", &bias_rate)]
        {
            executor.set_input(name, value).unwrap();
        }
        executor.run(&mut ounce_kernels::ThreadPool::new(1));
        let expected = executor.output("loss").unwrap().as_f32().unwrap()[0];
        println!("loss {loss}, executor {expected}");
        assert!((loss - expected).abs() <= 1e-4 * expected.abs().max(1.0));
    }
    let _ = invoke.answer(&mut left).unwrap();
    let state = program.state(&mut left).unwrap();
    assert!(left.is_empty());
    for (name, found) in &state {
        let expected = executor.parameter(name).unwrap();
        let first = step.parameters().find(|(_, known, _)| known == name).unwrap().2;
        let (mut changed, mut differ, mut most) = (0, 0, 0);
        let ints = |tensor: &Tensor| -> Vec<i64> {
            match (tensor.as_i8(), tensor.as_i32()) {
                (Some(data), _) => data.iter().map(|x| i64::from(*x)).collect(),
                (_, Some(data)) => data.iter().map(|x| i64::from(*x)).collect(),
                _ => Vec::new(),
            }
        };
        for ((a, b), c) in ints(found).into_iter().zip(ints(&expected)).zip(ints(first)) {
            changed += usize::from(a != c);
            differ += usize::from(a != b);
            most = most.max((a - b).abs());
        }
        println!("{name}: {changed} changed, {differ} differ by up to {most}");
    }
    if simulation_is_possible() {
        let (simulated, report, sizes) = run_simulated(&program, Target::CortexM7, 4096, &requests);
        assert!(simulated == answers);
        println!("{sizes:?}, stack {}, instructions {:?}", report.stack_peak, report.spans());
        println!("RAM {}, flash {}", sizes.ram(), sizes.flash());
    }
    let _ = Scheme { biases: 0, weights: &[] };
}
