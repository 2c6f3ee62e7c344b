//! `ounce tiny`: networks for microcontrollers.

mod emit;
mod plan;
mod simulate;
mod train;

use crate::failure::Result;
use clap::{Args, Subcommand};

/// Arguments of `ounce tiny`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile a quantized network to C99
    Emit(Box<emit::Arguments>),
    /// Plan the memory of a network and of ways to train it on the device, and search for such a way
    Plan(Box<plan::Arguments>),
    /// Compile a quantized network, run it on a simulated Cortex-M, and compare it with this machine
    Simulate(Box<simulate::Arguments>),
    /// Train a quantized network on pictures, in int8 as on a device
    Train(Box<train::Arguments>),
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Emit(arguments) => emit::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Simulate(arguments) => simulate::run(arguments),
        Command::Train(arguments) => train::run(arguments),
    }
}
