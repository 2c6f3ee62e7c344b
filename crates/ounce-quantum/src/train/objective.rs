//! What a model is trained for, and the samples it is trained on.

use super::loss::{Loss, cross_entropy};
use serde::{Deserialize, Serialize};

/// What is made small.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Cross entropy of classes: a classifier.
    #[default]
    CrossEntropy,
    /// The sum of the outputs, mean over samples: the energy of a variational eigensolver, the cost of QAOA.
    Energy,
}

/// Samples: rows of `width` values, with a class each for a classifier.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Samples {
    width: usize,
    values: Vec<f64>,
    labels: Vec<usize>,
}

impl Samples {
    /// Samples of `width` values with their classes; `None` unless there is one row for each.
    pub fn new(width: usize, values: Vec<f64>, labels: Vec<usize>) -> Option<Self> {
        (width.checked_mul(labels.len()) == Some(values.len())).then_some(Self { width, values, labels })
    }

    /// The one empty sample of a model without inputs.
    pub fn nothing() -> Self {
        Self { width: 0, values: Vec::new(), labels: vec![0] }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values of a sample.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, sample by sample.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The class of each.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// Those of these numbers, in this order.
    ///
    /// # Panics
    /// If a number is not below [`Samples::len`].
    pub fn pick(&self, numbers: &[usize]) -> Self {
        let values =
            numbers.iter().flat_map(|&number| &self.values[number * self.width..(number + 1) * self.width]);
        Self {
            width: self.width,
            values: values.copied().collect(),
            labels: numbers.iter().map(|&number| self.labels[number]).collect(),
        }
    }

    /// The first `count`, or all if there are fewer.
    pub fn first(&self, count: usize) -> Self {
        self.pick(&(0..count.min(self.len())).collect::<Vec<_>>())
    }
}

impl Objective {
    /// The loss of outputs, rows of `width` values.
    pub(super) fn loss(self, outputs: &[f64], width: usize, labels: &[usize]) -> Loss {
        match self {
            Self::CrossEntropy => cross_entropy(outputs, width, labels),
            Self::Energy => {
                let samples = labels.len().max(1) as f64;
                let value = outputs.iter().sum::<f64>() / samples;
                Loss { value, derivatives: vec![1.0 / samples; outputs.len()], correct: 0 }
            }
        }
    }
}
