//! The project's chores, as `cargo xtask COMMAND`.
//!
//! `test` is the one command that a fresh machine needs to pass the tests; `ci` is all that `.ci/run` does: `test` and the checks of
//! formatting, lints, documentation and file sizes.
#![forbid(unsafe_code)]

mod lint;
mod test;
mod tidy;

use anyhow::{Result, bail};
use xshell::Shell;

const USAGE: &str = "\
usage: cargo xtask COMMAND

commands:
  test [ARGS]   install what the tests need where that is possible, then run all tests (ARGS go to cargo test)
  lint          check formatting, lints and documentation
  tidy          check the sizes of source files and other rules of the repository
  ci            test, lint and tidy: what continuous integration runs
  bench [ARGS]  compare speed with llama.cpp (ARGS go to benches/peers/llm)";

fn main() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(workspace_root());
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = args.get(1..).unwrap_or_default();
    match args.first().map(String::as_str) {
        Some("test") => test::run(&shell, rest),
        Some("lint") => lint::run(&shell),
        Some("tidy") => tidy::run(&shell),
        Some("ci") => {
            test::run(&shell, rest)?;
            lint::run(&shell)?;
            tidy::run(&shell)
        }
        Some("bench") => Ok(xshell::cmd!(shell, "benches/peers/llm {rest...}").run()?),
        Some("help" | "-h" | "--help") | None => {
            println!("{USAGE}");
            Ok(())
        }
        Some(other) => bail!("unknown command {other:?}\n{USAGE}"),
    }
}

/// The folder that holds the workspace's `Cargo.toml`.
fn workspace_root() -> std::path::PathBuf {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}
