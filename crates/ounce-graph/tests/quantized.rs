//! Quantized operators against PyTorch with rounding passed straight through, and against slow twins in 64-bit arithmetic.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::{BTreeMap, HashMap};

use ounce_graph::ops::*;
use ounce_graph::plan::plan;
use ounce_graph::{
    DType, Executor, Graph, Operator as _, PlanOptions, Tensor, TensorType, ValueId, bit, differentiate,
    evaluate, passes,
};
use ounce_kernels::ThreadPool;
use proptest::prelude::*;
use support::{assert_close, golden};

fn conv(
    g: &mut Graph,
    inputs: [ValueId; 3],
    zeros: [i32; 2],
    factor: &Tensor,
    window: Window,
    groups: usize,
) -> ValueId {
    let op = QuantizedConv2d {
        window,
        groups,
        x_zero: zeros[0],
        y_zero: zeros[1],
        requantize: Requantize::Float(factor.as_f32().unwrap().to_vec()),
        low: -128,
        high: 127,
        save_mask: true,
    };
    g.apply(op, &inputs).unwrap()
}

/// Runs a graph of constants and parameters by the book and by the executor: results are the golden ones, and the executor's are those by the book, as near as said.
fn compare(
    graph: &Graph,
    golden: impl Fn(&str) -> Tensor,
    threads: usize,
    [by_the_book, fast]: [f32; 2],
) -> (HashMap<String, Tensor>, Executor) {
    let by_reference = evaluate(graph, &[]).unwrap().outputs;
    let optimized = passes::optimize(graph).unwrap();
    let mut executor =
        Executor::new(&optimized, &plan(&optimized, &PlanOptions::default()).unwrap()).unwrap();
    executor.run(&mut ThreadPool::new(threads));
    for (name, found) in &by_reference {
        assert_close(name, found, &golden(name), by_the_book);
        assert_close(name, &executor.output(name).unwrap(), found, fast);
    }
    (by_reference, executor)
}

#[test]
fn forward_and_gradients_are_those_of_the_simulation() {
    let golden = golden("training.safetensors");
    let data = |name: &str| golden[&format!("quantized.{name}")].clone();
    let names = ["x", "w0", "b0", "w1", "b1", "w2", "b2", "w3", "b3"];
    let mut g = Graph::new();
    let ids: BTreeMap<&str, ValueId> =
        names.iter().map(|name| (*name, g.parameter(name, data(name)).unwrap())).collect();
    let labels = g.constant(data("labels"));
    let of = |i: usize| [ids[format!("w{i}").as_str()], ids[format!("b{i}").as_str()]];
    let [w, b] = of(0);
    let y0 = conv(&mut g, [ids["x"], w, b], [4, -11], &data("factor0"), Window::square(2, 1), 1);
    let [w, b] = of(1);
    let y1 = conv(&mut g, [y0, w, b], [-11, 7], &data("factor1"), Window::square(1, 1), 6);
    let [w, b] = of(2);
    let y2 = conv(&mut g, [y1, w, b], [7, -3], &data("factor2"), Window::default(), 1);
    let add =
        QuantizedAdd { scales: [0.05, 0.04], zeros: [-11, -3], y_scale: 0.06, y_zero: 5, save_mask: false };
    let y = g.apply(add, &[y0, y2]).unwrap();
    let pooled = g.apply(QuantizedGlobalAvgPool, &[y]).unwrap();
    let [w, b] = of(3);
    let y3 = conv(&mut g, [pooled, w, b], [5, 2], &data("factor3"), Window::default(), 1);
    let y3 = g.flatten(y3, 1).unwrap();
    let logits = g.apply(Dequantize { scaling: Scaling::per_tensor(0.05, 0) }, &[y3]).unwrap();
    let loss = g.cross_entropy(logits, labels).unwrap();
    let wrt: Vec<ValueId> = names.iter().map(|name| ids[name]).collect();
    let mut result = differentiate(&g, loss, &wrt).unwrap();
    result.graph.output("logits", y3).unwrap();
    result.graph.output("loss", loss).unwrap();
    for (name, gradient) in names.iter().zip(&result.gradients) {
        result.graph.output(&format!("grad.{name}"), *gradient).unwrap();
    }
    let (by_reference, executor) = compare(&result.graph, data, 2, [1e-6, 1e-5]);
    let logits = executor.output("logits").unwrap();
    assert_eq!(logits, by_reference["logits"]);
}

