//! A weight matrix on its way from compression to a file.

use ounce_formats::ggml::GgmlType;
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
    },
    /// Blocks of a GGUF type, row after row.
    Blocks { ty: GgmlType, bytes: Vec<u8> },
}
