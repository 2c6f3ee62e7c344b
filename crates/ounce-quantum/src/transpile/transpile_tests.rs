//! Whole transpilations, checked by equivalence.
use super::*;
use crate::circuit::{Angle, CircuitError, Symbol};
use crate::gate::{Gate, Standard as G, names};
use crate::layers::{Template, qft};
use crate::matrix::C64;
use crate::sim::reference;
use proptest::prelude::*;

const PARAMETERS: [f64; 3] = [0.37, -1.2, 2.9];
const INPUTS: [f64; 2] = [0.6, -0.4];

const BASES: [&[&str]; 8] = [
    &["id", "rz", "sx", "x", "cx"],
    &["rz", "sx", "x", "ecr"],
    &["rz", "rx", "rzz", "cz"],
    &["cz", "id", "rx", "rz", "rzz", "sx", "x"],
    &["rz", "ry", "cx"],
    &["u3", "cx"],
    &["rz", "sx", "rzz"],
    &["p", "rx", "rxx"],
];

fn line(n: usize) -> Vec<(usize, usize)> {
    (1..n).map(|k| (k - 1, k)).collect()
}

/// Whether a transpiled circuit makes the state of the original on its last places, with all other qubits 0.
fn equivalent(circuit: &Circuit, transpiled: &Transpiled) -> f64 {
    let expected = reference::run(circuit, &PARAMETERS, &INPUTS);
    let found = reference::run(&transpiled.circuit, &PARAMETERS, &INPUTS);
    let place = |index: usize| -> usize {
        transpiled.last.iter().enumerate().map(|(qubit, &place)| (index >> qubit & 1) << place).sum()
    };
    let overlap: C64 = expected.iter().enumerate().map(|(index, own)| own.conj() * found[place(index)]).sum();
    (1.0 - overlap.norm()).abs()
}

fn fits(transpiled: &Transpiled, target: &Target, basis: &[&str]) -> Result<(), String> {
    for operation in transpiled.circuit.operations() {
        if !basis.contains(&operation.gate.name().as_str()) {
            return Err(format!("{} is not in the basis", operation.gate.name()));
        }
        let directed = |pair: &[usize]| target.directed(pair[0], pair[1]);
        if operation.qubits.len() == 2 && !(target.runs(operation) && directed(&operation.qubits)) {
            return Err(format!("{} on {:?}", operation.gate.name(), operation.qubits));
        }
    }
    Ok(())
}

/// Any gate on some of 4 qubits, with or without symbols.
fn operation() -> impl Strategy<Value = Operation> {
    let gates: Vec<Gate> =
        names().iter().map(|name| Gate::from(name.standard).controlled(name.controls)).collect();
    let wide = [crate::gate::multirz(3), Gate::from(G::Rx).controlled(2)];
    let unitaries =
        [G::Ecr, G::SqrtSwap].map(|gate| Gate::unitary(gate.matrix(&[])).unwrap_or(Gate::from(G::X)));
    let all: Vec<Gate> =
        gates.into_iter().filter(|gate| gate.qubits() <= 4).chain(wide).chain(unitaries).collect();
    let order = Just(vec![0usize, 1, 2, 3]).prop_shuffle();
    let angle = (-4i32..5, 0..8usize, -2.0..2.0f64).prop_map(|(quarters, symbol, factor)| {
        let symbols = [Symbol::Parameter(0), Symbol::Parameter(1), Symbol::Parameter(2), Symbol::Input(1)];
        let offset = f64::from(quarters) * std::f64::consts::FRAC_PI_4;
        match symbols.get(symbol) {
            Some(symbol) => Angle::from(*symbol).scaled(factor).plus(offset),
            None if symbol == 7 => Angle::from(factor),
            None => Angle::from(offset),
        }
    });
    (proptest::sample::select(all), order, proptest::collection::vec(angle, 4)).prop_map(
        |(gate, order, angles)| Operation {
            qubits: order[..gate.qubits()].to_vec(),
            angles: angles[..gate.angles()].to_vec(),
            gate,
        },
    )
}

