//! Eigenvalues and eigenvectors of Hermitian matrices.

use super::{Rotation, SWEEPS};
use crate::matrix::Matrix;

/// Eigenvalues and the unitary of eigenvectors, as its columns. A real matrix has real eigenvectors.
pub(crate) fn hermitian_eigen(matrix: &Matrix) -> (Vec<f64>, Matrix) {
    let dim = matrix.dim();
    let mut matrix = matrix.clone();
    let mut vectors = Matrix::identity(dim);
    let scale = matrix.entries().iter().map(|entry| entry.norm()).fold(0.0, f64::max);
    for _ in 0..SWEEPS {
        let mut turned = false;
        for p in 0..dim {
            for q in p + 1..dim {
                let off = matrix.at(p, q);
                if off.norm() <= scale * 1e-17 {
                    continue;
                }
                turned = true;
                let rotation = Rotation::new(matrix.at(p, p).re, matrix.at(q, q).re, off);
                rotation.columns(&mut matrix, p, q);
                rotation.rows(&mut matrix, p, q);
                rotation.columns(&mut vectors, p, q);
            }
        }
        if !turned {
            break;
        }
    }
    ((0..dim).map(|index| matrix.at(index, index).re).collect(), vectors)
}
