//! Emitted programs give the bits of the graph's executor.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_formats::mcunet::Network;
use ounce_formats::pickle::Checkpoint;
use ounce_graph::ops::*;
use ounce_graph::{DType, Graph, Tensor, TensorType, ValueId};
use ounce_import::mcunet;
use ounce_tiny::emit::{Budget, EmitError, EmitOptions, Emitted, Entry, emit};
use ounce_tiny::simulate::Target;
use support::emitted::{data, executed, executor, run_here, run_simulated};
use support::{Random, simulation_is_possible};

struct Builder {
    graph: Graph,
    random: Random,
}

impl Builder {
    fn new(seed: u64) -> Self {
        Self { graph: Graph::new(), random: Random(seed) }
    }

    fn image(&mut self, shape: [usize; 3]) -> ValueId {
        let shape = [1, shape[0], shape[1], shape[2]];
        self.graph.input("image", TensorType::new(DType::I8, &shape)).unwrap()
    }

    /// A convolution with random weights; `groups` of 0 is depthwise.
    fn conv(
        &mut self,
        x: ValueId,
        outputs: usize,
        kernel: [usize; 2],
        window: Window,
        groups: usize,
    ) -> ValueId {
        let channels = self.graph.shape(x)[1];
        let groups = if groups == 0 { channels } else { groups };
        let shape = [outputs, channels / groups, kernel[0], kernel[1]];
        let count: usize = shape.iter().product();
        let i = self.graph.nodes().len();
        let weight = Tensor::i8(&shape, self.random.i8s(count as i32)).unwrap();
        let bias = Tensor::i32(&[outputs], self.random.i32s(outputs as i32, 3000)).unwrap();
        let weight = self.graph.parameter(&format!("weight {i}"), weight).unwrap();
        let bias = self.graph.parameter(&format!("bias {i}"), bias).unwrap();
        let spread = 1.0 / (120.0 * (count as f64 / outputs as f64).sqrt());
        let factors: Vec<f64> = (0..outputs)
            .map(|_| spread * (0.5 + f64::from(self.random.next()) / f64::from(1u32 << 31)))
            .collect();
        let floats = factors.iter().map(|f| *f as f32).collect();
        let requantize = match self.random.next() % 3 {
            0 => Requantize::Fixed(factors.iter().map(|f| FixedScale::new(*f).unwrap()).collect()),
            1 => Requantize::FloatTruncated(floats),
            _ => Requantize::Float(floats),
        };
        let high = self.random.pick(&[127, 127, 60]) as i8;
        let op = QuantizedConv2d {
            window,
            groups,
            x_zero: self.random.between(-128, 20),
            y_zero: self.random.between(-40, 20),
            requantize,
            low: -128,
            high,
            save_mask: false,
        };
        self.graph.apply(op, &[x, weight, bias]).unwrap()
    }

    fn pointwise(&mut self, x: ValueId, outputs: usize) -> ValueId {
        self.conv(x, outputs, [1, 1], Window::default(), 1)
    }

    fn depthwise(&mut self, x: ValueId, kernel: usize, stride: usize) -> ValueId {
        let channels = self.graph.shape(x)[1];
        self.conv(x, channels, [kernel; 2], Window::square(stride, kernel / 2), 0)
    }

    fn values(&mut self, id: ValueId) -> Tensor {
        let ty = self.graph.ty(id).clone();
        Tensor::i8(&ty.shape, self.random.i8s(ty.elements() as i32)).unwrap()
    }
}

/// An inverted residual block, a general convolution, a mean and a head, of odd extents.
fn network(seed: u64) -> Graph {
    let mut b = Builder::new(seed);
    let (height, width) = (5 + b.random.next() as usize % 9, 5 + b.random.next() as usize % 9);
    let x = b.image([3, height, width]);
    let window = Window { stride: [2, 1], before: [1, 0], after: [1, 1], ..Window::default() };
    let x = b.conv(x, 5 + seed as usize % 4, [3, 2], window, 1);
    let channels = b.graph.shape(x)[1];
    let y = b.pointwise(x, 3 * channels + 1);
    let y = b.depthwise(y, 3, 1);
    let y = b.pointwise(y, channels);
    let add =
        QuantizedAdd { scales: [0.02, 0.033], zeros: [-3, 7], y_scale: 0.04, y_zero: 2, save_mask: false };
    let x = b.graph.apply(add, &[x, y]).unwrap();
    let x = b.pointwise(x, 11);
    let x = b.depthwise(x, 5, 2);
    let x = b.graph.apply(QuantizedGlobalAvgPool, &[x]).unwrap();
    let y = b.pointwise(x, 7);
    let y = b.graph.flatten(y, 1).unwrap();
    b.graph.output("logits", y).unwrap();
    b.graph.output("features", x).unwrap();
    b.graph
}

