//! The density matrix against Qiskit Aer (`conformance/quantum/noise.py`) and the reference simulator.
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::golden;
use ounce_quantum::device::Device;
use ounce_quantum::gate::by_name;
use ounce_quantum::noise::{GateNoise, NoiseModel, NoiseOptions, Program, Relaxation};
use ounce_quantum::sim::density::{DensityMatrix, bytes};
use ounce_quantum::sim::reference;
use ounce_quantum::{C64, Circuit, Gate, Instruction, Matrix, Pauli, PauliString, Standard};
use serde_json::Value;

const LIMIT: u128 = 1 << 30;

fn device(name: &str) -> Device {
    let file = |kind: &str| golden("devices").join(format!("{kind}_{name}.json"));
    Device::read(&file("conf"), &file("props")).unwrap()
}

/// A circuit of the golden file: names, qubits, angles.
fn circuit(qubits: usize, gates: &Value) -> Circuit {
    let mut circuit = Circuit::new(qubits);
    for gate in gates.as_array().unwrap() {
        let on: Vec<usize> =
            gate[1].as_array().unwrap().iter().map(|q| q.as_u64().unwrap() as usize).collect();
        let angles: Vec<f64> =
            gate[2].as_array().unwrap().iter().map(|angle| angle.as_f64().unwrap()).collect();
        match by_name(gate[0].as_str().unwrap()) {
            Some(gate) => circuit.push(gate, &on, angles).unwrap(),
            None => circuit.push_instruction(Instruction::Reset(on[0])).unwrap(),
        };
    }
    circuit
}

#[test]
fn noisy_runs_are_those_of_aer() {
    let all: Value = serde_json::from_str(&std::fs::read_to_string(golden("noise.json")).unwrap()).unwrap();
    let mut runs = 0;
    for expected in all.as_array().unwrap() {
        let device = device(expected["device"].as_str().unwrap());
        let model = NoiseModel::new(&device, NoiseOptions::default());
        for run in expected["runs"].as_array().unwrap() {
            let entries = run["density"].as_array().unwrap();
            let dim = entries.len().isqrt();
            let qubits = dim.trailing_zeros() as usize;
            let kept: Vec<usize> = (0..qubits).collect();
            let circuit = circuit(qubits, &run["gates"]);
            let state = DensityMatrix::run(&Program::new(&circuit, &[], &[], &model, &kept), LIMIT).unwrap();
            for (index, entry) in entries.iter().enumerate() {
                let expected = C64::new(entry[0].as_f64().unwrap(), entry[1].as_f64().unwrap());
                let own = state.at(index / dim, index % dim);
                assert!((own - expected).norm() < 1e-9, "{} entry {index}: {own} {expected}", device.name());
            }
            assert!((state.trace() - 1.0).abs() < 1e-12 && state.purity() < 1.0);
            runs += 1;
        }
    }
    assert_eq!(runs, 6);
}

fn mixed_circuit() -> Circuit {
    let mut circuit = Circuit::new(4);
    circuit.apply(Standard::H, &[0]).unwrap().cx(0, 2).unwrap().push(Standard::Ry, &[1], [0.4]).unwrap();
    circuit.push(Gate::from(Standard::U3).controlled(1), &[2, 3], [0.3, 1.1, -0.7]).unwrap();
    circuit.push(Standard::Rzx, &[3, 1], [0.9]).unwrap().apply(Standard::Rccx, &[0, 3, 1]).unwrap();
    circuit
}

#[test]
fn without_noise_it_is_the_state_of_the_reference() {
    let circuit = mixed_circuit();
    let model = NoiseModel::perfect(4);
    let state = DensityMatrix::run(&Program::new(&circuit, &[], &[], &model, &[]), LIMIT).unwrap();
    let pure = reference::run(&circuit, &[], &[]);
    assert!((state.purity() - 1.0).abs() < 1e-12);
    for number in 0..256usize {
        let pauli = |qubit: usize| [Pauli::I, Pauli::X, Pauli::Y, Pauli::Z][number >> (2 * qubit) & 3];
        let string = PauliString::new((0..4).map(|qubit| (qubit, pauli(qubit)))).unwrap();
        let expected = reference::expectation_of(&pure, &string);
        assert!((state.expectation(&string) - expected).abs() < 1e-12, "{string:?}");
    }
}

#[test]
fn channels_by_parts_and_as_a_matrix_agree() {
    let model = NoiseModel::new(&device("ounce_line"), NoiseOptions::default());
    let prepare = || {
        let perfect = NoiseModel::perfect(4);
        DensityMatrix::run(&Program::new(&mixed_circuit(), &[], &[], &perfect, &[]), LIMIT).unwrap()
    };
    for (name, qubits, noise) in model.errors() {
        let on: &[usize] = if qubits.len() == 2 { &[3, 1] } else { &[2] };
        let (mut parts, mut whole) = (prepare(), prepare());
        parts.apply_noise(noise, on);
        whole.apply_superoperator(&noise.superoperator(), on);
        let same = (0..256).all(|i| (parts.at(i / 16, i % 16) - whole.at(i / 16, i % 16)).norm() < 1e-12);
        assert!(same, "{name} on {qubits:?}");
    }
}

#[test]
fn closed_forms_hold() {
    let mut state = DensityMatrix::new(1, LIMIT).unwrap();
    state.apply(&Standard::H.matrix(&[]), &[0]);
    let noise = GateNoise::new(1, None, vec![Relaxation::new(30.0, 50.0, 70.0)]).unwrap();
    state.apply_noise(&noise, &[0]);
    let x = PauliString::parse("X").unwrap();
    assert!((state.expectation(&x) - (-30.0f64 / 70.0).exp()).abs() < 1e-12);
    assert!((state.expectation(&PauliString::z(0)) - (1.0 - (-30.0f64 / 50.0).exp())).abs() < 1e-12);
    state.measure(0);
    assert!(state.expectation(&x).abs() < 1e-12);
    state.reset(0);
    assert!((state.at(0, 0) - C64::from(1.0)).norm() < 1e-12);
    // A matrix that is not unitary: a projection onto 1.
    let one = Matrix::new(2, vec![C64::default(), C64::default(), C64::default(), C64::from(1.0)]).unwrap();
    state.apply(&one, &[0]);
    assert!(state.trace().abs() < 1e-12);
}

#[test]
fn what_does_not_fit_memory_is_refused_with_its_size() {
    assert_eq!(bytes(10), 16 << 20);
    assert_eq!(bytes(1000), u128::MAX);

    assert!(DensityMatrix::new(16, 1 << 30).unwrap_err().to_string().contains("68719476736"));
    assert!(DensityMatrix::new(4000, u128::MAX - 1).is_err());
}
