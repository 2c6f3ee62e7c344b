//! Operators that cut and join: slice, pad, concat.

use super::layout::{MOVABLE, move_elements};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_dtypes, expect_inputs, expect_inputs_between};
use crate::shape::{Dims, around, check_axis, strides, walk};
use crate::tensor::{Slice, SliceMut};
use crate::types::TensorType;

/// Every `steps[axis]`-th element from `starts[axis]` on, `sizes[axis]` of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crop {
    /// The first index along every axis.
    pub starts: Vec<usize>,
    /// How many along every axis.
    pub sizes: Vec<usize>,
    /// The distance along every axis, at least 1.
    pub steps: Vec<usize>,
}

impl Crop {
    /// A contiguous part of one axis of a shape.
    pub fn along(shape: &[usize], axis: usize, start: usize, size: usize) -> Self {
        let mut crop =
            Self { starts: vec![0; shape.len()], sizes: shape.to_vec(), steps: vec![1; shape.len()] };
        if axis < shape.len() {
            crop.starts[axis] = start;
            crop.sizes[axis] = size;
        }
        crop
    }

    /// The leading block of the given extents.
    pub fn leading(sizes: &[usize]) -> Self {
        Self { starts: vec![0; sizes.len()], sizes: sizes.to_vec(), steps: vec![1; sizes.len()] }
    }
}