#[test]
fn a_dense_layer_to_floats_is_that_of_pytorch() {
    let golden = golden("training.safetensors");
    let data = |name: &str| golden[&format!("dense.{name}")].clone();
    let mut g = Graph::new();
    let names = ["x", "w", "b"];
    let ids = names.map(|name| g.parameter(name, data(name)).unwrap());
    let labels = g.constant(data("labels"));
    let op = QuantizedDense { x_zero: -17, scale: data("scale").as_f32().unwrap().to_vec() };
    let y = g.apply(op, &ids).unwrap();
    let logits = g.flatten(y, 1).unwrap();
    let loss = g.cross_entropy(logits, labels).unwrap();
    let mut result = differentiate(&g, loss, &ids).unwrap();
    result.graph.output("logits", logits).unwrap();
    result.graph.output("loss", loss).unwrap();
    for (name, gradient) in names.iter().zip(&result.gradients) {
        result.graph.output(&format!("grad.{name}"), *gradient).unwrap();
    }
    compare(&result.graph, data, 1, [2e-6, 1e-6]);
}

#[test]
fn a_dense_layer_says_what_does_not_fit() {
    let scale = |count| QuantizedDense { x_zero: 0, scale: vec![1.0; count] };
    let refused = |op: QuantizedDense, x: &[usize], w: &[usize]| {
        let types = [TensorType::new(DType::I8, x), TensorType::new(DType::I8, w)];
        let bias = TensorType::new(DType::I32, &[w[0]]);
        op.infer(&[&types[..], &[bias]].concat()).unwrap_err().to_string()
    };
    assert!(refused(scale(2), &[1, 3, 2, 1], &[2, 3, 1, 1]).contains("input 0"));
    assert!(refused(scale(2), &[1, 3, 1, 1], &[2, 4, 1, 1]).contains("input 1"));
    assert!(refused(scale(3), &[1, 3, 1, 1], &[2, 3, 1, 1]).contains("output channels"));
    assert!(
        refused(QuantizedDense { x_zero: 200, ..scale(2) }, &[1, 3, 1, 1], &[2, 3, 1, 1]).contains("zero")
    );
}

/// `y` and mask of a convolution of bytes, in 64-bit integers and floats, by definition.
fn twin(
    op: &QuantizedConv2d,
    x: &Tensor,
    w: &Tensor,
    bias: &[i32],
    places: [usize; 2],
) -> (Vec<i8>, Vec<bool>) {
    let (xs, ws) = (x.shape(), w.shape());
    let (x, w) = (x.as_i8().unwrap(), w.as_i8().unwrap());
    let (cg, og) = (ws[1], ws[0] / op.groups);
    let (mut y, mut mask) = (Vec::new(), Vec::new());
    for n in 0..xs[0] {
        for o in 0..ws[0] {
            for i in 0..places[0] {
                for j in 0..places[1] {
                    let mut sum = i64::from(bias[o]);
                    for c in 0..cg {
                        for a in 0..ws[2] {
                            for b in 0..ws[3] {
                                let row = (i * op.window.stride[0] + a * op.window.dilation[0]) as i64
                                    - op.window.before[0] as i64;
                                let column = (j * op.window.stride[1] + b * op.window.dilation[1]) as i64
                                    - op.window.before[1] as i64;
                                let inside =
                                    (0..xs[2] as i64).contains(&row) && (0..xs[3] as i64).contains(&column);
                                if inside {
                                    let channel = n * xs[1] + o / og * cg + c;
                                    let at = (channel * xs[2] + row as usize) * xs[3] + column as usize;
                                    let weight = w[((o * cg + c) * ws[2] + a) * ws[3] + b];
                                    sum += (i64::from(x[at]) - i64::from(op.x_zero)) * i64::from(weight);
                                }
                            }
                        }
                    }
                    let scaled = match &op.requantize {
                        Requantize::Float(f) => (sum as f32 * f[o % f.len()]).round_ties_even() as i64,
                        Requantize::FloatTruncated(f) => (sum as f32 * f[o % f.len()]).trunc() as i64,
                        Requantize::Fixed(f) => {
                            let f = f[o % f.len()];
                            fixed(sum, f.multiplier, f.shift)
                        }
                    };
                    let result = scaled + i64::from(op.y_zero);
                    y.push(result.clamp(i64::from(op.low), i64::from(op.high)) as i8);
                    mask.push((i64::from(op.low)..=i64::from(op.high)).contains(&result));
                }
            }
        }
    }
    (y, mask)
}

