//! Look-up by index: gather, embeddings.

use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_floats, expect_inputs};
use crate::shape::{around, check_axis};
use crate::types::{DType, TensorType};

/// Replaces an axis of `x` (f32) by slices looked up in it. Inputs: `x` and indices (i32, any shape), whose axes stand where the axis was. An
/// embedding is axis 0 of a table. A slice whose index is outside the axis is zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
}

fn result_shape(x: &[usize], indices: &[usize], axis: usize) -> Vec<usize> {
    [&x[..axis], indices, &x[axis + 1..]].concat()
}

/// Calls `visit(place, source)` with offsets of the slices of the result and of what they copy.
fn for_each_slice(
    [outer, axis, inner]: [usize; 3],
    indices: &[i32],
    mut visit: impl FnMut(usize, Option<usize>),
) {
    for o in 0..outer {
        for (i, index) in indices.iter().enumerate() {
            let source = usize::try_from(*index).ok().filter(|index| *index < axis);
            visit((o * indices.len() + i) * inner, source.map(|index| (o * axis + index) * inner));
        }
    }
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 2)?;
        expect_dtype(inputs, 0, DType::F32)?;
        expect_dtype(inputs, 1, DType::I32)?;
        check_axis(self.axis, inputs[0].shape.len())?;
        Ok(vec![TensorType::f32(&result_shape(&inputs[0].shape, &inputs[1].shape, self.axis))])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let extents = around(io.shape(0), self.axis);
        let inner = extents[2];
        let (y, x) = (io.take_f32(0), io.f32(0));
        for_each_slice(extents, io.i32(1), |place, source| match source {
            Some(source) => y[place..place + inner].copy_from_slice(&x[source..source + inner]),
            None => y[place..place + inner].fill(0.0),
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let op = ScatterAdd { axis: self.axis, extent: gradient.shape(0)[self.axis] };
        let indices = gradient.input(1);
        let dx = gradient.apply(op, &[g, indices])?;
        gradient.add(0, dx)
    }
}

/// The sum of slices by index, the transpose of [`Gather`]. Inputs: the slices and the indices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScatterAdd {
    /// The axis of the result that indices count along.
    pub axis: usize,
    /// Its extent.
    pub extent: usize,
}

impl Operator for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 2)?;
        expect_floats(&inputs[..1], 1)?;
        expect_dtype(inputs, 1, DType::I32)?;
        let (g, indices) = (&inputs[0].shape, &inputs[1].shape);
        let end = self.axis.saturating_add(indices.len());
        if end > g.len() || g[self.axis..end] != **indices {
            return Err(OpError::shape(
                0,
                format!("with {indices:?} from axis {} on", self.axis),
                &inputs[0],
            ));
        }
        Ok(vec![TensorType::f32(&[&g[..self.axis], &[self.extent], &g[end..]].concat())])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let extents = around(io.output_shape(0), self.axis);
        let inner = extents[2];
        let (dx, g) = (io.take_f32(0), io.f32(0));
        dx.fill(0.0);
        for_each_slice(extents, io.i32(1), |place, source| {
            if let Some(source) = source {
                let g = &g[place..place + inner];
                dx[source..source + inner].iter_mut().zip(g).for_each(|(dx, g)| *dx += g);
            }
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let indices = gradient.input(1);
        let dg = gradient.apply(Gather { axis: self.axis }, &[g, indices])?;
        gradient.add(0, dg)
    }
}
