//! The JSON files of a model folder.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::de::Error as _;
use serde_json::Value;

use super::FolderError;

/// Bound on the length of a configuration file; large ones have some 100 kB.
pub const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// Bound on the length of a shard index; those of the largest models have a few MB.
pub const MAX_INDEX_BYTES: u64 = 64 << 20;

/// Parses a configuration. Memory used is at most 128 times the length of `bytes`: where the program asks `serde_json` to
/// keep the order of keys, as constrained decoding does, objects of one entry need most; else an array of one-digit numbers does, 80 times.
///
/// # Errors
/// JSON that is not valid, is nested deeper than 128, or is not an object.
pub fn parse_json(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    match serde_json::from_slice(bytes)? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(serde_json::Error::custom("expected an object in braces")),
    }
}

/// The object in a file, or `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Value>, FolderError> {
    let json_error = |source| FolderError::Json { path: path.to_owned(), source };
    read_bytes(path, MAX_CONFIG_BYTES)?.map(|bytes| parse_json(&bytes).map_err(json_error)).transpose()
}

/// The bytes of a file of at most `most`, or `None` if there is no such file.
pub(super) fn read_bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>, FolderError> {
    let io_error = |source| FolderError::Io { path: path.to_owned(), source };
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(io_error(std::io::Error::new(ErrorKind::InvalidInput, "not a regular file"))),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(error)),
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io_error)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() as u64 > most {
        return Err(FolderError::TooLarge { path: path.to_owned(), most });
    }
    Ok(Some(bytes))
}
