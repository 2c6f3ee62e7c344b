//! Emitted training steps: as the graph's executor up to the rounding of floats, and the same bits on every machine.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_graph::ops::Rounding;
use ounce_graph::{Graph, Tensor};
use ounce_tiny::emit::interface::STATE;
use ounce_tiny::emit::{Budget, EmitOptions, Entry, emit};
use ounce_tiny::scheme::{Scheme, published};
use ounce_tiny::simulate::Target;
use ounce_tiny::step::{Channels, Head, Network, StepOptions, inference, training_step};
use support::emitted::{data, executor, run_here, run_simulated};
use support::learning::{FILES, network, of_file, scheme, small, whole};
use support::{Random, simulation_is_possible};

/// Integers of a parameter.
fn ints(tensor: &Tensor) -> Vec<i64> {
    match (tensor.as_i8(), tensor.as_i32()) {
        (Some(data), _) => data.iter().map(|x| i64::from(*x)).collect(),
        (_, Some(data)) => data.iter().map(|x| i64::from(*x)).collect(),
        _ => Vec::new(),
    }
}

/// Inference and one step as graphs.
fn graphs(network: &Network, scheme: &Scheme, options: &StepOptions) -> [Graph; 2] {
    let step = training_step(network, scheme, options).unwrap();
    [inference(network, options.head).unwrap(), step]
}

/// Takes steps here, in the executor, and with `simulate` under QEMU. Here and there the bits are the same; the executor's losses agree, and its parameters, where `exact`, but for
/// single bits. Returns the losses.
fn learn(graphs: &[Graph; 2], steps: i32, rates: [f32; 2], exact: bool, simulate: bool) -> Vec<f32> {
    let [inference, step] = graphs;
    let entries = [Entry { name: "invoke", graph: inference }, Entry { name: "train_step", graph: step }];
    let program = emit(&entries, &EmitOptions::default()).unwrap();
    println!("{:?}", program.memory);
    let (train, invoke) = (program.function("train_step").unwrap(), program.function("invoke").unwrap());
    let image_type = step.ty(step.named("image").unwrap()).clone();
    let mut random = Random(5);
    let pixels = image_type.elements() as i32;
    let examples: Vec<(Tensor, Tensor)> = (0..2)
        .map(|label| {
            let image = Tensor::i8(&image_type.shape, random.i8s(pixels)).unwrap();
            (image, Tensor::i32(&[1], vec![label]).unwrap())
        })
        .collect();
    let [rate, bias_rate] = rates.map(Tensor::scalar);
    let mut executor = executor(step);
    let (mut requests, mut expected) = (Vec::new(), Vec::new());
    for number in 0..steps {
        let (image, label) = &examples[number as usize % 2];
        let number = Tensor::i32(&[], vec![number]).unwrap();
        let named = [
            ("image", image),
            ("label", label),
            ("rate", &rate),
            ("bias_rate", &bias_rate),
            ("step", &number),
        ];
        let given: Vec<&Tensor> = train
            .inputs
            .iter()
            .map(|input| named.iter().find(|(name, _)| *name == input.label).unwrap().1)
            .collect();
        requests.extend(train.request(&given).unwrap());
        train
            .inputs
            .iter()
            .zip(given)
            .for_each(|(input, value)| executor.set_input(&input.label, value).unwrap());
        executor.run(&mut ounce_kernels::ThreadPool::new(1));
        expected.push(executor.output("loss").unwrap().as_f32().unwrap()[0]);
    }
    requests.extend(invoke.request(&[&examples[0].0]).unwrap());
    requests.push(STATE);
    let Some(answers) = run_here(&program, &requests) else { return Vec::new() };
    if simulate && simulation_is_possible() {
        let (simulated, report, sizes) = run_simulated(&program, Target::CortexM7, 4096, &requests);
        assert!(simulated == answers);
        println!("{sizes:?}, stack {}, instructions {:?}", report.stack_peak, &report.spans()[..3]);
        println!("RAM {}, flash {}, inference {:?}", sizes.ram(), sizes.flash(), report.spans().last());
        let budget = Budget { sram: 225_000, flash: 1 << 20, stack: 4096 };
        budget.check(&program.memory).unwrap();
        budget.check_compiled(&sizes).unwrap();
    }
    let mut left = &answers[..];
    let losses: Vec<f32> =
        expected.iter().map(|_| train.answer(&mut left).unwrap()[0].as_f32().unwrap()[0]).collect();
    let _ = invoke.answer(&mut left).unwrap();
    let state = program.state(&mut left).unwrap();
    assert!(left.is_empty());
    if exact {
        for (loss, expected) in losses.iter().zip(&expected) {
            assert!((loss - expected).abs() <= 1e-3 * expected.abs().max(1.0), "{losses:?}, {expected:?}");
        }
        for (name, found) in &state {
            let (found, expected) = (ints(found), ints(&executor.parameter(name).unwrap()));
            let differ = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
            assert!(differ * 100 <= found.len(), "{name}: {differ} of {}", found.len());
        }
    }
    losses
}

