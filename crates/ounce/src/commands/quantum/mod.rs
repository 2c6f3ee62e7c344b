//! `ounce quantum`: circuits, devices and their noise, training.

mod train;

use crate::failure::Result;
use clap::{Args, Subcommand};

/// Arguments of `ounce quantum`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a circuit: a classifier, a variational algorithm, on a simulator or with the noise of a device
    Train(train::Arguments),
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Train(arguments) => train::run(arguments),
    }
}
