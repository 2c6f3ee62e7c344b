//! Softmax, its logarithm, and the cross entropy of logits.

use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_floats, expect_inputs, expect_rank, expect_shape};
use crate::portable::{exp, log};
use crate::shape::{around, check_axis};
use crate::types::{DType, TensorType};

/// `e^x / sum e^x` along an axis, or its logarithm, in f32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Softmax {
    /// The axis.
    pub axis: usize,
    /// Give the logarithm.
    pub log: bool,
}

/// Calls `visit` with the offset of every line along an axis.
fn for_each_line([outer, axis, inner]: [usize; 3], mut visit: impl FnMut(usize)) {
    for o in 0..outer {
        (0..inner).for_each(|i| visit(o * axis * inner + i));
    }
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        if self.log { "log_softmax" } else { "softmax" }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 1)?;
        check_axis(self.axis, inputs[0].shape.len())?;
        Ok(inputs.to_vec())
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let extents = around(io.shape(0), self.axis);
        let [_, axis, inner] = extents;
        let y = io.take_f32(0);
        if let Some(x) = io.f32_unless_overwritten(0) {
            y.copy_from_slice(x);
        }
        for_each_line(extents, |at| {
            let line = |i: usize| at + i * inner;
            let max = (0..axis).fold(f32::NEG_INFINITY, |max, i| max.max(y[line(i)]));
            // In single precision and in order, as compiled networks do it.
            let sum = (0..axis).fold(0.0f32, |sum, i| sum + exp(y[line(i)] - max));
            let log = log(sum);
            for i in 0..axis {
                let shifted = y[line(i)] - max;
                y[line(i)] = if self.log { shifted - log } else { exp(shifted) / sum };
            }
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let y = gradient.output(0);
        let dx = gradient.apply(SoftmaxGradient { axis: self.axis, log: self.log }, &[g, y])?;
        gradient.add(0, dx)
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}

/// `(g - sum(g y)) y`, or `g - e^y sum(g)` for the logarithm. Inputs: `g` and the result `y`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SoftmaxGradient {
    /// The axis.
    pub axis: usize,
    /// Of the logarithm.
    pub log: bool,
}

impl Operator for SoftmaxGradient {
    fn name(&self) -> &'static str {
        "softmax_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 2)?;
        check_axis(self.axis, inputs[0].shape.len())?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let extents = around(io.shape(0), self.axis);
        let [_, axis, inner] = extents;
        let (dx, y) = (io.take_f32(0), io.f32(1));
        if let Some(g) = io.f32_unless_overwritten(0) {
            dx.copy_from_slice(g);
        }
        for_each_line(extents, |at| {
            let line = |i: usize| at + i * inner;
            let weight = |i: usize| if self.log { 1.0 } else { f64::from(y[line(i)]) };
            let sum = (0..axis).map(|i| f64::from(dx[line(i)]) * weight(i)).sum::<f64>() as f32;
            for i in 0..axis {
                let (g, y) = (dx[line(i)], y[line(i)]);
                dx[line(i)] = if self.log { g - y.exp() * sum } else { (g - sum) * y };
            }
        });
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}

/// The mean over rows of `-log softmax(logits)[label]`. Inputs: logits `[N, C]` in f32 and labels `[N]` in i32. A row whose label is outside `0..C`
/// does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CrossEntropy;

fn check_rows(inputs: &[TensorType]) -> Result<(), OpError> {
    expect_dtype(inputs, 0, DType::F32)?;
    expect_dtype(inputs, 1, DType::I32)?;
    expect_rank(inputs, 0, 2)?;
    expect_shape(inputs, 1, &inputs[0].shape[..1])
}

/// The rows that count, with their labels.
fn labelled<'a>(
    logits: &'a [f32],
    labels: &'a [i32],
    classes: usize,
) -> impl Iterator<Item = (&'a [f32], usize)> {
    logits.chunks_exact(classes.max(1)).zip(labels).filter_map(move |(row, label)| {
        usize::try_from(*label).ok().filter(|l| *l < classes).map(|l| (row, l))
    })
}

/// Maximum and sum of exponentials of a row.
fn partition(row: &[f32]) -> (f32, f64) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (max, row.iter().map(|x| f64::from(x - max).exp()).sum())
}

impl Operator for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 2)?;
        check_rows(inputs)?;
        Ok(vec![TensorType::f32(&[])])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (y, logits, labels) = (io.take_f32(0), io.f32(0), io.i32(1));
        let (mut sum, mut count) = (0.0f64, 0);
        for (row, label) in labelled(logits, labels, io.shape(0)[1]) {
            let (max, partition) = partition(row);
            sum += partition.ln() - f64::from(row[label] - max);
            count += 1;
        }
        y[0] = (sum / f64::from(count.max(1))) as f32;
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let (logits, labels) = (gradient.input(0), gradient.input(1));
        let dx = gradient.apply(CrossEntropyGradient, &[logits, labels, g])?;
        gradient.add(0, dx)
    }
}

/// `g (softmax(logits) - one_hot(label)) / rows that count`. Inputs: those of [`CrossEntropy`] and the gradient of its result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CrossEntropyGradient;

impl Operator for CrossEntropyGradient {
    fn name(&self) -> &'static str {
        "cross_entropy_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 3)?;
        check_rows(inputs)?;
        expect_dtype(inputs, 2, DType::F32)?;
        expect_shape(inputs, 2, &[])?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let classes = io.shape(0)[1];
        let (dx, labels, g) = (io.take_f32(0), io.i32(1), io.f32(2)[0]);
        if let Some(logits) = io.f32_unless_overwritten(0) {
            dx.copy_from_slice(logits);
        }
        let counts = |label: &i32| usize::try_from(*label).is_ok_and(|label| label < classes);
        let count = labels.iter().filter(|label| counts(label)).count().max(1);
        for (row, label) in dx.chunks_exact_mut(classes.max(1)).zip(labels) {
            if !counts(label) {
                row.fill(0.0);
                continue;
            }
            let (max, partition) = partition(row);
            for (class, x) in row.iter_mut().enumerate() {
                let p = f64::from(*x - max).exp() / partition;
                let target = if class == *label as usize { 1.0 } else { 0.0 };
                *x = ((p - target) / count as f64) as f32 * g;
            }
        }
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}
