//! Matrix-product states against the reference simulator, closed forms and the stabilizer simulator.
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

use ounce_quantum::sim::mps::{self, Mps, MpsBackend, Truncation};
use ounce_quantum::sim::reference;
use ounce_quantum::{
    Backend, Circuit, Gate, Instruction, Outcome, Pauli, PauliString, PauliSum, Request, Standard,
};
use ounce_random::Pcg32;

fn run(circuit: &Circuit, truncation: Truncation) -> Mps {
    mps::run(circuit, &[], &[], truncation, &mut Pcg32::new(0)).unwrap().0
}

fn choose(qubits: usize, number: usize, random: &mut Pcg32) -> Vec<usize> {
    let mut all: Vec<usize> = (0..qubits).collect();
    random.shuffle(&mut all);
    all.truncate(number);
    all
}

fn random_circuit(qubits: usize, depth: usize, random: &mut Pcg32) -> Circuit {
    let gates: [(Gate, usize); 9] = [
        (Standard::U3.into(), 3),
        (Standard::H.into(), 0),
        (Gate::from(Standard::X).controlled(1), 0),
        (Gate::from(Standard::U3).controlled(1), 3),
        (Standard::Rzx.into(), 1),
        (Standard::Ecr.into(), 0),
        (Standard::Rccx.into(), 0),
        (Gate::from(Standard::Swap).controlled(1), 0),
        (Gate::pauli_rotation([Pauli::X, Pauli::Z, Pauli::Y, Pauli::Z]), 1),
    ];
    let mut circuit = Circuit::new(qubits);
    for _ in 0..depth {
        let (gate, angles) = &gates[random.below(9) as usize];
        let on = choose(qubits, gate.qubits(), random);
        let angles: Vec<f64> = (0..*angles).map(|_| random.uniform(-3.0, 3.0)).collect();
        circuit.push(gate.clone(), &on, angles).unwrap();
    }
    circuit
}

#[test]
fn states_are_those_of_the_reference() {
    let mut random = Pcg32::new(2);
    for depth in [0, 1, 5, 20, 60] {
        for _ in 0..5 {
            let circuit = random_circuit(7, depth, &mut random);
            let state = run(&circuit, Truncation::default());
            let expected = reference::run(&circuit, &[], &[]);
            for (index, amplitude) in expected.iter().enumerate() {
                let own = state.amplitude(&Outcome::from_index(7, index as u64));
                assert!((own - amplitude).norm() < 1e-9, "{index}: {own} {amplitude}");
            }
            for _ in 0..20 {
                let pauli =
                    |random: &mut Pcg32| [Pauli::I, Pauli::X, Pauli::Y, Pauli::Z][random.below(4) as usize];
                let string = PauliString::new((0..7).map(|qubit| (qubit, pauli(&mut random)))).unwrap();
                let reference = reference::expectation_of(&expected, &string);
                assert!((state.expectation(&string) - reference).abs() < 1e-9, "{string:?}");
            }
            assert!(state.discarded_weight() < 1e-10 && state.largest_bond() <= 8);
        }
    }
}

#[test]
fn samples_and_measurements_are_those_of_the_reference() {
    let mut random = Pcg32::new(9);
    let circuit = random_circuit(4, 20, &mut random);
    let expected = reference::run(&circuit, &[], &[]);
    let shots = 8000;
    let counts = mps::counts(&circuit, &[], &[], Truncation::default(), (shots, 3)).unwrap();
    let mut measured = circuit.clone();
    measured.add_bits(4);
    for qubit in [2, 0, 3, 1] {
        measured.push_instruction(Instruction::Measure { qubit, bit: qubit }).unwrap();
    }
    // Measured on the way: nothing but a measurement follows, twice into one bit.
    let mut collapsed = measured.clone();
    collapsed.push_instruction(Instruction::Measure { qubit: 2, bit: 2 }).unwrap();
    let placed = mps::counts(&measured, &[], &[], Truncation::default(), (shots, 4)).unwrap();
    let collapsed = mps::counts(&collapsed, &[], &[], Truncation::default(), (shots / 4, 4)).unwrap();
    for counts in [counts, placed, collapsed] {
        let chi: f64 = expected
            .iter()
            .enumerate()
            .map(|(index, amplitude)| {
                let mean = amplitude.norm_sqr() * counts.shots() as f64;
                (counts.get(&Outcome::from_index(4, index as u64)) as f64 - mean).powi(2) / mean.max(1e-9)
            })
            .sum();
        // 15 degrees of freedom: mean 15, standard deviation 5.5.
        assert!(chi < 50.0, "{chi}");
    }
    let mut reset = circuit.clone();
    reset.push_instruction(Instruction::Reset(1)).unwrap();
    assert!((run(&reset, Truncation::default()).expectation(&PauliString::z(1)) - 1.0).abs() < 1e-9);
}

