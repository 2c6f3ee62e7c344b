//! Making the tensors of a quantized linear map.

use super::{LinearFormat, OwnedTensor, QuantizedError};
use crate::safetensors::SafetensorsType;

/// One linear map in groups, as plain arrays: `w = scale * (q - zero)`.
#[derive(Clone, Copy, Debug)]
pub struct GroupQuantized<'a> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    /// Columns that share a scale; divides `cols`, and is `cols` for one scale per row.
    pub group: usize,
    /// Bits of a quant, at most 8.
    pub bits: u8,
    /// All zeros are `2^(bits - 1)`; `zeros` may then be empty.
    pub symmetric: bool,
    /// `[rows, cols]`, each below `2^bits`.
    pub quants: &'a [u8],
    /// `[rows, cols / group]`.
    pub scales: &'a [f32],
    /// `[rows, cols / group]`, each below `2^bits`.
    pub zeros: &'a [u8],
}

/// The tensors of the module `name` in this format, with f16 scales: [`pack_as`] with [`SafetensorsType::F16`].
///
/// # Errors
/// As [`pack_as`].
pub fn pack(
    name: &str,
    weight: &GroupQuantized<'_>,
    format: LinearFormat,
    input_scale: Option<f32>,
) -> Result<Vec<OwnedTensor>, QuantizedError> {
    pack_as(name, weight, format, SafetensorsType::F16, input_scale)
}

/// The tensors of the module `name` in this format. `scale_type` is the type of the scales: F16, or for compressed-tensors also BF16 and
/// F32; scales are rounded to it, so quants should have been chosen for rounded ones. `input_scale` is the fixed scale of the inputs
/// ([`Activations::Int8PerTensor`](super::Activations::Int8PerTensor)).
///
/// # Errors
/// Arrays that do not belong together, and shapes, bits or zeros that the format cannot hold.
pub fn pack_as(
    name: &str,
    weight: &GroupQuantized<'_>,
    format: LinearFormat,
    scale_type: SafetensorsType,
    input_scale: Option<f32>,
) -> Result<Vec<OwnedTensor>, QuantizedError> {
    let _ = (weight, format, scale_type, input_scale);
    Err(QuantizedError::CannotPack { module: name.to_owned(), what: "not yet".to_owned() })
}
