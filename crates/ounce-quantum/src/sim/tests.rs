use ounce_kernels::amplitudes::Real;
use ounce_kernels::{Kernels, ThreadPool};
use ounce_random::Pcg32;
use proptest::prelude::*;

use super::*;
use crate::backend::{Backend, BackendError, Differentiate, ReferenceBackend, Request};
use crate::circuit::{Angle, Circuit, CircuitError, Instruction, Symbol};
use crate::gate::{Gate, Standard, names};
use crate::gradient::finite;
use crate::gradient::shift::{ShiftPlan, Wanted};
use crate::matrix::{C64, Matrix};
use crate::observable::{Pauli, PauliString, PauliSum};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const LIMIT: u128 = 1 << 30;

fn tolerance<T: Real>() -> f64 {
    if T::BYTES == 4 { 5e-6 } else { 1e-12 }
}

/// Every gate of the table, controls, products of Paulis of all widths, and unitaries.
fn every_gate(widest: usize) -> Vec<Gate> {
    let paulis = |count: usize| {
        (0..count).map(|i| [Pauli::X, Pauli::Y, Pauli::Z, Pauli::I][i % 4]).collect::<Vec<_>>()
    };
    let mut gates: Vec<Gate> =
        names().iter().map(|name| Gate::from(name.standard).controlled(name.controls)).collect();
    // The reference multiplies whole matrices.
    let product = widest.min(9);
    gates.extend((1..=product).map(|count| Gate::pauli_rotation(paulis(count))));
    gates.extend((1..=product).map(|count| Gate::pauli_rotation(vec![Pauli::Z; count])));
    gates.push(Gate::pauli_rotation(vec![Pauli::X; product]));
    gates.push(Gate::pauli_rotation(paulis(3)).controlled(1));
    gates.push(Gate::from(Standard::U3).controlled(2));
    gates.push(Gate::from(Standard::Swap).controlled(2));
    gates.push(Gate::from(Standard::XxPlusYy).controlled(1));
    for qubits in 1..=4 {
        let dense = (0..qubits).fold(Matrix::identity(1), |product, i| {
            product.kron(&Standard::U3.matrix(&[0.3 + i as f64, 0.8, -0.4]))
        });
        let mixed = if qubits == 1 {
            dense
        } else {
            &dense * &Standard::Ecr.matrix(&[]).kron(&Matrix::identity(1 << (qubits - 2)))
        };
        gates.extend(Gate::unitary(mixed));
    }
    gates.retain(|gate| gate.qubits() <= widest);
    gates
}

/// Distinct qubits in random order.
fn draw(random: &mut Pcg32, qubits: usize, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..qubits).collect();
    random.shuffle(&mut all);
    all.truncate(count);
    all
}

/// A circuit of random gates whose angles depend on 3 parameters and `inputs` inputs.
fn random_circuit(
    random: &mut Pcg32,
    qubits: usize,
    gates: usize,
    inputs: usize,
) -> Result<Circuit, CircuitError> {
    let table = every_gate(qubits);
    let mut circuit = Circuit::new(qubits);
    let mut symbols: Vec<Symbol> = ["a", "b", "c"].map(|name| circuit.add_parameter(name)).to_vec();
    circuit.add_inputs(inputs);
    symbols.extend((0..inputs).map(Symbol::Input));
    for qubit in 0..qubits {
        circuit.push(Standard::U3, &[qubit], [0.4 + qubit as f64, 0.9, 1.3 * qubit as f64])?;
    }
    for _ in 0..gates {
        let gate = table[random.below(table.len() as u32) as usize].clone();
        let on = draw(random, qubits, gate.qubits());
        let angles: Vec<Angle> = (0..gate.angles())
            .map(|_| {
                let symbol = symbols[random.below(symbols.len() as u32) as usize];
                let angle =
                    Angle::from(symbol).scaled(random.uniform(0.5, 1.5)).plus(random.uniform(-1.0, 1.0));
                if random.below(3) == 0 { Angle::from(angle.offset()) } else { angle }
            })
            .collect();
        circuit.push(gate, &on, angles)?;
    }
    Ok(circuit)
}

fn observables(random: &mut Pcg32, qubits: usize) -> Vec<PauliSum> {
    let mut string = || {
        let paulis = [Pauli::I, Pauli::X, Pauli::Y, Pauli::Z];
        PauliString::new((0..qubits).map(|qubit| (qubit, paulis[random.below(4) as usize])))
            .unwrap_or_default()
    };
    let sum = PauliSum::new((0..5).map(|i| (0.3 - 0.2 * f64::from(i), string())));
    [PauliSum::z_on_each(qubits), vec![sum, PauliSum::from(string())]].concat()
}

