//! Quantization after training, on small networks with random weights.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_graph::ops::{Clip, Dequantize, Quantize, Scaling, Window};
use ounce_graph::{DType, Graph, Tensor, ValueId};
use ounce_import::quantize::{
    Arithmetic, Observer, Options, Quantization, QuantizeError, Quantized, fuse, quantize,
};
use ounce_kernels::ThreadPool;
use support::executed;

/// Numbers of about normal distribution, by a linear congruential generator.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1u64 << 24) as f32
        };
        (0..6).map(|_| uniform() - 0.5).sum::<f32>() * 1.4
    }

    fn tensor(&mut self, shape: &[usize], scale: f32, mean: f32) -> Tensor {
        let data = (0..shape.iter().product()).map(|_| self.next() * scale + mean).collect();
        Tensor::f32(shape, data).unwrap()
    }
}

/// A convolution with batch norm.
fn conv(
    graph: &mut Graph,
    noise: &mut Noise,
    x: ValueId,
    name: &str,
    kernel: [usize; 4],
    window: Window,
    groups: usize,
) -> ValueId {
    let fan = (kernel[1] * kernel[2] * kernel[3]) as f32;
    let w = graph.parameter(&format!("{name}.w"), noise.tensor(&kernel, fan.sqrt().recip(), 0.0)).unwrap();
    let stats = [("scale", 0.1, 1.0), ("shift", 0.2, 0.0), ("mean", 0.2, 0.0), ("var", 0.1, 1.0)];
    let stats = stats.map(|(what, scale, mean)| {
        graph.parameter(&format!("{name}.{what}"), noise.tensor(&kernel[..1], scale, mean)).unwrap()
    });
    let y = graph.conv2d(x, w, None, window, groups).unwrap();
    graph.batch_norm(y, stats, 1e-5).unwrap()
}

/// A first convolution, an inverted bottleneck with a residual, a residual with a ReLU behind it, a mean and a dense layer.
fn network(noise: &mut Noise) -> Graph {
    let mut graph = Graph::new();
    let g = &mut graph;
    let x = g.input("x", ounce_graph::TensorType::f32(&[1, 3, 12, 12])).unwrap();
    let y = conv(g, noise, x, "first", [8, 3, 3, 3], Window::square(2, 1), 1);
    let trunk = g.relu6(y).unwrap();
    let y = conv(g, noise, trunk, "expand", [16, 8, 1, 1], Window::default(), 1);
    let y = g.relu6(y).unwrap();
    let y = conv(g, noise, y, "depthwise", [16, 1, 3, 3], Window::square(1, 1), 16);
    let y = g.relu6(y).unwrap();
    let y = conv(g, noise, y, "project", [8, 16, 1, 1], Window::default(), 1);
    let trunk = g.add(trunk, y).unwrap();
    let y = conv(g, noise, trunk, "last", [8, 8, 3, 3], Window::square(1, 1), 1);
    let y = g.add(y, trunk).unwrap();
    let y = g.relu(y).unwrap();
    let y = g.global_avg_pool(y).unwrap();
    let y = g.flatten(y, 1).unwrap();
    let w = g.parameter("dense.w", noise.tensor(&[10, 8], 0.5, 0.0)).unwrap();
    let b = g.parameter("dense.b", noise.tensor(&[10], 0.3, 0.0)).unwrap();
    let y = g.linear(y, w, Some(b)).unwrap();
    g.output("y", y).unwrap();
    graph
}

fn run(graph: &Graph, x: &Tensor) -> Vec<f32> {
    executed(graph, &[("x", x)])["y"].as_f32().unwrap().to_vec()
}

/// Signal to noise in decibels.
fn quality(graph: &Graph, quantized: &Graph, inputs: &[Tensor]) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for x in inputs {
        for (a, b) in run(graph, x).into_iter().zip(run(quantized, x)) {
            signal += f64::from(a).powi(2);
            noise += f64::from(a - b).powi(2);
        }
    }
    10.0 * (signal / noise).log10()
}

fn quantized(graph: &Graph, samples: &[Tensor], options: &Options) -> Quantized {
    let samples: Vec<Vec<(&str, &Tensor)>> = samples.iter().map(|x| vec![("x", x)]).collect();
    quantize(graph, &samples, options, &mut ThreadPool::new(1)).unwrap()
}

#[test]
fn a_network_of_convolutions_computes_with_bytes_alone_and_stays_close() {
    let mut noise = Noise(1);
    let graph = network(&mut noise);
    let samples: Vec<Tensor> = (0..8).map(|_| noise.tensor(&[1, 3, 12, 12], 1.0, 0.0)).collect();
    let fresh: Vec<Tensor> = (0..4).map(|_| noise.tensor(&[1, 3, 12, 12], 1.0, 0.0)).collect();
    for observer in [Observer::MinMax, Observer::Percentile(0.9999), Observer::LeastSquares] {
        for arithmetic in [Arithmetic::Float, Arithmetic::Fixed] {
            let result = quantized(&graph, &samples, &Options { observer, arithmetic, ..Options::default() });
            assert_eq!(result.in_floats, [], "{observer:?}");
            let decibels = quality(&graph, &result.graph, &fresh);
            assert!(decibels > 28.0, "{observer:?}, {arithmetic:?}: {decibels:.1} dB");
        }
    }
}

