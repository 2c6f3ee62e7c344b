//! `ounce tiny simulate`.

use crate::failure::{Context as _, Failure, Result};
use crate::output;
use crate::tiny::{Limits, Network, parity};
use clap::{Args, ValueEnum};
use ounce_tiny::simulate::Target;

/// Arguments of `ounce tiny simulate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: Network,
    /// The processor
    #[arg(long, value_enum, default_value_t = Processor::M7)]
    target: Processor,
    #[command(flatten)]
    limits: Limits,
    /// How many images of noise it is given
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = crate::cli::at_least_one())]
    images: usize,
    /// Where the noise begins
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Processor {
    /// Cortex-M4 with floating point
    M4,
    /// Cortex-M7 with single-precision floating point
    M7,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let graph = arguments.network.graph()?;
    let target = match arguments.target {
        Processor::M4 => Target::CortexM4,
        Processor::M7 => Target::CortexM7,
    };
    let folder = tempfile::tempdir().context(|| "cannot make a temporary folder".to_owned())?;
    let budget = arguments.limits.budget();
    let report = parity::compare(&graph, target, &budget, arguments.images, arguments.seed, folder.path())
        .map_err(|error| Failure::from_error(&*error))?;
    if arguments.json {
        return output::print_json(&report);
    }
    output::print(&format!(
        "instructions  {:>11} an inference\nSRAM          {:>11} bytes, of them stack {} (at most {} in use)\nflash         {:>11} bytes\nresults       {} of {} are those of this machine bit for bit\n",
        report.instructions,
        report.sram_bytes,
        report.stack_bytes,
        report.stack_peak_bytes,
        report.flash_bytes,
        report.equal,
        report.images
    ))?;
    if report.equal == report.images {
        return Ok(());
    }
    Err(Failure::new("results differ between the simulated device and this machine"))
}