fn assert_amplitudes<T: Real>(state: &StateVector<T>, expected: &[C64], what: &str) {
    for (index, expected) in expected.iter().enumerate() {
        let found = state.amplitude(index);
        assert!(
            (found - expected).norm() < tolerance::<T>(),
            "{what}: amplitude {index} is {found}, not {expected}"
        );
    }
}

fn states_are_those_of_the_reference<T: Real>(kernels: Kernels) -> Outcome {
    let mut random = Pcg32::new(7);
    let mut pool = ThreadPool::with_kernels(2, kernels);
    for qubits in 1..=9 {
        for gate in every_gate(qubits) {
            let on = draw(&mut random, qubits, gate.qubits());
            let mut circuit = Circuit::new(qubits);
            for qubit in 0..qubits {
                circuit.push(Standard::U3, &[qubit], [0.7 + qubit as f64, 1.9, 0.3 * qubit as f64])?;
            }
            let what = format!("{kernels:?} {} bytes, {} on {on:?} of {qubits}", T::BYTES, gate.name());
            let angles: Vec<f64> = (0..gate.angles()).map(|i| 0.8 + i as f64).collect();
            circuit.push(gate, &on, angles)?;
            let mut state = StateVector::<T>::zero(qubits, kernels, LIMIT)?;
            state.run(&mut pool, &Plan::new::<T>(&circuit, kernels), &[], &[], &mut random)?;
            assert_amplitudes(&state, &reference::run(&circuit, &[], &[]), &what);
        }
    }
    Ok(())
}

#[test]
fn every_gate_is_that_of_the_reference() -> Outcome {
    for kernels in Kernels::available() {
        states_are_those_of_the_reference::<f32>(kernels)?;
        states_are_those_of_the_reference::<f64>(kernels)?;
    }
    Ok(())
}

/// Circuits so wide that several tiles and passes are needed.
fn wide_circuits<T: Real>(kernels: Kernels, qubits: usize) -> Outcome {
    let mut random = Pcg32::new(qubits as u64);
    let mut circuit = random_circuit(&mut random, qubits, 20, 2)?;
    for layer in 0..3 {
        for qubit in 0..qubits {
            circuit.push(Standard::U3, &[qubit], [0.1 * qubit as f64, 0.2 + f64::from(layer), 0.3])?;
        }
        for qubit in 0..qubits {
            let other = (qubit + 1) % qubits;
            let gate = if layer % 2 == 0 { Standard::X } else { Standard::Z };
            circuit.push::<f64>(Gate::from(gate).controlled(1), &[qubit, other], [])?;
        }
    }
    let (parameters, inputs) = ([0.3, -0.8, 1.4], [0.6, -0.2]);
    let expected = reference::run(&circuit, &parameters, &inputs);
    let plan = Plan::new::<T>(&circuit, kernels);
    let mut bits: Vec<Vec<C64>> = Vec::new();
    for threads in [1, 2, 3] {
        let mut pool = ThreadPool::with_kernels(threads, kernels);
        let mut state = StateVector::<T>::zero(qubits, kernels, LIMIT)?;
        state.run(&mut pool, &plan, &parameters, &inputs, &mut random)?;
        assert_amplitudes(&state, &expected, &format!("{kernels:?} {} bytes, {qubits} qubits", T::BYTES));
        for observable in &observables(&mut Pcg32::new(4), qubits) {
            let value = state.expectation(&mut pool, observable)?;
            assert!((value - reference::expectation(&expected, observable)).abs() < 10.0 * tolerance::<T>());
        }
        bits.push(state.amplitudes());
    }
    assert!(bits.windows(2).all(|pair| pair[0] == pair[1]), "results depend on the number of threads");
    Ok(())
}

#[test]
fn wide_circuits_are_those_of_the_reference() -> Outcome {
    for kernels in Kernels::available() {
        wide_circuits::<f32>(kernels, 16)?;
    }
    wide_circuits::<f64>(Kernels::detect(), 15)?;
    wide_circuits::<f32>(Kernels::detect(), 17)
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < tolerance, "{what}: value {index} is {f}, not {e}");
    }
}