#[test]
fn bytes_outside_are_those_of_floats_outside() {
    let mut noise = Noise(2);
    let graph = network(&mut noise);
    let samples = [noise.tensor(&[1, 3, 12, 12], 1.0, 0.0)];
    let options = Options::default();
    let (inside, outside) = (
        quantized(&graph, &samples, &options),
        quantized(&graph, &samples, &Options { bytes_outside: true, ..options }),
    );
    let (name, input) = &outside.inputs[0];
    let (_, output) = outside.outputs[0];
    assert_eq!(name, "x");
    let bytes = samples[0].as_f32().unwrap().iter().map(|x| input.byte(*x)).collect();
    let x = Tensor::i8(&[1, 3, 12, 12], bytes).unwrap();
    let y = executed(&outside.graph, &[("x", &x)])["y"].clone();
    assert_eq!(y.ty().dtype, DType::I8);
    let floats: Vec<f32> =
        y.as_i8().unwrap().iter().map(|y| (i32::from(*y) - output.zero) as f32 * output.scale).collect();
    assert_eq!(floats, run(&inside.graph, &samples[0]));
}

#[test]
fn what_has_no_quantized_operator_stays_in_floats() {
    let mut noise = Noise(3);
    let mut graph = Graph::new();
    let x = graph.input("x", ounce_graph::TensorType::f32(&[1, 3, 12, 12])).unwrap();
    let y = conv(&mut graph, &mut noise, x, "first", [8, 3, 3, 3], Window::square(1, 1), 1);
    let y = graph.hard_swish(y).unwrap();
    let y = graph.max_pool2d(y, [2, 2], Window::square(2, 0)).unwrap();
    let y = conv(&mut graph, &mut noise, y, "last", [4, 8, 3, 3], Window::square(1, 0), 1);
    let both = graph.sigmoid(y).unwrap();
    let y = graph.mul(y, both).unwrap();
    graph.output("y", y).unwrap();
    let samples: Vec<Tensor> = (0..4).map(|_| noise.tensor(&[1, 3, 12, 12], 1.0, 0.0)).collect();
    let result = quantized(&graph, &samples, &Options::default());
    let operators: Vec<&str> = result.in_floats.iter().map(|(_, operator)| *operator).collect();
    assert_eq!(operators, ["hard_swish", "sigmoid", "mul"]);
    assert_eq!(result.in_bytes, 3);
    let decibels = quality(&graph, &result.graph, &samples);
    assert!(decibels > 28.0, "{decibels:.1} dB");
}

#[test]
fn pools_and_joined_images_are_bytes() {
    let mut noise = Noise(6);
    let mut graph = Graph::new();
    let g = &mut graph;
    let x = g.input("x", ounce_graph::TensorType::f32(&[1, 3, 12, 12])).unwrap();
    let y = conv(g, &mut noise, x, "first", [8, 3, 3, 3], Window::square(1, 1), 1);
    let y = g.relu(y).unwrap();
    let most = g.max_pool2d(y, [3, 3], Window::square(2, 1)).unwrap();
    let mean = g.avg_pool2d(most, [2, 2], Window::square(1, 1)).unwrap();
    let mean = g.slice(mean, 2, 0, 6).unwrap();
    let mean = g.slice(mean, 3, 0, 6).unwrap();
    let other = conv(g, &mut noise, most, "other", [4, 8, 1, 1], Window::default(), 1);
    let y = g.concat(&[mean, other, most], 1).unwrap();
    let y = g.relu(y).unwrap();
    let y = g.flatten(y, 1).unwrap();
    g.output("y", y).unwrap();
    let samples: Vec<Tensor> = (0..4).map(|_| noise.tensor(&[1, 3, 12, 12], 1.0, 0.0)).collect();
    let result = quantized(&graph, &samples, &Options::default());
    let operators: Vec<&str> = result.in_floats.iter().map(|(_, operator)| *operator).collect();
    assert_eq!(operators, ["clip"]);
    let decibels = quality(&graph, &result.graph, &samples);
    assert!(decibels > 28.0, "{decibels:.1} dB");
}

/// A value as another quantizer marks it: quantized, and dequantized at once.
fn marked(graph: &mut Graph, x: ValueId, scale: f32, zero_point: i32) -> ValueId {
    let scaling = Scaling::per_tensor(scale, zero_point);
    let bytes = graph.apply(Quantize { scaling: scaling.clone(), to: DType::I8 }, &[x]).unwrap();
    graph.apply(Dequantize { scaling }, &[bytes]).unwrap()
}

