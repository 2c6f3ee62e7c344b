//! Broken models give errors: no panic, and no memory beyond the limits. What is imported also runs.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};

use ounce_formats::onnx::{AttributeValue, Dimension, Model, TensorData, ValueType};
use ounce_formats::tflite;
use ounce_graph::{DType, Graph, Tensor, evaluate};
use ounce_import::Limits;
use ounce_import::onnx::{Options, import};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const LIMITS: Limits = Limits { value_bytes: 1 << 18, total_bytes: 1 << 21, folded_elements: 1 << 14 };
/// Bytes that an import may allocate: some of the input's size, and what the limits allow.
const MOST: usize = 1 << 23;

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }

    /// An integer that is likely to be one too many.
    fn integer(&mut self) -> i64 {
        const ODD: [i64; 18] = [
            0,
            1,
            -1,
            2,
            3,
            -2,
            -3,
            7,
            8,
            64,
            1 << 16,
            i32::MAX as i64,
            i32::MIN as i64,
            1 << 32,
            1 << 40,
            i64::MAX,
            i64::MIN,
            i64::MAX / 2,
        ];
        ODD[self.below(ODD.len())]
    }
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Replaces an integer, a name, an extent or a node.
fn mutate(model: &mut Model<'_>, random: &mut Random) {
    let graph = &mut model.graph;
    match random.below(8) {
        0 | 1 if !graph.initializers.is_empty() => {
            let at = random.below(graph.initializers.len());
            let tensor = &mut graph.initializers[at];
            let width = tensor.element.bits() / 8;
            let TensorData::Bytes(bytes) = &mut tensor.data else { return };
            let (count, bytes) = (bytes.len().checked_div(width).unwrap_or(0), bytes.to_mut());
            if count > 0 && width <= 8 {
                let place = random.below(count) * width;
                bytes[place..place + width].copy_from_slice(&random.integer().to_le_bytes()[..width]);
            }
        }
        2 | 3 if !graph.nodes.is_empty() => {
            let at = random.below(graph.nodes.len());
            let node = &mut graph.nodes[at];
            if node.attributes.is_empty() {
                return;
            }
            let which = random.below(node.attributes.len());
            match &mut node.attributes[which].value {
                AttributeValue::Int(int) => *int = random.integer(),
                AttributeValue::Ints(ints) if !ints.is_empty() && random.below(4) > 0 => {
                    let place = random.below(ints.len());
                    ints[place] = random.integer();
                }
                AttributeValue::Ints(ints) => ints.push(random.integer()),
                AttributeValue::Float(float) => *float = f32::from_bits(random.integer() as u32),
                _ => {
                    node.attributes.remove(which);
                }
            }
        }
        4 if !graph.inputs.is_empty() => {
            let at = random.below(graph.inputs.len());
            if let Some(ValueType::Tensor { shape: Some(shape), .. }) = &mut graph.inputs[at].ty
                && !shape.is_empty()
            {
                let axis = random.below(shape.len());
                match random.below(4) {
                    0 => drop(shape.remove(axis)),
                    1 => shape.push(Dimension::Known(random.below(4))),
                    _ => shape[axis] = Dimension::Known(usize::try_from(random.integer()).unwrap_or(0)),
                }
            }
        }
        5 if !graph.nodes.is_empty() => {
            // An operator is fed something else.
            let names: Vec<_> = graph.inputs.iter().map(|info| info.name.clone()).collect();
            let at = random.below(graph.nodes.len());
            let node = &mut graph.nodes[at];
            if !node.inputs.is_empty() && !names.is_empty() {
                let place = random.below(node.inputs.len());
                node.inputs[place] = names[random.below(names.len())].clone();
            }
        }
        6 if !graph.nodes.is_empty() => {
            let names = ounce_import::onnx::operators();
            let at = random.below(graph.nodes.len());
            graph.nodes[at].op = names[random.below(names.len())].into();
        }
        _ => model.opsets.iter_mut().for_each(|opset| opset.version = 7 + random.below(16) as i64),
    }
}