/// TensorFlow Lite's `MultiplyByQuantizedMultiplier`, from its description: both divisions round half away from zero.
fn fixed(sum: i64, multiplier: i32, shift: i32) -> i64 {
    let away = |numerator: i128, denominator: i128| {
        let magnitude = (numerator.abs() + denominator / 2) / denominator;
        if numerator < 0 { -magnitude } else { magnitude }
    };
    let product = i128::from(sum << shift.max(0)) * i128::from(multiplier);
    // The high product rounds halves up, away from zero only for positive numbers.
    let high = (product + (1i128 << 30)).div_euclid(1 << 31);
    away(high, 1i128 << (-shift).max(0)) as i64
}

fn bytes(count: usize, seed: u64) -> Vec<i8> {
    let mut state = seed | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as i8
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn convolution_of_bytes_is_exact(
        seed in any::<u64>(), batch in 1usize..3, groups in 1usize..4, cg in 1usize..4, og in 1usize..6, image in (1usize..9, 1usize..9),
        kernel in (1usize..4, 1usize..4), stride in (1usize..3, 1usize..3), pads in prop::array::uniform4(0usize..3), dilation in 1usize..3,
        zeros in (-128i32..=127, -128i32..=127), kind in 0usize..3, scale in -12.0f64..2.0, wide in any::<bool>(),
    ) {
        let (groups, cg) = match kind { 2 => (groups * cg, 1), _ => (groups, if wide { cg * 200 } else { cg }) };
        let og = if kind == 2 { 1 } else { og };
        let shape = [batch, groups * cg, image.0, image.1];
        let x = Tensor::i8(&shape, bytes(shape.iter().product(), seed)).unwrap();
        let kernel = [groups * og, cg, kernel.0, kernel.1];
        let w = Tensor::i8(&kernel, bytes(kernel.iter().product(), seed ^ 0x55)).unwrap();
        let bias: Vec<i32> = bytes(groups * og, seed ^ 0xaa).into_iter().map(|b| i32::from(b) * 37).collect();
        let factors: Vec<f64> = (0..groups * og).map(|o| (scale + o as f64 * 0.1).exp2()).collect();
        let requantize = match seed % 3 {
            0 => Requantize::Float(factors.iter().map(|f| *f as f32).collect()),
            1 => Requantize::FloatTruncated(factors.iter().map(|f| *f as f32).collect()),
            _ => Requantize::Fixed(factors.iter().map(|f| FixedScale::new(*f).unwrap()).collect()),
        };
        let window = Window {
            stride: [stride.0, stride.1], before: [pads[0], pads[1]], after: [pads[2], pads[3]], dilation: [dilation; 2],
        };
        let op = QuantizedConv2d {
            window, groups, x_zero: zeros.0, y_zero: zeros.1, requantize, low: -100, high: 115, save_mask: true,
        };
        let Ok(places) = window.output([image.0, image.1], [kernel[2], kernel[3]]) else { return Ok(()) };
        let mut g = Graph::new();
        let xi = g.input("x", x.ty().clone()).unwrap();
        let (wi, bi) = (g.parameter("w", w.clone()).unwrap(), g.constant(Tensor::i32(&[bias.len()], bias.clone()).unwrap()));
        let out = g.apply_all(op.clone(), &[xi, wi, bi]).unwrap();
        g.output("y", out[0]).unwrap();
        g.output("mask", out[1]).unwrap();
        let (y, mask) = twin(&op, &x, &w, &bias, places);
        let reference = evaluate(&g, &[("x", &x)]).unwrap().outputs;
        let mut executor = Executor::new(&g, &plan(&g, &PlanOptions::default()).unwrap()).unwrap();
        executor.set_input("x", &x).unwrap();
        executor.run(&mut ThreadPool::new(1));
        for name in ["y", "mask"] {
            prop_assert_eq!(&executor.output(name).unwrap(), &reference[name]);
        }
        prop_assert_eq!(reference["y"].as_i8().unwrap(), &y[..]);
        let ounce_graph::Data::Bits(bits) = reference["mask"].data() else { panic!("no bits") };
        let found: Vec<bool> = (0..mask.len()).map(|i| bit(bits, i)).collect();
        prop_assert_eq!(found, mask);
    }

    #[test]
    fn a_fixed_scale_is_near_its_float(factor in 1e-9f64..1e4, sum in -100_000i32..100_000) {
        let scale = FixedScale::new(factor).unwrap();
        let exact = f64::from(sum) * factor;
        if exact.abs() < 1e9 {
            prop_assert!((f64::from(scale.apply(sum)) - exact).abs() <= 1.0 + exact.abs() * 1e-9, "{sum} * {factor}");
        }
    }
}

