//! `ounce streameval`: whether a stream remembers what its window holds.

use crate::cli::{Kv, Threads, at_least_one};
use crate::failure::{Failure, Result};
use crate::stream::{Reading, Sinks, enter};
use crate::{load, output, resolve};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ounce_llm::evaluate::{self, Answer, StreamEvalOptions};
use ounce_llm::session::SessionOptions;
use serde::Serialize;
use std::fmt::Write as _;
use std::ops::ControlFlow;

/// Arguments of `ounce streameval`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model
    model: String,
    /// Lines of the stream
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 1000)]
    lines: usize,
    /// A question follows every so many lines
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 10)]
    every: usize,
    /// It asks for the line that was read so many lines before
    #[arg(long, value_name = "N", value_parser = at_least_one(), default_value_t = 20)]
    back: usize,
    /// Last tokens that are kept [default: 1020]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    window: Option<usize>,
    #[command(flatten)]
    kept: Sinks,
    /// How the stream is read, one after the other
    #[arg(long, value_enum, value_delimiter = ',', default_value = "dense,window,recompute,sinks")]
    readings: Vec<Reading>,
    /// Another seed gives other names and numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
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
    lines: usize,
    every: usize,
    back: usize,
    /// Tokens between a line and the question about it, about.
    tokens_back: usize,
    sinks: usize,
    window: usize,
    evict: usize,
    readings: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    reading: Reading,
    /// Tokens of the stream before the last question.
    tokens: usize,
    questions: usize,
    /// Share of questions to which greedy decoding gives the right answer.
    accuracy: f64,
    /// The same for the last half of the questions.
    accuracy_last_half: f64,
    /// Share of the tokens of all answers that were the most likely ones.
    token_accuracy: f64,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { lines, every, back, seed, .. } = *arguments;
    if back > lines || every > lines {
        let cause = format!(
            "{lines} lines hold no question: one comes every {every} lines, for the line {back} before"
        );
        return Err(Failure::usage(cause).hint("ask for more --lines, or a smaller --every or --back"));
    }
    let kept = arguments.kept.stream(arguments.window);
    let path = resolve::resolve(&arguments.model)?;
    let options = SessionOptions { kv: arguments.kv.into(), stream: Some(kept), ..SessionOptions::default() };
    let mut session = load::session(&path, arguments.threads.get(), options)?;
    let task = StreamEvalOptions { lines, every, back, seed, recompute: None };
    let tokens_back = evaluate::tokens_back(session.model().tokenizer(), task)?;
    let bar = ProgressBar::new(lines as u64).with_style(
        ProgressStyle::with_template("{msg} [{bar:32}] {pos}/{len} lines, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut readings = Vec::new();
    for &reading in &arguments.readings {
        bar.reset();
        bar.set_message(reading.name());
        enter(&mut session, reading, kept)?;
        let recompute = (reading == Reading::Recompute).then(|| kept.sinks + kept.window);
        let mut answers = Vec::new();
        evaluate::stream_eval(&mut session, StreamEvalOptions { recompute, ..task }, &mut |answer| {
            bar.set_position(answer.lines as u64);
            answers.push(answer);
            ControlFlow::Continue(())
        })?;
        readings.push(row(reading, &answers));
    }
    bar.finish_and_clear();
    let report = Report {
        model: resolve::display_name(&path),
        lines,
        every,
        back,
        tokens_back,
        sinks: kept.sinks,
        window: kept.window,
        evict: kept.chunk,
        readings,
    };
    if arguments.json { output::print_json(&report) } else { output::print(&describe(&report)) }
}

fn row(reading: Reading, answers: &[Answer]) -> Row {
    let share = |answers: &[Answer]| {
        let right = answers.iter().filter(|answer| answer.is_correct()).count();
        right as f64 / answers.len().max(1) as f64
    };
    let total = |count: fn(&Answer) -> usize| answers.iter().map(count).sum::<usize>();
    Row {
        reading,
        tokens: answers.last().map_or(0, |answer| answer.tokens),
        questions: answers.len(),
        accuracy: share(answers),
        accuracy_last_half: share(&answers[answers.len() / 2..]),
        token_accuracy: total(|answer| answer.right) as f64 / total(|answer| answer.of).max(1) as f64,
    }
}

fn describe(report: &Report) -> String {
    let mut text = format!(
        "{} lines, a question every {} about the line {} before it (some {} tokens)\n\
         {:<10} {:>9} {:>10} {:>10} {:>10} {:>14}\n",
        output::count(report.lines as u64),
        report.every,
        report.back,
        output::count(report.tokens_back as u64),
        "reading",
        "tokens",
        "questions",
        "correct",
        "last half",
        "answer tokens",
    );
    for row in &report.readings {
        let _ = writeln!(
            text,
            "{:<10} {:>9} {:>10} {:>9.1}% {:>9.1}% {:>13.1}%",
            row.reading.name(),
            output::count(row.tokens as u64),
            row.questions,
            100.0 * row.accuracy,
            100.0 * row.accuracy_last_half,
            100.0 * row.token_accuracy,
        );
    }
    text
}
