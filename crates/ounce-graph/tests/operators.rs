//! Every operator in f32 against PyTorch and against finite differences.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;

use ounce_graph::{Graph, Tensor, evaluate};
use support::cases::cases;
use support::{assert_close, golden, graph_of, inputs_of};

/// The float inputs of a case that PyTorch gave a gradient.
fn differentiable(golden: &BTreeMap<String, Tensor>, case: &str) -> Vec<String> {
    let prefix = format!("{case}.grad.");
    golden.keys().filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned())).collect()
}

fn run(graph: &Graph, inputs: &BTreeMap<String, Tensor>) -> std::collections::HashMap<String, Tensor> {
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    evaluate(graph, &inputs).unwrap().outputs
}

#[test]
fn outputs_and_gradients_are_those_of_pytorch() {
    let golden = golden("operators.safetensors");
    let cases = cases();
    for (case, build) in &cases {
        let inputs = inputs_of(&golden, case);
        assert!(!inputs.is_empty(), "{case}: not in the golden file");
        let wrt = differentiable(&golden, case);
        let graph = graph_of(*build, &inputs, &golden[&format!("{case}.cotangent")], &wrt);
        let outputs = run(&graph, &inputs);
        assert_close(case, &outputs["out"], &golden[&format!("{case}.out")], 2e-6);
        for name in wrt {
            let key = format!("grad.{name}");
            assert_close(&format!("{case} {key}"), &outputs[&key], &golden[&format!("{case}.{key}")], 4e-6);
        }
    }
    let in_file: std::collections::BTreeSet<&str> =
        golden.keys().filter_map(|name| name.split('.').next()).collect();
    assert_eq!(in_file.len(), cases.len(), "cases of the golden file that no builder covers");
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let golden = golden("operators.safetensors");
    for (case, build) in cases() {
        if case == "reduce_max_ties" {
            // Not differentiable where it is tested.
            continue;
        }
        let inputs = inputs_of(&golden, case);
        let cotangent = &golden[&format!("{case}.cotangent")];
        for name in differentiable(&golden, case) {
            let graph = graph_of(build, &inputs, cotangent, std::slice::from_ref(&name));
            let gradient = &run(&graph, &inputs)[&format!("grad.{name}")];
            let gradient = gradient.as_f32().unwrap();
            let scale = gradient.iter().fold(1.0f64, |max, g| max.max(f64::from(g.abs())));
            let forward = {
                let mut forward = graph.clone();
                forward.clear_outputs();
                let (_, out) = graph.outputs().iter().find(|(name, _)| name == "out").unwrap();
                forward.output("out", *out).unwrap();
                ounce_graph::passes::dead_code(&forward).unwrap()
            };
            let loss = |x: &[f32]| -> f64 {
                let mut moved = forward.clone();
                let tensor = Tensor::f32(inputs[&name].shape(), x.to_vec()).unwrap();
                moved.set_parameter(&name, tensor).unwrap();
                let out = &run(&moved, &inputs)["out"];
                let pairs = out.as_f32().unwrap().iter().zip(cotangent.as_f32().unwrap());
                pairs.map(|(y, r)| f64::from(*y) * f64::from(*r)).sum()
            };
            let x = inputs[&name].as_f32().unwrap();
            // Up to 12 elements, spread over the input.
            for i in (0..x.len()).step_by(x.len().div_ceil(12)) {
                let step = 4e-3f32;
                let at = |by: f32| {
                    let mut moved = x.to_vec();
                    moved[i] += by;
                    (loss(&moved), f64::from(moved[i]))
                };
                let ((above, right), (below, left)) = (at(step), at(-step));
                let difference = (above - below) / (right - left);
                let error = (difference - f64::from(gradient[i])).abs();
                assert!(
                    error <= 4e-3 * scale,
                    "{case} {name}[{i}]: {} by differences {difference}",
                    gradient[i]
                );
            }
        }
    }
}
