//! The same program on this machine.

use std::path::Path;
use std::process::{Command, Stdio};

use super::tools::Tool;
use super::{BOARD_HEADER, BOARD_HOST, SimulateError};
use crate::runtime;

/// Compiles files of C with the run-time for this machine and runs the program in `folder`, which must exist. `texts` are names and contents; those that end in `.c`
/// are compiled.
///
/// # Errors
/// If there is no compiler, it refuses the program, or the program fails.
pub fn run_here(texts: &[(String, String)], folder: &Path) -> Result<(), SimulateError> {
    let own = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let others = runtime::HEADERS.iter().chain(runtime::SOURCES).chain([&BOARD_HEADER, &BOARD_HOST]);
    let files: Vec<(&str, &str)> = others.map(|file| (file.name, file.text)).chain(own).collect();
    let mut sources: Vec<String> = Vec::new();
    for (name, text) in &files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(SimulateError::io(path))?;
        if name.ends_with(".c") && !sources.iter().any(|known| known == name) {
            sources.push((*name).to_owned());
        }
    }
    let tool = Tool::HostCompiler;
    let words = ["-O2", "-I.", "-o", "program"].iter().chain(runtime::REQUIRED_FLAGS);
    let arguments: Vec<String> = words.map(|word| (*word).to_owned()).chain(sources).collect();
    if let Err(output) = tool.call(folder, &arguments)? {
        return Err(SimulateError::Compile { program: tool.program(), output });
    }
    let path = std::path::absolute(folder.join("program")).map_err(SimulateError::io(folder))?;
    let run = Command::new(&path).current_dir(folder).stdin(Stdio::null()).output();
    let run = run.map_err(SimulateError::io(&path))?;
    if run.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&run.stderr).into_owned();
    Err(SimulateError::Here { status: run.status.to_string(), output })
}
