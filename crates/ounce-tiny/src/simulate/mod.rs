//! Programs for microcontrollers, built and run without one.
//!
//! [`Build`] compiles C files with the [run-time](crate::runtime) and start-up code for a [`Target`], within given sizes of flash and RAM; the result is
//! an [`Image`] with its [`Sizes`]. [`Run`] executes it under QEMU in a folder, whose files the program reads and writes
//! (`ounce_board.h`, [`BOARD_HEADER`]), and gives a [`Report`].
//!
//! A program defines `int ounce_main(void)`. Each call of `ounce_mark()` notes how many instructions were executed before it, so the
//! difference of two notes is the cost of what lies between them, with some 3 instructions for the call itself. Counts are exact and
//! the same in every run. They are no cycles: QEMU knows neither wait states nor pipelines.
//!
//! The stack lies at the lower end of RAM, above a megabyte to which the MPU refuses access: a program that needs more faults instead of damaging data. It is painted
//! before the program begins, and what is no longer paint at the end was used.
//!
//! Needed are `arm-none-eabi-gcc` with newlib, `qemu-system-arm`, and a C compiler of this machine (`cc`) for the plugin that counts.
//! Errors say what to install.

mod build;
mod elf;
mod error;
mod host;
mod run;
mod target;
mod tools;

pub use build::{Build, Image};
pub use elf::Sizes;
pub use error::SimulateError;
pub use host::run_here;
pub use run::{Report, Run};
pub use target::Target;
pub use tools::{Tool, missing_tools};

use crate::runtime::CFile;

/// What a program may ask of the machine: files, text, marks.
pub const BOARD_HEADER: CFile =
    CFile { name: "ounce_board.h", text: include_str!("../../board/ounce_board.h") };

/// The same functions on a computer, so that a program also runs there.
pub const BOARD_HOST: CFile = CFile { name: "board_host.c", text: include_str!("../../board/board_host.c") };
