//! Times quantized networks, and a step of training, as `benches/peers/tiny` does with other programs. Prints one JSON object: the seconds of the fastest run, and what came out.
//!
//! Usage: `network_speed MODEL.onnx|MODEL.tflite|train THREADS REPEATS [steps]`; with `steps`, the fastest run of every operator goes to stderr.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ounce_formats::onnx::Onnx;
use ounce_formats::tflite::Tflite;
use ounce_graph::ops::Window;
use ounce_graph::plan::plan;
use ounce_graph::train::{Optimizer, training_graph};
use ounce_graph::{
    DType, Executor, Graph, GraphError, PlanOptions, Slice, Tensor, TensorType, ValueId, passes,
};
use ounce_import::{Limits, onnx, quantize, tflite};
use ounce_kernels::ThreadPool;

/// Bytes that look random, the same as the peers are given.
fn pixels(count: usize) -> Vec<i8> {
    (0..count as i64).map(|i| ((i.wrapping_mul(2_654_435_761) >> 13).rem_euclid(256) - 128) as i8).collect()
}

/// Numbers that look random, in -scale..scale.
fn numbers(shape: &[usize], scale: f64) -> Tensor {
    // SplitMix64.
    let number = |i: usize| {
        let mut z = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((((z ^ z >> 31) >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0) * scale) as f32
    };
    Tensor::f32(shape, (0..shape.iter().product()).map(number).collect()).unwrap()
}

/// A network and its input.
fn network(path: &str) -> (Graph, String, Tensor) {
    if path.ends_with(".tflite") {
        let file = Tflite::open(path.as_ref()).expect("the model opens");
        let imported = tflite::import(&file.model().expect("the model is read"), Limits::default()).unwrap();
        let ty = imported.inputs[0].ty.clone();
        assert!(imported.inputs[0].is_image, "the importer moves channels to the front");
        let image = Tensor::i8(&ty.shape, pixels(ty.elements())).unwrap();
        return (imported.graph, imported.inputs[0].name.clone(), image);
    }
    let file = Onnx::open(path.as_ref()).expect("the model opens");
    let imported =
        onnx::import(&file.model().expect("the model is read"), &onnx::Options::default()).unwrap();
    let ty = imported.inputs[0].ty.clone();
    let fused = quantize::fuse(&imported.graph, &quantize::Options::default()).unwrap();
    assert!(fused.in_floats.is_empty(), "these remain in floats: {:?}", fused.in_floats);
    let data = pixels(ty.elements()).into_iter().map(|x| f32::from(x) / 127.5).collect();
    (fused.graph, imported.inputs[0].name.clone(), Tensor::f32(&ty.shape, data).unwrap())
}

const BATCH: usize = 32;
const SIZE: usize = 128;
const CLASSES: usize = 10;
/// Small, so that roundings do not grow from step to step.
const RATE: f32 = 0.002;

/// Expansion, output channels, repeats, stride: MobileNetV2 of width 0.35.
const BLOCKS: [(usize, usize, usize, usize); 7] =
    [(1, 8, 1, 1), (6, 8, 2, 2), (6, 16, 3, 2), (6, 24, 4, 2), (6, 32, 3, 1), (6, 56, 3, 2), (6, 112, 1, 1)];

struct Builder {
    graph: Graph,
    trained: Vec<ValueId>,
}

impl Builder {
    fn trained(&mut self, data: Tensor) -> Result<ValueId, GraphError> {
        let id = self.graph.parameter(&format!("p{}", self.trained.len()), data)?;
        self.trained.push(id);
        Ok(id)
    }

    /// A convolution without bias, batch norm, and ReLU6 where asked for.
    fn conv(
        &mut self,
        x: ValueId,
        outputs: usize,
        kernel: usize,
        stride: usize,
        groups: usize,
        act: bool,
    ) -> Result<ValueId, GraphError> {
        let shape = [outputs, self.graph.shape(x)[1] / groups, kernel, kernel];
        let w = self.trained(numbers(&shape, (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt()))?;
        let y = self.graph.conv2d(x, w, None, Window::square(stride, kernel / 2), groups)?;
        let ones = Tensor::f32(&[outputs], vec![1.0; outputs])?;
        let zeros = Tensor::f32(&[outputs], vec![0.0; outputs])?;
        let (weight, bias) = (self.trained(ones.clone())?, self.trained(zeros.clone())?);
        let n = self.trained.len();
        let mean = self.graph.parameter(&format!("mean{n}"), zeros)?;
        let var = self.graph.parameter(&format!("var{n}"), ones)?;
        let y = self.graph.batch_norm_training(y, [weight, bias, mean, var], 1e-5, 0.1)?;
        if act { self.graph.relu6(y) } else { Ok(y) }
    }
}

/// One step of training, with its inputs.
fn training() -> Result<(Graph, Vec<(String, Tensor)>), GraphError> {
    let mut b = Builder { graph: Graph::new(), trained: Vec::new() };
    let image = b.graph.input("image", TensorType::f32(&[BATCH, 3, SIZE, SIZE]))?;
    let labels = b.graph.input("labels", TensorType::new(DType::I32, &[BATCH]))?;
    let mut x = b.conv(image, 16, 3, 2, 1, true)?;
    for (expansion, outputs, repeats, stride) in BLOCKS {
        for i in 0..repeats {
            let channels = b.graph.shape(x)[1];
            let stride = if i == 0 { stride } else { 1 };
            let inner = channels * expansion;
            let mut y = if expansion > 1 { b.conv(x, inner, 1, 1, 1, true)? } else { x };
            y = b.conv(y, inner, 3, stride, inner, true)?;
            y = b.conv(y, outputs, 1, 1, 1, false)?;
            x = if stride == 1 && channels == outputs { b.graph.add(x, y)? } else { y };
        }
    }
    x = b.conv(x, 1280, 1, 1, 1, true)?;
    let pooled = b.graph.global_avg_pool(x)?;
    let features = b.graph.flatten(pooled, 1)?;
    let w = b.trained(numbers(&[CLASSES, 1280], 0.05))?;
    let bias = b.trained(Tensor::f32(&[CLASSES], vec![0.0; CLASSES])?)?;
    let logits = b.graph.linear(features, w, Some(bias))?;
    let loss = b.graph.cross_entropy(logits, labels)?;
    let graph = training_graph(&b.graph, loss, &b.trained, Optimizer::SGD)?;
    let classes = (0..BATCH).map(|i| (i * 7 % CLASSES) as i32).collect();
    let mut inputs = vec![
        ("image".to_owned(), numbers(&[BATCH, 3, SIZE, SIZE], 1.0)),
        ("labels".to_owned(), Tensor::i32(&[BATCH], classes)?),
    ];
    inputs.push((ounce_graph::train::LEARNING_RATE.to_owned(), Tensor::scalar(RATE)));
    Ok((graph, inputs))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, threads, repeats, rest @ ..] = &arguments[..] else {
        panic!("usage: network_speed MODEL|train THREADS REPEATS [steps]")
    };
    let (graph, inputs) = if what == "train" {
        training().unwrap()
    } else {
        let (graph, name, image) = network(what);
        (graph, vec![(name, image)])
    };
    let graph = passes::optimize_for_host(&graph).unwrap();
    let mut executor = Executor::new(&graph, &plan(&graph, &PlanOptions::default()).unwrap()).unwrap();
    let mut pool = ThreadPool::new(threads.parse().expect("a number of threads"));
    let output = graph.outputs()[0].0.clone();
    let names: Vec<&str> = executor.steps().map(|op| op.name()).collect();
    let mut fastest = vec![Duration::MAX; names.len()];
    let (mut least, mut values) = (Duration::MAX, Vec::new());
    // The first run does not count.
    for turn in 0..=repeats.parse::<usize>().expect("a number of runs") {
        let begin = Instant::now();
        for (name, data) in &inputs {
            executor.set_input(name, data).unwrap();
        }
        if rest.is_empty() {
            executor.run(&mut pool);
        } else {
            let mut last = Instant::now();
            executor.run_observed(&mut pool, |step| {
                let now = Instant::now();
                fastest[step] = fastest[step].min(now - last);
                last = now;
            });
        }
        if turn > 0 {
            least = least.min(begin.elapsed());
        }
        let found: Vec<f64> = match executor.output_slice(&output).unwrap() {
            Slice::F32(y) => y.iter().map(|y| f64::from(*y)).collect(),
            Slice::I8(y) => y.iter().map(|y| f64::from(*y)).collect(),
            other => panic!("{output} is {other:?}"),
        };
        if what != "train" {
            values.clear();
        }
        values.extend(found);
    }
    if !rest.is_empty() {
        let mut single: Vec<_> = names.iter().zip(&fastest).enumerate().collect();
        single.sort_by_key(|(_, (_, time))| std::cmp::Reverse(**time));
        single.iter().take(16).for_each(|(i, (name, time))| eprintln!("{i:4} {name:28} {time:.1?}"));
        let mut spent: BTreeMap<&str, Duration> = BTreeMap::new();
        for (name, time) in names.into_iter().zip(fastest) {
            *spent.entry(name).or_default() += time;
        }
        let mut spent: Vec<_> = spent.into_iter().collect();
        spent.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        spent.iter().for_each(|(name, time)| eprintln!("{name:28} {time:.1?}"));
    }
    let values: Vec<String> = values.iter().map(f64::to_string).collect();
    println!("{{\"seconds\": {}, \"value\": [{}]}}", least.as_secs_f64(), values.join(", "));
}
