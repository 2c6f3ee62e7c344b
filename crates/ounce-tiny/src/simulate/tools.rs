//! The programs of the system that simulation needs.

use std::path::Path;
use std::process::{Command, Stdio};

use super::SimulateError;

/// A program of the system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tool {
    /// The cross compiler.
    CrossCompiler,
    /// The emulator.
    Emulator,
    /// The C compiler of this machine, which builds the counting plugin.
    HostCompiler,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::CrossCompiler, Self::Emulator, Self::HostCompiler];

    /// What it is called.
    pub fn program(self) -> &'static str {
        match self {
            Self::CrossCompiler => "arm-none-eabi-gcc",
            Self::Emulator => "qemu-system-arm",
            Self::HostCompiler => "cc",
        }
    }

    /// The Debian packages that it needs.
    pub fn packages(self) -> &'static str {
        match self {
            Self::CrossCompiler => "gcc-arm-none-eabi libnewlib-arm-none-eabi",
            Self::Emulator => "qemu-system-arm",
            Self::HostCompiler => "gcc libc6-dev",
        }
    }

    /// Runs it in `folder` and gives what it wrote to its output and its errors; `Err` holds both if it failed.
    pub(crate) fn call(
        self,
        folder: &Path,
        arguments: &[String],
    ) -> Result<Result<String, String>, SimulateError> {
        let output = Command::new(self.program())
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.failed(error))?;
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        Ok(if output.status.success() { Ok(text.into_owned()) } else { Err(text.into_owned()) })
    }

    /// The error for a program that could not be started.
    pub(crate) fn failed(self, error: std::io::Error) -> SimulateError {
        if error.kind() == std::io::ErrorKind::NotFound {
            return SimulateError::MissingTool { program: self.program(), package: self.packages() };
        }
        SimulateError::io(self.program())(error)
    }
}

/// Those tools that are not installed.
pub fn missing_tools() -> Vec<Tool> {
    let missing = |tool: &Tool| {
        let mut command = Command::new(tool.program());
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_err()
    };
    Tool::ALL.into_iter().filter(missing).collect()
}
