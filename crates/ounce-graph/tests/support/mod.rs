//! Golden files, the cases they hold, and comparisons.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub(crate) mod cases;
pub(crate) mod mcunet;

use std::collections::BTreeMap;

use ounce_graph::{Graph, Tensor, ValueId, differentiate};
use safetensors::{Dtype, SafeTensors};

/// All tensors of a golden file.
pub(crate) fn golden(file: &str) -> BTreeMap<String, Tensor> {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let words = |data: &[u8]| data.chunks_exact(4).map(|w| w.try_into().unwrap()).collect::<Vec<[u8; 4]>>();
    file.iter()
        .map(|(name, view)| {
            let shape = view.shape();
            let tensor = match view.dtype() {
                Dtype::F32 => {
                    Tensor::f32(shape, words(view.data()).into_iter().map(f32::from_le_bytes).collect())
                }
                Dtype::I32 => {
                    Tensor::i32(shape, words(view.data()).into_iter().map(i32::from_le_bytes).collect())
                }
                Dtype::I8 => Tensor::i8(shape, view.data().iter().map(|b| *b as i8).collect()),
                other => panic!("{name}: {other:?}"),
            };
            (name.to_owned(), tensor.unwrap())
        })
        .collect()
}

/// The inputs of a case, by name.
pub(crate) fn inputs_of(golden: &BTreeMap<String, Tensor>, case: &str) -> BTreeMap<String, Tensor> {
    let prefix = format!("{case}.in.");
    golden
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor.clone())))
        .collect()
}

/// A case as a graph: outputs `out` and `grad.NAME` for every float input in `wrt`, of the loss `sum(out * cotangent)`.
pub(crate) fn graph_of(
    build: cases::Build,
    inputs: &BTreeMap<String, Tensor>,
    cotangent: &Tensor,
    wrt: &[String],
) -> Graph {
    let mut graph = Graph::new();
    let ids: BTreeMap<String, ValueId> = inputs
        .iter()
        .map(|(name, tensor)| {
            let id = match tensor.as_f32() {
                Some(_) => graph.parameter(name, tensor.clone()),
                None => graph.input(name, tensor.ty().clone()),
            };
            (name.clone(), id.unwrap())
        })
        .collect();
    let out = build(&mut graph, &|name: &str| ids[name]).unwrap();
    assert_eq!(graph.shape(out), cotangent.shape());
    let cotangent = graph.constant(cotangent.clone());
    let product = graph.mul(out, cotangent).unwrap();
    let loss = graph.sum_all(product).unwrap();
    let wrt_ids: Vec<ValueId> = wrt.iter().map(|name| ids[name]).collect();
    let mut result = differentiate(&graph, loss, &wrt_ids).unwrap();
    result.graph.output("out", out).unwrap();
    for (name, gradient) in wrt.iter().zip(&result.gradients) {
        result.graph.output(&format!("grad.{name}"), *gradient).unwrap();
    }
    result.graph
}

/// Fails where two tensors differ by more than `tolerance`, relative to the largest element.
pub(crate) fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(found.ty(), expected.ty(), "{what}");
    let (Some(found), Some(expected)) = (found.as_f32(), expected.as_f32()) else {
        assert_eq!(found, expected, "{what}");
        return;
    };
    let scale = expected.iter().fold(1.0f32, |max, x| max.max(x.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * scale, "{what}[{i}]: {f}, expected {e}");
    }
}
