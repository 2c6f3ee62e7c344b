//! What can go wrong between C files and a report.

use std::path::PathBuf;
use std::time::Duration;

/// Why a program could not be built or run.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A program of the system is missing.
    #[error(
        "{program} was not found: install it (Debian: apt-get install --no-install-recommends {package})"
    )]
    MissingTool {
        /// The program.
        program: &'static str,
        /// The Debian packages that carry it.
        package: &'static str,
    },
    /// The compiler or the linker refused the program.
    #[error("{program} refused the program: correct it\n{output}")]
    Compile {
        /// The compiler.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// The program is larger than the memory that it was given.
    #[error("the program needs {missing} bytes more {memory} than it was given: shrink it, or give it more")]
    TooLarge {
        /// `flash` or `RAM`.
        memory: &'static str,
        /// By how much it is too large.
        missing: u64,
    },
    /// The memory asked for does not exist.
    #[error(
        "{memory} of {asked} bytes: a {board} has {available}; ask for at most that, and for a stack that fits into RAM"
    )]
    NoSuchMemory {
        /// `flash`, `RAM` or `stack`.
        memory: &'static str,
        /// What was asked for.
        asked: u64,
        /// QEMU's name of the board.
        board: &'static str,
        /// What there is.
        available: u64,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The linker's result cannot be read.
    #[error("{path} is not an executable as the linker writes it: {problem}")]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The program did not end in time and was stopped.
    #[error(
        "the program ran for more than {limit:?} and was stopped: look for an endless loop, or allow more time"
    )]
    TimeOut {
        /// The time allowed.
        limit: Duration,
    },
    /// The processor faulted.
    #[error("the processor faulted: a stack of {stack} bytes was too small, or an address is wrong")]
    Fault {
        /// The stack of the program.
        stack: u64,
    },
    /// The program failed on this machine.
    #[error("the program ended with {status} on this machine\n{output}")]
    Here {
        /// Its exit status.
        status: String,
        /// What it said.
        output: String,
    },
    /// QEMU failed.
    #[error("qemu-system-arm ended with {status} and no count of instructions\n{output}")]
    Emulator {
        /// Its exit status.
        status: String,
        /// What it said.
        output: String,
    },
}

impl SimulateError {
    /// An input or output error on `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
