//! Formatting, lints and documentation.

use anyhow::Result;
use xshell::{Shell, cmd};

/// Fails on the first check that does not hold.
pub(crate) fn run(shell: &Shell) -> Result<()> {
    cmd!(shell, "cargo fmt --all --check").run()?;
    cmd!(shell, "cargo clippy --workspace --all-targets --quiet -- -D warnings").run()?;
    let _flags = shell.push_env("RUSTDOCFLAGS", "-D warnings");
    cmd!(shell, "cargo doc --workspace --no-deps --quiet").run()?;
    Ok(())
}
