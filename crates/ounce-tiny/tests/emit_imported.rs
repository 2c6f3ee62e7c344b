//! Networks of other programs, emitted: the bits of the graph's executor here and under QEMU.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_formats::mcunet::{Parameters, TrainingGraph, scales};
use ounce_formats::pickle::Checkpoint;
use ounce_graph::ops::Window;
use ounce_graph::{DType, Graph, Tensor, TensorType, ValueId};
use ounce_import::mcunet::{Imported, Published, import_device};
use ounce_import::quantize::{Arithmetic, Options, quantize};
use ounce_import::{Limits, tflite};
use ounce_kernels::ThreadPool;
use ounce_tiny::emit::{Budget, EmitOptions, Entry, emit};
use ounce_tiny::scheme::published;
use ounce_tiny::simulate::Target;
use ounce_tiny::step::{StepOptions, training_step};
use support::emitted::{data, executed, executor, run_here, run_simulated};
use support::{Random, simulation_is_possible};

/// A value of noise.
fn noise(ty: &TensorType, random: &mut Random) -> Tensor {
    let count = ty.elements() as i32;
    match ty.dtype {
        DType::I8 => Tensor::i8(&ty.shape, random.i8s(count)).unwrap(),
        _ => Tensor::f32(&ty.shape, random.f32s(count)).unwrap(),
    }
}

