//! Orthogonal columns by one-sided Jacobi rotations, with which singular values are found.

use super::{Rotation, SWEEPS};
use crate::matrix::{C64, Matrix};

/// The product of the conjugate of one column with another.
pub(super) fn product(matrix: &Matrix, p: usize, q: usize) -> C64 {
    (0..matrix.dim()).map(|row| matrix.at(row, p).conj() * matrix.at(row, q)).sum()
}

/// The length of a column.
pub(super) fn length(matrix: &Matrix, column: usize) -> f64 {
    product(matrix, column, column).re.sqrt()
}

/// Mixes some columns of a matrix until they are orthogonal, and those of the others in the same way.
pub(super) fn orthogonalize(matrix: &mut Matrix, others: [&mut Matrix; 2], columns: &[usize]) {
    let [first, second] = others;
    for _ in 0..SWEEPS {
        let mut turned = false;
        for (index, &p) in columns.iter().enumerate() {
            for &q in &columns[index + 1..] {
                let off = product(matrix, p, q);
                let (a, b) = (product(matrix, p, p).re, product(matrix, q, q).re);
                if off.norm() <= 1e-16 * (a * b).sqrt() || off.norm() < 1e-300 {
                    continue;
                }
                turned = true;
                let rotation = Rotation::new(a, b, off);
                for mixed in [&mut *matrix, &mut *first, &mut *second] {
                    rotation.columns(mixed, p, q);
                }
            }
        }
        if !turned {
            break;
        }
    }
}
