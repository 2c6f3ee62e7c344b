//! Tests of the exporters from inside: tokenizers, and layers in groups and blocks. Whole models are in `tests/export.rs`.
#![allow(clippy::unwrap_used, reason = "a failing test panics")]

mod groups;
mod tokenizers;

use crate::arch;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use std::path::PathBuf;

pub(super) fn golden(case: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case)
}

pub(super) fn config_of(case: &str) -> Config {
    arch::config(&Checkpoint::open(&golden("decoder").join(case)).unwrap()).unwrap()
}
