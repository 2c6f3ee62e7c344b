//! Eigenvalues and eigenvectors of unitary matrices.

use super::hermitian_eigen;
use crate::matrix::{C64, Matrix};

/// Mixtures of the Hermitian and the antihermitian part; the one that separates eigenvalues best is taken.
const MIXTURES: [(f64, f64); 4] = [(0.8, 0.6), (0.3, -0.95), (1.0, 0.123), (-0.21, 0.977)];

/// Eigenvalues of absolute value 1 and the unitary of eigenvectors, as its columns. A symmetric matrix has real eigenvectors.
pub(crate) fn unitary_eigen(matrix: &Matrix) -> (Vec<C64>, Matrix) {
    let dim = matrix.dim();
    let adjoint = matrix.adjoint();
    let attempt = |(real, imaginary): (f64, f64)| {
        let mixed = Matrix::from_fn(dim, |row, column| {
            let (own, other) = (matrix.at(row, column), adjoint.at(row, column));
            (own + other) * (real / 2.0) + (own - other) * C64::new(0.0, -imaginary / 2.0)
        });
        let vectors = hermitian_eigen(&mixed).1;
        let diagonal = &(&vectors.adjoint() * matrix) * &vectors;
        let off =
            |row: usize, column: usize| if row == column { 0.0 } else { diagonal.at(row, column).norm() };
        let error = (0..dim * dim).map(|index| off(index / dim, index % dim)).fold(0.0, f64::max);
        let values: Vec<C64> =
            (0..dim).map(|index| diagonal.at(index, index)).map(|value| value / value.norm()).collect();
        (error, values, vectors)
    };
    let (mut error, mut values, mut vectors) = attempt(MIXTURES[0]);
    for &mixture in &MIXTURES[1..] {
        if error < 1e-13 {
            break;
        }
        let other = attempt(mixture);
        if other.0 < error {
            (error, values, vectors) = other;
        }
    }
    (values, vectors)
}