/// Values and gradients of a random circuit against finite differences of the reference.
fn gradients<T: Real>(kernels: Kernels, qubits: usize, samples: usize, seed: u64) -> Outcome {
    let mut random = Pcg32::new(seed);
    let circuit = random_circuit(&mut random, qubits, 14, 2)?;
    let parameters = [0.4, -1.1, 2.3];
    let inputs: Vec<f64> = (0..2 * samples).map(|_| random.uniform(-2.0, 2.0)).collect();
    let observables = observables(&mut random, qubits);
    let request = Request::new(&circuit, &parameters, &inputs, samples, &observables)?;
    let cotangents: Vec<f64> = (0..samples * observables.len()).map(|_| random.uniform(-1.0, 1.0)).collect();
    let mut slow = ReferenceBackend::default();
    let expected_values = slow.expectations(&request)?;
    let expected = finite::gradients(&mut slow, &request, &cotangents, 1e-4)?;
    let mut backend = SimulatorBackend::<T>::new(ThreadPool::with_kernels(2, kernels), LIMIT);
    let (values, found) = backend.gradients(&request, &mut |_| cotangents.clone())?;
    let what = format!("{kernels:?} {} bytes, {qubits} qubits, {samples} samples, seed {seed}", T::BYTES);
    let tolerance = if T::BYTES == 4 { 1e-4 } else { 1e-5 };
    assert_close(&values, &expected_values, 10.0 * super::tests::tolerance::<T>(), &what);
    assert_close(&backend.expectations(&request)?, &values, 1e-12, &what);
    assert_close(&found.parameters, &expected.parameters, tolerance * samples as f64, &what);
    assert_close(&found.inputs, &expected.inputs, tolerance, &what);
    Ok(())
}

