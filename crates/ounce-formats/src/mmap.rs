//! Read-only memory maps. The only `unsafe` of this crate.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Bytes that several tensors share and keep alive: a memory map, or a vector in tests.
pub type SharedOwner = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A whole file, mapped read-only. Pages are read when they are first touched and belong to the system's file cache.
pub struct Mapped {
    /// `None` for an empty file, which systems refuse to map.
    map: Option<memmap2::Mmap>,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

impl std::fmt::Debug for Mapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mapped({} bytes)", self.as_ref().len())
    }
}

/// Maps the file at `path`.
///
/// The file must not be changed while it is mapped: writers should write to another name and rename, as [`crate::gguf::Writer`] does.
/// If another program truncates it nevertheless, the system ends this process (SIGBUS on Unix).
///
/// # Errors
/// Those of the system, and [`io::ErrorKind::InvalidInput`] if `path` is not a regular file (a directory, a pipe, a device).
pub fn open(path: &Path) -> io::Result<Arc<Mapped>> {
    // Asked before opening: opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    let map = if file.metadata()?.len() == 0 { None } else { Some(map(&file)?) };
    Ok(Arc::new(Mapped { map }))
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: the map is read-only and private to `Mapped`, which hands out `&[u8]` and unmaps only when dropped. What cannot be ruled
    // out from here is that another process writes to the file meanwhile; that is the documented condition of `open`, as for every
    // program that maps weights.
    unsafe { memmap2::Mmap::map(file) }
}
