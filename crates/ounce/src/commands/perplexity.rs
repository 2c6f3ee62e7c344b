//! `ounce perplexity`: how well a model predicts a text, and how far it is from another model.

use crate::cli::{Kv, Threads, at_least_one};
use crate::failure::{Failure, Result};
use crate::stream::{self, Measured, Reading, Settings, Sinks};
use crate::{input, load, output, resolve};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use ounce_llm::evaluate::{self, Divergence, EvaluateError, Perplexity, Progress, Protocol};
use ounce_llm::session::{Session, SessionOptions};
use ounce_llm::tokenizer::Special;
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
    /// Tokens of a window [default: 2048 for hf, 512 for llama.cpp, 1020 with --stream]
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
    #[command(flatten)]
    streaming: Streaming,
}

/// Arguments of a measurement along one long text.
#[derive(Debug, Args)]
#[command(next_help_heading = "Streaming")]
struct Streaming {
    /// Read the text as one stream, and report perplexity, time and memory along it
    #[arg(long, conflicts_with_all = ["protocol", "chunks", "against"])]
    stream: bool,
    #[command(flatten)]
    kept: Sinks,
    /// How the text is read, one after the other
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "dense,window,recompute,sinks",
        requires = "stream"
    )]
    readings: Vec<Reading>,
    /// Read only so many tokens [default: the whole text]
    #[arg(long, value_name = "N", value_parser = at_least_one(), requires = "stream")]
    tokens: Option<usize>,
    /// Tokens fed at once; 1 measures decoding [default: as many as are evicted at a time]
    #[arg(long, value_name = "N", value_parser = at_least_one(), requires = "stream")]
    feed: Option<usize>,
    /// Tokens of one row of the report
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 1000, requires = "stream")]
    every: usize,
    /// Of the tokens, one in so many is measured with a window that is read anew
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 500, requires = "stream")]
    recompute_every: usize,
    /// Write all rows to this file
    #[arg(long, value_name = "FILE.csv", requires = "stream")]
    csv: Option<PathBuf>,
    /// Draw perplexity along the text
    #[arg(long, value_name = "FILE.svg", requires = "stream")]
    figure: Option<PathBuf>,
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
struct StreamReport<'a> {
    model: String,
    tokens: usize,
    sinks: usize,
    window: usize,
    evict: usize,
    feed: usize,
    readings: &'a [Measured],
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
    if arguments.streaming.stream {
        return run_stream(arguments);
    }
    if arguments.streaming.kept.is_given() {
        let cause = "--sinks and --evict are for texts that are read as one stream";
        return Err(Failure::usage(cause).hint("give --stream, too"));
    }
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

/// Reads the text as one stream, in several ways.
fn run_stream(arguments: &Arguments) -> Result<()> {
    let Streaming { kept, readings, tokens, feed, every, recompute_every, csv, figure, .. } =
        &arguments.streaming;
    for path in csv.iter().chain(figure) {
        output::check_writable(path)?;
    }
    let kept = kept.stream(arguments.window);
    let feed = feed.unwrap_or(kept.chunk);
    let settings = Settings { stream: kept, slice: feed, every: *every, recompute_every: *recompute_every };
    let path = resolve::resolve(&arguments.model)?;
    let text = input::read_text(&arguments.text)?;
    // Also tells at once whether the model takes such a window.
    let options = SessionOptions { kv: arguments.kv.into(), stream: Some(kept), ..SessionOptions::default() };
    let mut session = load::session(&path, arguments.threads.get(), options)?;
    let mut text = session.model().tokenizer().encode_document(&text, Special::AsText)?;
    text.truncate(tokens.unwrap_or(usize::MAX));

    let bar = ProgressBar::new(text.len() as u64).with_style(
        ProgressStyle::with_template("{msg} [{bar:32}] {pos}/{len} tokens, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut all = Vec::new();
    for &reading in readings {
        bar.reset();
        let measured = stream::measure(&mut session, &text, reading, &settings, &mut |row| {
            bar.set_position(row.tokens as u64);
            bar.set_message(format!("{} {:.2}, {:.2} ms", reading.name(), row.perplexity, row.ms_per_token));
        })?;
        all.push(measured);
    }
    bar.finish_and_clear();
    if let Some(path) = csv {
        output::write(path, &stream::csv(&all))?;
    }
    let model = resolve::display_name(&path);
    if let Some(path) = figure {
        let title = format!("{model}, {} sinks and a window of {}", kept.sinks, kept.window);
        output::write(path, &stream::figure(&title, &all))?;
    }
    if arguments.json {
        return output::print_json(&StreamReport {
            model,
            tokens: text.len(),
            sinks: kept.sinks,
            window: kept.window,
            evict: kept.chunk,
            feed,
            readings: &all,
        });
    }
    output::print(&stream::table(&all))
}

fn open(path: &Path, arguments: &Arguments, threads: usize, protocol: Protocol) -> Result<Session> {
    let options = SessionOptions {
        context: Some(protocol.window()),
        kv: arguments.kv.into(),
        ..SessionOptions::default()
    };
    load::session(path, threads, options).map_err(|failure| failure.hint("choose a smaller --window"))
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