fn circuit_of(operations: impl IntoIterator<Item = Operation>) -> Circuit {
    let mut circuit = Circuit::new(4);
    for name in ["a", "b", "c"] {
        circuit.add_parameter(name);
    }
    circuit.add_inputs(2);
    circuit.extend_valid(operations.into_iter().map(Instruction::Gate));
    circuit
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn states_stay_the_same(
        operations in proptest::collection::vec(operation(), 1..14),
        basis in 0..BASES.len(),
        coupling in 0..4usize,
        seed in 0..1000u64,
        optimize: bool,
    ) {
        let circuit = circuit_of(operations);
        let target = Target::new(5, BASES[basis].iter().copied())?;
        let target = match coupling {
            0 => target,
            1 => target.coupled(line(5))?,
            2 => target.coupled([(1, 0), (2, 1), (1, 3), (3, 4)])?,
            _ => target.coupled([(0, 1), (1, 0), (0, 2), (2, 0), (3, 0), (0, 4)])?,
        };
        let options = TranspileOptions { seed, optimize, trials: 2, ..Default::default() };
        let transpiled = transpile(&circuit, &target, &options)?;
        prop_assert_eq!(fits(&transpiled, &target, BASES[basis]), Ok(()));
        prop_assert!(equivalent(&circuit, &transpiled) < 1e-9, "{}", equivalent(&circuit, &transpiled));
        prop_assert_eq!(transpiled.circuit.parameters(), circuit.parameters());
        prop_assert_eq!(transpiled.circuit.inputs(), circuit.inputs());
    }
}

fn counts(circuit: &Circuit) -> [usize; 2] {
    let gates = |wanted: fn(&Operation) -> bool| circuit.operations().filter(|own| wanted(own)).count();
    [gates(|own| own.qubits.len() == 2), gates(|own| own.qubits.len() == 1 && !own.gate.is_diagonal())]
}

fn transpiled(circuit: &Circuit, basis: &[&str]) -> Circuit {
    let target =
        Target::new(circuit.qubits(), basis.iter().copied()).unwrap_or_else(|error| panic!("{error}"));
    transpile(circuit, &target, &TranspileOptions::default())
        .unwrap_or_else(|error| panic!("{error}"))
        .circuit
}

#[test]
fn gates_become_as_few_as_is_known() -> Result<(), CircuitError> {
    let one = |gate: Gate, angles: &[Angle]| -> Result<Circuit, CircuitError> {
        let mut circuit = Circuit::new(gate.qubits());
        circuit.add_parameter("a");
        circuit.push(gate.clone(), &(0..gate.qubits()).collect::<Vec<_>>(), angles.iter().cloned())?;
        Ok(circuit)
    };
    let a = || Angle::from(Symbol::Parameter(0));
    let c = |gate: G| Gate::from(gate).controlled(1);
    // CNOTs, and gates on one qubit that are not virtual.
    for (gate, angles, expected) in [
        (Gate::from(G::Rx), vec![a()], [0, 2]),
        (G::Ry.into(), vec![a()], [0, 2]),
        (G::Rz.into(), vec![a()], [0, 0]),
        (G::H.into(), vec![], [0, 1]),
        (G::X.into(), vec![], [0, 1]),
        (c(G::P), vec![a()], [2, 0]),
        (c(G::Z), vec![], [1, 2]),
        (G::Rzz.into(), vec![a()], [2, 0]),
        (G::Swap.into(), vec![], [0, 0]),
        (Gate::from(G::X).controlled(2), vec![], [6, 2]),
        (c(G::Swap), vec![], [8, 2]),
    ] {
        let name = gate.name();
        assert_eq!(counts(&transpiled(&one(gate, &angles)?, BASES[0])), expected, "{name}");
    }
    let mut twice = Circuit::new(3);
    twice.cx(0, 1)?.apply(G::T, &[0])?.apply(G::X, &[1])?.cx(0, 2)?.cx(0, 1)?;
    assert_eq!(counts(&transpiled(&twice, BASES[0]))[0], 1);
    let mut heron = Circuit::new(2);
    let symbol = Angle::from(heron.add_parameter("a"));
    heron.push(G::Rx, &[0], [symbol.clone()])?.push(G::Ry, &[0], [symbol.scaled(2.0)])?.push(
        G::Rzz,
        &[0, 1],
        [symbol],
    )?;
    let names: Vec<String> = transpiled(&heron, BASES[3]).operations().map(|own| own.gate.name()).collect();
    assert_eq!(names.iter().filter(|name| *name == "rx").count(), 2, "{names:?}");
    assert_eq!(names.iter().filter(|name| *name == "rzz").count(), 1, "{names:?}");
    Ok(())
}

