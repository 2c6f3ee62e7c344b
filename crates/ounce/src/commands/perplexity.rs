//! `ounce perplexity`: how well a model predicts a text, and how far it is from another model.

use crate::cli::{Kv, Threads, at_least_one};
use crate::failure::Result;
use crate::{input, load, output, resolve};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use ounce_llm::evaluate::{self, Divergence, EvaluateError, Perplexity, Progress, Protocol};
use ounce_llm::session::Session;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Arguments of `ounce perplexity`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model
    model: String,
    /// The text, for instance the raw test split of WikiText-2
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// hf: as the AWQ repository and most papers measure; llama.cpp: as llama-perplexity does
    #[arg(long, value_enum, default_value_t = Named::Hf)]
    protocol: Named,
    /// Tokens of a window [default: 2048 for hf, 512 for llama.cpp]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    window: Option<usize>,
    /// Stop after so many windows [default: the whole text]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    chunks: Option<u32>,
    /// Measure the divergence from this model too, KL(AGAINST || MODEL)
    #[arg(long, value_name = "MODEL")]
    against: Option<String>,
    /// How keys and values are kept
    #[arg(long, value_enum, default_value_t = Kv::F16)]
    kv: Kv,
    #[command(flatten)]
    threads: Threads,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Named {
    Hf,
    #[value(name = "llama.cpp", alias = "llama-cpp")]
    LlamaCpp,
}

#[derive(Serialize)]
struct Report {
    model: String,
    protocol: &'static str,
    window: usize,
    chunks: usize,
    tokens: u64,
    perplexity: f64,
    standard_error: f64,
    mean_nll: f64,
    #[serde(flatten)]
    divergence: Option<DivergenceReport>,
}

#[derive(Serialize)]
struct DivergenceReport {
    against: String,
    against_perplexity: f64,
    kl: f64,
    kl_standard_error: f64,
    kl_p50: f64,
    kl_p90: f64,
    kl_p95: f64,
    kl_p99: f64,
    kl_max: f64,
    top1: f64,
    top1_standard_error: f64,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let protocol = match arguments.protocol {
        Named::Hf => Protocol::HF,
        Named::LlamaCpp => Protocol::LLAMA_CPP,
    };
    let protocol = arguments.window.map_or(protocol, |window| protocol.with_window(window));
    let path = resolve::resolve(&arguments.model)?;
    let against = arguments.against.as_deref().map(resolve::resolve).transpose()?;
    let text = input::read_text(&arguments.text)?;

    let threads = arguments.threads.get();
    let mut session = open(&path, arguments, threads, protocol)?;
    let tokens = protocol.encode(session.model().tokenizer(), &text)?;
    let chunks = arguments.chunks.map(|chunks| chunks as usize);
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{msg} [{bar:32}] {pos}/{len} windows, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut progress = |state: Progress| {
        bar.set_length(state.total as u64);
        bar.set_position(state.done as u64);
        bar.set_message(format!("perplexity {:.3}", state.perplexity));
        ControlFlow::Continue(())
    };
    let result = match &against {
        None => evaluate::perplexity(&mut session, &tokens, protocol, chunks, &mut progress)
            .map(|perplexity| (perplexity, None)),
        Some(path) => {
            let mut other = open(path, arguments, threads, protocol)?;
            if protocol.encode(other.model().tokenizer(), &text)? != tokens {
                return Err(EvaluateError::TokensDiffer.into());
            }
            evaluate::divergence(&mut session, &mut other, &tokens, protocol, chunks, &mut progress)
                .map(|divergence| (divergence.model.clone(), Some((divergence, path.as_path()))))
        }
    };
    bar.finish_and_clear();
    let (perplexity, divergence) = result?;
    let report = report(&path, &perplexity, divergence);
    if arguments.json { output::print_json(&report) } else { output::print(&describe(&report)) }
}

fn open(path: &Path, arguments: &Arguments, threads: usize, protocol: Protocol) -> Result<Session> {
    load::session(path, threads, Some(protocol.window()), arguments.kv.into())
        .map_err(|failure| failure.hint("choose a smaller --window"))
}

fn report(path: &Path, perplexity: &Perplexity, divergence: Option<(Divergence, &Path)>) -> Report {
    Report {
        model: resolve::display_name(path),
        protocol: perplexity.protocol.name(),
        window: perplexity.protocol.window(),
        chunks: perplexity.chunks,
        tokens: perplexity.tokens,
        perplexity: perplexity.perplexity,
        standard_error: perplexity.standard_error,
        mean_nll: perplexity.mean_nll,
        divergence: divergence.map(|(divergence, against)| {
            let [kl_p50, kl_p90, kl_p95, kl_p99] = divergence.kl_percentiles;
            DivergenceReport {
                against: resolve::display_name(against),
                against_perplexity: divergence.against.perplexity,
                kl: divergence.kl,
                kl_standard_error: divergence.kl_standard_error,
                kl_p50,
                kl_p90,
                kl_p95,
                kl_p99,
                kl_max: divergence.kl_max,
                top1: divergence.top1,
                top1_standard_error: divergence.top1_standard_error,
            }
        }),
    }
}

fn describe(report: &Report) -> String {
    let mut text = format!(
        "perplexity {:.4} ± {:.4}  ({} protocol, {} windows of {}, {} tokens scored)\n",
        report.perplexity,
        report.standard_error,
        report.protocol,
        report.chunks,
        report.window,
        output::count(report.tokens),
    );
    if let Some(d) = &report.divergence {
        text += &format!(
            "against {}: perplexity {:.4}  ({} protocol)\n\
             KL divergence {:.5} ± {:.5} nats; median {:.5}, 90% {:.5}, 95% {:.5}, 99% {:.5}, max {:.5}\n\
             same most likely token {:.2}% ± {:.2}%\n",
            d.against,
            d.against_perplexity,
            report.protocol,
            d.kl,
            d.kl_standard_error,
            d.kl_p50,
            d.kl_p90,
            d.kl_p95,
            d.kl_p99,
            d.kl_max,
            100.0 * d.top1,
            100.0 * d.top1_standard_error,
        );
    }
    text
}
