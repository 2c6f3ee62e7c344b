//! What tests of several formats need.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Path of a golden file.
pub(crate) fn conformance(name: &str) -> PathBuf {
    root().join("conformance").join(name)
}

/// A golden file.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    std::fs::read(conformance(name)).unwrap()
}

/// A file of the data that is not part of the project: in the folder that `OUNCE_TEST_DATA` names, or in `shared/data` beside the
/// checkout. `None`, with a message, if it is in neither.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let folders =
        [std::env::var_os("OUNCE_TEST_DATA").map(PathBuf::from), Some(root().join("../shared/data"))];
    let found = folders.into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is neither under OUNCE_TEST_DATA nor in ../shared/data");
    }
    found
}

/// The checksum of zip (ISO 3309), bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}
