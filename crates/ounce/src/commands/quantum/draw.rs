//! `ounce quantum draw`.

use crate::failure::Result;
use crate::output;
use crate::quantum::circuit;
use clap::Args;
use ounce_quantum::draw;
use std::path::PathBuf;

/// Arguments of `ounce quantum draw`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The circuit, in OpenQASM 2 or 3
    #[arg(value_name = "FILE.qasm")]
    circuit: PathBuf,
    /// Draw to this file instead of the terminal
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Characters of a line; 0: no limit
    #[arg(long, value_name = "N", default_value_t = 100)]
    width: usize,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let circuit = circuit::read(&arguments.circuit)?;
    match &arguments.svg {
        Some(path) => output::write(path, &draw::svg(&circuit, None)),
        None => output::print(&draw::text(&circuit, Some(arguments.width).filter(|width| *width > 0))),
    }
}
