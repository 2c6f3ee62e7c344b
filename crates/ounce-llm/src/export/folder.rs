//! Hugging Face folders.

use super::{ExportError, FolderFormat, HeadExport, Origin};
use crate::compress::CompressedWeight;
use crate::decoder::weights::Layer;
use std::marker::PhantomData;
use std::path::Path;

/// A Hugging Face folder being written.
pub(crate) struct FolderExport<'a> {
    origin: PhantomData<&'a ()>,
}

impl<'a> FolderExport<'a> {
    /// Begins a folder that will take the name `path`: writes embedding, final norm and head.
    ///
    /// # Errors
    /// A target that exists, a model or a head that this format cannot express, a source that cannot be read.
    pub(crate) fn create(
        path: &Path,
        origin: Origin<'a>,
        format: FolderFormat,
        head: HeadExport,
    ) -> Result<Self, ExportError> {
        let _ = (origin, format, head);
        Err(ExportError::Exists { path: path.to_owned() })
    }

    /// Writes a layer, with its matrices in floats or, as the format says, in groups. Rows are in the order of the source, norms as the
    /// decoder applies them. Layers come in order.
    ///
    /// # Errors
    /// A weight of another kind or shape, a float beyond the range of its type, [`ExportError::Order`].
    pub(crate) fn layer(&mut self, index: usize, layer: &Layer<CompressedWeight>) -> Result<(), ExportError> {
        let _ = (layer, self.origin);
        Err(ExportError::Order { expected: 0, found: index.to_string() })
    }

    /// Writes configuration, tokenizer and template and gives the folder its name. Returns the bytes of all files.
    ///
    /// # Errors
    /// [`ExportError::Order`] if layers are missing, a tokenizer that cannot be written, the system's errors.
    pub(crate) fn finish(self) -> Result<u64, ExportError> {
        Ok(0)
    }
}