#[test]
fn means_and_sums_round_to_even() {
    let x = Tensor::i8(&[1, 3, 1, 2], vec![1, 2, -1, -2, 127, 127]).unwrap();
    let mut g = Graph::new();
    let x = g.constant(x);
    let y = g.apply(QuantizedGlobalAvgPool, &[x]).unwrap();
    g.output("mean", y).unwrap();
    let add = QuantizedAdd { scales: [0.5, 1.0], zeros: [0, 1], y_scale: 1.0, y_zero: -1, save_mask: false };
    let y = g.apply(add, &[x, x]).unwrap();
    g.output("sum", y).unwrap();
    let outputs = evaluate(&g, &[]).unwrap().outputs;
    assert_eq!(outputs["mean"].as_i8().unwrap(), [2, -2, 127]);
    // 0.5 a + (a - 1) rounded, minus 1: 0.5, 2, -2.5, -4, 189.5.
    assert_eq!(outputs["sum"].as_i8().unwrap(), [-1, 1, -3, -5, 127, 127]);
}

/// Runs one update of bytes (or integers) and gives the new parameter and the residual.
fn update(
    w: Tensor,
    g: Tensor,
    factor: Vec<f32>,
    rounding: Rounding,
    further: Option<Tensor>,
) -> Vec<Tensor> {
    let mut graph = Graph::new();
    let mut inputs = vec![graph.parameter("w", w).unwrap(), graph.constant(g), graph.scalar(0.5)];
    inputs.extend(further.map(|tensor| graph.constant(tensor)));
    let out = graph.apply_all(QuantizedSgd { factor, rounding, channels: None }, &inputs).unwrap();
    for (i, out) in out.iter().enumerate() {
        graph.output(&format!("{i}"), *out).unwrap();
    }
    let found = evaluate(&graph, &[]).unwrap().outputs;
    (0..out.len()).map(|i| found[&format!("{i}")].clone()).collect()
}

fn bytes_of(data: &[i8]) -> Tensor {
    Tensor::i8(&[2, data.len() / 2], data.to_vec()).unwrap()
}

fn floats_of(data: &[f32]) -> Tensor {
    Tensor::f32(&[2, data.len() / 2], data.to_vec()).unwrap()
}

#[test]
fn updates_round_as_they_say() {
    let w = bytes_of(&[5, -5, 0, 127, -128, 100]);
    // Steps: 0.3, 0.3, -0.7 with factor 1; -2.5, 2.5, 0.5 with factor 2; the rate is 0.5.
    let g = floats_of(&[0.6, 0.6, -1.4, -2.5, 2.5, 0.5]);
    let factor = vec![1.0, 2.0];
    let run =
        |rounding| update(w.clone(), g.clone(), factor.clone(), rounding, None)[0].as_i8().unwrap().to_vec();
    // 4.7, -5.3, 0.7, 129.5, -130.5, 99.5 towards zero, modulo 256.
    assert_eq!(run(Rounding::Truncate), [4, -5, 0, -127, 126, 99]);
    assert_eq!(run(Rounding::TruncateStep), [5, -5, 0, 127, -128, 100]);
    assert_eq!(run(Rounding::Nearest), [5, -5, 1, 127, -128, 100]);
}

#[test]
fn error_feedback_loses_nothing() {
    let mut w = bytes_of(&[10, -20]);
    let mut residual = floats_of(&[0.0, 0.0]);
    for _ in 0..100 {
        let step = update(w, floats_of(&[0.26, -0.14]), vec![1.0], Rounding::ErrorFeedback, Some(residual));
        [w, residual] = step.try_into().unwrap();
    }
    // 100 steps of 0.13 and -0.07.
    let exact = [10.0 - 13.0, -20.0 + 7.0];
    for (i, exact) in exact.iter().enumerate() {
        let (w, residual) = (f32::from(w.as_i8().unwrap()[i]), residual.as_f32().unwrap()[i]);
        assert!((w - residual - exact).abs() < 1e-3 && residual.abs() <= 0.5, "{w} {residual}");
    }
}

