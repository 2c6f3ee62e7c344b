//! Singular values by one-sided Jacobi rotations.
//!
//! Own code, since the crates that decompose complex matrices bring a whole library of linear algebra each, while what is needed here is one small routine
//! that is accurate for the small singular values, by which bonds are cut, and always converges (Demmel and Veselic, 1992).

use crate::matrix::C64;

/// A matrix of `rows` times `columns` entries, row by row.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Rectangle {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) entries: Vec<C64>,
}

impl Rectangle {
    pub(super) fn adjoint(&self) -> Self {
        let mut entries = Vec::with_capacity(self.entries.len());
        for column in 0..self.columns {
            entries.extend((0..self.rows).map(|row| self.entries[row * self.columns + column].conj()));
        }
        Self { rows: self.columns, columns: self.rows, entries }
    }

    /// The product.
    pub(super) fn times(&self, other: &Self) -> Self {
        let mut entries = vec![C64::default(); self.rows * other.columns];
        for (row, sums) in entries.chunks_exact_mut(other.columns).enumerate() {
            for (k, factors) in other.entries.chunks_exact(other.columns).enumerate() {
                let factor = self.entries[row * self.columns + k];
                sums.iter_mut().zip(factors).for_each(|(sum, entry)| *sum += factor * entry);
            }
        }
        Self { rows: self.rows, columns: other.columns, entries }
    }
}

/// The decomposition `Q R` with orthonormal columns of `Q`, by modified Gram-Schmidt done twice; columns that depend on earlier ones add none to `Q`.
pub(super) fn qr(matrix: &Rectangle) -> (Rectangle, Rectangle) {
    let mut basis: Vec<Vec<C64>> = Vec::new();
    let mut coefficients: Vec<Vec<C64>> = Vec::new();
    for mut column in column_vectors(matrix) {
        let length = norm_sqr(&column).sqrt();
        let mut own = vec![C64::default(); basis.len()];
        for _ in 0..2 {
            for (vector, sum) in basis.iter().zip(&mut own) {
                let inner: C64 = vector.iter().zip(&column).map(|(x, y)| x.conj() * y).sum();
                column.iter_mut().zip(vector).for_each(|(y, x)| *y -= inner * x);
                *sum += inner;
            }
        }
        let left = norm_sqr(&column).sqrt();
        if left > 1e-14 * length {
            basis.push(column.iter().map(|y| y / left).collect());
            own.push(C64::from(left));
        }
        coefficients.push(own);
    }
    let rank = basis.len();
    let at = |i: usize, j: usize| coefficients[j].get(i).copied().unwrap_or_default();
    let r =
        (0..rank * matrix.columns).map(|index| at(index / matrix.columns, index % matrix.columns)).collect();
    let q = (0..matrix.rows * rank).map(|index| basis[index % rank][index / rank]).collect();
    (
        Rectangle { rows: matrix.rows, columns: rank, entries: q },
        Rectangle { rows: rank, columns: matrix.columns, entries: r },
    )
}

/// The decomposition `U S V^+` with singular values in descending order, without those that are 0 but for rounding.
pub(super) struct Svd {
    /// `rows` times rank.
    pub(super) u: Rectangle,
    /// Rank.
    pub(super) s: Vec<f64>,
    /// Rank times `columns`.
    pub(super) vh: Rectangle,
}

/// Sweeps over all pairs of columns at most; about 10 are needed.
const SWEEPS: usize = 60;

