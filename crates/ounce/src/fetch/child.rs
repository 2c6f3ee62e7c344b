//! Running the user's own tools.

use super::progress::bytes_under;
use crate::failure::{Context as _, Failure, Result};
use indicatif::ProgressBar;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How often the bar is moved.
const POLL: Duration = Duration::from_millis(100);

/// How a tool's run ended.
pub(super) struct Ended {
    /// Its exit status.
    pub(super) status: ExitStatus,
    /// The last line it wrote, where it failed: most tools put the reason there.
    pub(super) last_line: String,
}

/// Runs `command` with its output in `log`, and moves `bar` by the bytes that appear under `folder`.
pub(super) fn run(command: &mut Command, log: &Path, folder: &Path, bar: &ProgressBar) -> Result<Ended> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = File::create(log).context(|| format!("cannot write {}", log.display()))?;
    let errors = output.try_clone()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| Failure::new(format!("cannot run {tool}: {error}")))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        bar.set_position(bytes_under(folder));
        sleep(POLL);
    };
    bar.set_position(bytes_under(folder));
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last_line = reason(&text).unwrap_or_else(|| format!("{tool} ended with {status} and said nothing"));
    Ok(Ended { status, last_line })
}

/// The line of a tool's output that most likely tells why it failed: the last that names an error, or else the last.
fn reason(text: &str) -> Option<String> {
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    lines()
        .find(|line| line.to_ascii_lowercase().starts_with("error"))
        .or_else(|| lines().next())
        .map(str::to_owned)
}

/// Whether `program arguments...` can be run and succeeds.
pub(super) fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
