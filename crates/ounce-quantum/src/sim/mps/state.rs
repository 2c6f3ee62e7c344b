//! A matrix-product state in mixed canonical form.

use ounce_random::Pcg32;

use super::Truncation;
use super::svd::{Rectangle, qr, svd};
use crate::counts::Outcome;
use crate::gate::Standard;
use crate::matrix::{C64, Matrix};
use crate::observable::{Pauli, PauliString};

/// The tensor of a site: `left` times 2 times `right` entries, the first index being the most significant.
#[derive(Clone, PartialEq, Debug)]
struct Site {
    left: usize,
    right: usize,
    entries: Vec<C64>,
}

impl Site {
    /// As a matrix with the value of the qubit beside the left index.
    fn tall(&self) -> Rectangle {
        Rectangle { rows: 2 * self.left, columns: self.right, entries: self.entries.clone() }
    }

    /// As a matrix with the value of the qubit beside the right index.
    fn wide(&self) -> Rectangle {
        Rectangle { rows: self.left, columns: 2 * self.right, entries: self.entries.clone() }
    }

    /// Multiplies a matrix onto the qubit.
    fn apply(&mut self, matrix: &Matrix) {
        for block in self.entries.chunks_exact_mut(2 * self.right) {
            let (zeros, ones) = block.split_at_mut(self.right);
            for (zero, one) in zeros.iter_mut().zip(ones) {
                let (p, q) = (*zero, *one);
                *zero = matrix.at(0, 0) * p + matrix.at(0, 1) * q;
                *one = matrix.at(1, 0) * p + matrix.at(1, 1) * q;
            }
        }
    }

    fn of_tall(matrix: Rectangle) -> Self {
        Self { left: matrix.rows / 2, right: matrix.columns, entries: matrix.entries }
    }

    fn of_wide(matrix: Rectangle) -> Self {
        Self { left: matrix.rows, right: matrix.columns / 2, entries: matrix.entries }
    }
}

/// A state of n qubits as a chain of tensors. Sites left of the center are isometries to the right, those right of it to the left. Qubits need not
/// stand in order: those of a gate are swapped until they are neighbours, and stay there.
#[derive(Clone, PartialEq, Debug)]
pub struct Mps {
    sites: Vec<Site>,
    center: usize,
    site_of: Vec<usize>,
    qubit_at: Vec<usize>,
    truncation: Truncation,
    discarded: f64,
}

impl Mps {
    /// The state in which all qubits are 0.
    pub fn new(qubits: usize, truncation: Truncation) -> Self {
        let zero = Site { left: 1, right: 1, entries: vec![C64::from(1.0), C64::default()] };
        Self {
            sites: vec![zero; qubits],
            center: 0,
            site_of: (0..qubits).collect(),
            qubit_at: (0..qubits).collect(),
            truncation,
            discarded: 0.0,
        }
    }

    /// Qubits.
    pub fn qubits(&self) -> usize {
        self.sites.len()
    }

    /// The sum of the weights (squared singular values of a state of norm 1) that all cuts discarded: about what is missing of the fidelity with the exact state.
    pub fn discarded_weight(&self) -> f64 {
        self.discarded
    }

    /// The largest dimension of a bond.
    pub fn largest_bond(&self) -> usize {
        self.sites.iter().map(|site| site.right).max().unwrap_or(1)
    }

    /// Applies a unitary; `qubits[0]` is the most significant bit of its index.
    ///
    /// # Panics
    /// If matrix and qubits do not fit.
    pub fn apply(&mut self, matrix: &Matrix, qubits: &[usize]) {
        assert_eq!(matrix.dim(), 1 << qubits.len());
        match qubits {
            [] => {}
            &[qubit] => self.sites[self.site_of[qubit]].apply(matrix),
            _ => {
                let start = self.gather(qubits);
                // Which of the gate's qubits stands on each site.
                let index = |site: usize| qubits.iter().position(|&qubit| qubit == self.qubit_at[site]);
                let order: Vec<usize> = (start..start + qubits.len()).filter_map(index).collect();
                self.apply_adjacent(&reordered(matrix, &order), start, qubits.len());
            }
        }
    }

    /// Makes neighbours of some qubits, around the middle one; returns the first of their sites.
    fn gather(&mut self, qubits: &[usize]) -> usize {
        let mut places: Vec<usize> = qubits.iter().map(|&qubit| self.site_of[qubit]).collect();
        places.sort_unstable();
        let middle = places.len() / 2;
        let start = places[middle] - middle;
        for (index, &place) in places.iter().enumerate().take(middle).rev() {
            (place..start + index).for_each(|site| self.swap(site));
        }
        for (index, &place) in places.iter().enumerate().skip(middle + 1) {
            (start + index..place).rev().for_each(|site| self.swap(site));
        }
        start
    }

