//! What several tests need.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part")]

use std::io::Write;
use std::path::{Path, PathBuf};

/// Path of a golden file.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/data").join(name)
}

/// Bytes of a golden file.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

/// A file of the data that is not part of the project: in the folder that `OUNCE_TEST_DATA` names, or in `shared/data` beside the
/// checkout. `None`, with a message, if it is in neither.
pub(crate) fn data(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folders = [std::env::var_os("OUNCE_TEST_DATA").map(PathBuf::from), Some(beside)];
    let found = folders.into_iter().flatten().map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is neither under OUNCE_TEST_DATA nor in ../shared/data");
    }
    found
}

/// A zip archive of these files, the odd ones compressed.
pub(crate) fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (i, (name, bytes)) in files.iter().enumerate() {
        let method =
            if i % 2 == 1 { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method))
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
