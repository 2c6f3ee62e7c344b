//! The stabilizer simulator against the reference simulator and closed forms.
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

use ounce_quantum::sim::reference;
use ounce_quantum::sim::stabilizer::{self, StabilizerBackend};
use ounce_quantum::{
    Backend, Circuit, Gate, Instruction, Outcome, Pauli, PauliString, PauliSum, Request, Standard,
};
use ounce_random::Pcg32;
use std::f64::consts::FRAC_PI_2;

/// Clifford gates, each with its angles: whatever is one, by name, by angle or as a product of Paulis.
fn gates() -> Vec<(Gate, Vec<f64>)> {
    use Standard as G;
    let fixed =
        [G::I, G::X, G::Y, G::Z, G::H, G::S, G::Sdg, G::Sx, G::Sxdg, G::Swap, G::ISwap, G::Dcx, G::Ecr];
    let mut gates: Vec<(Gate, Vec<f64>)> = fixed.into_iter().map(|gate| (gate.into(), Vec::new())).collect();
    for turns in [1.0, 2.0, -1.0, 7.0] {
        let angle = turns * FRAC_PI_2;
        let rotations = [G::Rx, G::Ry, G::Rz, G::P, G::Rxx, G::Ryy, G::Rzz, G::Rzx];
        gates.extend(rotations.into_iter().map(|gate| (gate.into(), vec![angle])));
        gates.push((G::U3.into(), vec![angle, -angle, 2.0 * angle]));
        gates.push((G::U2.into(), vec![0.0, angle]));
        gates.push((Gate::pauli_rotation([Pauli::X, Pauli::Y, Pauli::Z]), vec![angle]));
        gates.push((Gate::pauli_rotation([Pauli::Z, Pauli::Z, Pauli::I, Pauli::Y, Pauli::X]), vec![angle]));
    }
    gates.extend([G::X, G::Y, G::Z].map(|gate| (Gate::from(gate).controlled(1), Vec::new())));
    gates.push((Gate::from(G::P).controlled(2), vec![4.0 * FRAC_PI_2]));
    gates.push((Gate::from(G::X).controlled(1), vec![]));
    gates.push((Gate::unitary(G::Swap.matrix(&[])).unwrap(), vec![]));
    gates
}

fn choose(qubits: usize, number: usize, random: &mut Pcg32) -> Vec<usize> {
    let mut all: Vec<usize> = (0..qubits).collect();
    random.shuffle(&mut all);
    all.truncate(number);
    all
}

fn random_circuit(qubits: usize, depth: usize, random: &mut Pcg32) -> Circuit {
    let gates: Vec<_> = gates().into_iter().filter(|(gate, _)| gate.qubits() <= qubits).collect();
    let mut circuit = Circuit::new(qubits);
    for _ in 0..depth {
        let (gate, angles) = gates[random.below(gates.len() as u32) as usize].clone();
        let on = choose(qubits, gate.qubits(), random);
        circuit.push(gate, &on, angles).unwrap();
    }
    circuit
}

fn random_string(qubits: usize, random: &mut Pcg32) -> PauliString {
    let pauli = |random: &mut Pcg32| [Pauli::I, Pauli::X, Pauli::Y, Pauli::Z][random.below(4) as usize];
    PauliString::new((0..qubits).map(|qubit| (qubit, pauli(random)))).unwrap()
}

#[test]
fn expectation_values_are_those_of_the_reference() {
    let mut random = Pcg32::new(3);
    let mut certain = 0;
    for depth in [0, 1, 1, 1, 2, 2, 3, 5, 8, 13, 30, 100] {
        for _ in 0..12 {
            let circuit = random_circuit(5, depth, &mut random);
            let (state, _) = stabilizer::run(&circuit, &[], &[], &mut random).unwrap();
            let expected = reference::run(&circuit, &[], &[]);
            for number in 0..1024usize {
                let pauli =
                    |qubit: usize| [Pauli::I, Pauli::X, Pauli::Y, Pauli::Z][number >> (2 * qubit) & 3];
                let string = PauliString::new((0..5).map(|qubit| (qubit, pauli(qubit)))).unwrap();
                let value = state.expectation(&string);
                let reference = reference::expectation_of(&expected, &string);
                assert!((value - reference).abs() < 1e-9, "{circuit:?} {string:?}: {value} {reference}");
                certain += usize::from(value != 0.0);
            }
        }
    }
    // Each pure stabilizer state has 2^5 strings whose value is certain.
    assert_eq!(certain, 12 * 12 * 32);
}