/// All kinds of convolutions in whole and in part.
fn mixed() -> Scheme {
    scheme(6, &[(1, 0.5), (2, 0.5), (4, 0.4), (5, 1.0), (6, 1.0)])
}

#[test]
fn steps_are_those_of_the_executor() {
    let network = whole(&small(&mut Random(7), 5));
    let truncated = (Rounding::Truncate, Rounding::TruncateStep);
    for (weights, biases) in [(Rounding::Nearest, Rounding::Nearest), truncated] {
        for (head, channels) in [(Head::Int8, Channels::First), (Head::Float, Channels::Largest)] {
            let options = StepOptions { weights, biases, scaling: true, head, channels };
            let graphs = graphs(&network, &mixed(), &options);
            let losses = learn(&graphs, 3, [5e-2, 2e-2], true, weights == Rounding::Nearest);
            println!("{losses:?}");
        }
    }
}

/// Sums with activations, maxima and means over windows, fixed-point arithmetic.
#[test]
fn networks_of_files_take_the_steps_of_the_executor() {
    for name in FILES {
        let network = of_file(name).with_classes(2, 3).unwrap();
        for scheme in [Scheme::full(4), scheme(3, &[(2, 0.5), (3, 1.0)])] {
            let graphs = graphs(&network, &scheme, &StepOptions::rounded(Rounding::Nearest));
            let losses = learn(&graphs, 4, [5e-2, 2e-2], true, true);
            println!("{name} {losses:?}");
        }
    }
}

#[test]
fn every_rounding_learns() {
    let network = whole(&small(&mut Random(8), 5));
    let seed = Rounding::Stochastic { seed: 9 };
    for rounding in [Rounding::Nearest, seed, Rounding::ErrorFeedback] {
        for (head, channels) in [(Head::Int8, Channels::First), (Head::Float, Channels::Largest)] {
            let options = StepOptions { head, channels, ..StepOptions::rounded(rounding) };
            let losses = learn(&graphs(&network, &mixed(), &options), 60, [0.5, 0.25], false, false);
            println!("{rounding:?} {losses:?}");
            if let [first, second, .., before, last] = losses[..] {
                assert!(before + last < 0.5 * (first + second), "{rounding:?}: {losses:?}");
            }
        }
    }
}

#[test]
fn a_published_network_learns_with_the_scheme_of_49_kb() {
    let Some(path) = data("tiny/mcunet-5fps.pkl") else { return };
    let smallest = published("mcunet-5fps").next().unwrap().scheme();
    let nearest = StepOptions::rounded(Rounding::Nearest);
    for options in [StepOptions { head: Head::Int8, channels: Channels::First, ..nearest }, nearest] {
        let graphs = graphs(&whole(&network(&path, 10)), &smallest, &options);
        let losses = learn(&graphs, 2, [8e-4, 4e-4], true, true);
        println!("{options:?}: {losses:?}");
    }
}
