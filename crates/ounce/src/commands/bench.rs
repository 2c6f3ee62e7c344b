//! `ounce bench`: prefill and decode speed, measured as llama-bench does.

use crate::cli::{Kv, Threads};
use crate::failure::{Failure, Result};
use crate::measure::{bandwidth, memory};
use crate::{load, output, resolve};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ounce_llm::sampling::Pcg32;
use ounce_llm::session::{Session, SessionOptions};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Arguments of `ounce bench`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model
    model: String,
    /// Tokens of the prompt; 0: prefill is not measured
    #[arg(short, long, value_name = "N", default_value_t = 512)]
    prompt: usize,
    /// Tokens to decode; 0: decode is not measured
    #[arg(short = 'n', long, value_name = "N", default_value_t = 128)]
    decode: usize,
    /// Runs of each, after one that is not counted
    #[arg(short, long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// How keys and values are kept
    #[arg(long, value_enum, default_value_t = Kv::F16)]
    kv: Kv,
    #[command(flatten)]
    threads: Threads,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    model: String,
    kernels: &'static str,
    threads: usize,
    prompt_tokens: usize,
    decode_tokens: usize,
    /// Median of the runs; null if not measured.
    prefill_tokens_per_s: Option<f64>,
    decode_tokens_per_s: Option<f64>,
    prefill_runs: Vec<f64>,
    decode_runs: Vec<f64>,
    weight_bytes_per_token: u64,
    /// Null if there was no memory to measure it.
    memory_bytes_per_s: Option<f64>,
    /// Weights streamed per second of decoding, as a share of `memory_bytes_per_s`.
    bandwidth_share: Option<f64>,
    load_seconds: f64,
    peak_rss_bytes: Option<u64>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let path = resolve::resolve(&arguments.model)?;
    let context = arguments.prompt.max(arguments.decode);
    if context == 0 {
        return Err(Failure::usage("with -p 0 and -n 0 there is nothing to measure"));
    }
    let start = Instant::now();
    let options =
        SessionOptions { context: Some(context), kv: arguments.kv.into(), ..SessionOptions::default() };
    let mut session = load::session(&path, arguments.threads.get(), options)
        .map_err(|failure| failure.hint("choose a smaller -p or -n"))?;
    let load_seconds = start.elapsed().as_secs_f64();

    let tokens = random_tokens(&session, context);
    let runs = arguments.runs as usize;
    let bar = ProgressBar::new(2 * (runs as u64 + 1)).with_style(
        ProgressStyle::with_template("measuring [{bar:32}] {pos}/{len} runs")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let prompt = &tokens[..arguments.prompt];
    let prefill = measure(runs, prompt.len(), &bar, || time_prefill(&mut session, prompt))?;
    let decoded = &tokens[..arguments.decode];
    let decode = measure(runs, decoded.len(), &bar, || time_decode(&mut session, decoded))?;
    bar.finish_and_clear();

    // Before the bandwidth is measured, which takes memory of its own.
    let peak_rss_bytes = memory::peak_rss_bytes();
    let weight_bytes = session.model().weight_bytes();
    let mut pool = session.into_pool();
    let decode_tokens_per_s = median(&decode);
    let mut report = Report {
        model: resolve::display_name(&path),
        kernels: pool.kernels().name(),
        threads: pool.threads(),
        prompt_tokens: arguments.prompt,
        decode_tokens: arguments.decode,
        prefill_tokens_per_s: median(&prefill),
        decode_tokens_per_s,
        prefill_runs: prefill,
        decode_runs: decode,
        weight_bytes_per_token: weight_bytes,
        memory_bytes_per_s: None,
        bandwidth_share: None,
        load_seconds,
        peak_rss_bytes,
    };
    // What was measured is out before the bandwidth takes memory.
    if !arguments.json {
        output::print(&describe(&report))?;
    }
    report.memory_bytes_per_s = bandwidth::read_bandwidth(&mut pool);
    report.bandwidth_share = decode_tokens_per_s
        .zip(report.memory_bytes_per_s)
        .map(|(speed, bandwidth)| speed * weight_bytes as f64 / bandwidth);
    if arguments.json { output::print_json(&report) } else { output::print(&describe_bandwidth(&report)) }
}

/// Random tokens of the vocabulary, the same every time.
fn random_tokens(session: &Session, n: usize) -> Vec<u32> {
    let vocab_size = session.model().tokenizer().vocab_size().min(session.model().config().vocab_size);
    let mut random = Pcg32::new(0);
    (0..n).map(|_| random.below(vocab_size as u32)).collect()
}

/// Tokens per second of every run but the first, which warms up.
fn measure(
    runs: usize,
    tokens: usize,
    bar: &ProgressBar,
    mut run: impl FnMut() -> Result<Duration>,
) -> Result<Vec<f64>> {
    let mut speeds = Vec::new();
    if tokens == 0 {
        return Ok(speeds);
    }
    for index in 0..=runs {
        let time = run()?;
        if index > 0 {
            speeds.push(tokens as f64 / time.as_secs_f64());
        }
        bar.inc(1);
    }
    Ok(speeds)
}

/// Reads the whole prompt at once, from an empty cache.
fn time_prefill(session: &mut Session, tokens: &[u32]) -> Result<Duration> {
    session.reset();
    let start = Instant::now();
    session.feed(tokens, &mut |_| true)?;
    Ok(start.elapsed())
}

/// Feeds one token after the other, from an empty cache; nothing is sampled.
fn time_decode(session: &mut Session, tokens: &[u32]) -> Result<Duration> {
    session.reset();
    let start = Instant::now();
    for token in tokens {
        session.feed(std::slice::from_ref(token), &mut |_| true)?;
    }
    Ok(start.elapsed())
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n.is_multiple_of(2) => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        _ => Some(sorted[middle]),
    }
}

fn describe(report: &Report) -> String {
    let mut text = format!("{}: {} threads, {} kernels\n", report.model, report.threads, report.kernels);
    let spread = |runs: &[f64]| {
        let low = runs.iter().copied().fold(f64::INFINITY, f64::min);
        let high = runs.iter().copied().fold(0.0, f64::max);
        format!("median of {}, {low:.1} to {high:.1}", runs.len())
    };
    if let Some(speed) = report.prefill_tokens_per_s {
        text += &format!(
            "prefill {:5} tokens  {speed:8.1} tokens/s  ({})\n",
            report.prompt_tokens,
            spread(&report.prefill_runs)
        );
    }
    if let Some(speed) = report.decode_tokens_per_s {
        text += &format!(
            "decode  {:5} tokens  {speed:8.1} tokens/s  ({})\n",
            report.decode_tokens,
            spread(&report.decode_runs)
        );
    }
    if let Some(peak) = report.peak_rss_bytes {
        text += &format!("loaded in {:.2} s, peak memory {}\n", report.load_seconds, output::bytes(peak));
    }
    text
}

fn describe_bandwidth(report: &Report) -> String {
    match (report.bandwidth_share, report.memory_bytes_per_s) {
        (Some(share), Some(bandwidth)) => format!(
            "decode streams {} per token: {:.0}% of the {}/s that this machine reads\n",
            output::bytes(report.weight_bytes_per_token),
            100.0 * share,
            output::bytes(bandwidth as u64),
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
