//! The C run-time: its files, as they are compiled into a firmware.

/// One file in C.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CFile {
    /// The name that others include it by.
    pub name: &'static str,
    /// Its content.
    pub text: &'static str,
}

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(CFile { name: $name, text: include_str!(concat!("../", $folder, "/", $name)) }),*]
    };
}

/// The header that compiled networks include, and the one that the kernels share.
pub const HEADERS: &[CFile] = files!("runtime": "ounce_tiny.h", "ounce_internal.h");

/// The kernels. A linker with `--gc-sections` drops those that are not called, if they are compiled with `-ffunction-sections`.
pub const SOURCES: &[CFile] = files!(
    "runtime": "block.c", "conv.c", "depthwise.c", "elementwise.c", "softmax.c", "gradient.c", "weight_gradient.c", "update.c",
);

/// Options of gcc and clang without which results would not be those of the contract.
pub const REQUIRED_FLAGS: &[&str] = &["-std=c99", "-ffp-contract=off"];

/// The warnings that the run-time is free of.
pub const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"];
