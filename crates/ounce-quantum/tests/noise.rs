//! Noise models and noisy runs against Qiskit Aer (`conformance/quantum/noise.py`).
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::{golden, in_test_data};
use ounce_quantum::device::{Device, find};
use ounce_quantum::noise::{Branch, Fault, GateNoise, NoiseModel, NoiseOptions, ReadoutKind};
use ounce_quantum::{C64, Matrix};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn model(device: &Device, thermal: bool, readout: ReadoutKind) -> NoiseModel {
    NoiseModel::new(device, NoiseOptions { gate_errors: true, thermal_relaxation: thermal, readout })
}

/// An index of Qiskit's superoperators as one of ours: in column and row the first qubit is its least significant bit.
fn index(qiskit: usize, qubits: usize) -> usize {
    (0..qubits).fold(0, |own, qubit| {
        let bit = |from: usize| (qiskit >> from & 1) << (qubits - 1 - qubit);
        own | bit(qubit) | bit(qubits + qubit) << qubits
    })
}

fn superoperator(error: &Value) -> Matrix {
    let qubits = error["qubits"].as_array().unwrap().len();
    let dim = 1 << (2 * qubits);
    let mut entries = vec![C64::default(); dim * dim];
    for entry in error["entries"].as_array().unwrap() {
        let at = |i: usize| index(entry[i].as_u64().unwrap() as usize, qubits);
        let number = |i: usize| entry[i].as_f64().unwrap();
        entries[at(0) * dim + at(1)] = C64::new(number(2), number(3));
    }
    Matrix::new(dim, entries).unwrap()
}

/// Compares all errors of a device; returns how many there are.
fn compare(device: &Device, expected: &Value) -> usize {
    let mut compared = 0;
    for (key, thermal) in [("thermal", true), ("depolarizing", false)] {
        let model = model(device, thermal, ReadoutKind::Perfect);
        for error in expected[key].as_array().unwrap() {
            let name = error["gate"].as_str().unwrap();
            let qubits: Vec<usize> =
                error["qubits"].as_array().unwrap().iter().map(|q| q.as_u64().unwrap() as usize).collect();
            let Some(own) = model.named(name, &qubits) else {
                panic!("{}: {name} on {qubits:?} has no error", device.name())
            };
            let distance = own.superoperator().distance(&superoperator(error));
            assert!(distance < 1e-9, "{}: {name} on {qubits:?}: {distance}", device.name());
            compared += 1;
        }
        let known = |name: &str, qubits: &[usize]| {
            let named =
                |error: &&Value| error["gate"] == name && error["qubits"] == serde_json::json!(qubits);
            expected[key].as_array().unwrap().iter().find(named).is_some()
        };
        for (name, qubits, _) in model.errors() {
            // Aer knows what is in the basis only.
            let usable = device.basis().iter().any(|own| own == name);
            assert!(
                !usable || known(name, qubits),
                "{}: {name} on {qubits:?} should have no error",
                device.name()
            );
        }
    }
    compared
}

#[test]
fn errors_are_those_of_aer() {
    let folder = golden("devices");
    let all: Value = serde_json::from_str(&std::fs::read_to_string(golden("noise.json")).unwrap()).unwrap();
    let mut compared = 0;
    for expected in all.as_array().unwrap() {
        let name = expected["device"].as_str().unwrap();
        let file = |kind: &str| folder.join(format!("{kind}_{name}.json"));
        compared += compare(&Device::read(&file("conf"), &file("props")).unwrap(), expected);
    }
    assert!(compared > 90, "{compared}");
}

/// All devices that qiskit-ibm-runtime ships, where `noise.py --shipped` wrote what Aer makes of them.
#[test]
fn errors_of_shipped_devices_are_those_of_aer() {
    let Some(path) = in_test_data("quantum/noise_golden.json") else { return };
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut compared = 0;
    for expected in all.as_array().unwrap() {
        let file = |kind: &str| PathBuf::from(expected[kind].as_str().unwrap());
        compared += compare(&Device::read(&file("configuration"), &file("properties")).unwrap(), expected);
    }
    eprintln!("{compared} errors of {} devices", all.as_array().unwrap().len());
}

/// What `noise_ref.json` says of one error: probabilities and names of what happens, Aer's order.
fn branches(noise: &GateNoise) -> Vec<(f64, Vec<&'static str>)> {
    let names = |branch: &Branch| {
        let name = |fault: &(usize, Fault)| match fault.1 {
            Fault::Pauli(_) => "pauli",
            Fault::Reset => "reset",
            Fault::Kraus(_) => "kraus",
        };
        branch.faults.iter().map(name).collect()
    };
    noise.branches().iter().map(|branch| (branch.probability, names(branch))).collect()
}

