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

    /// `OUNCE_DEPTHWISE_SCRATCH`, of `ounce_depthwise_s8`; `input` and `kernel` are height and width.
    pub const fn depthwise(input: [usize; 2], kernel: [usize; 2]) -> usize {
        let plane = (input[0] + 2 * kernel[0]) * (input[1] + 2 * kernel[1]) + 8;
        plane.next_multiple_of(4) + kernel[0] * 8 * kernel[1].div_ceil(4)
    }

    /// `OUNCE_DEPTHWISE_GRADIENT_SCRATCH`, of `ounce_depthwise_input_gradient`; `output` is height and width of the gradient that comes in.
    pub const fn depthwise_gradient(output: [usize; 2], kernel: [usize; 2]) -> usize {
        4 * ((output[0] + 2 * kernel[0]) * (output[1] + 2 * kernel[1]) + kernel[0] * kernel[1])
    }
}