/// Whatever else stands in quantized networks.
fn varied(seed: u64) -> Graph {
    let mut b = Builder::new(seed);
    let x = b.image([3, 9 + seed as usize % 3, 11]);
    // Padding of the zero point, which goes into the convolution, and of something else, which does not.
    let x = b.conv(x, 6, [3, 3], Window::square(1, 1), 1);
    let zero = b.random.between(-128, 20);
    let pad =
        Pad { before: vec![0, 0, 1, 2], after: vec![0, 0, 2, 0], between: vec![0; 4], value: zero as f32 };
    let x = b.graph.apply(pad, &[x]).unwrap();
    let dilated = Window { dilation: [2, 1], stride: [1, 2], before: [2, 0], after: [0, 1] };
    let left = b.conv(x, 4, [3, 2], dilated, 2);
    let right = b.conv(x, 12, [3, 2], dilated, 6);
    let scaling = Scaling::per_tensor(0.05, -3);
    let floats = b.graph.apply(Dequantize { scaling: scaling.clone() }, &[right]).unwrap();
    let gate = b.graph.sigmoid(floats).unwrap();
    let swish = b.graph.mul(floats, gate).unwrap();
    let right = b.graph.apply(Quantize { scaling, to: DType::I8 }, &[swish]).unwrap();
    let x = b.graph.apply(Concat { axis: 1 }, &[left, right, left]).unwrap();
    let pool = |kind, stride| QuantizedPool2d { kind, kernel: [3, 2], window: Window::square(stride, 1) };
    let most = b.graph.apply(pool(PoolKind::Max, 2), &[x]).unwrap();
    let x = b.graph.apply(pool(PoolKind::AverageInside, 1), &[most]).unwrap();
    let shape = b.graph.shape(x).to_vec();
    let x = b.graph.apply(Crop::along(&shape, 2, 1, 2), &[x]).unwrap();
    let rows = b.graph.apply(Transpose { axes: vec![0, 2, 3, 1] }, &[x]).unwrap();
    // Every place is a row of a dense layer.
    let shape = b.graph.shape(rows).to_vec();
    let rows = b.graph.apply(Reshape { shape: vec![shape[1] * shape[2], shape[3], 1, 1] }, &[rows]).unwrap();
    let y = b.pointwise(rows, 5);
    b.graph.output("dense", y).unwrap();
    // Channels come first in what is flattened.
    let all = b.graph.ty(x).elements();
    let flat = b.graph.apply(Reshape { shape: vec![1, all, 1, 1] }, &[x]).unwrap();
    let y = b.pointwise(flat, 7);
    b.graph.output("flat", y).unwrap();
    b.graph.output("most", most).unwrap();
    b.graph
}

fn emitted(graph: &Graph) -> Result<Emitted, EmitError> {
    emit(&[Entry { name: "invoke", graph }], &EmitOptions::default())
}

#[test]
fn inference_gives_the_bits_of_the_executor() {
    for seed in 0..6 {
        compare(&network(seed), seed);
    }
}

#[test]
fn all_kinds_of_layers_give_the_bits_of_the_executor() {
    for seed in 0..4 {
        let graph = varied(seed);
        compare(&graph, seed);
        // The gate became a table, and no image of floats is left.
        let text = &emitted(&graph).unwrap().files[1].1;
        assert!(text.contains("ounce_lookup_s8") && !text.contains("ounce_dequantize_s8"));
    }
}

#[test]
fn padding_goes_into_convolutions() {
    let mut b = Builder::new(2);
    let image = b.image([3, 8, 8]);
    let y = b.conv(image, 4, [3, 3], Window::default(), 1);
    let Op::QuantizedConv2d(op) = b.graph.nodes()[0].op.clone() else { panic!("not a convolution") };
    let inputs = b.graph.nodes()[0].inputs.clone();
    let sides = vec![0, 0, 1, 1];
    let pad = Pad { before: sides.clone(), after: sides, between: vec![0; 4], value: op.x_zero as f32 };
    let padded = b.graph.apply(pad, &[image]).unwrap();
    let same = b.graph.apply(op, &[padded, inputs[1], inputs[2]]).unwrap();
    b.graph.output("y", y).unwrap();
    b.graph.output("same", same).unwrap();
    assert!(!emitted(&b.graph).unwrap().files[1].1.contains("ounce_pad"));
    compare(&b.graph, 2);
}

