//! Rules of the repository that no other tool checks.

use std::path::Path;

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

/// No source file is longer than this.
const LONGEST: usize = 1000;
/// Nine files of ten are shorter than this.
const LONG: usize = 600;
/// Half of the files are shorter than this.
const MEDIAN: usize = 250;

/// Fails with a list of what is against the rules.
pub(crate) fn run(shell: &Shell) -> Result<()> {
    let files = cmd!(shell, "git ls-files --cached --others --exclude-standard").read()?;
    let mut problems = Vec::new();
    let mut lengths = Vec::new();
    for file in files.lines().filter(|file| file.ends_with(".rs")) {
        let path = shell.current_dir().join(file);
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let lines = text.lines().count();
        lengths.push(lines);
        if lines > LONGEST {
            problems.push(format!("{file}: {lines} lines, more than {LONGEST}: split it by concept"));
        }
        if text.contains("unsafe") && !may_be_unsafe(file) && has_unsafe_code(&text) {
            problems
                .push(format!("{file}: unsafe code belongs into ounce-kernels or ounce-formats/src/mmap.rs"));
        }
        if !text.starts_with("//!") && is_module_with_docs(&path) {
            problems.push(format!("{file}: begin with a //! line that says what the file holds"));
        }
    }
    lengths.sort_unstable();
    for (share, bound) in [(50, MEDIAN), (90, LONG)] {
        let at = lengths.get(lengths.len() * share / 100).copied().unwrap_or(0);
        if at >= bound {
            problems.push(format!("{share} % of the source files should be below {bound} lines, found {at}"));
        }
    }
    if problems.is_empty() {
        println!("tidy: {} source files, median {} lines", lengths.len(), lengths[lengths.len() / 2]);
        return Ok(());
    }
    bail!("{}", problems.join("\n"))
}

fn may_be_unsafe(file: &str) -> bool {
    file.starts_with("crates/ounce-kernels/")
        || file == "crates/ounce-formats/src/mmap.rs"
        || file.starts_with("xtask/")
}

fn has_unsafe_code(text: &str) -> bool {
    text.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).any(|line| {
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe trait", "unsafe extern"]
            .iter()
            .any(|code| line.contains(code))
    })
}

/// Modules of crates, as opposed to tests that are included into one.
fn is_module_with_docs(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "src")
        && path.file_name().is_none_or(|name| name != "tests.rs")
}
