//! What all tests of this module need.
#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use crate::arch;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use std::path::PathBuf;

pub(super) fn golden(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoder").join(case)
}

pub(super) fn config_of(case: &str) -> Config {
    arch::config(&Checkpoint::open(&golden(case)).unwrap()).unwrap()
}
