//! Any unitary on two qubits by at most three CNOTs, fewer where fewer do.
//!
//! A unitary is `(k1) exp(i (a XX + b YY + c ZZ)) (k2)` with k1 and k2 on single qubits (Kraus and Cirac 2001): in the magic basis these are real,
//! and what is between them is diagonal. The circuit of the middle is that of Vatan and Williams (2004).

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, FRAC_PI_4};

use super::build::{cx, fixed, op, turn};
use super::euler;
use crate::circuit::{Angle, Operation};
use crate::gate::Standard as G;
use crate::linalg::unitary_eigen;
use crate::matrix::{C64, Matrix};

/// Below this a coordinate is taken for a multiple of pi/4.
const NEAR: f64 = 1e-9;

/// `exp(i phase) (after[0] x after[1]) exp(i (a XX + b YY + c ZZ)) (before[0] x before[1])`.
struct Canonical {
    phase: f64,
    before: [Matrix; 2],
    coordinates: [f64; 3],
    after: [Matrix; 2],
}

/// The operations of a unitary of dimension 4 on qubits `a` (the more significant) and `b`, its global phase included.
pub(super) fn synthesize(matrix: &Matrix, a: usize, b: usize) -> Vec<Operation> {
    let Canonical { mut phase, before, coordinates, after } = canonical(matrix);
    let mut middle = Vec::new();
    let mut rest = [0.0; 3];
    for (index, pauli) in [G::X, G::Y, G::Z].into_iter().enumerate() {
        // exp(i pi/2 XX) is i XX.
        let quarters = (coordinates[index] / FRAC_PI_2).round();
        rest[index] = coordinates[index] - quarters * FRAC_PI_2;
        phase += quarters * FRAC_PI_2;
        if quarters.rem_euclid(2.0) == 1.0 {
            middle.extend([fixed(pauli, &[a]), fixed(pauli, &[b])]);
        }
    }
    phase += interaction(rest, a, b, &mut middle);
    let mut operations = Vec::new();
    local(&before, a, b, &mut operations);
    operations.extend(middle);
    local(&after, a, b, &mut operations);
    operations.push(turn(G::GlobalPhase, &[], phase));
    operations
}

fn local(pair: &[Matrix; 2], a: usize, b: usize, operations: &mut Vec<Operation>) {
    for (matrix, qubit) in pair.iter().zip([a, b]) {
        let angles = euler::u4_of(matrix).map(Angle::from);
        operations.push(op(G::U4, &[qubit], &angles));
    }
}

/// Adds `exp(i (x XX + y YY + z ZZ))` for coordinates within pi/4; returns a phase that is missing.
fn interaction(coordinates: [f64; 3], a: usize, b: usize, operations: &mut Vec<Operation>) -> f64 {
    let paulis = [G::X, G::Y, G::Z];
    let present: Vec<usize> = (0..3).filter(|&index| coordinates[index].abs() > NEAR).collect();
    match present[..] {
        [] => 0.0,
        [one] if (coordinates[one].abs() - FRAC_PI_4).abs() < NEAR => {
            // CZ is exp(i pi/4 (1 - Z1 - Z2 + ZZ)), so exp(i s pi/4 ZZ) is CZ, S or its inverse on both and a phase.
            let turned = toward_z(paulis[one], a, b);
            let (phase, turn_back) = if coordinates[one] > 0.0 { (1.0, G::Sdg) } else { (-1.0, G::S) };
            operations.extend(turned.iter().cloned());
            operations.extend([fixed(G::H, &[b]), cx(a, b), fixed(G::H, &[b])]);
            operations.extend([fixed(turn_back, &[a]), fixed(turn_back, &[b])]);
            operations.extend(super::build::undone(&turned));
            phase * FRAC_PI_4
        }
        [one] => {
            let turned = toward_z(paulis[one], a, b);
            operations.extend(turned.iter().cloned());
            operations.extend([cx(a, b), turn(G::Rz, &[b], -2.0 * coordinates[one]), cx(a, b)]);
            operations.extend(super::build::undone(&turned));
            0.0
        }
        [first, second] => {
            // CNOTs make XX of X on the control and ZZ of Z on the target.
            let turned = toward_x_and_z(first, second, a, b);
            operations.extend(turned.iter().cloned());
            operations.push(cx(a, b));
            operations.push(turn(G::Rx, &[a], -2.0 * coordinates[first]));
            operations.push(turn(G::Rz, &[b], -2.0 * coordinates[second]));
            operations.push(cx(a, b));
            operations.extend(super::build::undone(&turned));
            0.0
        }
        _ => {
            let [x, y, z] = coordinates;
            operations.extend([turn(G::Rz, &[b], FRAC_PI_2), cx(b, a)]);
            operations.push(turn(G::Rz, &[a], FRAC_PI_2 - 2.0 * z));
            operations.push(turn(G::Ry, &[b], FRAC_PI_2 - 2.0 * x));
            operations.extend([cx(a, b), turn(G::Ry, &[b], 2.0 * y - FRAC_PI_2), cx(b, a)]);
            operations.push(turn(G::Rz, &[a], -FRAC_PI_2));
            FRAC_PI_4
        }
    }
}

