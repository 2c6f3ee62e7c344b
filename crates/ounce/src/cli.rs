//! The command line, and the arguments that several commands share.

use crate::commands::{bench, chat, inspect, perplexity, pull, quantize, quantum, serve, streameval, tiny};
use crate::failure::{Failure, Result};
use crate::output::note;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use ounce_llm::cache::KvType;
use ounce_llm::sampling::SamplerOptions;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

/// Makes language models fit the machine you have, and runs them there.
///
/// MODEL is a name from the catalogue (`ounce pull` lists them), a GGUF file, or a Hugging Face folder.
#[derive(Debug, Parser)]
#[command(name = "ounce", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Fetch a model of the catalogue, or list them
    Pull(pull::Arguments),
    /// Talk to a model
    Chat(Box<chat::Arguments>),
    /// Serve models to any client of OpenAI's API, and a chat page
    Serve(Box<serve::Arguments>),
    /// Show architecture, tensors, quantization and sizes of a model
    Inspect(inspect::Arguments),
    /// Make a model smaller: AWQ, SmoothQuant or rounding, to AutoAWQ, compressed-tensors or GGUF
    Quantize(Box<quantize::Arguments>),
    /// Measure how well a model predicts a text
    Perplexity(perplexity::Arguments),
    /// Ask a model about lines that it read a while ago, along a text without end
    Streameval(streameval::Arguments),
    /// Measure prefill and decode speed
    Bench(bench::Arguments),
    /// Quantum circuits: run, draw and train them, with the noise of devices
    Quantum(Box<quantum::Arguments>),
    /// Networks for microcontrollers: train them in int8, compile them to C, run them on a simulated device
    Tiny(Box<tiny::Arguments>),
}

/// How many threads compute.
#[derive(Debug, Args)]
pub(crate) struct Threads {
    /// Number of threads [default: as many as this process may use]
    #[arg(short, long = "threads", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Threads {
    /// Whether their number was asked for.
    pub(crate) fn are_given(&self) -> bool {
        self.threads.is_some()
    }

    /// The number of threads. More than the processors this process may use would only wait for each other, so they are cut, which is
    /// said on standard error.
    pub(crate) fn get(&self) -> usize {
        let available = ounce_kernels::available_threads();
        let wanted = self.threads.map_or(available, usize::from);
        if wanted > available {
            note(format_args!(
                "{wanted} threads would wait for each other; using {available}, one per processor"
            ));
        }
        wanted.min(available)
    }
}

/// A parser of counts that cannot be zero.
pub(crate) fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// From 1 to as many as there may be classes, or pictures that are simulated.
pub(crate) fn up_to_a_million() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1_000_000)
}

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kv {
    /// 16-bit floats
    F16,
    /// Exact, twice the memory
    F32,
    /// 8-bit integers, half the memory
    Q8,
}

impl From<Kv> for KvType {
    fn from(kv: Kv) -> Self {
        match kv {
            Kv::F16 => Self::F16,
            Kv::F32 => Self::F32,
            Kv::Q8 => Self::Q8,
        }
    }
}

/// How the next token is chosen.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct Sampling {
    /// Always take the most likely token (the same as --temperature 0)
    #[arg(long, conflicts_with = "temperature")]
    greedy: bool,
    /// Above 1 more varied, below 1 more predictable; 0 is greedy
    #[arg(
        long,
        visible_alias = "temp",
        value_name = "T",
        default_value_t = 0.7,
        allow_negative_numbers = true
    )]
    temperature: f32,
    /// Choose among the K most likely tokens; 0: all
    #[arg(long, value_name = "K", default_value_t = 40)]
    top_k: usize,
    /// Choose among the most likely tokens that together reach this probability; 1: all
    #[arg(long, value_name = "P", default_value_t = 0.95, allow_negative_numbers = true)]
    top_p: f32,
    /// Choose among tokens at least this share as likely as the most likely one; 0: all
    #[arg(long, value_name = "P", default_value_t = 0.05, allow_negative_numbers = true)]
    min_p: f32,
    /// Make tokens of the last --repeat-window less likely, so that small models do not go round in circles; 1: off
    #[arg(
        long,
        visible_alias = "repetition-penalty",
        value_name = "X",
        default_value_t = 1.1,
        allow_negative_numbers = true
    )]
    repeat_penalty: f32,
    /// How many tokens --repeat-penalty looks back; 0: all
    #[arg(long, value_name = "N", default_value_t = 64)]
    repeat_window: usize,
    /// Subtracted from the logit of every token of the answer so far
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    presence_penalty: f32,
    /// Subtracted from a token's logit for every time it stands in the answer so far
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    frequency_penalty: f32,
    /// Where chance begins: the same seed gives the same answer [default: another every time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl Sampling {
    /// The sampler's options; a seed is drawn if none is given.
    pub(crate) fn options(&self) -> Result<SamplerOptions> {
        let options = SamplerOptions {
            temperature: if self.greedy { 0.0 } else { self.temperature },
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repeat_penalty,
            penalty_window: self.repeat_window,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            // The standard library keys its hash maps from the system's randomness.
            seed: self.seed.unwrap_or_else(|| RandomState::new().hash_one(0_u8)),
        };
        options.validate().map_err(Failure::usage)?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
