//! A network whose only weights are bytes learns, by updates in place with quantization-aware scaling.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use ounce_graph::ops::*;
use ounce_graph::plan::plan;
use ounce_graph::{
    DType, Executor, Graph, GraphError, PlanOptions, Slice, Tensor, TensorType, ValueId, differentiate,
    passes,
};
use ounce_kernels::ThreadPool;
use support::mcunet::Random;

const BATCH: usize = 8;

/// Scale of the images, and per layer: channels, kernel, stride, scale of weights, scale of results.
const X_SCALE: f32 = 1.0 / 64.0;
const LAYERS: [(usize, usize, usize, f32, f32); 3] =
    [(6, 3, 2, 0.01, 0.04), (8, 3, 2, 0.006, 0.04), (2, 1, 1, 0.01, 0.05)];

/// One step of training: `scaled` divides by the squares of the scales.
fn step(rounding: Rounding, scaled: bool) -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    let mut random = Random(0xfeed_beef);
    let mut x = graph.input("x", TensorType::new(DType::I8, &[BATCH, 1, 8, 8]))?;
    let labels = graph.input("labels", TensorType::new(DType::I32, &[BATCH]))?;
    let rate = graph.input("rate", TensorType::f32(&[]))?;
    let number = graph.input("number", TensorType::new(DType::I32, &[]))?;
    let (mut x_scale, mut x_zero) = (X_SCALE, 0);
    let mut trained: Vec<(ValueId, f32)> = Vec::new();
    for (i, (outputs, kernel, stride, w_scale, y_scale)) in LAYERS.into_iter().enumerate() {
        let last = i + 1 == LAYERS.len();
        if last {
            x = graph.apply(QuantizedGlobalAvgPool, &[x])?;
        }
        let shape = [outputs, graph.shape(x)[1], kernel, kernel];
        let w = Tensor::i8(&shape, random.bytes(shape.iter().product(), 100))?;
        let w = graph.parameter(&format!("w{i}"), w)?;
        let b = graph.parameter(&format!("b{i}"), Tensor::i32(&[outputs], vec![0; outputs])?)?;
        // The clamp at -128, which stands for 0, is a ReLU.
        let y_zero = if last { 0 } else { -128 };
        let op = QuantizedConv2d {
            window: Window::square(stride, kernel / 2),
            groups: 1,
            x_zero,
            y_zero,
            requantize: Requantize::Float(vec![x_scale * w_scale / y_scale]),
            low: -128,
            high: 127,
            save_mask: true,
        };
        x = graph.apply(op, &[x, w, b])?;
        trained.push((w, w_scale));
        trained.push((b, w_scale * x_scale));
        (x_scale, x_zero) = (y_scale, y_zero);
    }
    let logits = graph.flatten(x, 1)?;
    let logits = graph.apply(Dequantize { scaling: Scaling::per_tensor(x_scale, 0) }, &[logits])?;
    let loss = graph.cross_entropy(logits, labels)?;
    let wrt: Vec<ValueId> = trained.iter().map(|(id, _)| *id).collect();
    let result = differentiate(&graph, loss, &wrt)?;
    let mut graph = result.graph;
    for ((parameter, scale), gradient) in trained.into_iter().zip(result.gradients) {
        let factor = vec![if scaled { scale.powi(-2) } else { 1.0 }];
        let mut inputs = vec![parameter, gradient, rate];
        let mut kept = None;
        match rounding {
            Rounding::Stochastic { .. } => inputs.push(number),
            Rounding::ErrorFeedback => {
                let name = format!("{}.residual", graph.value(parameter).name);
                let residual = graph.parameter(&name, Tensor::zeros(graph.ty(gradient)))?;
                inputs.push(residual);
                kept = Some(residual);
            }
            _ => {}
        }
        let new = graph.apply_all(QuantizedSgd { factor, rounding, channels: None }, &inputs)?;
        graph.update(parameter, new[0])?;
        if let Some(residual) = kept {
            graph.update(residual, new[1])?;
        }
    }
    graph.output("loss", loss)?;
    passes::optimize(&graph)
}

/// Stripes that lie (class 0) or stand (class 1), with noise.
fn batch(random: &mut Random) -> (Tensor, Tensor) {
    let mut pixels = Vec::new();
    let labels: Vec<i32> = random.bytes(BATCH, 100).into_iter().map(|b| i32::from(b > 0)).collect();
    for label in &labels {
        let noise = random.bytes(65, 25);
        let phase = usize::from(noise[64] > 0);
        pixels.extend((0..64).map(|i| {
            let along = if *label == 0 { i / 8 } else { i % 8 };
            let stripe = if (along + phase) % 2 == 0 { 50 } else { -50 };
            stripe + noise[i]
        }));
    }
    (Tensor::i8(&[BATCH, 1, 8, 8], pixels).unwrap(), Tensor::i32(&[BATCH], labels).unwrap())
}

/// The mean loss of the first and of the last ten of `steps` steps.
fn learn(rounding: Rounding, scaled: bool, rate: f32, steps: i32) -> [f32; 2] {
    let graph = step(rounding, scaled).unwrap();
    let mut executor = Executor::new(&graph, &plan(&graph, &PlanOptions::default()).unwrap()).unwrap();
    let mut pool = ThreadPool::new(1);
    let mut random = Random(0xabcd_1234);
    let losses: Vec<f32> = (0..steps)
        .map(|number| {
            let (x, labels) = batch(&mut random);
            executor.set_input("x", &x).unwrap();
            executor.set_input("labels", &labels).unwrap();
            executor.set_input("rate", &Tensor::scalar(rate)).unwrap();
            let has_number = graph.named("number").is_some();
            if has_number {
                executor.set_input("number", &Tensor::i32(&[], vec![number]).unwrap()).unwrap();
            }
            executor.run(&mut pool);
            let Slice::F32(loss) = executor.output_slice("loss").unwrap() else { panic!("no loss") };
            loss[0]
        })
        .collect();
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    [mean(&losses[..10]), mean(&losses[losses.len() - 10..])]
}

const ROUNDINGS: [Rounding; 4] =
    [Rounding::Nearest, Rounding::Truncate, Rounding::Stochastic { seed: 1 }, Rounding::ErrorFeedback];

#[test]
fn bytes_learn_with_scaled_gradients() {
    for rounding in ROUNDINGS {
        let [first, last] = learn(rounding, true, 0.1, 150);
        assert!(last < 0.1 * first, "{rounding:?}: {first} to {last}");
    }
}

#[test]
fn without_scaling_steps_are_lost() {
    let [first, last] = learn(Rounding::Nearest, false, 0.1, 150);
    assert!(last > first, "{first} to {last}");
}

#[test]
fn small_steps_need_a_rounding_that_keeps_them() {
    let last = |rounding| learn(rounding, true, 0.01, 150)[1];
    let [nearest, truncated, stochastic, feedback] = ROUNDINGS.map(last);
    let kept = stochastic.max(feedback);
    assert!(kept < 0.8 * nearest.min(truncated), "{nearest} {truncated} {stochastic} {feedback}");
}
