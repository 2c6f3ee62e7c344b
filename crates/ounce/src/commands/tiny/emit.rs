//! `ounce tiny emit`.

use crate::failure::{Context as _, Failure, Result};
use crate::output;
use crate::tiny::training::{Rounding, trainable};
use crate::tiny::{Limits, Network};
use clap::Args;
use ounce_tiny::emit::{EmitError, EmitOptions, Emitted, Entry, emit};
use ounce_tiny::rehearsal::emit_training;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Arguments of `ounce tiny emit`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: Network,
    /// The folder for the program, which must not exist
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Begins the names of files and functions
    #[arg(long, value_name = "NAME", default_value = "model")]
    name: String,
    /// Emit a training step, too: a scheme's file; full; bias:N or last:N of the last convolutions; the memory in KB of a scheme
    /// that was published for the network, such as 49
    #[arg(long, value_name = "FILE|NAME")]
    scheme: Option<String>,
    /// How many classes a network that learns has, with a new classifier [default: what it has]
    #[arg(long, value_name = "N", requires = "scheme", conflicts_with = "trained", value_parser = crate::cli::up_to_a_million())]
    classes: Option<usize>,
    /// How updated weights become integers
    #[arg(long, value_enum, requires = "scheme", default_value_t = Rounding::Stochastic)]
    rounding: Rounding,
    /// Of the new classifier and of stochastic rounding
    #[arg(long, value_name = "N", requires = "scheme", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    limits: Limits,
    /// Refuse to write a program that does not fit
    #[arg(long)]
    check: bool,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    arena_bytes: u64,
    arena_lower_bound_bytes: u64,
    state_bytes: u64,
    constant_bytes: u64,
    code_bytes_at_most: u64,
    sram_bytes: u64,
    flash_bytes: u64,
    fits: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.output.exists() {
        let cause = format!("{} exists", arguments.output.display());
        return Err(Failure::new(cause).hint("name another folder, or remove it"));
    }
    arguments.network.check()?;
    let program = program(arguments)?;
    let (budget, memory) = (arguments.limits.budget(), program.memory);
    let fits = budget.check(&memory);
    if arguments.check
        && let Err(error) = &fits
    {
        return Err(
            Failure::from_error(error).hint("nothing was written; give more memory, or a smaller --size")
        );
    }
    write(&program, &arguments.output)?;
    let report = Report {
        arena_bytes: memory.arena,
        arena_lower_bound_bytes: memory.lower_bound,
        state_bytes: memory.state,
        constant_bytes: memory.constants,
        code_bytes_at_most: memory.code(),
        sram_bytes: memory.sram(budget.stack),
        flash_bytes: memory.flash(),
        fits: fits.is_ok(),
    };
    if arguments.json {
        return output::print_json(&report);
    }
    output::print(&format!(
        "SRAM   {:>9} bytes  arena {}, trained parameters {}, stack {}\nflash  {:>9} bytes  constants {}, code at most {}\n",
        report.sram_bytes,
        memory.arena,
        memory.state,
        budget.stack,
        report.flash_bytes,
        memory.constants,
        memory.code()
    ))?;
    if let Err(error) = fits {
        output::note(error);
    }
    Ok(())
}

fn program(arguments: &Arguments) -> Result<Emitted> {
    let options = EmitOptions { name: arguments.name.clone(), ..EmitOptions::default() };
    let Some(scheme) = &arguments.scheme else {
        let graph = arguments.network.graph()?;
        let entries = [Entry { name: "invoke", graph: &graph }];
        return emit(&entries, &options).map_err(|error| Failure::from_error(&error));
    };
    let model = arguments.network.model();
    let network = match (arguments.network.trained()?, arguments.classes) {
        (Some(trained), _) => trained.network,
        (None, Some(classes)) => model.trainable(None)?.with_classes(classes, arguments.seed)?,
        (None, None) => model.trainable(None)?,
    };
    let scheme = trainable::scheme(scheme, model.path(), network.conv_count())?;
    let step = arguments.rounding.options(arguments.seed);
    emit_training(&network, &scheme, &step, &options).map_err(|error| Failure::from_error(&error))
}

/// Writes the folder whole or not at all.
fn write(program: &Emitted, target: &Path) -> Result<()> {
    let parent = target.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let cannot = || format!("cannot write {}", target.display());
    let temporary = tempfile::Builder::new().prefix(".ounce-").tempdir_in(parent);
    let temporary = temporary.map_err(|error| output::without_path(&error)).context(cannot)?;
    let folder = temporary.path().join("program");
    // Nobody has heard of the temporary folder.
    program.write(&folder).map_err(|error| match error {
        EmitError::Io { source, .. } => Failure::new(format!("{}: {source}", cannot())),
        error => Failure::from_error(&error),
    })?;
    std::fs::rename(&folder, target).context(cannot)
}
