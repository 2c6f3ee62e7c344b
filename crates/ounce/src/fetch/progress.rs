//! Progress bars on standard error; nothing is drawn where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::path::Path;

/// A bar over `total` bytes.
pub(crate) fn bar(label: &'static str, total: u64) -> ProgressBar {
    let template = "{msg:>11} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style.progress_chars("=> ")).with_message(label)
}

/// The bytes of all files under `path`; what cannot be read counts nothing.
pub(super) fn bytes_under(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries.flatten().map(|entry| bytes_under(&entry.path())).sum()
}