/// Decomposes a matrix.
pub(super) fn svd(matrix: &Rectangle) -> Svd {
    if matrix.rows < matrix.columns {
        let Svd { u, s, vh } = svd(&matrix.adjoint());
        return Svd { u: vh.adjoint(), s, vh: u.adjoint() };
    }
    let (rows, columns) = (matrix.rows, matrix.columns);
    // Columns of the matrix and of V, as rows of memory.
    let mut work: Vec<Vec<C64>> = column_vectors(matrix);
    let unit = |at: usize| (0..columns).map(|i| C64::from(f64::from(u8::from(i == at)))).collect();
    let mut v: Vec<Vec<C64>> = (0..columns).map(unit).collect();
    let scale: f64 = matrix.entries.iter().map(C64::norm_sqr).sum();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..columns {
            for q in p + 1..columns {
                rotated |= rotate(&mut work, &mut v, (p, q), scale);
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<(usize, f64)> =
        work.iter().map(|column| norm_sqr(column).sqrt()).enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let least = order.first().map_or(0.0, |first| first.1) * 1e-14;
    order.retain(|&(_, value)| value > least);
    let rank = order.len();
    let mut u = vec![C64::default(); rows * rank];
    let mut vh = Vec::with_capacity(rank * columns);
    for (index, &(column, value)) in order.iter().enumerate() {
        (0..rows).for_each(|row| u[row * rank + index] = work[column][row] / value);
        vh.extend(v[column].iter().map(C64::conj));
    }
    let s = order.into_iter().map(|(_, value)| value).collect();
    Svd {
        u: Rectangle { rows, columns: rank, entries: u },
        s,
        vh: Rectangle { rows: rank, columns, entries: vh },
    }
}

fn column_vectors(matrix: &Rectangle) -> Vec<Vec<C64>> {
    let column =
        |column: usize| (0..matrix.rows).map(|row| matrix.entries[row * matrix.columns + column]).collect();
    (0..matrix.columns).map(column).collect()
}

/// Makes two columns orthogonal; whether they had to be changed.
fn rotate(work: &mut [Vec<C64>], v: &mut [Vec<C64>], (p, q): (usize, usize), scale: f64) -> bool {
    let (a, b) = (norm_sqr(&work[p]), norm_sqr(&work[q]));
    let inner: C64 = work[p].iter().zip(&work[q]).map(|(x, y)| x.conj() * y).sum();
    let size = inner.norm();
    // A column that is nothing against the whole is left as it is: rotating noise again and again makes numbers too small to have a phase.
    if size <= 1e-14 * (a * b).sqrt() || a.min(b) <= 1e-32 * scale {
        return false;
    }
    let phase = inner / size;
    let zeta = (b - a) / (2.0 * size);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cos = 1.0 / tangent.hypot(1.0);
    let sin = cos * tangent;
    for vectors in [work, v] {
        let (left, right) = vectors.split_at_mut(q);
        for (x, y) in left[p].iter_mut().zip(&mut right[0]) {
            let (first, second) = (*x, *y * phase.conj());
            *x = first * cos - second * sin;
            *y = first * sin + second * cos;
        }
    }
    true
}

fn norm_sqr(column: &[C64]) -> f64 {
    column.iter().map(C64::norm_sqr).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ounce_random::Pcg32;

    #[test]
    fn the_product_is_the_matrix_and_the_factors_are_isometries() {
        let mut random = Pcg32::new(4);
        for (rows, columns, rank) in
            [(1, 1, 1), (5, 3, 3), (3, 7, 3), (16, 16, 16), (12, 8, 3), (2, 2, 1), (30, 20, 1)]
        {
            let mut draw = |rows, columns| {
                let entries =
                    (0..rows * columns).map(|_| C64::new(random.normal(), random.normal())).collect();
                Rectangle { rows, columns, entries }
            };
            let mut matrix = draw(rows, rank).times(&draw(rank, columns));
            // Singular values of very different size.
            matrix
                .entries
                .iter_mut()
                .enumerate()
                .for_each(|(i, entry)| *entry *= 10f64.powi(-((i % columns) as i32 / 3)));
            let Svd { u, s, vh } = svd(&matrix);
            let least = 1e-12 * s[0];
            assert_eq!(s.iter().filter(|&&value| value > least).count(), rank, "{s:?}");
            assert!(s.windows(2).all(|pair| pair[0] >= pair[1]));
            let scaled = u.entries.iter().enumerate().map(|(i, entry)| entry * s[i % u.columns]).collect();
            let product = Rectangle { entries: scaled, ..u.clone() }.times(&vh);
            let distance =
                product.entries.iter().zip(&matrix.entries).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
            assert!(distance < 1e-12 * s[0], "{distance}");
            let (q, r) = qr(&matrix);
            let distance = q
                .times(&r)
                .entries
                .iter()
                .zip(&matrix.entries)
                .map(|(a, b)| (a - b).norm())
                .fold(0.0, f64::max);
            assert!(distance < 1e-12 * s[0] && q.columns >= rank, "{distance}");
            assert!(distance_from_identity(&vh.times(&vh.adjoint())) < 1e-10, "{rows} {columns} {rank}");
            let q = q.adjoint().times(&q);
            assert!(distance_from_identity(&q) < 1e-10, "{rows} {columns} {rank}");
        }
    }

    fn distance_from_identity(square: &Rectangle) -> f64 {
        let identity = |index: usize| f64::from(u8::from(index / square.columns == index % square.columns));
        square
            .entries
            .iter()
            .enumerate()
            .map(|(index, entry)| (entry - identity(index)).norm())
            .fold(0.0, f64::max)
    }

    /// Columns that are copies of each other but for rounding: their rotation must not be led by noise.
    #[test]
    fn dependent_columns_leave_v_unitary() {
        let mut random = Pcg32::new(6);
        for _ in 0..300 {
            let mut draw = |count| -> Vec<C64> {
                (0..count).map(|_| C64::new(random.normal(), random.normal())).collect()
            };
            let (left, right) = (draw(8), draw(4));
            let mut product = Rectangle { rows: 8, columns: 1, entries: left }.times(&Rectangle {
                rows: 1,
                columns: 4,
                entries: right,
            });
            product.entries.iter_mut().for_each(|entry| *entry *= C64::cis(1.0));
            let Svd { s, vh, .. } = svd(&product);
            assert_eq!(s.len(), 1);
            assert!(distance_from_identity(&vh.times(&vh.adjoint())) < 1e-12);
        }
    }
}
