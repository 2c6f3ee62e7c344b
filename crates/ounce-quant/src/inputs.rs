//! What calibration keeps of the inputs of a linear map.

use ounce_kernels::ops::{self, Rotation};
use ounce_kernels::{Matrix, Team};

/// How much is kept; see [`InputObserver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Rows (tokens) that go into the Gram matrix, about; spread evenly over those expected. 0: no Gram matrix.
    pub gram_rows: usize,
    /// Rows that are kept as they are, at most. Up to a quarter of them are the first of their batches, the others spread evenly: the first
    /// token of a text is like no other, with activations thousands of times larger, and attention everywhere leans on it.
    pub sample_rows: usize,
    /// Rows that will be observed in all, about.
    pub expected_rows: usize,
}

/// Gathers [`Inputs`] from batches of activations.
#[derive(Debug)]
pub struct InputObserver {
    keep: Keep,
    width: usize,
    rows: usize,
    sum_abs: Vec<f64>,
    max_abs: Vec<f32>,
    gram: Vec<f32>,
    gram_rows: usize,
    sample: Vec<f32>,
    /// Batches whose first row is in the sample.
    firsts: usize,
    /// Rows for the Gram matrix that wait until a block is full.
    pending: Vec<f32>,
}

/// Statistics of the inputs `x [tokens, width]` of a linear map.
#[derive(Debug)]
pub struct Inputs {
    /// Input features.
    pub width: usize,
    /// Tokens observed.
    pub rows: usize,
    /// `[width]`: mean of `|x|`, the activation scale of AWQ.
    pub mean_abs: Vec<f32>,
    /// `[width]`: maximum of `|x|`, the activation scale of SmoothQuant.
    pub max_abs: Vec<f32>,
    /// `[width, width]`: mean over tokens of `x^T x`, if it was asked for.
    pub gram: Option<Matrix>,
    /// `[n, width]`: some of the tokens.
    pub sample: Matrix,
}

/// Rows that are added to a Gram matrix at a time.
const PENDING_ROWS: usize = 1024;

/// Rows of a batch that are worth a sum of their own.
const WHOLE_ROWS: usize = 256;

impl InputObserver {
    /// An observer of rows of `width` features.
    pub fn new(width: usize, keep: Keep) -> Self {
        Self {
            keep,
            width,
            rows: 0,
            sum_abs: vec![0.0; width],
            max_abs: vec![0.0; width],
            gram: if keep.gram_rows > 0 { vec![0.0; width * width] } else { Vec::new() },
            gram_rows: 0,
            sample: Vec::new(),
            firsts: 0,
            pending: Vec::new(),
        }
    }

    /// Takes in `x [n, width]`.
    ///
    /// # Panics
    /// If `x` is not a whole number of rows.
    pub fn observe(&mut self, team: &mut Team<'_>, x: &[f32]) {
        assert!(x.len().is_multiple_of(self.width));
        let n = x.len() / self.width;
        let columns = team.threads() * 4;
        let chunk = self.width.div_ceil(columns).next_multiple_of(16);
        let mut parts: Vec<(&mut [f64], &mut [f32])> =
            self.sum_abs.chunks_mut(chunk).zip(self.max_abs.chunks_mut(chunk)).collect();
        team.for_each_chunk_mut(&mut parts, 1, |index, part| {
            let (sum_abs, max_abs) = &mut part[0];
            let mut batch = vec![0.0f32; sum_abs.len()];
            for row in x.chunks_exact(self.width) {
                let row = &row[index * chunk..][..batch.len()];
                for ((sum, max), x) in batch.iter_mut().zip(max_abs.iter_mut()).zip(row) {
                    *sum += x.abs();
                    *max = max.max(x.abs());
                }
            }
            sum_abs.iter_mut().zip(&batch).for_each(|(sum, x)| *sum += f64::from(*x));
        });
        // A large batch of which every row counts goes in as it lies.
        let whole =
            n >= WHOLE_ROWS && self.keep.gram_rows > 0 && self.keep.gram_rows >= self.keep.expected_rows;
        if whole {
            ops::gram(team, x, self.width, &mut self.gram);
            self.gram_rows += n;
        }
        for (row, x) in x.chunks_exact(self.width).enumerate() {
            let index = self.rows + row;
            let all = self.keep.sample_rows >= self.keep.expected_rows;
            let firsts = if all { 0 } else { self.keep.sample_rows / 4 };
            let first = row == 0 && self.firsts < firsts;
            self.firsts += usize::from(first);
            let spread = self.keep.sample_rows - firsts;
            if (first || chosen(index, spread, self.keep.expected_rows))
                && self.sample.len() < self.keep.sample_rows * self.width
            {
                self.sample.extend_from_slice(x);
            }
            if !whole && chosen(index, self.keep.gram_rows, self.keep.expected_rows) {
                self.pending.extend_from_slice(x);
                self.gram_rows += 1;
                if self.pending.len() == PENDING_ROWS * self.width {
                    self.add_pending(team);
                }
            }
        }
        self.rows += n;
    }

