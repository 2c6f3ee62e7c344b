//! Networks of TensorFlow Lite give what its reference kernels give, bit for bit but for softmax (`conformance/tflite/run.py`).

#![allow(clippy::unwrap_used)]

mod support;

use ounce_formats::tflite::Tflite;
use ounce_graph::{DType, Tensor};
use ounce_import::Limits;
use ounce_import::tflite::{TfliteImportError, import};
use support::{Golden, data, executed};

fn checksum(tensor: &Tensor) -> i64 {
    let terms = tensor.as_i8().unwrap().iter().enumerate().map(|(i, y)| i64::from(*y) * (i as i64 % 251 + 1));
    terms.sum::<i64>().rem_euclid(1 << 31)
}

#[test]
fn published_networks_are_those_of_the_reference_kernels() {
    let golden = Golden::open("tflite.safetensors");
    for name in ["vww", "vww_96_int8", "pretrainedResnet_quant"] {
        let Some(path) = data(&format!("tiny/{name}.tflite")) else { continue };
        let file = Tflite::open(&path).unwrap();
        let imported = import(&file.model().unwrap(), Limits::default()).unwrap();
        let mut graph = imported.graph.clone();
        for (i, value) in imported.values.iter().enumerate() {
            if let Some(value) = value.filter(|value| graph.ty(value.id).dtype == DType::I8) {
                graph.output(&format!("tensor {i}"), value.id).unwrap();
            }
        }
        for case in 0..2 {
            let mut x = golden.tensor(&format!("{name}.{case}.x"));
            let input = &imported.inputs[0];
            if input.ty.dtype == DType::F32 {
                let floats = x.as_i8().unwrap().iter().map(|x| (f32::from(*x) + 0.5) / 127.5).collect();
                x = Tensor::f32(x.shape(), floats).unwrap();
            }
            let outputs = executed(&graph, &[(&input.name, &x)]);
            let sums = golden.i32s(&format!("{name}.{case}.checksums"));
            let (operators, _) = sums.as_chunks::<2>();
            let is_softmax = |at: usize| imported.outputs[0].name != "1422" && at + 1 == operators.len();
            for (at, [tensor, expected]) in operators.iter().enumerate().filter(|(at, _)| !is_softmax(*at)) {
                let found = checksum(&outputs[&format!("tensor {tensor}")]);
                assert_eq!(found, i64::from(*expected), "{name}, case {case}: result {at}");
            }
            let (found, expected) =
                (&outputs[&imported.outputs[0].name], golden.tensor(&format!("{name}.{case}.y")));
            match (found.as_i8(), expected.as_i8()) {
                (Some(found), Some(expected)) => {
                    let near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
                    assert!(near, "{name}, case {case}: {found:?}, not {expected:?}");
                }
                _ => assert_eq!(*found, expected, "{name}, case {case}"),
            }
        }
    }
}

#[test]
fn all_that_is_not_supported_is_named_at_once() {
    let file = Tflite::open(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../conformance/tflite/operators.tflite")
            .as_path(),
    );
    let file = file.unwrap();
    let model = file.model().unwrap();
    let error = import(&model, Limits::default()).unwrap_err();
    let TfliteImportError::Unsupported(found) = &error else { panic!("{error}") };
    println!("{error}");
    assert!(found.len() > 1 && found.is_sorted_by_key(|one| one.at));
}

#[test]
fn sizes_are_bounded() {
    let Some(path) = data("tiny/vww.tflite") else { return };
    let file = Tflite::open(&path).unwrap();
    let limits = Limits { total_bytes: 1 << 16, ..Limits::default() };
    let error = import(&file.model().unwrap(), limits).unwrap_err().to_string();
    assert!(error.contains("more than the limit of 65536 bytes together"), "{error}");
}
