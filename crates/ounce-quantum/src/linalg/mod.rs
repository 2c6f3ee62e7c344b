//! Factorizations of small complex matrices, for the synthesis of circuits.
//!
//! All are built on Jacobi rotations: slow beyond some hundred rows, accurate to rounding, indifferent to repeated eigenvalues.

mod cosine_sine;
mod hermitian;
mod svd;
mod unitary;

pub(crate) use cosine_sine::{CosineSine, cosine_sine};
pub(crate) use hermitian::hermitian_eigen;
pub(crate) use unitary::unitary_eigen;

use crate::matrix::{C64, Matrix};

/// A rotation of two columns that makes `[[a, g], [conj g, b]]` diagonal: column p becomes `cos p - sin phase q`, column q
/// `sin p + cos phase q`.
struct Rotation {
    cos: f64,
    sin: f64,
    phase: C64,
}

impl Rotation {
    fn new(a: f64, b: f64, off: C64) -> Self {
        let magnitude = off.norm();
        let tau = (b - a) / (2.0 * magnitude);
        let tangent = tau.signum() / (tau.abs() + tau.hypot(1.0));
        let cos = 1.0 / tangent.hypot(1.0);
        Self { cos, sin: tangent * cos, phase: off.conj() / magnitude }
    }

    fn columns(&self, matrix: &mut Matrix, p: usize, q: usize) {
        for row in 0..matrix.dim() {
            let (first, second) = (matrix.at(row, p), matrix.at(row, q) * self.phase);
            *matrix.at_mut(row, p) = first * self.cos - second * self.sin;
            *matrix.at_mut(row, q) = first * self.sin + second * self.cos;
        }
    }

    fn rows(&self, matrix: &mut Matrix, p: usize, q: usize) {
        for column in 0..matrix.dim() {
            let (first, second) = (matrix.at(p, column), matrix.at(q, column) * self.phase.conj());
            *matrix.at_mut(p, column) = first * self.cos - second * self.sin;
            *matrix.at_mut(q, column) = first * self.sin + second * self.cos;
        }
    }
}

/// Sweeps of Jacobi rotations before giving up on further accuracy; ten suffice in practice.
const SWEEPS: usize = 60;

/// The unitary whose column `order[i]` is the direction of column `order[i]` of a matrix with orthogonal columns. Columns must come in falling order of
/// their lengths; those that are too short to have a direction get any that is left.
fn orthonormal(matrix: &Matrix, order: &[usize]) -> Matrix {
    let dim = matrix.dim();
    let mut basis: Vec<Vec<C64>> = Vec::with_capacity(dim);
    for &column in order {
        let own: Vec<C64> = (0..dim).map(|row| matrix.at(row, column)).collect();
        let next = independent(own, &basis).or_else(|| {
            let unit = |k: usize| (0..dim).map(|row| C64::from(f64::from(u8::from(row == k)))).collect();
            // Of dim unit vectors at least one keeps 1/sqrt(dim) of its length.
            (0..dim).find_map(|k| independent(unit(k), &basis))
        });
        basis.push(next.unwrap_or_else(|| vec![C64::default(); dim]));
    }
    let mut position = vec![0; dim];
    order.iter().enumerate().for_each(|(at, &column)| position[column] = at);
    Matrix::from_fn(dim, |row, column| basis[position[column]][row])
}

/// The part of a vector that is orthogonal to a basis, of length 1; `None` if little is left.
fn independent(mut vector: Vec<C64>, basis: &[Vec<C64>]) -> Option<Vec<C64>> {
    let length = |vector: &[C64]| vector.iter().map(C64::norm_sqr).sum::<f64>().sqrt();
    let before = length(&vector);
    if before < 1e-14 {
        return None;
    }
    vector.iter_mut().for_each(|entry| *entry /= before);
    for _ in 0..2 {
        for own in basis {
            let along: C64 = own.iter().zip(&vector).map(|(a, b)| a.conj() * b).sum();
            vector.iter_mut().zip(own).for_each(|(entry, own)| *entry -= along * own);
        }
    }
    let after = length(&vector);
    vector.iter_mut().for_each(|entry| *entry /= after);
    (after > 0.1 / (basis.len() as f64 + 1.0).sqrt()).then_some(vector)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::random_unitary;