    fn add_pending(&mut self, team: &mut Team<'_>) {
        ops::gram(team, &self.pending, self.width, &mut self.gram);
        self.pending.clear();
    }

    /// The statistics.
    pub fn finish(mut self, team: &mut Team<'_>) -> Inputs {
        let width = self.width;
        let mut gram = None;
        if self.keep.gram_rows > 0 {
            self.add_pending(team);
            ops::mirror(&mut self.gram, width);
            let factor = 1.0 / self.gram_rows.max(1) as f32;
            self.gram.iter_mut().for_each(|x| *x *= factor);
            gram = Matrix::from_f32(width, width, self.gram).ok();
        }
        let rows = self.rows.max(1) as f64;
        let sampled = self.sample.len() / width;
        Inputs {
            width,
            rows: self.rows,
            mean_abs: self.sum_abs.iter().map(|sum| (sum / rows) as f32).collect(),
            max_abs: self.max_abs,
            gram,
            sample: float_matrix(sampled, width, self.sample),
        }
    }
}

impl Inputs {
    /// The statistics of the inputs divided by `scales [width]`, as they are once the scales have been taken out of what comes before.
    ///
    /// # Panics
    /// If there is not one scale per feature.
    pub fn divided_by(&self, scales: &[f32]) -> Self {
        assert_eq!(scales.len(), self.width);
        let divide = |values: &[f32]| values.iter().zip(scales).map(|(x, s)| x / s).collect::<Vec<_>>();
        let rows = |matrix: &Matrix| {
            let values = matrix.as_f32().unwrap_or_default();
            values.chunks_exact(self.width).flat_map(divide).collect::<Vec<_>>()
        };
        let gram = self.gram.as_ref().map(|gram| {
            let mut values = rows(gram);
            for (row, s) in values.chunks_exact_mut(self.width).zip(scales) {
                row.iter_mut().for_each(|x| *x /= s);
            }
            float_matrix(self.width, self.width, values)
        });
        Self {
            width: self.width,
            rows: self.rows,
            mean_abs: divide(&self.mean_abs),
            max_abs: divide(&self.max_abs),
            gram,
            sample: float_matrix(self.sample.rows(), self.width, rows(&self.sample)),
        }
    }

