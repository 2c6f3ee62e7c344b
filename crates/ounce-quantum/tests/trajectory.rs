//! Trajectories and the noisy backend against the density matrix.
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::golden;
use ounce_quantum::backend::{BackendError, Execution, NoisyBackend, NoisyOptions};
use ounce_quantum::device::Device;
use ounce_quantum::noise::{NoiseModel, NoiseOptions, Program, as_read};
use ounce_quantum::sim::{reference, trajectory};
use ounce_quantum::{
    Angle, Backend, Circuit, Gate, Instruction, Outcome, PauliString, PauliSum, Request, Standard, Symbol,
};

const LIMIT: u128 = 1 << 30;

fn device(name: &str) -> Device {
    let file = |kind: &str| golden("devices").join(format!("{kind}_{name}.json"));
    Device::read(&file("conf"), &file("props")).unwrap()
}

/// Layers of the gates of `ounce_line`, with a reset.
fn circuit() -> Circuit {
    let mut circuit = Circuit::new(4);
    let angle = Angle::from(circuit.add_parameter("a"));
    circuit.add_inputs(1);
    for layer in 0..3 {
        for qubit in 0..4 {
            circuit.apply(Standard::Sx, &[qubit]).unwrap();
            circuit.push(Standard::Rz, &[qubit], [angle.scaled(0.3 + qubit as f64 * 0.2)]).unwrap();
            circuit.push(Standard::Rz, &[qubit], [Angle::from(Symbol::Input(0))]).unwrap();
            circuit.apply(Standard::Sx, &[qubit]).unwrap();
        }
        circuit.cx(0, 1).unwrap().cx(3, 2).unwrap().cx(1, 2).unwrap();
        if layer == 1 {
            circuit.push_instruction(Instruction::Reset(1)).unwrap();
        }
    }
    circuit
}

const PARAMETERS: [f64; 1] = [0.8];
const INPUTS: [f64; 1] = [-0.4];

/// The sum of squared deviations of counts from what is expected, each over its variance: of the order of the number of outcomes.
fn chi_square(seen: impl Fn(usize) -> u64, probabilities: &[f64], shots: u64) -> f64 {
    let term = |(index, p): (usize, &f64)| {
        let expected = p * shots as f64;
        (seen(index) as f64 - expected).powi(2) / expected
    };
    probabilities.iter().enumerate().map(term).sum()
}

/// Far above what 15 degrees of freedom give (mean 15, standard deviation 5.5), far below what another distribution gives.
const BOUND: f64 = 50.0;

#[test]
fn counts_of_trajectories_are_distributed_as_the_density_matrix_says() {
    let device = device("ounce_line");
    let model = NoiseModel::new(&device, NoiseOptions::default());
    let circuit = circuit();
    let program = Program::new(&circuit, &PARAMETERS, &INPUTS, &model, &[]);
    let shots = 20_000;
    let counts = trajectory::counts(&program, shots, 1, (3, 0), LIMIT).unwrap();
    assert_eq!(counts.shots(), shots);
    let mut backend = NoisyBackend::new(device, NoisyOptions { seed: 11, ..NoisyOptions::default() });
    let exact = backend.counts(&circuit, &PARAMETERS, &INPUTS, shots).unwrap();
    // The backend's exact probabilities, by the parities of all sets of qubits.
    let strings: Vec<PauliSum> = (0..16usize)
        .map(|set| {
            PauliString::new((0..4).filter(|q| set >> q & 1 == 1).map(|q| (q, ounce_quantum::Pauli::Z)))
                .unwrap()
                .into()
        })
        .collect();
    let request = Request::new(&circuit, &PARAMETERS, &INPUTS, 1, &strings).unwrap();
    let parities = backend.expectations(&request).unwrap();
    let sign =
        |set: usize, index: usize| if (set & index).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    let probability = |index: usize| (0..16).map(|set| sign(set, index) * parities[set]).sum::<f64>() / 16.0;
    let probabilities: Vec<f64> = (0..16).map(probability).collect();
    for counts in [&counts, &exact] {
        let chi =
            chi_square(|index| counts.get(&Outcome::from_index(4, index as u64)), &probabilities, shots);
        assert!(chi < BOUND, "{chi}");
    }
    // Without noise the distribution is another one.
    let pure = reference::run(&circuit, &PARAMETERS, &INPUTS);
    let pure: Vec<f64> = pure.iter().map(|a| a.norm_sqr().max(1e-9)).collect();
    assert!(
        chi_square(|index| counts.get(&Outcome::from_index(4, index as u64)), &pure, shots) > 10.0 * BOUND
    );
}