#[test]
fn measurements_collapse_the_state_and_repeat() {
    let mut random = Pcg32::new(8);
    for _ in 0..50 {
        let circuit = random_circuit(4, 25, &mut random);
        let (mut state, _) = stabilizer::run(&circuit, &[], &[], &mut random).unwrap();
        for qubit in choose(4, 4, &mut random) {
            let value = state.expectation(&PauliString::z(qubit));
            let outcome = state.measure(qubit, &mut random);
            let sign = if outcome { -1.0 } else { 1.0 };
            assert!(value == 0.0 || value == sign);
            assert_eq!(state.expectation(&PauliString::z(qubit)), sign);
            assert_eq!(state.measure(qubit, &mut random), outcome);
        }
        state.reset(2, &mut random);
        assert_eq!(state.expectation(&PauliString::z(2)), 1.0);
    }
}

#[test]
fn a_measured_state_is_the_projected_state_of_the_reference() {
    let mut random = Pcg32::new(21);
    for _ in 0..40 {
        let circuit = random_circuit(4, 20, &mut random);
        let (mut state, _) = stabilizer::run(&circuit, &[], &[], &mut random).unwrap();
        let mut expected = reference::run(&circuit, &[], &[]);
        let outcome = state.measure(1, &mut random);
        for (index, amplitude) in expected.iter_mut().enumerate() {
            if (index >> 1 & 1 == 1) != outcome {
                *amplitude = Default::default();
            }
        }
        let norm: f64 = expected.iter().map(|a| a.norm_sqr()).sum();
        assert!(norm > 0.4);
        for _ in 0..60 {
            let string = random_string(4, &mut random);
            let reference = reference::expectation_of(&expected, &string) / norm;
            assert!((state.expectation(&string) - reference).abs() < 1e-9, "{string:?}");
        }
    }
}

#[test]
fn samples_are_distributed_as_the_reference_says() {
    let mut random = Pcg32::new(5);
    for seed in 0..10 {
        let circuit = random_circuit(4, 15, &mut random);
        let expected = reference::run(&circuit, &[], &[]);
        let shots = 4000;
        let counts = stabilizer::counts(&circuit, &[], &[], shots, seed).unwrap();
        let chi: f64 = expected
            .iter()
            .enumerate()
            .map(|(index, amplitude)| {
                let seen = counts.get(&Outcome::from_index(4, index as u64)) as f64;
                let mean = amplitude.norm_sqr() * shots as f64;
                if mean < 1e-6 {
                    assert_eq!(seen, 0.0);
                    return 0.0;
                }
                (seen - mean).powi(2) / mean
            })
            .sum();
        assert!(chi < 50.0, "{chi}");
    }
}

fn ghz(qubits: usize) -> Circuit {
    let mut circuit = Circuit::new(qubits);
    circuit.apply(Standard::H, &[0]).unwrap();
    for qubit in 1..qubits {
        circuit.cx(qubit - 1, qubit).unwrap();
    }
    circuit
}