impl Operator for Crop {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtypes(inputs, 0, &MOVABLE)?;
        let shape = &inputs[0].shape;
        if [self.starts.len(), self.sizes.len(), self.steps.len()] != [shape.len(); 3] {
            return Err(OpError::attribute("starts", format!("one for each axis of {}", inputs[0])));
        }
        for (axis, extent) in shape.iter().enumerate() {
            let (start, size, step) = (self.starts[axis], self.sizes[axis], self.steps[axis]);
            let last = size.saturating_sub(1).checked_mul(step).and_then(|n| n.checked_add(start));
            let inside = match size {
                0 => start <= *extent,
                _ => last.is_some_and(|last| last < *extent),
            };
            if step == 0 || !inside {
                let problem =
                    format!("{size} from {start} with step {step} leave axis {axis} of {}", inputs[0]);
                return Err(OpError::attribute("sizes", problem));
            }
        }
        Ok(vec![TensorType::new(inputs[0].dtype, &self.sizes)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let own = strides(io.shape(0));
        let first: usize = self.starts.iter().zip(own.iter()).map(|(start, stride)| start * stride).sum();
        let read: Dims =
            self.steps.iter().zip(own.iter()).map(|(step, stride)| step.wrapping_mul(*stride)).collect();
        move_elements!(io, 0, |from, to| walk(&self.sizes, [&read], |i, [at]| to[i] = from[first + at]));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let shape = gradient.shape(0);
        let after = (0..shape.len())
            .map(|axis| {
                let reach =
                    self.sizes[axis].saturating_sub(1) * self.steps[axis] + usize::from(self.sizes[axis] > 0);
                shape[axis] - self.starts[axis] - reach
            })
            .collect();
        let between = self.steps.iter().map(|step| step - 1).collect();
        let dx = gradient.apply(Pad { before: self.starts.clone(), after, between, value: 0.0 }, &[g])?;
        gradient.add(0, dx)
    }
}

/// Puts a value before, after and between the elements of every axis.
#[derive(Clone, PartialEq, Debug)]
pub struct Pad {
    /// How many before, along every axis.
    pub before: Vec<usize>,
    /// How many after.
    pub after: Vec<usize>,
    /// How many between two neighbours.
    pub between: Vec<usize>,
    /// The value, converted to the element type.
    pub value: f32,
}

impl Operator for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtypes(inputs, 0, &MOVABLE)?;
        let shape = &inputs[0].shape;
        if [self.before.len(), self.after.len(), self.between.len()] != [shape.len(); 3] {
            return Err(OpError::attribute("before", format!("one for each axis of {}", inputs[0])));
        }
        let extent = |axis: usize| {
            let between = shape[axis].saturating_sub(1).checked_mul(self.between[axis])?;
            let own = shape[axis].checked_add(between)?;
            own.checked_add(self.before[axis])?.checked_add(self.after[axis])
        };
        let out: Option<Vec<usize>> = (0..shape.len()).map(extent).collect();
        let out = out.ok_or(OpError::attribute("before", "the padding is too large to address"))?;
        Ok(vec![TensorType::new(inputs[0].dtype, &out)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let own = strides(io.output_shape(0));
        // A distance that overflows is one along an axis of a single element.
        let first: usize = self.before.iter().zip(own.iter()).map(|(n, stride)| n * stride).sum();
        let write: Dims = self
            .between
            .iter()
            .zip(own.iter())
            .map(|(n, stride)| n.wrapping_add(1).wrapping_mul(*stride))
            .collect();
        let shape = io.shape(0);
        match (io.input(0), io.take(0)) {
            (Slice::F32(from), SliceMut::F32(to)) => {
                to.fill(self.value);
                walk(shape, [&write], |i, [at]| to[first + at] = from[i]);
            }
            (Slice::I8(from), SliceMut::I8(to)) => {
                to.fill(self.value as i8);
                walk(shape, [&write], |i, [at]| to[first + at] = from[i]);
            }
            (Slice::I32(from), SliceMut::I32(to)) => {
                to.fill(self.value as i32);
                walk(shape, [&write], |i, [at]| to[first + at] = from[i]);
            }
            other => panic!("elements of equal type, which the shape rule promised, are {other:?}"),
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let sizes = gradient.shape(0);
        let steps = self.between.iter().map(|n| n.saturating_add(1)).collect();
        let dx = gradient.apply(Crop { starts: self.before.clone(), sizes, steps }, &[g])?;
        gradient.add(0, dx)
    }
}

/// Joins inputs along an axis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs_between(inputs, 1, usize::MAX)?;
        expect_dtypes(inputs, 0, &MOVABLE)?;
        let mut out = inputs[0].shape.clone();
        check_axis(self.axis, out.len())?;
        out[self.axis] = 0;
        for (i, input) in inputs.iter().enumerate() {
            expect_dtype(inputs, i, inputs[0].dtype)?;
            let fits = input.shape.len() == out.len()
                && input.shape.iter().zip(&out).enumerate().all(|(axis, (a, b))| axis == self.axis || a == b);
            if !fits {
                let expected = format!("{:?} but for axis {}", inputs[0].shape, self.axis);
                return Err(OpError::shape(i, expected, input));
            }
            out[self.axis] = out[self.axis].saturating_add(input.shape[self.axis]);
        }
        Ok(vec![TensorType::new(inputs[0].dtype, &out)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let [outer, total, inner] = around(io.output_shape(0), self.axis);
        let row = total * inner;
        let mut first = 0;
        match io.take(0) {
            SliceMut::F32(to) => (0..io.inputs()).for_each(|i| {
                first += join(to, row, first, io.f32(i), outer);
            }),
            SliceMut::I8(to) => (0..io.inputs()).for_each(|i| {
                first += join(to, row, first, io.i8(i), outer);
            }),
            SliceMut::I32(to) => (0..io.inputs()).for_each(|i| {
                first += join(to, row, first, io.i32(i), outer);
            }),
            other => panic!("an element type that can be moved, which the shape rule promised, is {other:?}"),
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let mut start = 0;
        for i in 0..gradient.inputs() {
            let size = gradient.shape(i)[self.axis];
            if gradient.needs(i) {
                let shape = gradient.graph().shape(g).to_vec();
                let dx = gradient.apply(Crop::along(&shape, self.axis, start, size), &[g])?;
                gradient.add(i, dx)?;
            }
            start += size;
        }
        Ok(())
    }
}

/// Copies `outer` rows of an input into longer rows of the output, from `first` on. Returns the length of a row.
fn join<T: Copy>(to: &mut [T], to_row: usize, first: usize, from: &[T], outer: usize) -> usize {
    let row = from.len().checked_div(outer).unwrap_or(0);
    if row > 0 {
        for (to, from) in to.chunks_exact_mut(to_row).zip(from.chunks_exact(row)) {
            to[first..first + row].copy_from_slice(from);
        }
    }
    row
}
