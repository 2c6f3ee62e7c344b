//! Circuits and counts through a folder.
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ounce_quantum::backend::{BackendError, FileBackend};
use ounce_quantum::gradient::shift::{ShiftPlan, Wanted};
use ounce_quantum::measurement::BasisChange;
use ounce_quantum::noise::{NoiseModel, Program};
use ounce_quantum::sim::{reference, trajectory};
use ounce_quantum::{Backend, Circuit, Counts, PauliString, PauliSum, Request, Standard};
use serde_json::Value;

/// Texts of circuits and the circuits that they are: no parser is needed to play the machine.
type Written = Arc<Mutex<HashMap<String, Circuit>>>;

fn backend(folder: &Path, written: &Written, shots: u64) -> FileBackend {
    let written = Arc::clone(written);
    let writer = move |circuit: &Circuit| {
        let text = format!("{circuit:?}");
        written.lock().map_err(|error| error.to_string())?.insert(text.clone(), circuit.clone());
        Ok(text)
    };
    FileBackend::new(folder, Box::new(writer), BasisChange::SqrtX, shots).unwrap()
}

/// Runs all that the manifest lists; returns how many there were.
fn play_machine(folder: &Path, written: &Written) -> usize {
    let manifest: Value =
        serde_json::from_str(&fs::read_to_string(folder.join("manifest.json")).unwrap()).unwrap();
    let circuits = manifest["circuits"].as_array().unwrap();
    for (index, entry) in circuits.iter().enumerate() {
        let text = fs::read_to_string(folder.join(entry["circuit"].as_str().unwrap())).unwrap();
        let circuit = written.lock().unwrap()[&text].clone();
        let model = NoiseModel::perfect(circuit.qubits());
        let shots = manifest["shots"].as_u64().unwrap();
        let program = Program::new(&circuit, &[], &[], &model, &[]);
        let counts = trajectory::counts(&program, shots, shots, (index as u64, 0), 1 << 20).unwrap();
        assert_eq!(entry["bits"], counts.bits());
        fs::write(folder.join(entry["counts"].as_str().unwrap()), counts.to_json().to_string()).unwrap();
    }
    circuits.len()
}

fn circuit() -> Circuit {
    let mut circuit = Circuit::new(3);
    let angle = circuit.add_parameter("a");
    circuit.push(Standard::Ry, &[0], [angle]).unwrap().cx(0, 2).unwrap();
    circuit.push(Standard::Rx, &[1], [angle]).unwrap();
    circuit
}

fn observables() -> Vec<PauliSum> {
    ["IIZ", "XIX", "IYI"].map(|text| PauliString::parse(text).unwrap().into()).into()
}

#[test]
fn circuits_wait_for_counts_and_a_new_start_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let written = Written::default();
    let (circuit, observables) = (circuit(), observables());
    let request = Request::new(&circuit, &[0.9], &[], 1, &observables).unwrap();
    let mut first = backend(folder.path(), &written, 20_000);
    let error = first.expectations(&request).unwrap_err();
    assert!(matches!(error, BackendError::Waiting { missing: 2, .. }), "{error}");
    assert!(error.to_string().contains("manifest.json"));
    assert_eq!((first.waiting().len(), first.runs()), (2, 0));
    assert_eq!(play_machine(folder.path(), &written), 2);
    let mut second = backend(folder.path(), &written, 20_000);
    let values = second.expectations(&request).unwrap();
    assert_eq!((values.clone(), second.runs()), (first.expectations(&request).unwrap(), 1));
    assert_eq!(play_machine(folder.path(), &written), 0);
    let state = reference::run(&circuit, &[0.9], &[]);
    for (value, observable) in values.iter().zip(&observables) {
        // The standard error is at most 1/sqrt(20000); five of them.
        assert!((value - reference::expectation(&state, observable)).abs() < 0.036, "{values:?}");
    }
    // Other shots, other circuits.
    assert!(backend(folder.path(), &written, 100).expectations(&request).is_err());
    // Nothing but finished files lies in the folder.
    let names = |name: &str| {
        fs::read_dir(folder.path().join(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<Vec<_>>()
    };
    assert!(names("circuits").iter().all(|name| name.ends_with(".qasm")) && names(".").len() == 3);
}

#[test]
fn all_circuits_of_a_gradient_are_written_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let written = Written::default();
    let (circuit, observables) = (circuit(), observables());
    let request = Request::new(&circuit, &[0.9], &[], 1, &observables).unwrap();
    let plan = ShiftPlan::new(&circuit);
    let mut backend = backend(folder.path(), &written, 4000);
    let mut gradient =
        || backend.gather(|backend| plan.gradients(backend, &request, &[1.0, 0.0, 1.0], Wanted::PARAMETERS));
    assert!(matches!(gradient().unwrap_err(), BackendError::Waiting { missing: 8, .. }));
    assert_eq!(play_machine(folder.path(), &written), 8);
    let value = gradient().unwrap().parameters[0];
    // <Z0> = cos a, <Y1> = -sin a.
    let expected = -0.9f64.sin() - 0.9f64.cos();
    assert!((value - expected).abs() < 0.1, "{value} {expected}");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let written = Written::default();
    let (circuit, observables) = (circuit(), observables());
    let request = Request::new(&circuit, &[0.9], &[], 1, &observables).unwrap();
    let mut own = backend(folder.path(), &written, 10);
    own.expectations(&request).unwrap_err();
    let path = folder.path().join(&own.waiting()[0].counts);
    fs::write(&path, r#"{"counts": {"0000": 10}}"#).unwrap();
    let error = own.expectations(&request).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("0000"), "{error}");
    let cannot = |_: &Circuit| Err("the writer has no name for it".to_owned());
    let mut backend = FileBackend::new(folder.path(), Box::new(cannot), BasisChange::Hadamard, 10).unwrap();
    assert_eq!(backend.expectations(&request).unwrap_err().to_string(), "the writer has no name for it");
    assert!(FileBackend::new(folder.path(), Box::new(cannot), BasisChange::Hadamard, 0).is_err());
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(
        FileBackend::new(&folder.path().join("file"), Box::new(cannot), BasisChange::Hadamard, 1).is_err()
    );
    assert!(Counts::from_json("{}", 1).is_err());
}
