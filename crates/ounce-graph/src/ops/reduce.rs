//! Sums, means and maxima along axes.

use ounce_kernels::Team;

use super::{Expand, Reshape};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host;
use crate::io::Io;
use crate::operator::{Operator, expect_floats, expect_inputs};
use crate::shape::{Dims, check_axis, walk};
use crate::types::{DType, TensorType};

/// What is made of the elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReduceKind {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest. Its gradient is shared by all that are largest, as by PyTorch's `amax`.
    Max,
}

/// Reduces an input in f32 along axes, with sums in double precision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reduce {
    /// What is made of the elements.
    pub kind: ReduceKind,
    /// The axes that are reduced, in ascending order.
    pub axes: Vec<usize>,
    /// Keep these axes with extent 1.
    pub keep_dims: bool,
}

impl Reduce {
    /// The shape with the reduced axes kept.
    fn kept(&self, shape: &[usize]) -> Dims {
        shape.iter().enumerate().map(|(axis, n)| if self.axes.contains(&axis) { 1 } else { *n }).collect()
    }

    /// How many elements become one.
    fn count(&self, shape: &[usize]) -> usize {
        self.axes.iter().map(|axis| shape[*axis]).product()
    }

    /// `[outer, kept, inner]` where the axes that stay lie side by side, so that element `k` of the result is made of `inner` neighbours in each of `outer` places.
    fn blocks(&self, shape: &[usize]) -> Option<[usize; 3]> {
        let stays = |axis: &usize| !self.axes.contains(axis);
        // Where nothing stays, all are neighbours.
        let Some(first) = (0..shape.len()).find(stays) else { return Some([1, 1, self.count(shape)]) };
        let end = (first..shape.len()).find(|axis| !stays(axis)).unwrap_or(shape.len());
        let together = !(end..shape.len()).any(|axis| stays(&axis));
        let product = |range: std::ops::Range<usize>| shape[range].iter().product();
        together.then(|| [product(0..first), product(first..end), product(end..shape.len())])
    }
}

/// The sum of a row, in four interleaved parts of double precision.
fn sum(row: &[f32]) -> f64 {
    let mut parts = [0.0f64; 4];
    let fours = row.chunks_exact(4);
    let rest: f64 = fours.remainder().iter().map(|x| f64::from(*x)).sum();
    for four in fours {
        parts.iter_mut().zip(four).for_each(|(part, x)| *part += f64::from(*x));
    }
    parts.iter().sum::<f64>() + rest
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "reduce_sum",
            ReduceKind::Mean => "reduce_mean",
            ReduceKind::Max => "reduce_max",
        }
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 1)?;
        let shape = &inputs[0].shape;
        self.axes.iter().try_for_each(|axis| check_axis(*axis, shape.len()))?;
        if !self.axes.is_sorted_by(|a, b| a < b) {
            return Err(OpError::attribute("axes", format!("must ascend, found {:?}", self.axes)));
        }
        if self.kind != ReduceKind::Sum && self.count(shape) == 0 {
            return Err(OpError::shape(0, "with something to reduce", &inputs[0]));
        }
        let mut out = self.kept(shape).to_vec();
        if !self.keep_dims {
            let mut axis = 0;
            out.retain(|_| {
                axis += 1;
                !self.axes.contains(&(axis - 1))
            });
        }
        Ok(vec![TensorType::f32(&out)])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (y, x) = (io.take_f32(0), io.f32(0));
        let shape = io.shape(0);
        let kept = self.kept(shape);
        let count = self.count(shape);
        // Walks the output, and for each element the reduced axes.
        let own = crate::shape::strides(shape);
        let reduced: Dims = self.axes.iter().map(|axis| shape[*axis]).collect();
        let inner: Dims = self.axes.iter().map(|axis| own[*axis]).collect();
        walk(&kept, [&own], |i, [at]| {
            let mut sum = 0.0f64;
            let mut max = f32::NEG_INFINITY;
            walk(&reduced, [&inner], |_, [offset]| {
                sum += f64::from(x[at + offset]);
                max = max.max(x[at + offset]);
            });
            y[i] = match self.kind {
                ReduceKind::Sum => sum as f32,
                ReduceKind::Mean => (sum / count as f64) as f32,
                ReduceKind::Max => max,
            };
        });
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let Some([outer, kept, inner]) = self.blocks(io.shape(0)) else { return self.reference(io) };
        let (y, x) = (io.take_f32(0), io.f32(0));
        let count = (outer * inner) as f64;
        let chunk = (host::CHUNK / (outer * inner).max(1)).max(1);
        team.for_each_chunk_mut(y, chunk, |i, y| {
            for (k, y) in y.iter_mut().enumerate() {
                let rows = (0..outer).map(|o| &x[(o * kept + i * chunk + k) * inner..][..inner]);
                *y = match self.kind {
                    ReduceKind::Sum => rows.map(sum).sum::<f64>() as f32,
                    ReduceKind::Mean => (rows.map(sum).sum::<f64>() / count) as f32,
                    ReduceKind::Max => rows.flatten().copied().fold(f32::NEG_INFINITY, f32::max),
                };
            }
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let shape = gradient.shape(0);
        let kept = self.kept(&shape);
        let g = gradient.apply(Reshape { shape: kept.to_vec() }, &[g])?;
        let dx = match self.kind {
            ReduceKind::Sum => gradient.apply(Expand { shape }, &[g])?,
            ReduceKind::Mean => {
                let factor = gradient.graph().scalar((1.0 / self.count(&shape) as f64) as f32);
                let g = gradient.binary(super::BinaryKind::Mul, g, factor)?;
                gradient.apply(Expand { shape }, &[g])?
            }
            ReduceKind::Max => {
                let (x, y) = (gradient.input(0), gradient.output(0));
                let y = gradient.apply(Reshape { shape: kept.to_vec() }, &[y])?;
                gradient.apply(ReduceMaxGradient { axes: self.axes.clone() }, &[g, x, y])?
            }
        };
        gradient.add(0, dx)
    }
}

/// Shares a gradient evenly among the elements that are the maximum. Inputs: the gradient and the maximum, with the reduced axes kept, and `x` between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReduceMaxGradient {
    /// The axes that were reduced.
    pub axes: Vec<usize>,
}

impl Operator for ReduceMaxGradient {
    fn name(&self) -> &'static str {
        "reduce_max_gradient"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 3)?;
        (0..3).try_for_each(|i| crate::operator::expect_dtype(inputs, i, DType::F32))?;
        let max = Reduce { kind: ReduceKind::Max, axes: self.axes.clone(), keep_dims: true };
        let kept = max.infer(&inputs[1..2])?;
        for i in [0, 2] {
            crate::operator::expect_shape(inputs, i, &kept[0].shape)?;
        }
        Ok(vec![inputs[1].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (dx, g, x, y) = (io.take_f32(0), io.f32(0), io.f32(1), io.f32(2));
        let (shape, kept) = (io.shape(1), io.shape(0));
        let own = crate::shape::strides(shape);
        let reduced: Dims = self.axes.iter().map(|axis| shape[*axis]).collect();
        let inner: Dims = self.axes.iter().map(|axis| own[*axis]).collect();
        walk(kept, [&own], |i, [at]| {
            let mut ties = 0.0f32;
            walk(&reduced, [&inner], |_, [offset]| ties += f32::from(u8::from(x[at + offset] == y[i])));
            walk(&reduced, [&inner], |_, [offset]| {
                dx[at + offset] = if x[at + offset] == y[i] { g[i] / ties } else { 0.0 };
            });
        });
    }
}
