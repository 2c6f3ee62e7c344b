//! Gates, encoders and layers against TorchQuantum and Qiskit (`conformance/quantum/gates.py`).

use std::collections::BTreeMap;

use ounce_quantum::encoder::{Encoder, encoder_names};
use ounce_quantum::gate::by_name_on;
use ounce_quantum::layers::Template;
use ounce_quantum::{C64, Gate, Matrix};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    angles: Vec<f64>,
    qiskit: BTreeMap<String, GoldenGate>,
    gates: BTreeMap<String, GoldenGate>,
    missing: Vec<String>,
    encoders: BTreeMap<String, Vec<GoldenEncoding>>,
    layers: BTreeMap<String, Vec<(String, Vec<usize>)>>,
}

/// Name, qubits and inputs.
type GoldenEncoding = (String, Vec<usize>, Vec<usize>);

#[derive(Deserialize)]
struct GoldenGate {
    angles: usize,
    matrix: Vec<[f64; 2]>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("gates.json")).unwrap_or_else(|error| panic!("{error}"))
}

fn gate(name: &str, dim: usize) -> Option<Gate> {
    by_name_on(name, dim.trailing_zeros() as usize)
}

fn differences(gates: &BTreeMap<String, GoldenGate>, angles: &[f64]) -> Vec<String> {
    let differs = |(name, golden): (&String, &GoldenGate)| {
        let dim = golden.matrix.len().isqrt();
        let expected = Matrix::new(dim, golden.matrix.iter().map(|&[re, im]| C64::new(re, im)).collect());
        let Some(gate) = gate(name, dim) else { return Some(format!("{name}: unknown")) };
        if gate.angles() != golden.angles {
            return Some(format!("{name}: takes {} angles, not {}", gate.angles(), golden.angles));
        }
        let distance = gate.matrix(&angles[..golden.angles]).distance(&expected?);
        // TorchQuantum computes in single precision.
        (distance > 1e-6).then(|| format!("{name}: {distance}"))
    };
    gates.iter().filter_map(differs).collect()
}

#[test]
fn matrices_are_those_of_qiskit() {
    let golden = golden();
    assert!(golden.qiskit.len() >= 51);
    assert_eq!(differences(&golden.qiskit, &golden.angles), Vec::<String>::new());
}

#[test]
fn matrices_are_those_of_torchquantum() {
    let golden = golden();
    assert!(golden.gates.len() >= 79);
    let differences = differences(&golden.gates, &golden.angles);
    // TorchQuantum's matrix of cu2 lacks the factor 1/sqrt(2), so it is not unitary.
    assert!(matches!(&differences[..], [cu2] if cu2.starts_with("cu2:")), "{differences:?}");
    // Not matrices of a name: any unitary, the reset, and a global phase on one qubit.
    let others = ["globalphase", "qubitunitary", "qubitunitaryfast", "qubitunitarystrict", "reset"];
    let others = others.into_iter().chain(["trainableunitary", "trainableunitarystrict"]);
    assert!(golden.missing.iter().map(String::as_str).eq(others), "{:?}", golden.missing);
}

#[test]
fn encoders_are_those_of_torchquantum() {
    let golden = golden();
    assert_eq!(golden.encoders.len(), encoder_names().count());
    for (name, gates) in &golden.encoders {
        let encoder = Encoder::named(name).unwrap_or_else(|| panic!("{name} is not there"));
        let found: Vec<_> = encoder
            .encodings()
            .iter()
            .map(|own| (own.gate.clone(), own.qubits.clone(), own.inputs.clone()))
            .collect();
        let expected: Vec<_> = gates
            .iter()
            .map(|(gate, qubits, inputs)| {
                (by_name_on(gate, 1).expect("a gate"), qubits.clone(), inputs.clone())
            })
            .collect();
        assert_eq!(found, expected, "{name}");
        let circuit = encoder.circuit().expect("a circuit");
        assert_eq!(circuit.inputs(), encoder.inputs(), "{name}");
    }
}

#[test]
fn layers_are_those_of_torchquantum() {
    for (name, gates) in &golden().layers {
        let template = Template::named(name).unwrap_or_else(|| panic!("{name} is not there"));
        let circuit = template.circuit(4, 2).expect("a circuit");
        assert_eq!(circuit.parameters().len(), template.parameters(4, 2), "{name}");
        let found: Vec<_> = circuit.operations().map(|own| (own.gate.clone(), own.qubits.clone())).collect();
        let expected: Vec<_> = gates
            .iter()
            .map(|(gate, qubits)| {
                (by_name_on(gate, qubits.len()).unwrap_or_else(|| panic!("{gate}")), qubits.clone())
            })
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}
