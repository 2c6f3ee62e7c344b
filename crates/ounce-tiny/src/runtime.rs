//! The C run-time: its files, as they are compiled into a firmware.

use std::collections::BTreeSet;

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

/// The header that compiled networks include, the one that the kernels share, and the one that says what of them is compiled: all.
pub const HEADERS: &[CFile] = files!("runtime": "ounce_tiny.h", "ounce_internal.h", "ounce_config.h");

/// What of the kernels is compiled, by the names in `ounce_config.h` behind `OUNCE_WITH_`.
pub const FEATURES: [&str; 9] = [
    "NEAREST",
    "TRUNCATE",
    "FIXED_POINT",
    "UNCLAMPED",
    "BOUNDS",
    "UPDATE_TRUNCATE",
    "UPDATE_NEAREST",
    "UPDATE_STOCHASTIC",
    "UPDATE_ERROR_FEEDBACK",
];

/// A header `ounce_config.h` by which these [`FEATURES`] alone are compiled.
pub fn config(features: &BTreeSet<&str>) -> String {
    let mut text =
        "/* What of the kernels this program needs. */\n#ifndef OUNCE_CONFIG_H\n#define OUNCE_CONFIG_H\n\n"
            .to_owned();
    for feature in FEATURES {
        text += &format!("#define OUNCE_WITH_{feature} {}\n", u8::from(features.contains(feature)));
    }
    text + "\n#endif\n"
}

/// The kernels that a program calls, directly or not.
pub fn sources_of(program: &str) -> Vec<&'static CFile> {
    let mut wanted = names(program);
    let mut left: Vec<&CFile> = SOURCES.iter().collect();
    let mut found: Vec<&CFile> = Vec::new();
    loop {
        let (more, rest): (Vec<&CFile>, Vec<&CFile>) =
            left.into_iter().partition(|file| defined(file.text).any(|name| wanted.contains(name)));
        if more.is_empty() {
            break;
        }
        more.iter().for_each(|file| wanted.extend(names(file.text)));
        found.extend(more);
        left = rest;
    }
    SOURCES.iter().filter(|file| found.contains(file)).collect()
}

/// An upper bound of a file's code in bytes, as arm-none-eabi-gcc 12 makes it with `-O2` for a Cortex-M4 or M7.
pub fn code_bytes(file: &CFile) -> u64 {
    match file.name {
        "block.c" => 4096,
        "conv.c" => 2048,
        "depthwise.c" => 2304,
        "pool.c" | "pool_gradient.c" => 1024,
        "gradient.c" => 2816,
        "elementwise.c" | "grouped.c" | "softmax.c" => 1280,
        "layout.c" => 512,
        "update.c" => 2560,
        _ => 1536,
    }
}

/// Names of the run-time in a text.
fn names(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("ounce_"))
        .collect()
}

/// Functions that a file of C defines for others.
fn defined(text: &str) -> impl Iterator<Item = &str> {
    let begins = |line: &&str| ["void ", "float ", "int32_t "].iter().any(|ty| line.starts_with(ty));
    text.lines().filter(begins).filter_map(|line| line.split(' ').nth(1)?.split('(').next())
}

/// The kernels. A linker with `--gc-sections` drops those that are not called, if they are compiled with `-ffunction-sections`.
pub const SOURCES: &[CFile] = files!(
    "runtime": "block.c", "conv.c", "grouped.c", "depthwise.c", "elementwise.c", "pool.c", "pool_gradient.c", "layout.c", "softmax.c", "gradient.c", "weight_gradient.c", "update.c",
);

/// Options of gcc and clang without which results would not be those of the contract.
pub const REQUIRED_FLAGS: &[&str] = &["-std=c99", "-ffp-contract=off"];

/// The warnings that the run-time is free of.
pub const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_take_the_kernels_that_they_call() {
        let of = |text| sources_of(text).into_iter().map(|file| file.name).collect::<Vec<_>>();
        assert_eq!(of("ounce_depthwise_s8(&conv)"), ["block.c", "depthwise.c"]);
        assert_eq!(of("(void)ounce_cross_entropy(3, x, 1, g);"), ["softmax.c"]);
        assert!(of("ounce_update").is_empty());
    }

    #[test]
    fn the_header_of_the_runtime_has_all_features() {
        let all = HEADERS
            .iter()
            .find(|file| file.name == "ounce_config.h")
            .map(|file| file.text)
            .unwrap_or_default();
        let lines = |text: &str| {
            text.lines().filter(|line| line.contains("OUNCE_WITH_")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(all), lines(&config(&FEATURES.into_iter().collect())));
    }
}

/// Bytes of scratch that kernels need, aligned to 8: the macros of `ounce_tiny.h`, for who plans memory.
pub mod scratch {
    /// `OUNCE_POINTWISE_SCRATCH`, of `ounce_pointwise_s8`.
    pub const fn pointwise(in_channels: usize) -> usize {
        8 * in_channels.next_multiple_of(4)
    }

    /// `OUNCE_CONV_SCRATCH`, of `ounce_conv_s8`; `kernel` is height and width.
    pub const fn conv(kernel: [usize; 2], in_channels: usize) -> usize {
        9 * (kernel[0] * kernel[1] * in_channels).next_multiple_of(4) + 8
    }

    /// `OUNCE_DEPTHWISE_SCRATCH`, of `ounce_depthwise_s8`; `plane`, a channel with its padding as far as windows reach, and `kernel` are height and width.
    pub const fn depthwise(plane: [usize; 2], kernel: [usize; 2]) -> usize {
        let plane = plane[0] * plane[1] + 8;
        plane.next_multiple_of(4) + kernel[0] * 8 * kernel[1].div_ceil(4)
    }

    /// `OUNCE_DEPTHWISE_GRADIENT_SCRATCH`, of `ounce_depthwise_input_gradient`; `output` is height and width of the gradient that comes in.
    pub const fn depthwise_gradient(output: [usize; 2], kernel: [usize; 2]) -> usize {
        4 * ((output[0] + 2 * kernel[0]) * (output[1] + 2 * kernel[1]) + kernel[0] * kernel[1])
    }
}