/// Runs a graph that is small enough, on ones.
fn run(graph: &Graph) {
    if graph.cost().macs > 1 << 20 {
        return;
    }
    let ones = |id: &ounce_graph::ValueId| {
        let value = graph.value(*id);
        let mut tensor = Tensor::zeros(&value.ty);
        if value.ty.dtype == DType::F32 {
            tensor = Tensor::f32(&value.ty.shape, vec![1.0; value.ty.elements()]).unwrap();
        }
        (value.name.clone(), tensor)
    };
    let inputs: Vec<(String, Tensor)> = graph.inputs().iter().map(ones).collect();
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    evaluate(graph, &inputs).unwrap();
}

/// Runs `import`, which may not allocate more than a bound.
fn bounded<T>(import: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = import();
    let used = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(used < MOST, "an import took {used} bytes");
    result
}

/// The node tests of the onnx package where they are, else the models beside the tests of the reader.
fn corpus() -> Vec<Vec<u8>> {
    let mut files = vec![here("../../conformance/onnx/network.onnx")];
    if let Some(folder) = std::env::var_os("OUNCE_TEST_ONNX") {
        files
            .extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("model.onnx")));
    }
    files.sort();
    let small = |bytes: &Vec<u8>| bytes.len() < 1 << 16;
    files.iter().filter_map(|file| std::fs::read(file).ok()).filter(small).collect()
}

#[test]
fn broken_onnx_models_give_errors() {
    let mut random = Random(1);
    let options = Options { batch: Some(1), limits: LIMITS, ..Options::default() };
    let corpus = corpus();
    assert!(!corpus.is_empty());
    let rounds = 20_000 / corpus.len() + 1;
    let mut imported = 0;
    for bytes in &corpus {
        for _ in 0..rounds {
            let Ok(mut model) = Model::parse(bytes) else { break };
            // Some integers of node tests come in as inputs: constants show more.
            for info in
                model.graph.inputs.split_off(usize::from(random.below(2) == 0).min(model.graph.inputs.len()))
            {
                let Some(ValueType::Tensor { element, shape: Some(shape) }) = &info.ty else { continue };
                let extent =
                    |dimension: &Dimension<'_>| if let Dimension::Known(n) = dimension { *n } else { 1 };
                let shape: Vec<usize> = shape.iter().map(extent).collect();
                let Some(count) = element.bytes_of_shape(&shape).filter(|count| *count < 4096) else {
                    continue;
                };
                let data =
                    TensorData::Bytes((0..count).map(|_| random.below(3) as u8).collect::<Vec<u8>>().into());
                model.graph.initializers.push(ounce_formats::onnx::Tensor {
                    name: info.name,
                    element: *element,
                    shape,
                    data,
                });
            }
            (0..=random.below(3)).for_each(|_| mutate(&mut model, &mut random));
            if let Ok(result) = bounded(|| import(&model, &options)) {
                imported += 1;
                run(&result.graph);
            }
        }
    }
    println!("{imported} of {} broken models were imported", rounds * corpus.len());
}

#[test]
fn broken_tflite_models_give_errors() {
    let mut random = Random(2);
    let mut files = vec![std::fs::read(here("../../conformance/tflite/operators.tflite")).unwrap()];
    files
        .extend(support::data("tiny/pretrainedResnet_quant.tflite").map(|path| std::fs::read(path).unwrap()));
    let mut imported = 0;
    for original in &files {
        for _ in 0..1500 {
            let mut bytes = original.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = if random.below(2) == 0 {
                    random.integer() as u8
                } else {
                    bytes[at] ^ 1 << random.below(8)
                };
            }
            let Ok(model) = tflite::Model::parse(&bytes) else { continue };
            if let Ok(result) = bounded(|| ounce_import::tflite::import(&model, LIMITS)) {
                imported += 1;
                run(&result.graph);
            }
        }
    }
    println!("{imported} broken models were imported");
}