#[test]
fn every_way_of_execution_estimates_the_same() {
    let circuit = circuit();
    let observables: Vec<PauliSum> =
        ["IIIZ", "IZII", "ZIZI", "XIII", "IIYX"].map(|text| PauliString::parse(text).unwrap().into()).into();
    let inputs = [-0.4, 1.1];
    let request = Request::new(&circuit, &PARAMETERS, &inputs, 2, &observables).unwrap();
    let run = |execution, shots| {
        let mut backend = NoisyBackend::new(
            device("ounce_line"),
            NoisyOptions { execution, shots, seed: 5, ..NoisyOptions::default() },
        );
        let values = backend.expectations(&request).unwrap();
        assert_eq!(backend.runs(), 2);
        values
    };
    let exact = run(Execution::Exact, None);
    // The standard error of a mean of N values between -1 and 1 is at most 1/sqrt(N); five of them.
    for (execution, shots, samples) in [
        (Execution::Exact, Some(10_000), 10_000.0),
        (Execution::Trajectories(3000), None, 3000.0),
        (Execution::Trajectories(3000), Some(10_001), 3000.0),
    ] {
        let values = run(execution, shots);
        assert_eq!(values, run(execution, shots), "a seed gives the same numbers");
        for (value, exact) in values.iter().zip(&exact) {
            assert!((value - exact).abs() < 5.0 / f64::sqrt(samples), "{execution:?} {values:?} {exact:?}");
        }
    }
}

#[test]
fn bits_that_nothing_is_measured_into_do_not_count() {
    let mut circuit = Circuit::new(4);
    circuit.add_bits(1);
    circuit.apply(Standard::X, &[3]).unwrap().apply(Standard::X, &[0]).unwrap();
    for execution in [Execution::Exact, Execution::Trajectories(3), Execution::ReadoutOnly] {
        let options = NoisyOptions { execution, ..NoisyOptions::default() };
        let counts = NoisyBackend::new(device("ounce_line"), options).counts(&circuit, &[], &[], 20).unwrap();
        // Qubits 0 and 3, the only ones that something happens to.
        assert_eq!((counts.bits(), counts.shots()), (2, 20));
    }
}

#[test]
fn what_does_not_fit_memory_is_known_before_it_is_run() {
    let circuit = circuit();
    let z = [PauliSum::from(PauliString::z(0))];
    // Of a density matrix of 4 qubits there are 256 entries of 16 bytes, of a state 16.
    for (execution, bytes) in [(Execution::Exact, 4096), (Execution::Trajectories(2), 256)] {
        let backend = |memory| {
            let options = NoisyOptions { execution, memory, ..NoisyOptions::default() };
            NoisyBackend::new(device("ounce_line"), options)
        };
        assert!(backend(bytes).check_size(&circuit, &z).is_ok());
        let error = backend(bytes - 1).check_size(&circuit, &z);
        let refused =
            matches!(error, Err(BackendError::TooLarge { qubits: 4, bytes: own, .. }) if own == bytes);
        assert!(refused, "{error:?}");
    }
}

#[test]
fn readout_alone_is_an_affine_map() {
    let string = |text| PauliString::parse(text).unwrap();
    let observables = [PauliSum::new([(0.5, string("ZIIZ")), (1.0, string("IXII"))]), string("ZZZZ").into()];
    let options = NoisyOptions { execution: Execution::ReadoutOnly, ..NoisyOptions::default() };
    let mut backend = NoisyBackend::new(device("ounce_line"), options);
    let model = backend.model().clone();
    let mut circuit = Circuit::new(4);
    circuit.apply(Standard::H, &[0]).unwrap().cx(0, 3).unwrap().push(Standard::Ry, &[2], [0.3]).unwrap();
    let request = Request::new(&circuit, &[], &[], 1, &observables).unwrap();
    let values = backend.expectations(&request).unwrap();
    let state = reference::run(&circuit, &[], &[]);
    for (value, observable) in values.iter().zip(&observables) {
        let expected =
            reference::expectation(&state, &as_read(observable, |qubit| model.readout(qubit)).unwrap());
        assert!((value - expected).abs() < 1e-12, "{value} {expected}");
    }
}

