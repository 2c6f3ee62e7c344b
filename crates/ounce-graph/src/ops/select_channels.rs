//! Chosen channels.

use super::ScatterAdd;
use super::layout::{MOVABLE, move_elements};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::io::Io;
use crate::operator::{Operator, expect_dtypes, expect_inputs};
use crate::shape::{around, check_axis};
use crate::tensor::{Slice, SliceMut, Tensor};
use crate::types::TensorType;

/// Chosen indices along an axis, for instance some channels of an image: what an update of those channels alone needs of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SelectChannels {
    /// The axis: 1 for channels of an image and for input channels of a kernel, 0 for output channels of a kernel.
    pub axis: usize,
    /// The indices, each above the one before it.
    pub channels: Vec<usize>,
}

impl SelectChannels {
    /// The shape of what is selected.
    pub(crate) fn selected(&self, shape: &[usize]) -> Result<Vec<usize>, OpError> {
        check_axis(self.axis, shape.len())?;
        if self.channels.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(OpError::attribute("channels", "each must be above the one before it"));
        }
        if let Some(last) = self.channels.last().filter(|last| **last >= shape[self.axis]) {
            let problem = format!("there is no channel {last}, axis {} has {}", self.axis, shape[self.axis]);
            return Err(OpError::attribute("channels", problem));
        }
        let mut selected = shape.to_vec();
        selected[self.axis] = self.channels.len();
        Ok(selected)
    }
}

impl Operator for SelectChannels {
    fn name(&self) -> &'static str {
        "select_channels"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 1)?;
        expect_dtypes(inputs, 0, &MOVABLE)?;
        Ok(vec![TensorType::new(inputs[0].dtype, &self.selected(&inputs[0].shape)?)])
    }

    #[allow(clippy::panic)]
    fn reference(&self, io: &mut Io<'_, '_>) {
        let [outer, extent, inner] = around(io.shape(0), self.axis);
        move_elements!(io, 0, |from, to| {
            let mut rows = to.chunks_exact_mut(inner.max(1));
            for o in 0..outer {
                for (channel, to) in self.channels.iter().zip(&mut rows) {
                    to.copy_from_slice(&from[(o * extent + channel) * inner..][..inner]);
                }
            }
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        // Shapes fit into 31 bits, so channels do.
        let channels = self.channels.iter().map(|channel| *channel as i32).collect();
        let indices = gradient.graph().constant(Tensor::i32(&[self.channels.len()], channels)?);
        let op = ScatterAdd { axis: self.axis, extent: gradient.shape(0)[self.axis] };
        let dx = gradient.apply(op, &[g, indices])?;
        gradient.add(0, dx)
    }
}