/// Compares three images here, and with seed 0 on all targets.
fn compare(graph: &Graph, seed: u64) {
    let program = emitted(graph).unwrap();
    let function = program.function("invoke").unwrap();
    let mut b = Builder::new(seed + 100);
    b.graph = graph.clone();
    let images: Vec<Tensor> = (0..3).map(|_| b.values(graph.inputs()[0])).collect();
    let requests: Vec<u8> = images.iter().flat_map(|image| function.request(&[image]).unwrap()).collect();
    let mut machines = vec![run_here(&program, &requests)];
    if seed == 0 && simulation_is_possible() {
        machines.extend(Target::ALL.map(|target| Some(run_simulated(&program, target, 2048, &requests).0)));
    }
    let mut executor = executor(graph);
    let outputs: Vec<&str> = function.outputs.iter().map(|output| output.label.as_str()).collect();
    let expected: Vec<_> =
        images.iter().map(|x| executed(&mut executor, &[("image", x)], &outputs)).collect();
    for answers in machines.into_iter().flatten() {
        let mut answers = &answers[..];
        for expected in &expected {
            let found = function.answer(&mut answers).unwrap();
            for (name, found) in outputs.iter().zip(found) {
                assert_eq!(found, expected[*name], "seed {seed}, {name}");
            }
        }
        assert!(answers.is_empty());
    }
}

#[test]
fn images_overwrite_each_other_where_kernels_allow_it() {
    let mut b = Builder::new(3);
    let x = b.image([4, 16, 16]);
    let x = b.pointwise(x, 8);
    let x = b.depthwise(x, 3, 1);
    let x = b.pointwise(x, 2);
    b.graph.output("y", x).unwrap();
    let memory = emitted(&b.graph).unwrap().memory;
    // The largest image, and the scratch of the depthwise convolution.
    assert!((2048 + 340..2048 + 380).contains(&memory.arena), "{memory:?}");
    assert_eq!(memory.arena, memory.lower_bound);
}

#[test]
fn what_has_no_kernel_is_named() {
    let mut b = Builder::new(4);
    let x = b.image([4, 6, 6]);
    let window = Window { dilation: [2, 2], ..Window::default() };
    let y = b.graph.apply(QuantizedPool2d { kind: PoolKind::Max, kernel: [2, 2], window }, &[x]).unwrap();
    b.graph.output("y", y).unwrap();
    let error = emitted(&b.graph).unwrap_err().to_string();
    assert!(error.contains("quantized_max_pool2d_0") && error.contains("dilation"), "{error}");

    let mut graph = Graph::new();
    let x = graph.input("x", TensorType::f32(&[1, 4])).unwrap();
    let y = graph.apply(MatMul { transpose_a: true, transpose_b: false }, &[x, x]).unwrap();
    graph.output("y", y).unwrap();
    let error = emitted(&graph).unwrap_err().to_string();
    assert!(error.contains("matmul_0") && error.contains("(matmul)"), "{error}");
}

#[test]
fn budgets_are_checked_with_numbers() {
    let program = emitted(&network(1)).unwrap();
    let memory = program.memory;
    let budget = Budget { sram: memory.sram(1000), flash: memory.flash(), stack: 1000 };
    budget.check(&memory).unwrap();
    let error = Budget { sram: budget.sram - 1, ..budget }.check(&memory).unwrap_err();
    assert!(matches!(error, EmitError::Budget { memory: "SRAM", .. }), "{error}");
    assert!(error.to_string().contains("1 too many"), "{error}");
    let error = Budget { flash: 100, ..budget }.check(&memory).unwrap_err();
    assert!(matches!(error, EmitError::Budget { memory: "flash", available: 100, .. }), "{error}");
}

#[test]
fn a_published_network_fits_and_gives_the_bits_of_the_executor() {
    let Some(path) = data("tiny/mcunet-5fps.pkl") else { return };
    let network = Network::read(&Checkpoint::open(&path).unwrap()).unwrap();
    let mut graph = mcunet::import(&network, &mcunet::Options::default()).unwrap().graph;
    graph.freeze_all();
    let program = emitted(&graph).unwrap();
    let function = program.function("invoke").unwrap();
    let mut b = Builder::new(1);
    b.graph = graph.clone();
    let image = b.values(graph.inputs()[0]);
    let requests = function.request(&[&image]).unwrap();
    let expected = executed(&mut executor(&graph), &[("image", &image)], &["logits", "features"]);
    let check = |answers: &[u8]| {
        let found = function.answer(&mut &answers[..]).unwrap();
        assert_eq!((&found[0], &found[1]), (&expected["features"], &expected["logits"]));
    };
    if let Some(answers) = run_here(&program, &requests) {
        check(&answers);
    }
    println!("{:?}", program.memory);
    if simulation_is_possible() {
        let (answers, report, sizes) = run_simulated(&program, Target::CortexM7, 4096, &requests);
        check(&answers);
        println!("{sizes:?}, stack {}, instructions {:?}", report.stack_peak, report.spans());
        println!("RAM {}, flash {}", sizes.ram(), sizes.flash());
        assert!(sizes.flash() <= program.memory.flash() + 8192, "{sizes:?}, {:?}", program.memory);
    }
}
