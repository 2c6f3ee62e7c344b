//! Data of tensors in files beside the model.

use std::ops::Range;
use std::path::{Component, Path};

use super::error::{ExternalFault, OnnxError};
use super::model::External;
use crate::mmap::{self, SharedOwner};

/// The bytes of a tensor in a mapped file.
#[derive(Clone)]
pub struct ExternalData {
    owner: SharedOwner,
    range: Range<usize>,
}

impl ExternalData {
    /// The elements, little-endian.
    pub fn bytes(&self) -> &[u8] {
        // `External::read` has checked the range.
        (*self.owner).as_ref().get(self.range.clone()).unwrap_or_default()
    }
}

impl std::fmt::Debug for ExternalData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExternalData({} bytes)", self.range.len())
    }
}

impl External<'_> {
    /// Maps the file in `folder`, the model's own, and finds the tensor in it. Paths that lead out of the folder are refused, through
    /// links too.
    ///
    /// # Errors
    /// [`OnnxError::External`].
    pub fn read(&self, folder: &Path) -> Result<ExternalData, OnnxError> {
        self.find(folder).map_err(|fault| OnnxError::External { location: self.location.to_string(), fault })
    }

    fn find(&self, folder: &Path) -> Result<ExternalData, ExternalFault> {
        let relative = Path::new(&*self.location);
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if relative.as_os_str().is_empty() || !relative.components().all(inside) {
            return Err(ExternalFault::Path);
        }
        let path = folder.join(relative);
        let io = |source| ExternalFault::Io { path: path.clone(), source };
        let folder = std::fs::canonicalize(folder).map_err(io)?;
        let file = std::fs::canonicalize(&path).map_err(io)?;
        if !file.starts_with(folder) {
            return Err(ExternalFault::Path);
        }
        let owner: SharedOwner = mmap::open(&file).map_err(io)?;
        let (offset, length) = (self.offset, self.length.unwrap_or(self.needed as u64));
        if length != self.needed as u64 {
            return Err(ExternalFault::Size { given: length, needed: self.needed });
        }
        let available = (*owner).as_ref().len();
        match offset.checked_add(length) {
            Some(end) if end <= available as u64 => {
                Ok(ExternalData { owner, range: offset as usize..end as usize })
            }
            _ => Err(ExternalFault::OutOfRange { offset, length, available }),
        }
    }
}
