//! Tables of numbers as the angles of an encoder: what the papers do to the vowels.
//!
//! Principal components, then a robust scaling, then a scaling to a range. All three are fitted on the samples for training alone; the released code fits
//! the scalings on training and test samples together, so that the test leaks into the training.

use crate::linalg::hermitian_eigen;
use crate::matrix::{C64, Matrix};

/// A transformation of rows, fitted on some and applied to others.
#[derive(Clone, PartialEq, Debug)]
pub struct Preparation {
    mean: Vec<f64>,
    /// Rows of one component each, of largest variance first.
    components: Vec<Vec<f64>>,
    /// For each component what is subtracted and what it is divided by.
    robust: Vec<(f64, f64)>,
    /// For each component the range that is mapped to `low..high`.
    ranges: Vec<(f64, f64)>,
    low: f64,
    high: f64,
}

impl Preparation {
    /// Fits on rows of `width` values: `components` principal components (scikit-learn's `PCA`), each minus its median and divided by the distance of the 10th
    /// and 90th percentile (`RobustScaler`), and then mapped linearly so that these rows fill `low..=high` (`MinMaxScaler`). `None` if there are not two rows, or
    /// fewer columns than components.
    pub fn fit(rows: &[f64], width: usize, components: usize, low: f64, high: f64) -> Option<Self> {
        let count = rows.len().checked_div(width)?;
        if count < 2 || components > width || !rows.len().is_multiple_of(width) {
            return None;
        }
        let column = |index: usize| rows.iter().skip(index).step_by(width);
        let mean: Vec<f64> = (0..width).map(|index| column(index).sum::<f64>() / count as f64).collect();
        let covariance = |a: usize, b: usize| {
            let pairs = column(a).zip(column(b));
            pairs.map(|(x, y)| (x - mean[a]) * (y - mean[b])).sum::<f64>() / (count - 1) as f64
        };
        let matrix = Matrix::from_fn(width, |row, column| C64::from(covariance(row, column)));
        let mut fitted = Self {
            mean,
            components: principal(&matrix, components),
            robust: vec![(0.0, 1.0); components],
            ranges: vec![(0.0, 1.0); components],
            low: 0.0,
            high: 1.0,
        };
        let sorted = |fitted: &Self, component: usize| {
            let mut values: Vec<f64> = rows.chunks(width).map(|row| fitted.apply(row)[component]).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        for component in 0..components {
            let values = sorted(&fitted, component);
            let spread = percentile(&values, 0.9) - percentile(&values, 0.1);
            fitted.robust[component] = (percentile(&values, 0.5), if spread > 0.0 { spread } else { 1.0 });
        }
        for component in 0..components {
            let values = sorted(&fitted, component);
            let (least, most) = (values[0], values[count - 1]);
            fitted.ranges[component] = (least, if most > least { most - least } else { 1.0 });
        }
        (fitted.low, fitted.high) = (low, high);
        Some(fitted)
    }

    /// The angles of one row.
    ///
    /// # Panics
    /// If the row is shorter than those it was fitted on.
    pub fn apply(&self, row: &[f64]) -> Vec<f64> {
        let project = |component: &Vec<f64>| -> f64 {
            component
                .iter()
                .zip(row)
                .zip(&self.mean)
                .map(|((weight, value), mean)| weight * (value - mean))
                .sum()
        };
        let scalings = self.robust.iter().zip(&self.ranges);
        self.components
            .iter()
            .zip(scalings)
            .map(|(component, (&(middle, spread), &(least, range)))| {
                let value = (project(component) - middle) / spread;
                self.low + (value - least) / range * (self.high - self.low)
            })
            .collect()
    }
}

/// Eigenvectors of the largest eigenvalues of a real symmetric matrix, each with its largest component positive.
fn principal(matrix: &Matrix, count: usize) -> Vec<Vec<f64>> {
    let (values, vectors) = hermitian_eigen(matrix);
    let mut order: Vec<usize> = (0..matrix.dim()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order.truncate(count);
    let upright = |column: usize| {
        let vector: Vec<f64> = (0..matrix.dim()).map(|row| vectors.at(row, column).re).collect();
        let largest =
            vector.iter().copied().fold(0.0, |best: f64, x| if x.abs() > best.abs() { x } else { best });
        vector.into_iter().map(|x| x * 1f64.copysign(largest)).collect()
    };
    order.into_iter().map(upright).collect()
}

/// NumPy's linear percentile of sorted values.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (at - at.floor())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ounce_random::Pcg32;

    #[test]
    fn components_are_uncorrelated_and_fill_the_range() {
        let mut random = Pcg32::new(8);
        let rows: Vec<f64> = (0..200)
            .flat_map(|_| {
                let (a, b) = (random.normal(), random.normal());
                [3.0 * a + 1.0, 2.0 * a + 0.5 * b, b - a]
            })
            .collect();
        let fitted = Preparation::fit(&rows, 3, 2, -1.0, 1.0);
        let angles: Vec<Vec<f64>> =
            fitted.iter().flat_map(|fitted| rows.chunks(3).map(|row| fitted.apply(row))).collect();
        assert_eq!(angles.len(), 200);
        for component in 0..2 {
            let values = || angles.iter().map(|row| row[component]);
            assert!((values().fold(f64::INFINITY, f64::min) + 1.0).abs() < 1e-12);
            assert!((values().fold(f64::NEG_INFINITY, f64::max) - 1.0).abs() < 1e-12);
        }
        let mean = |component: usize| angles.iter().map(|row| row[component]).sum::<f64>() / 200.0;
        let (first, second) = (mean(0), mean(1));
        let covariance: f64 = angles.iter().map(|row| (row[0] - first) * (row[1] - second)).sum();
        assert!(covariance.abs() < 1e-9);
    }

    /// `numpy.percentile([1, 2, 4, 8], [10, 50, 90])`.
    #[test]
    fn percentiles_are_linear() {
        let found = [0.1, 0.5, 0.9].map(|share| percentile(&[1.0, 2.0, 4.0, 8.0], share));
        assert!(found.iter().zip([1.3, 3.0, 6.8]).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn constant_columns_and_few_rows_do_no_harm() {
        let fitted = Preparation::fit(&[2.0, 1.0, 2.0, 3.0], 2, 2, 0.0, 1.0);
        assert!(fitted.is_some_and(|fitted| fitted.apply(&[2.0, 1.0]).iter().all(|angle| angle.is_finite())));
        assert!(Preparation::fit(&[1.0, 2.0], 2, 1, 0.0, 1.0).is_none());
        assert!(Preparation::fit(&[1.0, 2.0, 3.0, 4.0], 2, 3, 0.0, 1.0).is_none());
        assert!(Preparation::fit(&[], 0, 0, 0.0, 1.0).is_none());
    }
}
