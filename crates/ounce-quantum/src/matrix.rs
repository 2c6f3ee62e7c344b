//! Small dense complex matrices: what gates are made of.

use std::ops::Mul;

/// A complex number in double precision.
pub type C64 = num_complex::Complex<f64>;

/// A square complex matrix, row-major.
#[derive(Clone, PartialEq, Debug)]
pub struct Matrix {
    dim: usize,
    entries: Vec<C64>,
}

impl Matrix {
    /// A matrix of `dim` rows, filled row by row; `None` unless there are `dim * dim` entries.
    pub fn new(dim: usize, entries: Vec<C64>) -> Option<Self> {
        (dim.checked_mul(dim) == Some(entries.len())).then_some(Self { dim, entries })
    }

    /// A matrix whose entry in `row` and `column` is `entry(row, column)`.
    pub fn from_fn(dim: usize, mut entry: impl FnMut(usize, usize) -> C64) -> Self {
        let entries = (0..dim * dim).map(|i| entry(i / dim, i % dim)).collect();
        Self { dim, entries }
    }

    /// The identity.
    pub fn identity(dim: usize) -> Self {
        Self::from_fn(dim, |row, column| C64::from(f64::from(u8::from(row == column))))
    }

    /// Rows, which are as many as columns.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All entries, row by row.
    pub fn entries(&self) -> &[C64] {
        &self.entries
    }

    /// The entry in `row` and `column`.
    ///
    /// # Panics
    /// If either is not below [`Matrix::dim`].
    pub fn at(&self, row: usize, column: usize) -> C64 {
        assert!(row < self.dim && column < self.dim);
        self.entries[row * self.dim + column]
    }

    /// The entry in `row` and `column`, to change it.
    pub(crate) fn at_mut(&mut self, row: usize, column: usize) -> &mut C64 {
        &mut self.entries[row * self.dim + column]
    }

    /// The conjugate transpose.
    pub fn adjoint(&self) -> Self {
        Self::from_fn(self.dim, |row, column| self.at(column, row).conj())
    }

    /// The conjugate.
    pub fn conj(&self) -> Self {
        Self::from_fn(self.dim, |row, column| self.at(row, column).conj())
    }

    /// The Kronecker product; `self` is on the more significant bits.
    pub fn kron(&self, other: &Self) -> Self {
        let inner = other.dim;
        Self::from_fn(self.dim * inner, |row, column| {
            self.at(row / inner, column / inner) * other.at(row % inner, column % inner)
        })
    }

    /// Each entry multiplied by `factor`.
    pub fn scaled(&self, factor: C64) -> Self {
        Self { dim: self.dim, entries: self.entries.iter().map(|entry| entry * factor).collect() }
    }

    /// The difference of two matrices of the same dimension.
    pub fn minus(&self, other: &Self) -> Self {
        Self::from_fn(self.dim, |row, column| self.at(row, column) - other.at(row, column))
    }

    /// The matrix with `controls` control qubits before it: `self` where all are 1, and `otherwise` (1 for gates, 0 for
    /// derivatives) on the rest of the diagonal.
    pub fn controlled(&self, controls: usize, otherwise: f64) -> Self {
        let dim = self.dim << controls;
        let first = dim - self.dim;
        Self::from_fn(dim, |row, column| match (row >= first, column >= first) {
            (true, true) => self.at(row - first, column - first),
            (false, false) if row == column => C64::from(otherwise),
            _ => C64::default(),
        })
    }

    /// The largest distance between entries of two matrices, infinite if their dimensions differ.
    pub fn distance(&self, other: &Self) -> f64 {
        if self.dim != other.dim {
            return f64::INFINITY;
        }
        let distances = self.entries.iter().zip(&other.entries).map(|(a, b)| (a - b).norm());
        distances.fold(0.0, f64::max)
    }

    /// Whether the product with the adjoint is the identity, to `tolerance` in each entry.
    pub fn is_unitary(&self, tolerance: f64) -> bool {
        (self * &self.adjoint()).distance(&Self::identity(self.dim)) <= tolerance
    }

    /// Whether all entries off the diagonal are 0.
    pub fn is_diagonal(&self) -> bool {
        self.entries
            .iter()
            .enumerate()
            .all(|(i, entry)| i / self.dim == i % self.dim || *entry == C64::default())
    }
}

impl Mul for &Matrix {
    type Output = Matrix;

    /// The product.
    ///
    /// # Panics
    /// If the dimensions differ.
    fn mul(self, right: &Matrix) -> Matrix {
        assert_eq!(self.dim, right.dim);
        Matrix::from_fn(self.dim, |row, column| {
            (0..self.dim).map(|k| self.at(row, k) * right.at(k, column)).sum()
        })
    }
}