#[test]
fn pairs_around_operators_are_fused_into_them() {
    let mut noise = Noise(5);
    let mut graph = Graph::new();
    let x = graph.input("x", ounce_graph::TensorType::f32(&[1, 3, 12, 12])).unwrap();
    let x = marked(&mut graph, x, 0.03, 3);
    let mut weight = |graph: &mut Graph, shape: &[usize], scale: f32| {
        let elements: usize = shape.iter().product();
        // Every row has a 127, as quantizers choose scales.
        let row = elements / shape[0];
        let byte = |i: usize| if i.is_multiple_of(row) { 127 } else { (noise.next() * 40.0) as i8 };
        let bytes = graph.constant(Tensor::i8(shape, (0..elements).map(byte).collect()).unwrap());
        graph.apply(Dequantize { scaling: Scaling::per_tensor(scale, 0) }, &[bytes]).unwrap()
    };
    let w = weight(&mut graph, &[8, 3, 3, 3], 0.002);
    let y = graph.conv2d(x, w, None, Window::square(2, 1), 1).unwrap();
    let y = graph.relu(y).unwrap();
    let trunk = marked(&mut graph, y, 0.02, -128);
    let w = weight(&mut graph, &[8, 8, 1, 1], 0.003);
    let y = graph.conv2d(trunk, w, None, Window::default(), 1).unwrap();
    let y = marked(&mut graph, y, 0.02, 5);
    let y = graph.add(y, trunk).unwrap();
    let y = marked(&mut graph, y, 0.03, -10);
    graph.output("y", y).unwrap();
    let inputs: Vec<Tensor> = (0..4).map(|_| noise.tensor(&[1, 3, 12, 12], 1.0, 0.0)).collect();
    let result = fuse(&graph, &Options::default()).unwrap();
    assert_eq!((result.in_bytes, &result.in_floats[..]), (3, &[][..]));
    // Floats between the pairs round almost as integers do.
    for x in &inputs {
        let (marked, fused) = (run(&graph, x), run(&result.graph, x));
        let steps = marked.iter().zip(&fused).map(|(a, b)| ((a - b) / 0.03).abs().round());
        assert!(steps.clone().all(|steps| steps <= 1.0), "a result is off by more than one step");
        assert!(steps.sum::<f32>() < 0.01 * marked.len() as f32, "more than one result of a hundred is off");
    }
}

#[test]
fn a_clip_behind_a_convolution_bounds_its_bytes() {
    let mut graph = Graph::new();
    let x = graph.input("x", ounce_graph::TensorType::f32(&[1, 1, 1, 4])).unwrap();
    let w = graph.parameter("w", Tensor::f32(&[1, 1, 1, 1], vec![1.0]).unwrap()).unwrap();
    let y = graph.conv2d(x, w, None, Window::default(), 1).unwrap();
    let y = graph.apply(Clip { low: -0.5, high: 0.25 }, &[y]).unwrap();
    graph.output("y", y).unwrap();
    let x = Tensor::f32(&[1, 1, 1, 4], vec![-2.0, -0.1, 0.1, 2.0]).unwrap();
    let result = quantized(
        &graph,
        std::slice::from_ref(&x),
        &Options { observer: Observer::MinMax, ..Options::default() },
    );
    let y = run(&result.graph, &x);
    for (found, expected) in y.iter().zip([-0.5, -0.1, 0.1, 0.25]) {
        assert!((found - expected).abs() < 0.012, "{y:?}");
    }
}

#[test]
fn ranges_hold_zero_and_never_fail() {
    let whole = Quantization::of_range(0.0, 2.55);
    assert_eq!((whole.zero, whole.byte(0.0), whole.byte(2.55), whole.byte(9.0)), (-128, -128, 127, 127));
    assert_eq!(Quantization::of_range(1.0, 3.0).byte(0.0), -128);
    assert_eq!(Quantization::of_range(0.0, 0.0).scale, 1.0);
    let huge = Quantization::of_range(f32::MIN, f32::MAX);
    assert!(huge.scale.is_finite() && huge.scale > 0.0 && (-128..=127).contains(&huge.zero));
}

#[test]
fn bad_samples_are_refused() {
    let mut noise = Noise(4);
    let graph = network(&mut noise);
    let mut pool = ThreadPool::new(1);
    let mut refused = |samples: &[Vec<(&str, &Tensor)>]| {
        quantize(&graph, samples, &Options::default(), &mut pool).unwrap_err()
    };
    assert_eq!(refused(&[]), QuantizeError::NoSamples);
    let x = noise.tensor(&[1, 3, 12, 12], f32::INFINITY, 0.0);
    let error = refused(&[vec![("x", &x)]]);
    assert!(matches!(error, QuantizeError::NotFinite(_)), "{error}");
    assert!(matches!(refused(&[vec![]]), QuantizeError::Graph(_)));
}