/// Compares the first output for images of noise, here and under QEMU, and says what it took.
fn compare(name: &str, graph: &Graph, images: usize) {
    let program = emit(&[Entry { name: "invoke", graph }], &EmitOptions::default()).unwrap();
    let function = program.function("invoke").unwrap();
    let (input, output) = (&function.inputs[0], &function.outputs[0]);
    let mut random = Random(1);
    let mut executor = executor(graph);
    let (mut requests, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..images {
        let image = noise(&input.ty, &mut random);
        requests.extend(function.request(&[&image]).unwrap());
        expected.push(executed(&mut executor, &[(&input.label, &image)], &[&output.label]));
    }
    let mut machines: Vec<_> = run_here(&program, &requests).into_iter().collect();
    if simulation_is_possible() {
        let (answers, report, sizes) = run_simulated(&program, Target::CortexM7, 4096, &requests);
        println!("{name}: RAM {}, flash {}, {} instructions", sizes.ram(), sizes.flash(), report.spans()[0]);
        machines.push(answers);
    }
    for answers in machines {
        let mut left = &answers[..];
        for expected in &expected {
            assert_eq!(function.answer(&mut left).unwrap()[0], expected[&output.label], "{name}");
        }
    }
}

#[test]
fn networks_of_tensorflow_lite() {
    for name in ["vww_96_int8", "vww", "pretrainedResnet_quant"] {
        let Some(path) = data(&format!("tiny/{name}.tflite")) else { continue };
        let bytes = std::fs::read(path).unwrap();
        let model = ounce_formats::tflite::Model::parse(&bytes).unwrap();
        compare(name, &tflite::import(&model, Limits::default()).unwrap().graph, 2);
    }
}

/// A convolution with batch norm, in floats.
fn conv(
    graph: &mut Graph,
    random: &mut Random,
    x: ValueId,
    kernel: [usize; 4],
    window: Window,
    groups: usize,
) -> ValueId {
    let name = format!("layer {}", graph.values().len());
    let mut parameter = |graph: &mut Graph, what: &str, shape: &[usize], scale: f32, mean: f32| {
        let count = shape.iter().product::<usize>() as i32;
        let data = random.f32s(count).into_iter().map(|x| x * scale + mean).collect();
        graph.parameter(&format!("{name}.{what}"), Tensor::f32(shape, data).unwrap()).unwrap()
    };
    let fan = (kernel[1] * kernel[2] * kernel[3]) as f32;
    let w = parameter(graph, "w", &kernel, 2.0 * fan.sqrt().recip(), 0.0);
    let stats = [("scale", 0.2, 1.0), ("shift", 0.4, 0.0), ("mean", 0.4, 0.0), ("var", 0.2, 1.0)];
    let stats = stats.map(|(what, scale, mean)| parameter(graph, what, &kernel[..1], scale, mean));
    let y = graph.conv2d(x, w, None, window, groups).unwrap();
    graph.batch_norm(y, stats, 1e-5).unwrap()
}

fn dense(graph: &mut Graph, random: &mut Random, x: ValueId, outputs: usize) -> ValueId {
    let inputs = graph.ty(x).elements();
    let w = Tensor::f32(&[outputs, inputs], random.f32s((outputs * inputs) as i32)).unwrap();
    let w = graph.parameter("dense.w", w).unwrap();
    let b =
        graph.parameter("dense.b", Tensor::f32(&[outputs], random.f32s(outputs as i32)).unwrap()).unwrap();
    graph.linear(x, w, Some(b)).unwrap()
}

/// Inverted bottlenecks with ReLU6 and a hard swish, a mean, a dense layer.
fn mobile_net(random: &mut Random) -> Graph {
    let mut graph = Graph::new();
    let g = &mut graph;
    let x = g.input("x", TensorType::f32(&[1, 3, 16, 16])).unwrap();
    let y = conv(g, random, x, [8, 3, 3, 3], Window::square(2, 1), 1);
    let trunk = g.hard_swish(y).unwrap();
    let y = conv(g, random, trunk, [24, 8, 1, 1], Window::default(), 1);
    let y = g.relu6(y).unwrap();
    let y = conv(g, random, y, [24, 1, 5, 5], Window::square(1, 2), 24);
    let y = g.relu6(y).unwrap();
    let y = conv(g, random, y, [8, 24, 1, 1], Window::default(), 1);
    let y = g.add(trunk, y).unwrap();
    let y = conv(g, random, y, [16, 8, 1, 1], Window::default(), 1);
    let y = g.relu6(y).unwrap();
    let y = conv(g, random, y, [16, 1, 3, 3], Window::square(2, 1), 16);
    let y = g.relu6(y).unwrap();
    let y = g.global_avg_pool(y).unwrap();
    let y = g.flatten(y, 1).unwrap();
    let y = dense(g, random, y, 10);
    g.output("y", y).unwrap();
    graph
}

/// A maximum behind the first convolution, residual blocks with a projection, branches that are joined, a flattened image.
fn res_net(random: &mut Random) -> Graph {
    let mut graph = Graph::new();
    let g = &mut graph;
    let x = g.input("x", TensorType::f32(&[1, 3, 20, 20])).unwrap();
    let y = conv(g, random, x, [8, 3, 7, 7], Window::square(2, 3), 1);
    let y = g.relu(y).unwrap();
    let x = g.max_pool2d(y, [3, 3], Window::square(2, 1)).unwrap();
    let y = conv(g, random, x, [8, 8, 3, 3], Window::square(1, 1), 1);
    let y = g.relu(y).unwrap();
    let y = conv(g, random, y, [8, 8, 3, 3], Window::square(1, 1), 1);
    let y = g.add(y, x).unwrap();
    let x = g.relu(y).unwrap();
    let y = conv(g, random, x, [16, 4, 3, 3], Window::square(2, 1), 2);
    let y = g.relu(y).unwrap();
    let shortcut = conv(g, random, x, [16, 8, 1, 1], Window::square(2, 0), 1);
    let y = g.add(y, shortcut).unwrap();
    let x = g.relu(y).unwrap();
    let dilated = Window { dilation: [2, 2], before: [2, 2], after: [2, 2], ..Window::default() };
    let left = conv(g, random, x, [4, 16, 3, 3], dilated, 1);
    let right = conv(g, random, x, [6, 16, 1, 1], Window::default(), 1);
    let y = g.concat(&[left, right], 1).unwrap();
    let y = g.relu(y).unwrap();
    let y = g.flatten(y, 1).unwrap();
    let y = dense(g, random, y, 5);
    g.output("y", y).unwrap();
    graph
}

#[test]
fn networks_quantized_after_training() {
    let mut random = Random(3);
    for (name, graph) in [("MobileNet", mobile_net(&mut random)), ("ResNet", res_net(&mut random))] {
        let ty = graph.ty(graph.inputs()[0]).clone();
        let samples: Vec<Tensor> = (0..4).map(|_| noise(&ty, &mut random)).collect();
        let samples: Vec<Vec<(&str, &Tensor)>> = samples.iter().map(|x| vec![("x", x)]).collect();
        for arithmetic in [Arithmetic::Float, Arithmetic::Fixed] {
            let options = Options { arithmetic, bytes_outside: true, ..Options::default() };
            let quantized = quantize(&graph, &samples, &options, &mut ThreadPool::new(1)).unwrap();
            compare(&format!("{name}, {arithmetic:?}"), &quantized.graph, 3);
        }
    }
}

/// TinyEngine's training graph with its parameters.
fn original(save_masks: bool) -> Option<Imported> {
    let read = |name: &str| Some(std::fs::read(data(&format!("tiny/{name}"))?).unwrap());
    let graph = TrainingGraph::parse(&read("49kb-int8-graph.json")?).unwrap();
    let parameters =
        Parameters::read(&Checkpoint::open(&data("tiny/full-int8-params.pkl")?).unwrap()).unwrap();
    let scales = scales(&read("scale.json")?).unwrap();
    let published = Published { graph: &graph, parameters: &parameters, scales: &scales };
    Some(import_device(published, save_masks, Limits::default()).unwrap())
}

/// The bars are what the original takes, counted as TinyEngine counts: SRAM with trained parameters, constants in flash, instructions on a Cortex-M7.
#[test]
fn the_original_graph_takes_less_than_the_original() {
    let (Some(imported), Some(with_masks)) = (original(false), original(true)) else { return };
    let mut inference = imported.graph;
    inference.clear_outputs();
    inference.output("logits", imported.classifier.output).unwrap();
    let scheme = published("mcunet-5fps").find(|scheme| scheme.budget == 49).unwrap().scheme();
    let step = training_step(&with_masks.into(), &scheme, &StepOptions::ORIGINAL).unwrap();
    let entries = [Entry { name: "invoke", graph: &inference }, Entry { name: "train_step", graph: &step }];
    let program = emit(&entries, &EmitOptions::default()).unwrap();
    let (invoke, train) = (program.function("invoke").unwrap(), program.function("train_step").unwrap());
    println!("{:?}", program.memory);
    let image = noise(&invoke.inputs[0].ty, &mut Random(4));
    let mut requests = invoke.request(&[&image]).unwrap();
    let (label, rate) = (Tensor::i32(&[1], vec![3]).unwrap(), Tensor::scalar(8e-4));
    let bias_rate = Tensor::scalar(4e-4);
    let named = [("image", &image), ("label", &label), ("rate", &rate), ("bias_rate", &bias_rate)];
    let values: Vec<&Tensor> = train
        .inputs
        .iter()
        .map(|input| named.iter().find(|(name, _)| *name == input.label).unwrap().1)
        .collect();
    requests.extend(train.request(&values).unwrap());
    requests.extend(invoke.request(&[&image]).unwrap());
    let expected = executed(&mut executor(&inference), &[("image", &image)], &["logits"]);
    let Some(here) = run_here(&program, &requests) else { return };
    assert_eq!(invoke.answer(&mut &here[..]).unwrap()[0], expected["logits"]);
    if simulation_is_possible() {
        let (answers, report, sizes) = run_simulated(&program, Target::CortexM7, 4096, &requests);
        assert!(answers == here);
        println!("RAM {}, flash {}, {sizes:?}", sizes.ram(), sizes.flash());
        let spans = report.spans();
        println!("stack {}, inference {}, training step {}", report.stack_peak, spans[0], spans[2]);
        assert!(spans[0] <= 65_000_000 && spans[2] <= 106_000_000, "{spans:?}");
        let budget = Budget { sram: 225_000, flash: 1 << 20, stack: 4096 };
        budget.check(&program.memory).unwrap();
        budget.check_compiled(&sizes).unwrap();
        assert!(program.memory.constants <= 478_144, "{:?}", program.memory);
    }
}
