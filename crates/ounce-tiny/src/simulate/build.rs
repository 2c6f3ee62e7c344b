//! From C files to an executable for a board.

use std::path::{Path, PathBuf};

use super::elf::{self, Sizes};
use super::tools::Tool;
use super::{BOARD_HEADER, SimulateError, Target};
use crate::runtime;

const START: &str = include_str!("../../board/start.c");
const LINKER_SCRIPT: &str = include_str!("../../board/board.ld");
const PLUGIN: &str = include_str!("../../board/count.c");

/// A program to be compiled with the run-time and start-up code.
#[derive(Clone, Debug)]
pub struct Build {
    target: Target,
    flash: u64,
    ram: u64,
    stack: u64,
    texts: Vec<(String, String)>,
    flags: Vec<String>,
    optimize: String,
}

impl Build {
    /// Nothing yet, with 1 MB of flash, 256 KB of RAM and 4 KB of it for the stack.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            flash: 1 << 20,
            ram: 256 << 10,
            stack: 4 << 10,
            texts: Vec::new(),
            flags: Vec::new(),
            optimize: "-O2".into(),
        }
    }

    /// The flash that there may be, in bytes.
    pub fn flash(self, bytes: u64) -> Self {
        Self { flash: bytes, ..self }
    }

    /// The RAM that there may be, in bytes: the budget for activations, trained weights, all other variables, and the stack.
    pub fn ram(self, bytes: u64) -> Self {
        Self { ram: bytes, ..self }
    }

    /// The part of RAM that is the stack, in bytes.
    pub fn stack(self, bytes: u64) -> Self {
        Self { stack: bytes, ..self }
    }

    /// Adds a file. Names that end in `.c` are compiled; others are there to be included.
    pub fn text(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.texts.push((name.into(), text.into()));
        self
    }

    /// Adds an option of the compiler, for all files.
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Another optimisation than `-O2`.
    pub fn optimize(self, flag: impl Into<String>) -> Self {
        Self { optimize: flag.into(), ..self }
    }

    /// Compiles into `folder`, which must exist; files there of the same names are overwritten.
    pub fn compile(&self, folder: &Path) -> Result<Image, SimulateError> {
        self.check()?;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(SimulateError::io(path))
        };
        let mut sources = vec!["start.c".to_owned()];
        write("start.c", START)?;
        write(BOARD_HEADER.name, BOARD_HEADER.text)?;
        for file in runtime::HEADERS.iter().chain(runtime::SOURCES) {
            write(file.name, file.text)?;
        }
        sources.extend(runtime::SOURCES.iter().map(|file| file.name.to_owned()));
        for (name, text) in &self.texts {
            write(name, text)?;
            if name.ends_with(".c") {
                sources.push(name.clone());
            }
        }
        let script = LINKER_SCRIPT
            .replace("@FLASH@", &self.flash.to_string())
            .replace("@RAM@", &self.ram.to_string())
            .replace("@STACK@", &self.stack.to_string());
        write("board.ld", &script)?;

        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut arguments = words(self.target.compiler_flags());
        arguments.extend(words(runtime::REQUIRED_FLAGS));
        arguments.extend(words(runtime::WARNINGS));
        arguments.extend(words(&["-ffunction-sections", "-fdata-sections", "-I.", &self.optimize]));
        arguments.extend(self.flags.iter().cloned());
        arguments.extend(sources);
        arguments.extend(words(&["-nostartfiles", "--specs=nosys.specs", "-Tboard.ld"]));
        arguments.extend(words(&["-Wl,--gc-sections", "-Wl,--undefined=ounce_mark", "-o", "program.elf"]));
        let tool = Tool::CrossCompiler;
        if let Err(output) = tool.call(folder, &arguments)? {
            return Err(
                too_large(&output).unwrap_or(SimulateError::Compile { program: tool.program(), output })
            );
        }
        let elf = folder.join("program.elf");
        let (sizes, mark) = elf::inspect(&elf, "ounce_mark")?;
        let plugin = compile_plugin(folder)?;
        Ok(Image { target: self.target, elf, plugin, sizes, mark })
    }

    fn check(&self) -> Result<(), SimulateError> {
        let limits = [
            ("flash", self.flash, self.target.flash()),
            ("RAM", self.ram, self.target.ram()),
            ("stack", self.stack, self.ram),
        ];
        match limits.into_iter().find(|(_, asked, available)| asked > available) {
            None => Ok(()),
            Some((memory, asked, available)) => {
                Err(SimulateError::NoSuchMemory { memory, asked, board: self.target.board(), available })
            }
        }
    }
}

/// A program that can be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// What it was built for.
    pub target: Target,
    /// The executable.
    pub elf: PathBuf,
    /// The sizes of its parts.
    pub sizes: Sizes,
    /// The plugin that counts.
    pub(crate) plugin: PathBuf,
    /// The address of `ounce_mark`.
    pub(crate) mark: u64,
}

/// The linker's complaint about memory, if it is one: "region `RAM' overflowed by 123 bytes".
fn too_large(output: &str) -> Option<SimulateError> {
    let (before, after) = output.split_once("' overflowed by ")?;
    let memory = if before.ends_with("RAM") { "RAM" } else { "flash" };
    let missing = after.split(' ').next()?.parse().ok()?;
    Some(SimulateError::TooLarge { memory, missing })
}

fn compile_plugin(folder: &Path) -> Result<PathBuf, SimulateError> {
    let version = match Tool::Emulator.call(folder, &["--version".into()])? {
        Ok(text) => plugin_version(&text),
        Err(output) => return Err(SimulateError::Emulator { status: "an error".into(), output }),
    };
    let path = folder.join("count.c");
    std::fs::write(&path, PLUGIN).map_err(SimulateError::io(path))?;
    let arguments =
        ["-O2", "-shared", "-fPIC", &format!("-DPLUGIN_VERSION={version}"), "count.c", "-o", "count.so"]
            .map(str::to_owned);
    let tool = Tool::HostCompiler;
    match tool.call(folder, &arguments)? {
        Ok(_) => Ok(folder.join("count.so")),
        Err(output) => Err(SimulateError::Compile { program: tool.program(), output }),
    }
}

/// The version of the plugin interface that an emulator of this description takes: 1 until QEMU 8, 2 and later ones from QEMU 9 on. What the plugin
/// calls is the same in all.
fn plugin_version(description: &str) -> u32 {
    let words = description.split_whitespace();
    let number = words.skip_while(|word| *word != "version").nth(1).unwrap_or_default();
    let major: u32 = number.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major >= 9 { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_versions_follow_the_emulator() {
        assert_eq!(plugin_version("QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright"), 1);
        assert_eq!(plugin_version("QEMU emulator version 10.0.2"), 2);
        assert_eq!(plugin_version(""), 1);
    }

    #[test]
    fn complaints_about_memory_are_understood() {
        let output = "ld: program.elf section `.bss' will not fit in region `RAM'\nld: region `RAM' overflowed by 1234 bytes";
        assert!(matches!(too_large(output), Some(SimulateError::TooLarge { memory: "RAM", missing: 1234 })));
        assert!(too_large("undefined reference to `x'").is_none());
    }
}