#[test]
fn stochastic_rounding_is_right_on_average_and_reproducible() {
    let count = 20_000;
    let w = bytes_of(&vec![7; count]);
    let g = floats_of(&vec![0.6; count]);
    let run = |seed, step| {
        let step = Tensor::i32(&[], vec![step]).unwrap();
        update(w.clone(), g.clone(), vec![1.0], Rounding::Stochastic { seed }, Some(step))[0].clone()
    };
    let found = run(3, 1);
    let mean = found.as_i8().unwrap().iter().map(|w| f64::from(*w)).sum::<f64>() / count as f64;
    // 6.7 with a standard error of 0.0032.
    assert!((mean - 6.7).abs() < 0.015, "{mean}");
    assert!(found.as_i8().unwrap().iter().all(|w| *w == 6 || *w == 7));
    assert_eq!(found, run(3, 1));
    assert_ne!(found, run(4, 1));
    assert_ne!(found, run(3, 2));
}

#[test]
fn a_leading_block_is_updated_alone() {
    let w = Tensor::i8(&[2, 3], vec![1, 2, 3, 4, 5, 6]).unwrap();
    let g = Tensor::f32(&[2, 2], vec![2.0; 4]).unwrap();
    let found = update(w, g, vec![1.0], Rounding::Nearest, None);
    assert_eq!(found[0].as_i8().unwrap(), [0, 1, 3, 3, 4, 6]);
    let bias = Tensor::i32(&[2], vec![1_000_000, -3]).unwrap();
    let g = Tensor::f32(&[2], vec![1e6, -1.0]).unwrap();
    let found = update(bias, g, vec![1.0, 2.0], Rounding::TruncateStep, None);
    assert_eq!(found[0].as_i32().unwrap(), [500_000, -2]);
}

#[test]
fn chosen_channels_are_updated_alone() {
    let run = |shape: &[usize], axis: usize, channels: &[usize], g: &[usize]| {
        let mut graph = Graph::new();
        let count = shape.iter().product::<usize>();
        let w = Tensor::i8(shape, (0..count as i8).collect()).unwrap();
        let g =
            Tensor::f32(g, (0..g.iter().product()).map(|i: usize| 2.0 * (i as f32 + 1.0)).collect()).unwrap();
        let inputs = [graph.parameter("w", w).unwrap(), graph.constant(g), graph.scalar(-1.0)];
        let channels = SelectChannels { axis, channels: channels.to_vec() };
        let op = QuantizedSgd { factor: vec![1.0], rounding: Rounding::Nearest, channels: Some(channels) };
        let out = graph.apply(op, &inputs).map_err(|error| error.to_string())?;
        graph.output("new", out).unwrap();
        Ok::<_, String>(evaluate(&graph, &[]).unwrap().outputs["new"].as_i8().unwrap().to_vec())
    };
    // Input channels 1 and 2 of two kernels of two taps.
    let found = run(&[2, 4, 1, 2], 1, &[1, 2], &[2, 2, 1, 2]).unwrap();
    assert_eq!(found, [0, 1, 4, 7, 10, 13, 6, 7, 8, 9, 20, 23, 26, 29, 14, 15]);
    // Output channels 0 and 2 of three depthwise kernels.
    let found = run(&[3, 1, 1, 2], 0, &[0, 2], &[2, 1, 1, 2]).unwrap();
    assert_eq!(found, [2, 5, 2, 3, 10, 13]);
    let refused = |axis, channels: &[usize]| run(&[2, 4, 1, 2], axis, channels, &[2, 2, 1, 2]).unwrap_err();
    assert!(refused(1, &[2, 1]).contains("above the one before"));
    assert!(refused(1, &[1, 4]).contains("no channel 4"));
    assert!(refused(4, &[0, 1]).contains("axis"));
    assert!(refused(1, &[0, 1, 2]).contains("input 1"));
}

