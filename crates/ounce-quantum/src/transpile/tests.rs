use super::*;
use crate::circuit::{Angle, Circuit, Operation, Symbol};
use crate::gate::{Gate, Standard, names};
use crate::linalg::random_unitary;
use crate::matrix::{C64, Matrix};
use crate::observable::Pauli;
use crate::sim::reference;
use ounce_random::Pcg32;

const VALUES: [f64; 4] = [0.37, -1.2, 2.9, 0.6];

/// The gate on qubits in an odd order with symbolic angles, in a circuit that has them.
fn alone(gate: Gate) -> Operation {
    let count = gate.qubits();
    let qubits = (0..count).map(|index| (index * 2 + 1) % (count | 1).max(1)).collect::<Vec<_>>();
    let qubits = if count % 2 == 1 { qubits } else { (0..count).rev().collect() };
    let angles =
        (0..gate.angles()).map(|index| Angle::from(Symbol::Parameter(index)).scaled(0.7).plus(0.1)).collect();
    Operation { gate, qubits, angles }
}

/// The matrix of operations on `qubits` qubits, column by column.
fn matrix_of(operations: &[Operation], qubits: usize) -> Matrix {
    let columns: Vec<Vec<C64>> = (0..1usize << qubits)
        .map(|index| {
            let mut state = vec![C64::default(); 1 << qubits];
            state[index] = C64::from(1.0);
            operations.iter().for_each(|own| reference::apply(&mut state, own, &VALUES, &[]));
            state
        })
        .collect();
    Matrix::from_fn(1 << qubits, |row, column| columns[column][row])
}

fn check(gate: Gate) {
    let qubits = gate.qubits();
    let operation = alone(gate.clone());
    let expected = matrix_of(std::slice::from_ref(&operation), qubits);
    if let Some(parts) = simpler(&operation) {
        let distance = matrix_of(&parts, qubits).distance(&expected);
        assert!(distance < 1e-9, "{} in one step: {distance}", gate.name());
    }
    let parts = decompose(&[operation], |_| false);
    let distance = matrix_of(&parts, qubits).distance(&expected);
    assert!(distance < 1e-9, "{}: {distance}", gate.name());
    for part in &parts {
        assert!(
            part.gate.qubits() <= 1 || decompose::is_cx(&part.gate),
            "{} leaves {}",
            gate.name(),
            part.gate.name()
        );
        assert!(simpler(part).is_none());
    }
}

#[test]
fn every_named_gate_is_its_decomposition_with_any_controls() {
    for name in names() {
        for more in 0..3 {
            check(Gate::from(name.standard).controlled(name.controls + more));
        }
    }
}

#[test]
fn rotations_about_products_of_paulis_are_their_decompositions() {
    use Pauli::{I, X, Y, Z};
    for paulis in [vec![X], vec![Y, Z], vec![Z, I, X, Y], vec![I, I], vec![Z; 4]] {
        check(Gate::pauli_rotation(paulis.clone()));
        check(Gate::pauli_rotation(paulis).controlled(1));
    }
}

#[test]
fn many_controls_are_decomposed_with_borrowed_qubits() {
    let mut random = Pcg32::new(4);
    for gate in [(Standard::Rz, 7), (Standard::Rz, 8), (Standard::X, 8), (Standard::H, 9)] {
        let operation = alone(Gate::from(gate.0).controlled(gate.1));
        let parts = decompose(std::slice::from_ref(&operation), |_| false);
        // A state in which all controls are 1 with a high probability, and any other state.
        let mut before: Vec<C64> =
            (0..2usize << gate.1).map(|_| C64::new(random.normal(), random.normal())).collect();
        let targets = operation.qubits[gate.1];
        for index in [(2 << gate.1) - 1, (2 << gate.1) - 1 - (1 << targets)] {
            before[index] *= 100.0;
        }
        let mut after = before.clone();
        reference::apply(&mut before, &operation, &VALUES, &[]);
        parts.iter().for_each(|own| reference::apply(&mut after, own, &VALUES, &[]));
        let distance = before.iter().zip(&after).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
        assert!(distance < 1e-8, "{gate:?}: {distance}");
    }
}

#[test]
fn any_unitary_is_its_decomposition() {
    let mut random = Pcg32::new(5);
    for dim in [2, 4, 4, 4, 8, 16] {
        let matrix = random_unitary(dim, &mut random);
        check(Gate::unitary(matrix.clone()).expect("a unitary"));
        if dim <= 8 {
            check(Gate::unitary(matrix).expect("a unitary").controlled(1));
        }
    }
    for dim in [2, 4, 8] {
        check(Gate::unitary(Matrix::identity(dim)).expect("a unitary"));
        let flipped =
            Matrix::from_fn(dim, |row, column| C64::from(f64::from(u8::from(row + column == dim - 1))));
        check(Gate::unitary(flipped).expect("a unitary"));
    }
}

fn cnots(matrix: Matrix) -> usize {
    check(Gate::unitary(matrix.clone()).expect("a unitary"));
    let operation = alone(Gate::unitary(matrix).expect("a unitary"));
    decompose(&[operation], |_| false).iter().filter(|part| part.gate.qubits() == 2).count()
}

#[test]
fn two_qubits_take_no_more_cnots_than_they_need() {
    let mut random = Pcg32::new(6);
    let mut around = |matrix: Matrix| {
        let mut local = || random_unitary(2, &mut random).kron(&random_unitary(2, &mut random));
        &(&local() * &matrix) * &local()
    };
    let gates: [(Standard, &[f64], usize); 9] = [
        (Standard::Rzz, &[0.0], 0),
        (Standard::Rzz, &[std::f64::consts::FRAC_PI_2], 1),
        (Standard::Ecr, &[], 1),
        (Standard::Rxx, &[0.3], 2),
        (Standard::Ryy, &[0.3], 2),
        (Standard::ISwap, &[], 2),
        (Standard::XxPlusYy, &[0.3, 0.4], 2),
        (Standard::Swap, &[], 3),
        (Standard::SqrtSwap, &[], 3),
    ];
    for (gate, angles, expected) in gates {
        assert_eq!(cnots(around(gate.matrix(angles))), expected, "{gate:?}");
    }
    let cnot = Standard::X.matrix(&[]).controlled(1, 1.0);
    assert_eq!(cnots(around(cnot)), 1);
    let any = random_unitary(4, &mut Pcg32::new(8));
    assert_eq!(cnots(any), 3);
}

#[test]
fn states_are_prepared() {
    let mut random = Pcg32::new(9);
    for qubits in 0..6 {
        let mut state: Vec<C64> =
            (0..1 << qubits).map(|_| C64::new(random.normal(), random.normal())).collect();
        if qubits > 2 {
            state[1..4].fill(C64::default());
        }
        let norm = state.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
        let found = reference::run(&prepare_state(&state), &[], &[]);
        let distance = found.iter().zip(&state).map(|(a, b)| (a - b / norm).norm()).fold(0.0, f64::max);
        assert!(distance < 1e-12, "{qubits}: {distance}");
    }
    assert_eq!(prepare_state(&[]), Circuit::new(0));
}
