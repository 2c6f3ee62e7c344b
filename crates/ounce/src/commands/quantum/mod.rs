//! `ounce quantum`: circuits, devices and their noise, training.

mod devices;
mod draw;
mod run;
mod train;
mod transpile;

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
    /// Run a circuit on a simulator, or with the noise of a device, and count what is measured
    Run(Box<run::Arguments>),
    /// Draw a circuit
    Draw(draw::Arguments),
    /// Write a circuit in the gates and on the couplings of a device
    Transpile(transpile::Arguments),
    /// List devices whose calibration is at hand
    Devices(devices::Arguments),
    /// Train a circuit: a classifier, a variational algorithm, on a simulator or with the noise of a device
    Train(train::Arguments),
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Draw(arguments) => draw::run(arguments),
        Command::Transpile(arguments) => transpile::run(arguments),
        Command::Devices(arguments) => devices::run(arguments),
        Command::Train(arguments) => train::run(arguments),
    }
}