#[test]
fn quantize_and_dequantize_are_inverse_on_the_grid() {
    let scaling = Scaling { scale: vec![0.5, 0.25], axis: 1, zero_point: -3 };
    let x = Tensor::f32(&[2, 2], vec![1.25, -0.125, 1000.0, -1000.0]).unwrap();
    let mut g = Graph::new();
    let x = g.constant(x);
    let q = g.apply(Quantize { scaling: scaling.clone(), to: DType::I8 }, &[x]).unwrap();
    let y = g.apply(Dequantize { scaling }, &[q]).unwrap();
    let i = g.apply(Cast { to: DType::I32 }, &[y]).unwrap();
    for (name, id) in [("q", q), ("y", y), ("i", i)] {
        g.output(name, id).unwrap();
    }
    let outputs = evaluate(&g, &[]).unwrap().outputs;
    // 2.5 and -0.5 are ties.
    assert_eq!(outputs["q"].as_i8().unwrap(), [-1, -3, 127, -128]);
    assert_eq!(outputs["y"].as_f32().unwrap(), [1.0, 0.0, 65.0, -31.25]);
    assert_eq!(outputs["i"].as_i32().unwrap(), [1, 0, 65, -31]);
}

#[test]
fn a_convolution_without_mask_refuses_its_gradient() {
    let mut g = Graph::new();
    let x = g.input("x", TensorType::new(DType::I8, &[1, 1, 2, 2])).unwrap();
    let w = g.parameter("w", Tensor::i8(&[1, 1, 1, 1], vec![1]).unwrap()).unwrap();
    let b = g.constant(Tensor::i32(&[1], vec![0]).unwrap());
    let op = QuantizedConv2d {
        window: Window::default(),
        groups: 1,
        x_zero: 0,
        y_zero: 0,
        requantize: Requantize::Float(vec![1.0]),
        low: -128,
        high: 127,
        save_mask: false,
    };
    let y = g.apply(op, &[x, w, b]).unwrap();
    let y = g.apply(Dequantize { scaling: Scaling::per_tensor(1.0, 0) }, &[y]).unwrap();
    let loss = g.sum_all(y).unwrap();
    let error = differentiate(&g, loss, &[w]).unwrap_err().to_string();
    assert!(error.contains("save_mask"), "{error}");
}

#[test]
fn pools_of_bytes_are_those_of_floats() {
    let bytes: Vec<i8> = (0..2 * 3 * 7 * 6).map(|i| (i * 89 % 256) as u8 as i8).collect();
    let x = Tensor::i8(&[2, 3, 7, 6], bytes.clone()).unwrap();
    let floats = Tensor::f32(&[2, 3, 7, 6], bytes.iter().map(|x| f32::from(*x)).collect()).unwrap();
    let window = Window { stride: [2, 1], before: [1, 0], after: [0, 1], dilation: [1, 2] };
    for kind in [PoolKind::Max, PoolKind::AverageInside] {
        let mut g = Graph::new();
        let (q, f) = (
            g.input("q", TensorType::new(DType::I8, &[2, 3, 7, 6])).unwrap(),
            g.input("f", TensorType::f32(&[2, 3, 7, 6])).unwrap(),
        );
        let y = g.apply(QuantizedPool2d { kind, kernel: [3, 2], window }, &[q]).unwrap();
        g.output("bytes", y).unwrap();
        let y = g.apply(Pool2d { kind, kernel: [3, 2], window }, &[f]).unwrap();
        g.output("floats", y).unwrap();
        let result = evaluate(&g, &[("q", &x), ("f", &floats)]).unwrap();
        let expected = result.outputs["floats"].as_f32().unwrap().iter().map(|y| y.round_ties_even() as i8);
        assert_eq!(result.outputs["bytes"].as_i8().unwrap(), expected.collect::<Vec<_>>());
    }
    let mut g = Graph::new();
    let q = g.input("q", TensorType::new(DType::I8, &[1, 1, 4, 4])).unwrap();
    let refused = |g: &mut Graph, kind, window| {
        g.apply(QuantizedPool2d { kind, kernel: [2, 2], window }, &[q]).unwrap_err().to_string()
    };
    let error = refused(&mut g, PoolKind::Average, Window::default());
    assert!(error.contains("counts padding"), "{error}");
    let error = refused(&mut g, PoolKind::Max, Window::square(1, 2));
    assert!(error.contains("nothing inside"), "{error}");
}
