//! Any unitary, by the quantum Shannon decomposition (Shende, Bullock and Markov 2006).

use super::build::op;
use super::{euler, multiplexed, two_qubit};
use crate::circuit::{Angle, Operation};
use crate::gate::Standard as G;
use crate::linalg::{CosineSine, cosine_sine, unitary_eigen};
use crate::matrix::{C64, Matrix};

/// The operations of a unitary on at least one qubit, the most significant first, its global phase included.
pub(super) fn synthesize(matrix: &Matrix, qubits: &[usize]) -> Vec<Operation> {
    match qubits {
        [qubit] => vec![op(G::U4, &[*qubit], &euler::u4_of(matrix).map(Angle::from))],
        [a, b] => two_qubit::synthesize(matrix, *a, *b),
        _ => {
            let CosineSine { left, angles, right } = cosine_sine(matrix);
            let mut operations = selected(&right, qubits);
            let angles: Vec<Angle> = angles.iter().map(|angle| Angle::from(2.0 * angle)).collect();
            operations.extend(multiplexed::rotation(G::Ry, &angles, &qubits[1..], qubits[0]));
            operations.extend(selected(&left, qubits));
            operations
        }
    }
}

/// `pair[0]` or `pair[1]` on all but the first qubit, by the state of the first: `V D W` and `V D^* W`, with D diagonal.
fn selected(pair: &[Matrix; 2], qubits: &[usize]) -> Vec<Operation> {
    let (values, v) = unitary_eigen(&(&pair[0] * &pair[1].adjoint()));
    let roots: Vec<f64> = values.iter().map(|value| value.arg() / 2.0).collect();
    let d = Matrix::from_fn(
        roots.len(),
        |row, column| if row == column { C64::cis(roots[row]) } else { C64::default() },
    );
    let w = &(&d * &v.adjoint()) * &pair[1];
    let mut operations = synthesize(&w, &qubits[1..]);
    let angles: Vec<Angle> = roots.iter().map(|root| Angle::from(-2.0 * root)).collect();
    operations.extend(multiplexed::rotation(G::Rz, &angles, &qubits[1..], qubits[0]));
    operations.extend(synthesize(&v, &qubits[1..]));
    operations
}
