//! What tests of several files share.
#![allow(dead_code, reason = "every test file uses another part")]

use std::env::var_os;
use std::path::{Path, PathBuf};

/// A file or folder beside the tests.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A file or folder in the one that `OUNCE_TEST_DATA` names; says that a test is skipped if there is none.
pub(crate) fn in_test_data(name: &str) -> Option<PathBuf> {
    let path =
        var_os("OUNCE_TEST_DATA").map(|folder| Path::new(&folder).join(name)).filter(|path| path.exists());
    if path.is_none() {
        eprintln!("skipped: {name} is not in $OUNCE_TEST_DATA");
    }
    path
}