#[test]
fn rings_and_lines_are_placed_without_swaps() -> Result<(), Box<dyn std::error::Error>> {
    let ring = Template::named("ZZ+RY").ok_or("a template")?.circuit(6, 2)?;
    let pairs = [(0, 3), (3, 5), (5, 1), (1, 4), (4, 2), (2, 0), (6, 0), (7, 6)];
    let target = Target::new(8, BASES[0].iter().copied())?.coupled(pairs)?;
    assert_eq!(transpile(&ring, &target, &TranspileOptions::default())?.swaps, 0);
    Ok(())
}

#[test]
fn larger_circuits_are_routed_on_devices_of_many_qubits() -> Result<(), Box<dyn std::error::Error>> {
    let mut circuit = Circuit::new(8);
    circuit.add_bits(8);
    qft(&mut circuit, &[7, 6, 5, 4, 3, 2, 1, 0], true)?;
    for qubit in 0..8 {
        circuit.push_instruction(Instruction::Measure { qubit, bit: qubit })?;
    }
    let grid: Vec<(usize, usize)> = (0..12)
        .flat_map(|k| [(k % 4 < 3).then(|| (k, k + 1)), (k < 8).then(|| (k, k + 4))].into_iter().flatten())
        .collect();
    let target = Target::new(12, BASES[0].iter().copied())?.coupled(grid)?;
    let transpiled = transpile(&circuit, &target, &TranspileOptions::default())?;
    assert_eq!(fits(&transpiled, &target, BASES[0]), Ok(()));
    assert!(equivalent(&circuit, &transpiled) < 1e-9);
    for instruction in transpiled.circuit.instructions() {
        if let Instruction::Measure { qubit, bit } = instruction {
            assert_eq!(transpiled.last[*bit], *qubit);
        }
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<(), Box<dyn std::error::Error>> {
    assert!(matches!(Target::new(2, ["rz", "sx"]), Err(TargetError::Entangling(_))));
    assert!(matches!(Target::new(2, ["sx", "cx"]), Err(TargetError::Single(_))));
    assert!(matches!(Target::new(2, ["what", "cx"]), Err(TargetError::Unknown(_))));
    let target = || Target::new(3, BASES[0].iter().copied());
    assert!(matches!(target()?.coupled([(0, 3)]), Err(TargetError::Coupling { .. })));
    assert!(target()?.coupled([(1, 1)]).is_err());
    let mut circuit = Circuit::new(3);
    circuit.cx(0, 2)?;
    let options = TranspileOptions::default();
    let apart = target()?.coupled([(0, 1)])?;
    assert_eq!(transpile(&circuit, &apart, &options), Err(TranspileError::NoPath));
    let given =
        |places: &[usize]| TranspileOptions { layout: Layout::Given(places.to_vec()), ..Default::default() };
    for places in [&[0, 1][..], &[0, 1, 1], &[0, 1, 3]] {
        assert_eq!(transpile(&circuit, &apart, &given(places)), Err(TranspileError::Layout(3)));
    }
    assert_eq!(transpile(&circuit, &apart, &given(&[0, 2, 1]))?.swaps, 0);
    assert!(matches!(transpile(&Circuit::new(4), &apart, &options), Err(TranspileError::Qubits { .. })));
    assert_eq!(transpile(&Circuit::new(0), &apart, &options)?.circuit.qubits(), 3);
    Ok(())
}
