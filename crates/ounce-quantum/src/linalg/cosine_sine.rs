//! The cosine-sine decomposition of a unitary into blocks.

use std::f64::consts::FRAC_1_SQRT_2;

use super::orthonormal;
use super::svd::{length, orthogonalize};
use crate::matrix::Matrix;

/// `diag(left) [[cos, -sin], [sin, cos]] diag(right)` of half the dimension each.
pub(crate) struct CosineSine {
    pub(crate) left: [Matrix; 2],
    /// Angles whose cosines and sines stand in the middle.
    pub(crate) angles: Vec<f64>,
    pub(crate) right: [Matrix; 2],
}

/// Decomposes a unitary of even dimension.
pub(crate) fn cosine_sine(unitary: &Matrix) -> CosineSine {
    let half = unitary.dim() / 2;
    let block = |row: usize, column: usize| {
        Matrix::from_fn(half, |r, c| unitary.at(row * half + r, column * half + c))
    };
    let all: Vec<usize> = (0..half).collect();
    // One right factor makes the columns of both left blocks orthogonal. Where the cosines are near 1 only the sines tell columns apart, so
    // these are made orthogonal by the lower block.
    let (mut upper, mut lower, mut right) = (block(0, 0), block(1, 0), Matrix::identity(half));
    orthogonalize(&mut upper, [&mut lower, &mut right], &all);
    let (large, _): (Vec<usize>, Vec<usize>) = all.iter().partition(|&&c| length(&upper, c) > FRAC_1_SQRT_2);
    orthogonalize(&mut lower, [&mut upper, &mut right], &large);
    let lengths =
        |matrix: &Matrix| -> Vec<f64> { all.iter().map(|&column| length(matrix, column)).collect() };
    let (cosines, sines) = (lengths(&upper), lengths(&lower));
    let directions = |matrix: &Matrix, lengths: &[f64]| {
        let mut order = all.clone();
        order.sort_by(|&a, &b| lengths[b].total_cmp(&lengths[a]));
        orthonormal(matrix, &order)
    };
    let left = [directions(&upper, &cosines), directions(&lower, &sines)];
    let angles: Vec<f64> = sines.iter().zip(&cosines).map(|(sin, cos)| sin.atan2(*cos)).collect();
    let above = &left[0].adjoint() * &block(0, 1);
    let below = &left[1].adjoint() * &block(1, 1);
    let second = Matrix::from_fn(half, |row, column| {
        below.at(row, column) * angles[row].cos() - above.at(row, column) * angles[row].sin()
    });
    CosineSine { left, angles, right: [right.adjoint(), second] }
}
