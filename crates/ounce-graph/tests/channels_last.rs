//! Graphs whose images are laid out with channels last give the bytes of the graphs that they were made from.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use ounce_graph::ops::*;
use ounce_graph::plan::plan;
use ounce_graph::{DType, Executor, Graph, PlanOptions, Tensor, TensorType, ValueId, evaluate, passes};
use ounce_kernels::ThreadPool;
use ounce_random::Pcg32;

fn bytes(random: &mut Pcg32, shape: &[usize]) -> Tensor {
    let data = (0..shape.iter().product()).map(|_| random.next_u32() as i8).collect();
    Tensor::i8(shape, data).unwrap()
}

/// Builds a graph of convolutions with random weights.
struct Builder {
    graph: Graph,
    random: Pcg32,
    fixed: bool,
}

impl Builder {
    fn conv(&mut self, x: ValueId, outputs: usize, kernel: usize, stride: usize, groups: usize) -> ValueId {
        let channels = self.graph.shape(x)[1];
        let depth = channels / groups * kernel * kernel;
        let w = bytes(&mut self.random, &[outputs, channels / groups, kernel, kernel]);
        let bias = (0..outputs).map(|_| self.random.next_u32() as i32 >> 18).collect();
        let bias = Tensor::i32(&[outputs], bias).unwrap();
        let n = self.graph.values().len();
        // Weights as parameters, as importers give them.
        let w = self.graph.parameter(&format!("w{n}"), w).unwrap();
        let bias = self.graph.parameter(&format!("b{n}"), bias).unwrap();
        let factor = 0.01 / (depth as f64).sqrt();
        let factors = (0..outputs).map(|o| factor * (1.0 + o as f64 * 0.03));
        let requantize = if self.fixed {
            Requantize::Fixed(factors.map(|f| FixedScale::new(f).unwrap()).collect())
        } else {
            Requantize::Float(factors.map(|f| f as f32).collect())
        };
        let op = QuantizedConv2d {
            window: Window::square(stride, kernel / 2),
            groups,
            x_zero: -3,
            y_zero: 5,
            requantize,
            low: -110,
            high: 127,
            save_mask: false,
        };
        self.graph.apply(op, &[x, w, bias]).unwrap()
    }

    fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let op =
            QuantizedAdd { scales: [0.02, 0.03], zeros: [5, 5], y_scale: 0.04, y_zero: -3, save_mask: false };
        self.graph.apply(op, &[a, b]).unwrap()
    }
}

fn check(graph: &Graph, inputs: &[(&str, &Tensor)], operators: &[(&str, usize)]) {
    let expected = evaluate(graph, inputs).unwrap().outputs;
    let host = passes::optimize_for_host(graph).unwrap();
    for (name, count) in operators {
        let found = host.nodes().iter().filter(|node| node.op.name() == *name).count();
        let all: Vec<&str> = host.nodes().iter().map(|node| node.op.name()).collect();
        assert_eq!(found, *count, "{name} in {all:?}");
    }
    let by_the_book = evaluate(&host, inputs).unwrap().outputs;
    let mut executor = Executor::new(&host, &plan(&host, &PlanOptions::default()).unwrap()).unwrap();
    for threads in [1, 3] {
        for (name, data) in inputs {
            executor.set_input(name, data).unwrap();
        }
        executor.run(&mut ThreadPool::new(threads));
        for (name, expected) in &expected {
            assert_eq!(&by_the_book[name], expected, "{name} by the book");
            assert_eq!(&executor.output(name).unwrap(), expected, "{name} with {threads} threads");
        }
    }
}

#[test]
fn a_network_of_blocks_stays_channels_last() {
    for fixed in [false, true] {
        for batch in [1, 2] {
            let mut b = Builder { graph: Graph::new(), random: Pcg32::new(7), fixed };
            let image = b.graph.input("image", TensorType::new(DType::I8, &[batch, 3, 19, 22])).unwrap();
            let mut x = b.conv(image, 16, 3, 2, 1);
            for (inner, outputs, kernel, stride) in [(24, 16, 3, 1), (40, 18, 5, 2), (33, 18, 7, 1)] {
                let y = b.conv(x, inner, 1, 1, 1);
                let y = b.conv(y, inner, kernel, stride, inner);
                let y = b.conv(y, outputs, 1, 1, 1);
                x = if b.graph.shape(x) == b.graph.shape(y) { b.add(x, y) } else { y };
            }
            let mean = b.graph.apply(QuantizedGlobalAvgPool, &[x]).unwrap();
            let logits = b.conv(mean, 10, 1, 1, 1);
            b.graph.output("logits", logits).unwrap();
            let x = bytes(&mut b.random, &[batch, 3, 19, 22]);
            let counts = [
                ("channels_last_conv2d", 11),
                ("channels_last_mean", 1),
                ("quantized_add", 2),
                ("quantized_conv2d", 0),
                ("transpose", 0),
            ];
            check(&b.graph, &[("image", &x)], &counts);
        }
    }
}

#[test]
fn what_cannot_is_given_planes() {
    let mut b = Builder { graph: Graph::new(), random: Pcg32::new(8), fixed: false };
    let image = b.graph.input("image", TensorType::new(DType::I8, &[1, 8, 9, 7])).unwrap();
    let x = b.conv(image, 12, 3, 1, 1);
    let grouped = b.conv(x, 6, 3, 1, 3);
    let pool = QuantizedPool2d { kind: PoolKind::Max, kernel: [2, 2], window: Window::square(2, 0) };
    let pooled = b.graph.apply(pool, &[grouped]).unwrap();
    let last = b.conv(pooled, 5, 1, 1, 1);
    let flat = b.graph.apply(Reshape { shape: vec![1, 5 * 4 * 3] }, &[last]).unwrap();
    for (name, value) in [("x", x), ("pooled", pooled), ("flat", flat)] {
        b.graph.output(name, value).unwrap();
    }
    let x = bytes(&mut b.random, &[1, 8, 9, 7]);
    let counts = [("channels_last_conv2d", 2), ("quantized_conv2d", 1), ("transpose", 4)];
    check(&b.graph, &[("image", &x)], &counts);
}

#[test]
fn what_is_trained_stays_as_it_is() {
    let mut b = Builder { graph: Graph::new(), random: Pcg32::new(9), fixed: false };
    let image = b.graph.input("image", TensorType::new(DType::I8, &[1, 3, 5, 5])).unwrap();
    let first = b.conv(image, 4, 3, 1, 1);
    let second = b.conv(first, 4, 1, 1, 1);
    b.graph.output("y", second).unwrap();
    let weight = b.graph.parameters().find(|(id, ..)| b.graph.shape(*id) == [4, 4, 1, 1]).unwrap().0;
    let new = Tensor::zeros(b.graph.ty(weight));
    let new = b.graph.constant(new);
    let op = QuantizedAdd { scales: [0.1, 0.1], zeros: [0, 0], y_scale: 0.1, y_zero: 0, save_mask: false };
    let new = b.graph.apply(op, &[weight, new]).unwrap();
    b.graph.update(weight, new).unwrap();
    let x = bytes(&mut b.random, &[1, 3, 5, 5]);
    check(&b.graph, &[("image", &x)], &[("quantized_conv2d", 1), ("channels_last_conv2d", 1)]);
}
