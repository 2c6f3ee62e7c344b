//! Gradients through results that were clamped.

use ounce_kernels::Team;

use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host;
use crate::io::Io;
use crate::operator::{Operator, expect_dtype, expect_inputs, expect_shape};
use crate::tensor::bit;
use crate::types::{DType, TensorType};

/// `g` where the mask's bit is set, and 0 elsewhere. Inputs: `g` in f32 and the mask in bits, of equal shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApplyMask;

/// For every byte of a mask, the bits of eight floats that are kept.
static KEPT: [[u32; 8]; 256] = {
    let mut kept = [[0; 8]; 256];
    let mut at = 0;
    while at < 8 * 256 {
        if ((at / 8) >> (at % 8)) & 1 == 1 {
            kept[at / 8][at % 8] = u32::MAX;
        }
        at += 1;
    }
    kept
};

impl Operator for ApplyMask {
    fn name(&self) -> &'static str {
        "apply_mask"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_inputs(inputs, 2)?;
        expect_dtype(inputs, 0, DType::F32)?;
        expect_dtype(inputs, 1, DType::Bits)?;
        expect_shape(inputs, 1, &inputs[0].shape)?;
        Ok(vec![inputs[0].clone()])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (y, mask) = (io.take_f32(0), io.bits(1));
        if let Some(g) = io.f32_unless_overwritten(0) {
            y.copy_from_slice(g);
        }
        for (i, y) in y.iter_mut().enumerate() {
            *y = if bit(mask, i) { *y } else { 0.0 };
        }
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        let (y, mask) = (io.take_f32(0), io.bits(1));
        let g = io.f32_unless_overwritten(0);
        host::pieces(team, y, |first, y| {
            if let Some(g) = g {
                y.copy_from_slice(&g[first..first + y.len()]);
            }
            // Pieces begin at whole bytes.
            for (y, mask) in y.chunks_mut(8).zip(&mask[first / 8..]) {
                let kept = &KEPT[usize::from(*mask)];
                y.iter_mut().zip(kept).for_each(|(y, kept)| *y = f32::from_bits(y.to_bits() & kept));
            }
        });
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let upstream = gradient.upstream_first()?;
        let mask = gradient.input(1);
        let dg = gradient.apply(*self, &[upstream, mask])?;
        gradient.add(0, dg)
    }

    fn overwrites(&self, _inputs: &[TensorType]) -> Vec<usize> {
        vec![0]
    }
}
