//! The `ounce` program: models that fit the machine you have.
//!
//! Every subcommand is one file under `commands/`. Standard output carries data, standard error everything else.
#![forbid(unsafe_code)]

mod cache;
mod catalogue;
mod chart;
mod chat;
mod cli;
mod commands;
mod failure;
mod fetch;
mod input;
mod load;
mod measure;
mod output;
mod quantize;
mod quantum;
mod resolve;
mod stream;
mod tiny;

use clap::Parser as _;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Pull(arguments) => commands::pull::run(&arguments),
        Command::Chat(arguments) => commands::chat::run(&arguments),
        Command::Inspect(arguments) => commands::inspect::run(&arguments),
        Command::Perplexity(arguments) => commands::perplexity::run(&arguments),
        Command::Quantize(arguments) => commands::quantize::run(&arguments),
        Command::Serve(arguments) => commands::serve::run(&arguments),
        Command::Streameval(arguments) => commands::streameval::run(&arguments),
        Command::Bench(arguments) => commands::bench::run(&arguments),
        Command::Quantum(arguments) => commands::quantum::run(&arguments),
        Command::Tiny(arguments) => commands::tiny::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