/// What makes ZZ of a Pauli on both qubits, between itself and its inverse.
fn toward_z(pauli: G, a: usize, b: usize) -> Vec<Operation> {
    let both = |gate: G| [fixed(gate, &[a]), fixed(gate, &[b])];
    match pauli {
        G::X => both(G::H).to_vec(),
        G::Y => both(G::Sx).to_vec(),
        _ => Vec::new(),
    }
}

/// What makes XX of the first of two Paulis (0 for X, 1 for Y, 2 for Z, in ascending order) and ZZ of the second.
fn toward_x_and_z(first: usize, second: usize, a: usize, b: usize) -> Vec<Operation> {
    let both = |gate: G| [fixed(gate, &[a]), fixed(gate, &[b])];
    match (first, second) {
        (0, 1) => both(G::Sx).to_vec(),
        (1, _) => both(G::Sdg).to_vec(),
        _ => Vec::new(),
    }
}

fn magic() -> Matrix {
    let (zero, one, i) = (C64::default(), C64::from(FRAC_1_SQRT_2), C64::new(0.0, FRAC_1_SQRT_2));
    let rows = [[one, zero, zero, i], [zero, i, one, zero], [zero, i, -one, zero], [one, zero, zero, -i]];
    Matrix::from_fn(4, |row, column| rows[row][column])
}

fn canonical(matrix: &Matrix) -> Canonical {
    let basis = magic();
    let root = C64::cis(-determinant(matrix).arg() / 4.0);
    let special = &(&basis.adjoint() * &matrix.scaled(root)) * &basis;
    let transposed = |matrix: &Matrix| Matrix::from_fn(matrix.dim(), |row, column| matrix.at(column, row));
    let (values, vectors) = unitary_eigen(&(&transposed(&special) * &special));
    let mut right = Matrix::from_fn(4, |row, column| C64::from(vectors.at(row, column).re));
    if determinant(&right).re < 0.0 {
        (0..4).for_each(|row| *right.at_mut(row, 0) *= -1.0);
    }
    let mut angles: Vec<f64> = values.iter().map(|value| value.arg() / 2.0).collect();
    // The product of the roots must be 1, not -1.
    if angles.iter().sum::<f64>().cos() < 0.0 {
        angles[0] += std::f64::consts::PI;
    }
    let roots =
        Matrix::from_fn(4, |row, column| if row == column { C64::cis(-angles[row]) } else { C64::default() });
    let left = &(&special * &right) * &roots;
    let out = |matrix: &Matrix| factors(&(&(&basis * matrix) * &basis.adjoint()));
    let (before, first) = out(&transposed(&right));
    let (after, second) = out(&left);
    let mean = angles.iter().sum::<f64>() / 4.0;
    let half = |i: usize, j: usize| (angles[i] + angles[j]) / 2.0 - mean;
    Canonical {
        phase: first + second + mean - root.arg(),
        before,
        coordinates: [half(0, 1), half(1, 3), half(0, 3)],
        after,
    }
}

/// The two factors of a Kronecker product of unitaries, each of determinant 1, and the phase that is left.
fn factors(product: &Matrix) -> ([Matrix; 2], f64) {
    let largest =
        (0..16).max_by(|&i, &j| product.entries()[i].norm().total_cmp(&product.entries()[j].norm()));
    let (row, column) = largest.map_or((0, 0), |index| (index / 4, index % 4));
    let first = Matrix::from_fn(2, |r, c| product.at(2 * r + row % 2, 2 * c + column % 2));
    let second = Matrix::from_fn(2, |r, c| product.at(row / 2 * 2 + r, column / 2 * 2 + c));
    let special = |matrix: Matrix| {
        let root = (matrix.at(0, 0) * matrix.at(1, 1) - matrix.at(0, 1) * matrix.at(1, 0)).sqrt();
        matrix.scaled(root.inv())
    };
    let (first, second) = (special(first), special(second));
    let phase = (product.at(row, column) / first.kron(&second).at(row, column)).arg();
    ([first, second], phase)
}

/// By Laplace's rule over pairs of rows.
fn determinant(matrix: &Matrix) -> C64 {
    let minor = |row: usize, i: usize, j: usize| {
        matrix.at(row, i) * matrix.at(row + 1, j) - matrix.at(row, j) * matrix.at(row + 1, i)
    };
    let pairs = [
        (0, 1, 2, 3, 1.0),
        (0, 2, 1, 3, -1.0),
        (0, 3, 1, 2, 1.0),
        (1, 2, 0, 3, 1.0),
        (1, 3, 0, 2, -1.0),
        (2, 3, 0, 1, 1.0),
    ];
    pairs.iter().map(|&(i, j, k, l, sign)| minor(0, i, j) * minor(2, k, l) * sign).sum()
}