#[test]
fn errors_of_retired_devices_are_those_of_aer() {
    let Some(reference) = in_test_data("quantum/noise_ref.json") else { return };
    let Some(folder) = in_test_data("quantum/calibration") else { return };
    let reference: Value = serde_json::from_slice(&std::fs::read(reference).unwrap()).unwrap();
    let devices = find(&folder).unwrap();
    let mut compared = 0;
    for (key, errors) in reference.as_object().unwrap() {
        let (class, thermal) = key.split_once("/thermal=").unwrap();
        let name = class.trim_start_matches("Fake").trim_end_matches("V2").to_lowercase();
        let files = devices.iter().find(|files| files.name == name).unwrap();
        let device = Device::read(&files.configuration, &files.properties).unwrap();
        let model = model(&device, thermal == "True", ReadoutKind::Symmetric);
        for (gate, error) in errors.as_object().unwrap() {
            compared += 1;
            let (name, qubits) = gate.trim_end_matches(']').split_once('[').unwrap();
            let qubits: Vec<usize> = qubits.split(", ").map(|qubit| qubit.parse().unwrap()).collect();
            let expected = error["p"].as_array().unwrap();
            if name == "measure" {
                let own = model.readout(qubits[0]).matrix();
                let rows = own.iter().flatten().zip(expected.iter().flat_map(|row| row.as_array().unwrap()));
                assert!(rows.map(|(a, b)| (a - b.as_f64().unwrap()).abs()).all(|d| d < 1e-9), "{key} {gate}");
                continue;
            }
            let own = branches(model.named(name, &qubits).unwrap());
            assert_eq!(own.len(), expected.len(), "{key} {gate}");
            for ((probability, faults), (expected, instructions)) in
                own.iter().zip(expected.iter().zip(error["inst"].as_array().unwrap()))
            {
                assert!((probability - expected.as_f64().unwrap()).abs() < 1e-9, "{key} {gate}");
                let of =
                    |kind: &str| instructions.as_array().unwrap().iter().filter(|i| i[0] == kind).count();
                for kind in ["reset", "kraus"] {
                    assert_eq!(
                        faults.iter().filter(|fault| **fault == kind).count(),
                        of(kind),
                        "{key} {gate}"
                    );
                }
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn what_a_calibration_lacks_is_taken_as_perfect() {
    let read = |name: &str| {
        let file = |kind: &str| golden("devices").join(format!("{kind}_{name}.json"));
        Device::read(&file("conf"), &file("props")).unwrap()
    };
    let line = read("ounce_line");
    let model = model(&line, true, ReadoutKind::Asymmetric);
    assert_eq!(model.readout(0).matrix(), [[0.99, 0.01], [0.03, 0.97]]);
    assert_eq!(model.readout(2).matrix(), [[0.95, 0.05], [0.05, 0.95]]);
    assert!(model.readout(99).is_none());
    assert!(line.qubits()[3].t2.is_none());
    assert!(model.named("rz", &[0]).is_none() && model.named("cx", &[0, 3]).is_none());
    // A reset takes time, and has no error of its own.
    assert!(model.named("reset", &[0]).unwrap().pauli().is_none());
    let star = read("ounce_star");
    assert!(model_of_broken(&star).named("cz", &[1, 2]).is_none());
    assert_eq!(find(Path::new(&golden("devices"))).unwrap().len(), 3);
}

fn model_of_broken(device: &Device) -> NoiseModel {
    model(device, true, ReadoutKind::Asymmetric)
}

#[test]
fn twirling_keeps_the_fidelity() {
    let files = find(&golden("devices")).unwrap();
    for files in files {
        let device = Device::read(&files.configuration, &files.properties).unwrap();
        for (name, qubits, noise) in model(&device, true, ReadoutKind::Perfect).errors() {
            let dim = f64::from(1u32 << qubits.len());
            let twirled = noise.twirled(1.0);
            let fidelity = (dim * twirled.probabilities()[0] + 1.0) / (dim + 1.0);
            assert!((fidelity - noise.fidelity()).abs() < 1e-12, "{name} on {qubits:?}");
            let half = noise.twirled(0.5);
            assert!((half.error() - 0.5 * twirled.error()).abs() < 1e-12);
        }
    }
}
