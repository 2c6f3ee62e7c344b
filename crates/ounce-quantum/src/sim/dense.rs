//! Matrices on the qubits of a vector of 2^n amplitudes: what the density matrix and trajectories are made of.

use crate::matrix::{C64, Matrix};

/// Multiplies a matrix onto some qubits; `qubits[0]` is the most significant bit of its index.
pub(crate) fn apply(state: &mut [C64], matrix: &Matrix, qubits: &[usize]) {
    if matrix.is_diagonal() {
        return apply_diagonal(state, matrix, qubits);
    }
    if let &[qubit] = qubits {
        return apply_single(state, matrix, qubit);
    }
    let dim = matrix.dim();
    let entries = matrix.entries();
    let offsets = offsets(qubits);
    let mut before = vec![C64::default(); dim];
    for_each_base(state.len(), qubits, |base| {
        for (value, offset) in before.iter_mut().zip(&offsets) {
            *value = state[base + offset];
        }
        for (row, offset) in entries.chunks_exact(dim).zip(&offsets) {
            state[base + offset] = row.iter().zip(&before).map(|(entry, value)| entry * value).sum();
        }
    });
}

fn apply_single(state: &mut [C64], matrix: &Matrix, qubit: usize) {
    let [a, b, c, d] = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| matrix.at(row, column));
    for_each_pair(state, qubit, |zero, one| {
        let (p, q) = (*zero, *one);
        *zero = a * p + b * q;
        *one = c * p + d * q;
    });
}

fn apply_diagonal(state: &mut [C64], matrix: &Matrix, qubits: &[usize]) {
    let offsets = offsets(qubits);
    let factors: Vec<C64> = (0..matrix.dim()).map(|i| matrix.at(i, i)).collect();
    for_each_base(state.len(), qubits, |base| {
        for (factor, offset) in factors.iter().zip(&offsets) {
            state[base + offset] *= factor;
        }
    });
}

/// Calls `change` with the amplitudes where a qubit is 0 and 1 and all others are the same.
pub(crate) fn for_each_pair(state: &mut [C64], qubit: usize, mut change: impl FnMut(&mut C64, &mut C64)) {
    let stride = 1 << qubit;
    for block in state.chunks_exact_mut(2 * stride) {
        let (zeros, ones) = block.split_at_mut(stride);
        zeros.iter_mut().zip(ones).for_each(|(zero, one)| change(zero, one));
    }
}

/// Where the amplitudes of each index of a matrix lie, relative to that of index 0.
pub(crate) fn offsets(qubits: &[usize]) -> Vec<usize> {
    let spread =
        |index: usize| qubits.iter().rev().enumerate().map(|(bit, &qubit)| (index >> bit & 1) << qubit).sum();
    (0..1 << qubits.len()).map(spread).collect()
}

/// Calls `visit` with every index below `len` in which all of `qubits` are 0.
pub(crate) fn for_each_base(len: usize, qubits: &[usize], mut visit: impl FnMut(usize)) {
    let mut sorted = qubits.to_vec();
    sorted.sort_unstable();
    for index in 0..len >> qubits.len() {
        visit(sorted.iter().fold(index, |base, &qubit| {
            let low = (1 << qubit) - 1;
            (base & low) | (base & !low) << 1
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Gate, Standard};
    use crate::sim::reference;

    #[test]
    fn products_are_those_of_the_reference() {
        let state: Vec<C64> = (0..32).map(|i| C64::new((i as f64).sin(), (i as f64 * 0.3).cos())).collect();
        let cases: [(Gate, &[usize], &[f64]); 6] = [
            (Standard::H.into(), &[3], &[]),
            (Standard::Rz.into(), &[1], &[0.7]),
            (Gate::from(Standard::X).controlled(1), &[4, 1], &[]),
            (Standard::Rzz.into(), &[0, 3], &[0.4]),
            (Standard::Rccx.into(), &[2, 0, 4], &[]),
            (Gate::from(Standard::U3).controlled(2), &[1, 3, 0], &[0.1, 0.2, 0.3]),
        ];
        for (gate, qubits, angles) in cases {
            let (mut own, mut expected) = (state.clone(), state.clone());
            apply(&mut own, &gate.matrix(angles), qubits);
            reference::apply_matrix(&mut expected, &gate.matrix(angles), qubits);
            assert!(own.iter().zip(&expected).all(|(a, b)| (a - b).norm() < 1e-12), "{}", gate.name());
        }
    }
}
