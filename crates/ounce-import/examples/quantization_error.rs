//! Quantizes an ONNX network and measures what it costs.
//!
//! Usage: `quantization_error MODEL.onnx IMAGES.f32 SAMPLES`. The file holds images of the model's input as little-endian floats, one after another. The
//! first `SAMPLES` are used to find ranges; on the others, the outputs are compared with those of the network in floats.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use ounce_formats::onnx::Onnx;
use ounce_graph::{Executor, Graph, PlanOptions, Tensor, passes, plan};
use ounce_import::onnx::{self, Options};
use ounce_import::quantize::{self, Arithmetic, Observer, quantize};
use ounce_kernels::ThreadPool;

fn run(graph: &Graph, name: &str, images: &[Tensor]) -> Vec<Vec<f32>> {
    let mut graph = graph.clone();
    graph.freeze_all();
    let graph = passes::optimize(&graph).unwrap();
    let mut executor = Executor::new(&graph, &plan::plan(&graph, &PlanOptions::default()).unwrap()).unwrap();
    let mut pool = ThreadPool::new(1);
    let output = graph.outputs()[0].0.clone();
    let mut outputs = Vec::new();
    for image in images {
        executor.set_input(name, image).unwrap();
        executor.run(&mut pool);
        outputs.push(executor.output(&output).unwrap().as_f32().unwrap().to_vec());
    }
    outputs
}

fn best(y: &[f32]) -> usize {
    (0..y.len()).max_by(|a, b| y[*a].total_cmp(&y[*b])).unwrap_or(0)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, images, samples] = &arguments[..] else {
        eprintln!("usage: quantization_error MODEL.onnx IMAGES.f32 SAMPLES");
        return;
    };
    let file = Onnx::open(model.as_ref()).expect("the model opens");
    let model = file.model().expect("the model is read");
    let imported = onnx::import(&model, &Options { batch: Some(1), ..Options::default() });
    let imported = imported.expect("the model is imported");
    let input = &imported.inputs[0];
    let bytes = std::fs::read(images).expect("the images are read");
    let floats: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let images = floats.chunks_exact(input.ty.elements());
    let images: Vec<Tensor> = images.map(|x| Tensor::f32(&input.ty.shape, x.to_vec()).unwrap()).collect();
    let (samples, tested) = images.split_at(samples.parse().expect("SAMPLES is a number"));
    let expected = run(&imported.graph, &input.name, tested);
    let samples: Vec<Vec<(&str, &Tensor)>> = samples.iter().map(|x| vec![(input.name.as_str(), x)]).collect();
    let mut pool = ThreadPool::new(1);
    let head = ["ranges", "factors", "SNR [dB]", "top-1", "in bytes", "in floats"];
    println!("{:<20} {:<8} {:>9} {:>7} {:>9} {:>10}", head[0], head[1], head[2], head[3], head[4], head[5]);
    for observer in [Observer::MinMax, Observer::Percentile(0.9999), Observer::LeastSquares] {
        for arithmetic in [Arithmetic::Float, Arithmetic::Fixed] {
            let options = quantize::Options { observer, arithmetic, ..quantize::Options::default() };
            let quantized =
                quantize(&imported.graph, &samples, &options, &mut pool).expect("the network is quantized");
            let found = run(&quantized.graph, &input.name, tested);
            let (mut signal, mut noise, mut same) = (0.0, 0.0, 0);
            for (a, b) in expected.iter().zip(&found) {
                signal += a.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
                noise += a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
                same += usize::from(best(a) == best(b));
            }
            let decibels = 10.0 * (signal / noise).log10();
            let agreement = format!("{same}/{}", expected.len());
            let (ranges, factors) = (format!("{observer:?}"), format!("{arithmetic:?}"));
            let (bytes, floats) = (quantized.in_bytes, quantized.in_floats.len());
            println!("{ranges:<20} {factors:<8} {decibels:>9.1} {agreement:>7} {bytes:>9} {floats:>10}");
        }
    }
}