    /// Swaps the qubits of a site and the one right of it.
    fn swap(&mut self, site: usize) {
        self.apply_adjacent(&Standard::Swap.matrix(&[]), site, 2);
        self.qubit_at.swap(site, site + 1);
        (self.site_of[self.qubit_at[site]], self.site_of[self.qubit_at[site + 1]]) = (site, site + 1);
    }

    /// Applies a matrix to sites next to each other, the first being its most significant bit, and cuts the bonds between them.
    fn apply_adjacent(&mut self, matrix: &Matrix, start: usize, number: usize) {
        self.move_center(start);
        let (left, right) = (self.sites[start].left, self.sites[start + number - 1].right);
        // All sites as one: left times 2^number times right.
        let mut joined = self.sites[start].tall();
        for site in &self.sites[start + 1..start + number] {
            let product = joined.times(&site.wide());
            joined = Rectangle { rows: product.rows * 2, columns: site.right, entries: product.entries };
        }
        let dim = matrix.dim();
        let mut after = vec![C64::default(); joined.entries.len()];
        for (from, to) in joined.entries.chunks_exact(dim * right).zip(after.chunks_exact_mut(dim * right)) {
            for (row, sums) in to.chunks_exact_mut(right).enumerate() {
                for (column, values) in from.chunks_exact(right).enumerate() {
                    let factor = matrix.at(row, column);
                    if factor != C64::default() {
                        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += factor * value);
                    }
                }
            }
        }
        let mut rest = Rectangle { rows: left, columns: dim * right, entries: after };
        for site in start..start + number - 1 {
            let matrix = Rectangle { rows: rest.rows * 2, columns: rest.columns / 2, entries: rest.entries };
            let (isometry, remainder) = self.cut(&matrix);
            self.sites[site] = Site::of_tall(isometry);
            rest = remainder;
        }
        self.sites[start + number - 1] = Site::of_wide(rest);
        self.center = start + number - 1;
    }

    /// An isometry and the rest, of which the smallest singular values are dropped as far as the limits say.
    fn cut(&mut self, matrix: &Rectangle) -> (Rectangle, Rectangle) {
        let parts = svd(matrix);
        let weights: Vec<f64> = parts.s.iter().map(|value| value * value).collect();
        let total: f64 = weights.iter().sum();
        let mut kept = weights.len();
        let mut dropped = 0.0;
        while kept > 1 {
            let next = dropped + weights[kept - 1];
            if kept <= self.truncation.max_bond.max(1) && next > self.truncation.discarded_weight * total {
                break;
            }
            (kept, dropped) = (kept - 1, next);
        }
        self.discarded += if total > 0.0 { dropped / total } else { 0.0 };
        // What is kept takes the norm of all.
        let scale = if total > dropped { (total / (total - dropped)).sqrt() } else { 1.0 };
        let rank = parts.s.len();
        let columns =
            parts.u.entries.chunks_exact(rank.max(1)).flat_map(|row| row[..kept].to_vec()).collect();
        let isometry = Rectangle { rows: matrix.rows, columns: kept, entries: columns };
        let mut entries = parts.vh.entries[..kept * matrix.columns].to_vec();
        for (row, value) in entries.chunks_exact_mut(matrix.columns).zip(&parts.s) {
            row.iter_mut().for_each(|entry| *entry *= value * scale);
        }
        (isometry, Rectangle { rows: kept, columns: matrix.columns, entries })
    }

    fn move_center(&mut self, to: usize) {
        while self.center < to {
            let at = self.center;
            let (q, r) = qr(&self.sites[at].tall());
            self.sites[at] = Site::of_tall(q);
            self.sites[at + 1] = Site::of_wide(r.times(&self.sites[at + 1].wide()));
            self.center += 1;
        }
        while self.center > to {
            let at = self.center;
            let (q, r) = qr(&self.sites[at].wide().adjoint());
            self.sites[at] = Site::of_wide(q.adjoint());
            self.sites[at - 1] = Site::of_tall(self.sites[at - 1].tall().times(&r.adjoint()));
            self.center -= 1;
        }
    }

    /// The expectation value of a product of Paulis.
    ///
    /// # Panics
    /// If it acts on more qubits than there are.
    pub fn expectation(&self, string: &PauliString) -> f64 {
        let mut paulis = vec![Pauli::I; self.qubits()];
        let (mut first, mut last) = (self.center, self.center);
        for &(qubit, pauli) in string.factors() {
            let site = self.site_of[qubit];
            paulis[site] = pauli;
            (first, last) = (first.min(site), last.max(site));
        }
        if self.sites.is_empty() {
            return 1.0;
        }
        // Outside of these sites the isometries cancel with their adjoints.
        let left = self.sites[first].left;
        let mut inner =
            Rectangle { rows: left, columns: left, entries: Matrix::identity(left).entries().to_vec() };
        for (site, &pauli) in self.sites[first..=last].iter().zip(&paulis[first..=last]) {
            let mut ket = Site::of_wide(inner.times(&site.wide()));
            if pauli != Pauli::I {
                ket.apply(&pauli.matrix());
            }
            inner = site.tall().adjoint().times(&ket.tall());
        }
        (0..inner.rows).map(|i| inner.entries[i * inner.columns + i].re).sum()
    }

    /// The amplitude of a basis state.
    ///
    /// # Panics
    /// If it has fewer bits than there are qubits.
    pub fn amplitude(&self, basis_state: &Outcome) -> C64 {
        assert!(basis_state.bits() >= self.qubits());
        let mut row = vec![C64::from(1.0)];
        for (site, &qubit) in self.sites.iter().zip(&self.qubit_at) {
            row = step(&row, site, basis_state.get(qubit));
        }
        row[0]
    }

    /// Draws an outcome of measuring all qubits, bit i being qubit i; the state stays as it is.
    pub fn sample(&mut self, random: &mut Pcg32) -> Outcome {
        let mut outcome = Outcome::new(self.qubits());
        if self.sites.is_empty() {
            return outcome;
        }
        self.move_center(0);
        let mut row = vec![C64::from(1.0)];
        for (site, &qubit) in self.sites.iter().zip(&self.qubit_at) {
            let [zero, one] = [false, true].map(|value| step(&row, site, value));
            let weight = |row: &[C64]| row.iter().map(C64::norm_sqr).sum::<f64>();
            let weights = [weight(&zero), weight(&one)];
            let value = random.next_f64() * (weights[0] + weights[1]) >= weights[0];
            outcome.set(qubit, value);
            let scale = 1.0 / weights[usize::from(value)].sqrt();
            row = if value { one } else { zero };
            row.iter_mut().for_each(|entry| *entry *= scale);
        }
        outcome
    }

    /// Measures a qubit in the basis of Z: draws its value and keeps that part of the state.
    ///
    /// # Panics
    /// If there is no such qubit.
    pub fn measure(&mut self, qubit: usize, random: &mut Pcg32) -> bool {
        self.move_center(self.site_of[qubit]);
        let site = &mut self.sites[self.center];
        let right = site.right;
        let mut weights = [0.0; 2];
        for (index, values) in site.entries.chunks_exact(right).enumerate() {
            weights[index % 2] += values.iter().map(C64::norm_sqr).sum::<f64>();
        }
        let value = random.next_f64() * (weights[0] + weights[1]) >= weights[0];
        let scale = 1.0 / weights[usize::from(value)].sqrt();
        for (index, values) in site.entries.chunks_exact_mut(right).enumerate() {
            let factor = if (index % 2 == 1) == value { scale } else { 0.0 };
            values.iter_mut().for_each(|entry| *entry *= factor);
        }
        value
    }

    /// Sets a qubit to 0; what it was is drawn.
    ///
    /// # Panics
    /// If there is no such qubit.
    pub fn reset(&mut self, qubit: usize, random: &mut Pcg32) {
        if self.measure(qubit, random) {
            self.apply(&Standard::X.matrix(&[]), &[qubit]);
        }
    }
}

/// A row multiplied by the matrix of a site for a value of its qubit.
fn step(row: &[C64], site: &Site, value: bool) -> Vec<C64> {
    let mut next = vec![C64::default(); site.right];
    for (factor, block) in row.iter().zip(site.entries.chunks_exact(2 * site.right)) {
        let half = if value { &block[site.right..] } else { &block[..site.right] };
        next.iter_mut().zip(half).for_each(|(sum, entry)| *sum += factor * entry);
    }
    next
}

/// The matrix with its bits in another order: the i-th, from the most significant, is what was the `order[i]`-th.
fn reordered(matrix: &Matrix, order: &[usize]) -> Matrix {
    let bits = order.len();
    let old = |index: usize| -> usize {
        let place = |(i, &from): (usize, &usize)| (index >> (bits - 1 - i) & 1) << (bits - 1 - from);
        order.iter().enumerate().map(place).sum()
    };
    Matrix::from_fn(matrix.dim(), |row, column| matrix.at(old(row), old(column)))
}