    /// The statistics of the rotated inputs. Means and maxima of magnitudes are those of the sample: those of all tokens do not tell them.
    ///
    /// # Panics
    /// If blocks of the rotation do not divide the width.
    pub fn rotated(&self, team: &mut Team<'_>, rotation: Rotation) -> Self {
        let width = self.width;
        let mut rotate = |matrix: &Matrix| {
            let mut rows = matrix.as_f32().unwrap_or_default().to_vec();
            ops::rotate(team, &mut rows, width, rotation);
            rows
        };
        let sample = rotate(&self.sample);
        // The matrix of the rotation is symmetric, and so are a Gram matrix and its rotation from both sides.
        let gram = self.gram.as_ref().map(|gram| {
            let half = rotate(gram);
            let transposed = (0..width * width).map(|i| half[i % width * width + i / width]).collect();
            float_matrix(width, width, rotate(&float_matrix(width, width, transposed)))
        });
        let (mut mean_abs, mut max_abs) = (vec![0.0f32; width], vec![0.0f32; width]);
        for token in sample.chunks_exact(width) {
            for ((mean, max), x) in mean_abs.iter_mut().zip(&mut max_abs).zip(token) {
                *mean += x.abs();
                *max = max.max(x.abs());
            }
        }
        let tokens = self.sample.rows();
        mean_abs.iter_mut().for_each(|mean| *mean /= tokens.max(1) as f32);
        let sample = float_matrix(tokens, width, sample);
        Self { width, rows: self.rows, mean_abs, max_abs, gram, sample }
    }

    /// `[width]`: mean of `x^2`, the importance of each input; `None` without a Gram matrix.
    pub fn mean_square(&self) -> Option<Vec<f32>> {
        let gram = self.gram.as_ref()?.as_f32()?;
        Some((0..self.width).map(|i| gram[i * self.width + i]).collect())
    }
}

/// Whether row `index` of `expected` is among `wanted` that are spread evenly.
fn chosen(index: usize, wanted: usize, expected: usize) -> bool {
    let place = |index: usize| (index as u128 * wanted as u128) / expected.max(1) as u128;
    wanted > 0 && (wanted >= expected || place(index) != place(index + 1))
}

/// A matrix over floats whose number is right by construction.
///
/// # Panics
/// If there are not `rows * cols` values.
pub fn float_matrix(rows: usize, cols: usize, values: Vec<f32>) -> Matrix {
    match Matrix::from_f32(rows, cols, values) {
        Ok(matrix) => matrix,
        Err(error) => panic!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ounce_kernels::ThreadPool;

    fn observe(x: &[f32], width: usize, keep: Keep, batches: usize) -> Inputs {
        ThreadPool::new(2).region(|team| {
            let mut observer = InputObserver::new(width, keep);
            let rows = x.len() / width;
            for batch in x.chunks(rows.div_ceil(batches).max(1) * width) {
                observer.observe(team, batch);
            }
            observer.finish(team)
        })
    }

    #[test]
    fn moments_are_those_of_the_rows() {
        let (rows, width) = (301, 33);
        let x: Vec<f32> = (0..rows * width).map(|i| ((i * 37) % 101) as f32 / 10.0 - 5.0).collect();
        let keep = Keep { gram_rows: rows, sample_rows: 10, expected_rows: rows };
        let inputs = observe(&x, width, keep, 4);
        assert_eq!(inputs.rows, rows);
        let gram = inputs.gram.as_ref().unwrap().as_f32().unwrap();
        for i in 0..width {
            let column = |j: usize| x.chunks_exact(width).map(move |row| f64::from(row[j]));
            let mean = column(i).map(f64::abs).sum::<f64>() / rows as f64;
            assert!((f64::from(inputs.mean_abs[i]) - mean).abs() < 1e-5);
            assert_eq!(f64::from(inputs.max_abs[i]), column(i).map(f64::abs).fold(0.0, f64::max));
            for j in 0..width {
                let expected = column(i).zip(column(j)).map(|(a, b)| a * b).sum::<f64>() / rows as f64;
                assert!((f64::from(gram[i * width + j]) - expected).abs() < 1e-3);
            }
        }
        assert_eq!(inputs.sample.rows(), 10);
    }

    #[test]
    fn as_many_rows_are_kept_as_asked_for() {
        for (wanted, expected) in [(0, 10), (1, 10), (3, 10), (10, 10), (20, 10), (511, 65536)] {
            let found = (0..expected).filter(|&index| chosen(index, wanted, expected)).count();
            assert_eq!(found, wanted.min(expected));
        }
    }
}