#[test]
fn a_thousand_qubits_are_entangled() {
    let qubits = 1000;
    let circuit = ghz(qubits);
    let all = |pauli| PauliString::new((0..qubits).map(|qubit| (qubit, pauli))).unwrap();
    let pair = PauliString::new([(3, Pauli::Z), (997, Pauli::Z)]).unwrap();
    // Y on all is X on all times Z on all and i^1000 = 1; with Y on two and X elsewhere there is a minus.
    let two_ys =
        PauliString::new((0..qubits).map(|q| (q, if q == 5 || q == 700 { Pauli::Y } else { Pauli::X })))
            .unwrap();
    let cases = [
        (all(Pauli::X), 1.0),
        (all(Pauli::Z), 1.0),
        (all(Pauli::Y), 1.0),
        (pair, 1.0),
        (two_ys, -1.0),
        (PauliString::z(4), 0.0),
    ];
    let observables: Vec<PauliSum> = cases.iter().map(|(string, _)| string.clone().into()).collect();
    let request = Request::new(&circuit, &[], &[], 1, &observables).unwrap();
    let values = StabilizerBackend::new(1).expectations(&request).unwrap();
    assert_eq!(values, cases.map(|(_, value)| value));
    let counts = stabilizer::counts(&circuit, &[], &[], 400, 2).unwrap();
    let shots: Vec<(String, u64)> =
        counts.iter().map(|(outcome, times)| (outcome.to_string(), times)).collect();
    assert_eq!(shots.len(), 2);
    assert_eq!((shots[0].0.clone(), shots[1].0.clone()), ("0".repeat(qubits), "1".repeat(qubits)));
    // The standard deviation is 10.
    assert!(shots[0].1.abs_diff(200) < 60);
}

#[test]
fn measurements_on_the_way_and_placed_bits_are_kept() {
    let mut circuit = ghz(3);
    circuit.add_bits(4);
    circuit.push_instruction(Instruction::Measure { qubit: 2, bit: 3 }).unwrap();
    circuit.push_instruction(Instruction::Measure { qubit: 0, bit: 0 }).unwrap();
    let counts = stabilizer::counts(&circuit, &[], &[], 100, 4).unwrap();
    assert!(counts.iter().all(|(outcome, _)| ["0000", "1001"].contains(&outcome.to_string().as_str())));
    assert_eq!((counts.iter().count(), counts.shots()), (2, 100));
    circuit.push_instruction(Instruction::Reset(0)).unwrap();
    circuit.apply(Standard::X, &[0]).unwrap();
    circuit.push_instruction(Instruction::Measure { qubit: 0, bit: 1 }).unwrap();
    let counts = stabilizer::counts(&circuit, &[], &[], 100, 4).unwrap();
    assert!(counts.iter().all(|(outcome, _)| ["0010", "1011"].contains(&outcome.to_string().as_str())));
}

#[test]
fn other_gates_are_refused_by_name_and_place() {
    let refuse = |gate: Gate, angles: Vec<f64>, expected: &str| {
        let mut circuit = ghz(8);
        let qubits: Vec<usize> = (0..gate.qubits()).collect();
        circuit.push(gate, &qubits, angles).unwrap();
        let error = stabilizer::run(&circuit, &[], &[], &mut Pcg32::new(0)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("(instruction 8)"), "{error}");
    };
    refuse(Standard::T.into(), vec![], "t on qubits [0]");
    refuse(Standard::Rz.into(), vec![0.3], "rz on qubits [0] with angles [0.3]");
    refuse(Gate::from(Standard::X).controlled(2), vec![], "ccx on qubits [0, 1, 2]");
    refuse(Gate::from(Standard::X).controlled(6), vec![], "c6x");
    refuse(Gate::pauli_rotation([Pauli::X; 6]), vec![0.1], "pauli on qubits");
    refuse(Gate::from(Standard::Rz).controlled(1), vec![FRAC_PI_2], "crz");
}

/// Half of a Bell pair is reset: the other half is 0 or 1, and each shot finds its own.
#[test]
fn a_reset_qubit_leaves_another_state_in_each_shot() -> Result<(), Box<dyn std::error::Error>> {
    use ounce_quantum::sim::mps;
    let mut circuit = Circuit::new(2);
    circuit.add_bits(2);
    circuit.apply(Standard::H, &[0])?.cx(0, 1)?.push_instruction(Instruction::Reset(0))?;
    for qubit in 0..2 {
        circuit.push_instruction(Instruction::Measure { qubit, bit: qubit })?;
    }
    let all = [
        stabilizer::counts(&circuit, &[], &[], 400, 1)?,
        mps::counts(&circuit, &[], &[], mps::Truncation::default(), (400, 1))?,
    ];
    for counts in all {
        let seen: Vec<_> = counts.iter().map(|(outcome, times)| (outcome.to_string(), times)).collect();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(
            seen.iter().all(|(outcome, times)| outcome.ends_with('0') && (140..260).contains(times)),
            "{seen:?}"
        );
    }
    Ok(())
}