#[test]
fn gradients_are_those_of_finite_differences() -> Outcome {
    for kernels in Kernels::available() {
        for (qubits, samples) in [(1, 1), (2, 3), (3, 17), (4, 1), (5, 9), (7, 1)] {
            for seed in 0..4 {
                gradients::<f32>(kernels, qubits, samples, seed)?;
                gradients::<f64>(kernels, qubits, samples, seed)?;
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_are_those_of_the_shift_rule() -> Outcome {
    let mut random = Pcg32::new(5);
    let circuit = random_circuit(&mut random, 4, 20, 2)?;
    let observables = observables(&mut random, 4);
    let inputs = [0.3, 0.9, -0.4, 1.2];
    let request = Request::new(&circuit, &[0.4, -1.1, 2.3], &inputs, 2, &observables)?;
    let cotangents: Vec<f64> = (0..2 * observables.len()).map(|_| random.uniform(-1.0, 1.0)).collect();
    let mut backend = SimulatorBackend::<f64>::new(ThreadPool::new(1), LIMIT);
    let (_, adjoint) = backend.gradients(&request, &mut |_| cotangents.clone())?;
    let shifted = ShiftPlan::new(&circuit).gradients(&mut backend, &request, &cotangents, Wanted::ALL)?;
    assert_close(&adjoint.parameters, &shifted.parameters, 1e-10, "parameters");
    assert_close(&adjoint.inputs, &shifted.inputs, 1e-10, "inputs");
    Ok(())
}

#[test]
fn gradients_of_a_large_state_are_those_of_the_batch() -> Outcome {
    let mut random = Pcg32::new(15);
    let circuit = random_circuit(&mut random, 14, 60, 0)?;
    let observables = PauliSum::z_on_each(14);
    let parameters = [0.4, -1.1, 2.3];
    let weights: Vec<f64> = (0..14).map(|i| 0.1 * f64::from(i) - 0.4).collect();
    let mut results = Vec::new();
    for threads in [1, 2] {
        let mut backend = SimulatorBackend::<f64>::new(ThreadPool::new(threads), LIMIT);
        let one = Request::new(&circuit, &parameters, &[], 1, &observables)?;
        results.push(backend.gradients(&one, &mut |_| weights.clone())?.1.parameters);
    }
    assert_eq!(results[0], results[1]);
    let mut backend = SimulatorBackend::<f64>::new(ThreadPool::new(2), LIMIT);
    let two = Request::new(&circuit, &parameters, &[], 2, &observables)?;
    let (_, batch) = backend.gradients(&two, &mut |_| weights.repeat(2))?;
    let half: Vec<f64> = batch.parameters.iter().map(|gradient| gradient / 2.0).collect();
    assert_close(&results[0], &half, 1e-10, "parameters");
    Ok(())
}

#[test]
fn circuits_begin_with_other_states() -> Outcome {
    let mut random = Pcg32::new(25);
    let circuit = random_circuit(&mut random, 3, 10, 1)?;
    let mut states: Vec<C64> = Vec::new();
    for _ in 0..2 {
        let raw: Vec<C64> = (0..8).map(|_| C64::new(random.normal(), random.normal())).collect();
        let norm = raw.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
        states.extend(raw.iter().map(|amplitude| amplitude / norm));
    }
    let observables = observables(&mut random, 3);
    let (parameters, inputs) = ([0.1, 0.2, 0.3], [0.7, -0.7]);
    let mut backend = SimulatorBackend::<f64>::new(ThreadPool::new(1), LIMIT);
    let request = Request::new(&circuit, &parameters, &inputs, 2, &observables)?;
    let values = backend.expectations_from(&request, &Initial::Amplitudes(&states))?;
    for sample in 0..2 {
        let mut state = states[sample * 8..(sample + 1) * 8].to_vec();
        circuit
            .operations()
            .for_each(|operation| reference::apply(&mut state, operation, &parameters, &inputs[sample..]));
        let expected: Vec<f64> = observables.iter().map(|own| reference::expectation(&state, own)).collect();
        assert_close(&values[sample * expected.len()..][..expected.len()], &expected, 1e-10, "values");
        let one = Request::new(&circuit, &parameters, &inputs[sample..=sample], 1, &observables)?;
        let single =
            backend.expectations_from(&one, &Initial::Amplitudes(&states[sample * 8..(sample + 1) * 8]))?;
        assert_close(&single, &expected, 1e-10, "one state");
    }
    assert!(backend.expectations_from(&request, &Initial::Amplitudes(&states[..7])).is_err());
    let long = vec![C64::from(1.0); 8];
    assert!(backend.expectations_from(&request, &Initial::Amplitudes(&long)).is_err());
    Ok(())
}

#[test]
fn what_is_too_large_or_cannot_be_is_refused() -> Outcome {
    let kernels = Kernels::detect();
    assert!(matches!(
        StateVector::<f64>::zero(20, kernels, 1 << 20),
        Err(BackendError::TooLarge { qubits: 20, bytes: 0x100_0000, limit: 0x10_0000 })
    ));
    assert!(matches!(StateVector::<f32>::zero(31, kernels, u128::MAX), Err(BackendError::TooLarge { .. })));
    assert!(matches!(
        StateVector::<f32>::zero(usize::MAX, kernels, u128::MAX),
        Err(BackendError::TooLarge { .. })
    ));
    let mut circuit = Circuit::new(40);
    circuit.add_bits(1);
    let mut backend = SimulatorBackend::<f32>::new(ThreadPool::new(1), LIMIT);
    let observables = PauliSum::z_on_each(1);
    let request = Request::new(&circuit, &[], &[], 1, &observables)?;
    assert!(matches!(backend.expectations(&request), Err(BackendError::TooLarge { qubits: 40, .. })));
    let mut circuit = Circuit::new(1);
    circuit.add_bits(1);
    circuit.push_instruction(Instruction::Measure { qubit: 0, bit: 0 })?;
    let request = Request::new(&circuit, &[], &[], 1, &observables)?;
    assert!(matches!(backend.expectations(&request), Err(BackendError::Unsupported { .. })));
    let none = Circuit::new(1);
    let request = Request::new(&none, &[], &[], 1, &observables)?;
    assert!(matches!(backend.gradients(&request, &mut |_| vec![]), Err(BackendError::Length { .. })));
    Ok(())
}

#[test]
fn counts_follow_the_probabilities() -> Outcome {
    let mut circuit = Circuit::new(13);
    circuit.add_bits(2);
    circuit.push(Standard::Ry, &[12], [2.0 * (0.3f64).sqrt().asin()])?.cx(12, 0)?;
    let mut pool = ThreadPool::new(2);
    for (bit, qubit) in [(0, 12), (1, 0)] {
        circuit.push_instruction(Instruction::Measure { qubit, bit })?;
    }
    let found = counts::<f32>(&mut pool, &circuit, &[], &[], 20_000, 3, LIMIT)?;
    assert_eq!(found.shots(), 20_000);
    assert_eq!(found.iter().map(|(outcome, _)| outcome.to_string()).collect::<Vec<_>>(), ["00", "11"]);
    let ones = found.iter().last().map_or(0, |(_, count)| count);
    assert!((ones as f64 / 20_000.0 - 0.3).abs() < 0.015, "{found:?}");
    assert_eq!(found, counts::<f32>(&mut ThreadPool::new(1), &circuit, &[], &[], 20_000, 3, LIMIT)?);
    Ok(())
}

#[test]
fn measurements_in_the_middle_leave_a_state() -> Outcome {
    // A teleported state arrives whatever was measured; then the qubit is reset.
    let (theta, phi) = (1.1, 0.6);
    let mut circuit = Circuit::new(3);
    circuit.add_bits(3);
    circuit.push(Standard::U3, &[0], [theta, phi, 0.0])?.apply(Standard::H, &[1])?.cx(1, 2)?;
    circuit.cx(0, 1)?.apply(Standard::H, &[0])?;
    circuit.push_instruction(Instruction::Measure { qubit: 0, bit: 0 })?;
    circuit.push_instruction(Instruction::Measure { qubit: 1, bit: 1 })?;
    circuit.cx(1, 2)?.push::<f64>(Gate::from(Standard::Z).controlled(1), &[0, 2], [])?;
    circuit.push_instruction(Instruction::Reset(0))?.push_instruction(Instruction::Reset(1))?;
    let mut pool = ThreadPool::new(1);
    let kernels = pool.kernels();
    let plan = Plan::new::<f64>(&circuit, kernels);
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let mut state = StateVector::<f64>::zero(3, kernels, LIMIT)?;
        let bits = state.run(&mut pool, &plan, &[], &[], &mut Pcg32::new(seed))?;
        outcomes.insert(bits);
        let (zero, one) = (state.amplitude(0), state.amplitude(4));
        assert!(
            (zero.norm() - (theta / 2.0).cos()).abs() < 1e-12
                && (one.norm() - (theta / 2.0).sin()).abs() < 1e-12
        );
        assert!(((one / zero).arg() - phi).abs() < 1e-12);
    }
    assert_eq!(outcomes.len(), 4);
    circuit.push_instruction(Instruction::Measure { qubit: 2, bit: 2 })?;
    let found = counts::<f64>(&mut pool, &circuit, &[], &[], 2000, 1, LIMIT)?;
    let ones: u64 = found.iter().filter(|(outcome, _)| outcome.get(2)).map(|(_, count)| count).sum();
    assert!((ones as f64 / 2000.0 - (theta / 2.0).sin().powi(2)).abs() < 0.05);
    Ok(())
}

#[test]
fn shots_estimate_what_is_exact() -> Outcome {
    let mut random = Pcg32::new(35);
    let circuit = random_circuit(&mut random, 3, 8, 1)?;
    let observables = observables(&mut random, 3);
    let request = Request::new(&circuit, &[0.1, 0.2, 0.3], &[0.7, -0.7], 2, &observables)?;
    let mut exact = SimulatorBackend::<f64>::new(ThreadPool::new(1), LIMIT);
    let expected = exact.expectations(&request)?;
    let noisy = || SimulatorBackend::<f64>::new(ThreadPool::new(2), LIMIT).with_shots(20_000, 9);
    let found = noisy().expectations(&request)?;
    assert_close(&found, &expected, 0.05, "estimates");
    assert_eq!(found, noisy().expectations(&request)?);
    assert!(found != expected);
    assert_eq!(exact.runs(), 2);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_circuits_keep_the_norm_and_are_undone(seed in any::<u64>(), qubits in 1usize..=12) {
        let mut random = Pcg32::new(seed);
        let circuit = random_circuit(&mut random, qubits, 30, 2).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut both = circuit.clone();
        let inverse = circuit.inverse().ok_or_else(|| TestCaseError::fail("no inverse"))?;
        for instruction in inverse.instructions() {
            both.push_instruction(instruction.clone()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
        let mut pool = ThreadPool::new(2);
        let kernels = pool.kernels();
        let parameters = [0.2, 1.3, -0.6];
        let mut run = |circuit: &Circuit| -> Result<StateVector<f64>, BackendError> {
            let mut state = StateVector::zero(qubits, kernels, LIMIT)?;
            state.run(&mut pool, &Plan::new::<f64>(circuit, kernels), &parameters, &[0.3, 0.4], &mut random)?;
            Ok(state)
        };
        let fail = |error: BackendError| TestCaseError::fail(error.to_string());
        let state = run(&circuit).map_err(fail)?;
        let back = run(&both).map_err(fail)?;
        let norm: f64 = state.amplitudes().iter().map(C64::norm_sqr).sum();
        prop_assert!((norm - 1.0).abs() < 1e-10);
        prop_assert!((back.amplitude(0) - C64::from(1.0)).norm() < 1e-9);
    }
}
