//! Products of matrices.

use ounce_kernels::Team;

use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host::matmul;
use crate::io::Io;
use crate::operator::{Cost, Operator, expect_floats};
use crate::shape::{Dims, broadcast, broadcast_strides, walk};
use crate::types::TensorType;

/// `a b` over the last two axes, either transposed first; axes before them broadcast. Both inputs have at least two axes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MatMul {
    /// `a` is stored `[.., k, m]`.
    pub transpose_a: bool,
    /// `b` is stored `[.., n, k]`.
    pub transpose_b: bool,
}

/// Extents of a product: `[m, k] x [k, n]` for every batch.
#[derive(Clone, Debug)]
pub(crate) struct MatMulShape {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    /// Leading extents of the result.
    pub(crate) batch: Dims,
}

impl MatMul {
    pub(crate) fn extents(&self, inputs: &[TensorType]) -> Result<MatMulShape, OpError> {
        let (a, b) = (&inputs[0].shape, &inputs[1].shape);
        for (i, shape) in [a, b].into_iter().enumerate() {
            if shape.len() < 2 {
                return Err(OpError::shape(i, "of at least 2 axes", &inputs[i]));
            }
        }
        let (a_batch, a) = a.split_at(a.len() - 2);
        let (b_batch, b) = b.split_at(b.len() - 2);
        let (m, k) = if self.transpose_a { (a[1], a[0]) } else { (a[0], a[1]) };
        let (k_b, n) = if self.transpose_b { (b[1], b[0]) } else { (b[0], b[1]) };
        if k != k_b {
            let axis = if self.transpose_b { "last" } else { "last but one" };
            return Err(OpError::shape(1, format!("with {k} as its {axis} extent"), &inputs[1]));
        }
        Ok(MatMulShape { m, k, n, batch: broadcast(a_batch, b_batch)? })
    }

    /// The extents for inputs that the shape rule has accepted.
    #[allow(clippy::expect_used)]
    fn checked(&self, inputs: &[TensorType]) -> MatMulShape {
        self.extents(inputs).expect("the shape rule accepted these inputs")
    }
}

impl MatMulShape {
    /// Calls `visit` with the number of every batch and the offsets of its matrices in `a` and `b`.
    fn for_each_batch(&self, inputs: &[TensorType], mut visit: impl FnMut(usize, usize, usize)) {
        let leading = |i: usize| &inputs[i].shape[..inputs[i].shape.len() - 2];
        let strides =
            [broadcast_strides(leading(0), &self.batch), broadcast_strides(leading(1), &self.batch)];
        walk(&self.batch, [&strides[0], &strides[1]], |i, [a, b]| {
            visit(i, a * self.m * self.k, b * self.k * self.n);
        });
    }
}

impl Operator for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 2)?;
        let shape = self.extents(inputs)?;
        let mut out = shape.batch.to_vec();
        out.extend([shape.m, shape.n]);
        Ok(vec![TensorType::f32(&out)])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        let (out, a, b) = (io.take_f32(0), io.f32(0), io.f32(1));
        let (m, k, n) = (shape.m, shape.k, shape.n);
        shape.for_each_batch(io.input_types(), |i, a_at, b_at| {
            for row in 0..m {
                for column in 0..n {
                    let mut sum = 0.0;
                    for l in 0..k {
                        let a = a[a_at + if self.transpose_a { l * m + row } else { row * k + l }];
                        let b = b[b_at + if self.transpose_b { column * k + l } else { l * n + column }];
                        sum += a * b;
                    }
                    out[(i * m + row) * n + column] = sum;
                }
            }
        });
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let shape = self.checked(io.input_types());
        let (out, a, b) = (io.take_f32(0), io.f32(0), io.f32(1));
        let (m, k, n) = (shape.m, shape.k, shape.n);
        shape.for_each_batch(io.input_types(), |i, a_at, b_at| {
            let (a, b) = (&a[a_at..a_at + m * k], &b[b_at..b_at + k * n]);
            matmul::matmul(team, self, [m, k, n], a, b, &mut out[i * m * n..][..m * n]);
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let (a, b) = (gradient.input(0), gradient.input(1));
        if gradient.needs(0) {
            let da = if self.transpose_a {
                gradient.apply(MatMul { transpose_a: self.transpose_b, transpose_b: true }, &[b, g])?
            } else {
                gradient.apply(MatMul { transpose_a: false, transpose_b: !self.transpose_b }, &[g, b])?
            };
            gradient.add_broadcast(0, da)?;
        }
        if gradient.needs(1) {
            let db = if self.transpose_b {
                gradient.apply(MatMul { transpose_a: true, transpose_b: self.transpose_a }, &[g, a])?
            } else {
                gradient.apply(MatMul { transpose_a: !self.transpose_a, transpose_b: false }, &[a, g])?
            };
            gradient.add_broadcast(1, db)?;
        }
        Ok(())
    }

    fn cost(&self, inputs: &[TensorType], outputs: &[TensorType]) -> Cost {
        Cost::of(outputs[0].elements() * self.checked(inputs).k, inputs, outputs)
    }
}
