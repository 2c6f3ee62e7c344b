//! OpenQASM files that Qiskit and mqt.bench wrote, and the states that Qiskit computes (`conformance/quantum/qasm.py`).

use std::path::{Path, PathBuf};

use ounce_quantum::sim::reference;
use ounce_quantum::{C64, Circuit, qasm};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    qubits: usize,
    state: Option<Vec<[f64; 2]>>,
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|own| own == "qasm")).collect();
    paths.sort();
    paths
}

/// How far the overlap of two states is from 1, whatever their global phases.
fn infidelity(a: &[C64], b: &[C64]) -> f64 {
    let overlap: C64 = a.iter().zip(b).map(|(a, b)| a.conj() * b).sum();
    if a.len() == b.len() { (1.0 - overlap.norm()).abs() } else { 1.0 }
}

/// What is wrong with the reading of a file.
fn check(path: &Path, rewrite: bool) -> Result<bool, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let golden = std::fs::read_to_string(path.with_extension("json")).map_err(|error| error.to_string())?;
    let golden: Golden = serde_json::from_str(&golden).map_err(|error| error.to_string())?;
    let circuit = qasm::read(&text).map_err(|error| error.to_string())?;
    if circuit.qubits() != golden.qubits {
        return Err(format!("{} qubits, not {}", circuit.qubits(), golden.qubits));
    }
    let Some(state) = golden.state else { return Ok(false) };
    let expected: Vec<C64> = state.iter().map(|&[re, im]| C64::new(re, im)).collect();
    let same = |what: &str, circuit: &Circuit| {
        let distance = infidelity(&reference::run(circuit, &[], &[]), &expected);
        if distance < 1e-9 { Ok(()) } else { Err(format!("{what}: infidelity {distance}")) }
    };
    same("read", &circuit)?;
    if rewrite {
        let two = qasm::write2(&circuit).map_err(|error| error.to_string())?;
        same("version 2", &qasm::read(&two).map_err(|error| format!("version 2: {error}"))?)?;
        let three = qasm::write3(&circuit);
        same("version 3", &qasm::read(&three).map_err(|error| format!("version 3: {error}"))?)?;
    }
    Ok(true)
}

fn check_all(folder: &Path, rewrite: bool) -> (usize, usize, Vec<String>) {
    let (mut read, mut compared, mut wrong) = (0, 0, Vec::new());
    for path in files(folder) {
        match check(&path, rewrite) {
            Ok(state) => {
                read += 1;
                compared += usize::from(state);
            }
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    (read, compared, wrong)
}

#[test]
fn states_are_those_of_qiskit() {
    let (read, compared, wrong) = check_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/qasm"), true);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(read >= 26 && compared >= 24, "{read} {compared}");
}

/// Run with `-- --ignored --nocapture` after `conformance/quantum/qasm.py` has written the folder `qasm` into the target directory.
#[test]
#[ignore = "needs the files of conformance/quantum/qasm.py"]
fn all_benchmarks_are_read() {
    let folder =
        std::env::current_exe().ok().and_then(|path| path.ancestors().nth(3).map(|path| path.join("qasm")));
    let folder = folder.expect("the target directory");
    let (read, compared, wrong) = check_all(&folder, false);
    println!("{read} read, {compared} states compared, {} refused or wrong", wrong.len());
    wrong.iter().for_each(|line| println!("{line}"));
}