/// Layers of `exp(-i a ZZ/2)` on neighbours and `exp(-i b X/2)` on each: Ising dynamics.
fn ising(qubits: usize, layers: usize, (a, b): (f64, f64)) -> Circuit {
    let mut circuit = Circuit::new(qubits);
    for _ in 0..layers {
        for qubit in 0..qubits - 1 {
            circuit.push(Standard::Rzz, &[qubit, qubit + 1], [a]).unwrap();
        }
        for qubit in 0..qubits {
            circuit.push(Standard::Rx, &[qubit], [b]).unwrap();
        }
    }
    circuit
}

#[test]
fn ising_chains_of_fifty_qubits_follow_closed_forms() {
    let qubits = 50;
    // One layer: from the state 0 the couplings give phases only.
    let state = run(&ising(qubits, 1, (0.7, 0.3)), Truncation::default());
    assert_eq!(state.largest_bond(), 1);
    // Two layers: light cones are short, so that a qubit inside behaves as in a chain of 9, by the reference.
    let (wide, narrow) = (
        run(&ising(qubits, 2, (0.7, 0.3)), Truncation::default()),
        reference::run(&ising(9, 2, (0.7, 0.3)), &[], &[]),
    );
    let on = |first: usize, text: &str| {
        let paulis = PauliString::parse(text).unwrap();
        PauliString::new(paulis.factors().iter().map(|&(qubit, pauli)| (first + qubit, pauli))).unwrap()
    };
    for text in ["Z", "Y", "ZZ", "XY", "XX"] {
        let expected = reference::expectation_of(&narrow, &on(4, text));
        for first in [10, 24, 40] {
            assert!((wide.expectation(&on(first, text)) - expected).abs() < 1e-10, "{text}");
        }
    }
    // Zero transverse field after a quarter turn: the cluster state's stabilizers.
    let mut cluster = Circuit::new(qubits);
    for qubit in 0..qubits {
        cluster.apply(Standard::H, &[qubit]).unwrap();
    }
    for qubit in 0..qubits - 1 {
        cluster.push::<f64>(Gate::from(Standard::Z).controlled(1), &[qubit, qubit + 1], []).unwrap();
    }
    let state = run(&cluster, Truncation::default());
    for first in 0..qubits - 2 {
        assert!((state.expectation(&on(first, "ZXZ")) - 1.0).abs() < 1e-10);
    }
    assert_eq!(state.largest_bond(), 2);
}

#[test]
fn far_qubits_are_brought_together() {
    let qubits = 60;
    let mut circuit = Circuit::new(qubits);
    circuit.apply(Standard::H, &[0]).unwrap().cx(0, 59).unwrap().cx(59, 30).unwrap().cx(30, 2).unwrap();
    let observables: Vec<PauliSum> = [vec![0, 59], vec![0, 2], vec![30, 2], vec![0], vec![5]]
        .map(|on| PauliString::new(on.into_iter().map(|qubit| (qubit, Pauli::Z))).unwrap().into())
        .into();
    let request = Request::new(&circuit, &[], &[], 1, &observables).unwrap();
    let mut backend = MpsBackend::new(Truncation::default(), 0);
    let values = backend.expectations(&request).unwrap();
    for (value, expected) in values.iter().zip([1.0, 1.0, 1.0, 0.0, 1.0]) {
        assert!((value - expected).abs() < 1e-10, "{values:?}");
    }
    assert!(backend.discarded_weight() < 1e-12);
    let counts = mps::counts(&circuit, &[], &[], Truncation::default(), (100, 1)).unwrap();
    assert!(
        counts.iter().all(|(outcome, _)| [0, 2, 30, 59].iter().all(|&q| outcome.get(q) == outcome.get(0)))
    );
}

#[test]
fn what_is_cut_is_reported() {
    let circuit = ising(10, 6, (0.9, 0.8));
    let exact = reference::run(&circuit, &[], &[]);
    let overlap = |state: &Mps| {
        let inner: ounce_quantum::C64 = exact
            .iter()
            .enumerate()
            .map(|(i, a)| a.conj() * state.amplitude(&Outcome::from_index(10, i as u64)))
            .sum();
        inner.norm_sqr()
    };
    let mut before = 1.0;
    for max_bond in [16, 8, 4, 2] {
        let state = run(&circuit, Truncation { max_bond, discarded_weight: 0.0 });
        assert!(state.largest_bond() <= max_bond);
        assert!((state.expectation(&PauliString::default()) - 1.0).abs() < 1e-9);
        let fidelity = overlap(&state);
        assert!(
            fidelity <= before + 1e-9 && 1.0 - fidelity <= 2.0 * state.discarded_weight() + 1e-9,
            "{max_bond}: {fidelity} {}",
            state.discarded_weight()
        );
        before = fidelity;
    }
    assert!(before < 0.999);
}

#[test]
fn gates_of_many_qubits_are_refused() {
    let mut circuit = Circuit::new(9);
    circuit.push::<f64>(Gate::from(Standard::X).controlled(7), &[0, 1, 2, 3, 4, 5, 6, 7], []).unwrap();
    let error =
        mps::run(&circuit, &[], &[], Truncation::default(), &mut Pcg32::new(0)).unwrap_err().to_string();
    assert!(error.contains("c7x on 8 qubits (instruction 0)") && error.contains("decompose"), "{error}");
}
