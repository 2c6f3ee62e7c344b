//! Standard output, which may be a pipe that nobody reads or a disk that is full, standard error, which may be either too, and files.

use crate::failure::{Context as _, Failure, Result};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Display;
use std::io::{Write as _, stderr, stdout};
use std::path::Path;

/// Writes `text` to standard output at once.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Failure::stdout(&error))
}

/// Writes `value` to standard output as one indented JSON document.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Refuses a path that [`write()`] could not write to: to be asked before long work.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    let check = || match path.is_dir() {
        true => Err(std::io::Error::from(std::io::ErrorKind::IsADirectory)),
        false => temporary(path).map(|_| ()),
    };
    check().context(|| format!("cannot write {}", path.display()))
}

/// Makes the folder of a training, or takes that of one that is resumed, which `checkpoint` tells. One that begins takes no folder in which there is
/// anything but files of the names `early`, which trainings write before their checkpoint.
pub(crate) fn training_folder(path: &Path, checkpoint: &str, early: &[&str], resume: bool) -> Result<()> {
    match (resume, path.join(checkpoint).exists()) {
        (true, false) => Err(Failure::new(format!("{} has no checkpoint", path.display()))
            .hint("leave --resume out to begin a training")),
        (false, true) => Err(Failure::new(format!("{} holds a training already", path.display()))
            .hint("give --resume to go on with it, or another folder")),
        (true, true) => Ok(()),
        (false, false) => {
            std::fs::create_dir_all(path).context(|| format!("cannot create {}", path.display()))?;
            let cannot = || format!("cannot read {}", path.display());
            for entry in std::fs::read_dir(path).context(cannot)? {
                let name = entry.context(cannot)?.file_name();
                if !early.iter().any(|early| *early == name) {
                    let cause = format!("{} holds {} and no training", path.display(), name.display());
                    return Err(Failure::new(cause).hint("give an empty folder, or one that does not exist"));
                }
            }
            Ok(())
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// A file beside `path` that goes away by itself, with the permissions of any new file.
fn temporary(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // What the system's mask leaves of it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder(path)).map_err(|error| without_path(&error))
}

/// An error of tempfile without the name of the file, which nobody has heard of.
pub(crate) fn without_path(error: &std::io::Error) -> std::io::Error {
    let text = error.to_string();
    let reason = text.split(" at path ").next().unwrap_or_default();
    std::io::Error::new(error.kind(), reason)
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let file = temporary(path)?;
        std::fs::write(file.path(), text)?;
        file.persist(path).map(|_| ()).map_err(|error| error.error)
    };
    write().context(|| format!("cannot write {}", path.display()))
}

/// Writes a line to standard error. Control characters, which may come from a file's names, are escaped; line feeds are kept. That nobody
/// can be told is no reason to stop.
pub(crate) fn note(text: impl Display) {
    let text = text.to_string();
    let _ = writeln!(stderr().lock(), "{}", escaped(&text));
}

/// `text` without anything that would steer a terminal: control characters but the line feed, and marks that turn the direction of
/// writing, are escaped.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// A number of bytes for people: `98.4 MB`.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A count for people, with a thin separator every three digits: `134,515,008`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(escaped("plain, zwölf\nlines"), "plain, zwölf\nlines");
        assert_eq!(escaped("\u{1b}[2Jx\r\u{9b}\u{202e}"), "\\u{1b}[2Jx\\r\\u{9b}\\u{202e}");
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.0 kB");
        assert_eq!(bytes(98_362_432), "98.4 MB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(count(0), "0");
        assert_eq!(count(123), "123");
        assert_eq!(count(134_515_008), "134,515,008");
    }
}
