//! A weight matrix on its way from compression to a file.

use ounce_formats::ggml::GgmlType;
use ounce_kernels::ops::Rotation;
use ounce_quant::QuantizedMatrix;

/// A weight matrix as it will be stored. With it `Layer<CompressedWeight>` is a layer to be exported; rows are in the order of
/// the source.
#[derive(Clone, Debug)]
pub(crate) enum CompressedWeight {
    /// `[rows, cols]`, to be kept in floats.
    Float(Vec<f32>),
    /// Integers with a scale per group, for Hugging Face folders.
    Grouped {
        matrix: QuantizedMatrix,
        /// Activations meet it as int8 with this scale for the whole tensor.
        input_scale: Option<f32>,
        /// Activations are rotated before it, which it takes into account.
        rotation: Option<Rotation>,
    },
    /// Blocks of a GGUF type, row after row.
    Blocks { ty: GgmlType, bytes: Vec<u8> },
}

impl CompressedWeight {
    /// Writes the weights `[cols]` that a reader will find in a row, those of rotated activations if they are.
    ///
    /// # Panics
    /// If there is no such row of as many columns.
    pub(crate) fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        let cols = out.len();
        match self {
            Self::Float(floats) => out.copy_from_slice(&floats[row * cols..][..cols]),
            Self::Grouped { matrix, .. } => matrix.dequantize_row(row, out),
            Self::Blocks { ty, bytes } => {
                let size = ty.row_bytes(cols).unwrap_or(0);
                ty.dequantize(&bytes[row * size..][..size], out);
            }
        }
    }
}