#[test]
fn what_the_device_lacks_is_refused() {
    let observables = PauliSum::z_on_each(1);
    let refuse = |change: &dyn Fn(&mut Circuit), expected: &str| {
        let mut circuit = Circuit::new(4);
        change(&mut circuit);
        let request = Request::new(&circuit, &[], &[], 1, &observables).unwrap();
        let error = NoisyBackend::new(device("ounce_line"), NoisyOptions::default())
            .expectations(&request)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected) && error.contains("transpile"), "{error}");
    };
    refuse(&|circuit| drop(circuit.apply(Standard::H, &[1])), "h on qubits [1] (instruction 0)");
    refuse(&|circuit| drop(circuit.cx(0, 3)), "qubits 0 and 3 are not coupled");
    refuse(&|circuit| *circuit = Circuit::new(9), "9 qubits on 4 qubits");
    let mut small =
        NoisyBackend::new(device("ounce_line"), NoisyOptions { memory: 100, ..NoisyOptions::default() });
    let circuit = circuit();
    let request = Request::new(&circuit, &PARAMETERS, &INPUTS, 1, &observables).unwrap();
    assert!(small.expectations(&request).unwrap_err().to_string().contains("4 qubits need 4096 bytes"));
}

#[test]
fn only_qubits_that_something_happens_to_are_simulated() {
    let mut circuit = Circuit::new(4);
    circuit.apply(Standard::X, &[3]).unwrap();
    let observables = PauliSum::z_on_each(4);
    let request = Request::new(&circuit, &[], &[], 1, &observables[3..]).unwrap();
    // One qubit: 4 entries of 16 bytes.
    let mut backend =
        NoisyBackend::new(device("ounce_line"), NoisyOptions { memory: 64, ..NoisyOptions::default() });
    let value = backend.expectations(&request).unwrap()[0];
    assert!(value < -0.5, "{value}");
}

#[test]
fn measurements_on_the_way_are_simulated_by_trajectories() {
    let mut circuit = Circuit::new(2);
    circuit.add_bits(2);
    circuit.apply(Standard::X, &[0]).unwrap();
    circuit.push_instruction(Instruction::Measure { qubit: 0, bit: 0 }).unwrap();
    circuit.apply(Standard::X, &[0]).unwrap();
    circuit.push_instruction(Instruction::Measure { qubit: 0, bit: 1 }).unwrap();
    let run = |execution| {
        let noise = NoiseOptions {
            gate_errors: false,
            thermal_relaxation: false,
            readout: ounce_quantum::noise::ReadoutKind::Perfect,
        };
        let options = NoisyOptions { noise, execution, ..NoisyOptions::default() };
        NoisyBackend::new(device("ounce_line"), options).counts(&circuit, &[], &[], 50)
    };
    assert_eq!(run(Execution::Trajectories(10)).unwrap().get(&Outcome::from_index(2, 0b01)), 50);
    assert!(run(Execution::Exact).unwrap_err().to_string().contains("trajectories"));
}

#[test]
fn inserted_errors_average_to_the_twirled_channel() {
    let model = NoiseModel::new(&device("ounce_line"), NoiseOptions::default());
    let mut circuit = Circuit::new(4);
    circuit.push::<f64>(Gate::from(Standard::X).controlled(1), &[2, 1], []).unwrap();
    let noise = model.gate(&Gate::from(Standard::X).controlled(1), &[2, 1]).unwrap();
    let mut random = ounce_random::Pcg32::new(1);
    let (number, factor) = (4000, 0.4);
    let hit =
        (0..number).filter(|_| model.insert(&circuit, factor, &mut random).instructions().len() > 1).count();
    let expected = noise.twirled(factor).error();
    let deviation = (expected * (1.0 - expected) / f64::from(number)).sqrt();
    assert!((hit as f64 / f64::from(number) - expected).abs() < 5.0 * deviation, "{hit} {expected}");
}
