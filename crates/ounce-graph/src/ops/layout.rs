//! Operators that move elements without computing: reshape, transpose, expand.

use ounce_kernels::Team;

use super::binary::{Read, read};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtypes, expect_inputs};
use crate::shape::{Dims, broadcast, broadcast_strides, strides, walk};
use crate::tensor::{Slice, SliceMut};
use crate::types::{DType, TensorType};

/// The element types that can be moved one by one.
pub(crate) const MOVABLE: [DType; 3] = [DType::F32, DType::I8, DType::I32];

/// Runs `move_elements(from, to)` for whichever element type input and output have.
macro_rules! move_elements {
    ($io:expr, $input:expr, |$from:ident, $to:ident| $body:expr) => {
        match ($io.input($input), $io.take(0)) {
            (Slice::F32($from), SliceMut::F32($to)) => $body,
            (Slice::I8($from), SliceMut::I8($to)) => $body,
            (Slice::I32($from), SliceMut::I32($to)) => $body,
            other => panic!("elements of equal type, which the shape rule promised, are {other:?}"),
        }
    };
}
pub(crate) use move_elements;

/// The same elements in the same order under another shape. Covers flatten, squeeze and unsqueeze.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reshape {
    /// The new shape.
    pub shape: Vec<usize>,
}

impl Operator for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        let ty = TensorType::new(inputs[0].dtype, &self.shape);
        if !ty.fits() || ty.elements() != inputs[0].elements() {
            let problem = format!("{:?} has another number of elements than {}", self.shape, inputs[0]);
            return Err(OpError::attribute("shape", problem));
        }
        Ok(vec![ty])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        match (io.input(0), io.take(0)) {
            (Slice::F32(from), SliceMut::F32(to)) => to.copy_from_slice(from),
            (Slice::I8(from), SliceMut::I8(to)) => to.copy_from_slice(from),
            (Slice::I32(from), SliceMut::I32(to)) => to.copy_from_slice(from),
            (Slice::Bits(from), SliceMut::Bits(to)) => to.copy_from_slice(from),
            (Slice::Overwritten, _) => {}
            other => panic!("elements of equal type, which the shape rule promised, are {other:?}"),
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let shape = gradient.shape(0);
        let dx = gradient.apply(Reshape { shape }, &[g])?;
        gradient.add(0, dx)
    }

    fn is_view(&self) -> bool {
        true
    }
}

/// Permutes the axes: axis `i` of the result is axis `axes[i]` of the input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transpose {
    /// A permutation.
    pub axes: Vec<usize>,
}

impl Operator for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtypes(inputs, 0, &MOVABLE)?;
        let shape = &inputs[0].shape;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..shape.len()) {
            let problem = format!("{:?} is no permutation of the axes of {}", self.axes, inputs[0]);
            return Err(OpError::attribute("axes", problem));
        }
        let out: Vec<usize> = self.axes.iter().map(|axis| shape[*axis]).collect();
        Ok(vec![TensorType::new(inputs[0].dtype, &out)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let own = strides(io.shape(0));
        let read: Dims = self.axes.iter().map(|axis| own[*axis]).collect();
        let shape = io.output_shape(0);
        move_elements!(io, 0, |from, to| walk(shape, [&read], |i, [at]| to[i] = from[at]));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let mut axes = vec![0; self.axes.len()];
        self.axes.iter().enumerate().for_each(|(i, axis)| axes[*axis] = i);
        let dx = gradient.apply(Transpose { axes }, &[g])?;
        gradient.add(0, dx)
    }
}

/// Repeats along axes of extent 1, and along new leading axes, up to a shape that the input broadcasts to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expand {
    /// The new shape.
    pub shape: Vec<usize>,
}

impl Operator for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtypes(inputs, 0, &MOVABLE)?;
        if *broadcast(&inputs[0].shape, &self.shape)? != *self.shape {
            return Err(OpError::Broadcast { a: inputs[0].shape.clone(), b: self.shape.clone() });
        }
        Ok(vec![TensorType::new(inputs[0].dtype, &self.shape)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let read = broadcast_strides(io.shape(0), &self.shape);
        move_elements!(io, 0, |from, to| walk(&self.shape, [&read], |i, [at]| to[i] = from[at]));
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let Read::Runs { run, count } = read(io.shape(0), &self.shape) else { return self.reference(io) };
        let Slice::F32(from) = io.input(0) else { return self.reference(io) };
        let to = io.take_f32(0);
        crate::host::rows(team, to, run, |row, to| to.fill(from[row % count]));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        gradient.add_broadcast(0, g)
    }
}
