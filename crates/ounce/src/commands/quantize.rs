//! `ounce quantize`: makes a model smaller.

use crate::chat::Interrupt;
use crate::cli::Threads;
use crate::failure::{Failure, Result};
use crate::measure::memory::peak_rss_bytes;
use crate::quantize::applies::{self, DoesNotApply, Given};
use crate::quantize::{figure, table};
use crate::{input, output, resolve};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use ounce_formats::ggml::GgmlType;
use ounce_kernels::ThreadPool;
use ounce_llm::compress::{
    self, Activations, Alpha, CompressError, CompressOptions, CompressReport, Inspect, Method, Phase, Target,
};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `ounce quantize`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model
    model: String,
    /// What to write; must not exist
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// rtn: round to nearest, needs no text; awq: scale by what flows through; smoothquant: 8-bit weights and activations
    #[arg(long, value_enum, default_value_t = Named::Awq)]
    method: Named,
    /// autoawq and compressed-tensors are Hugging Face folders; gguf is one file [default: by the output's name: gguf for *.gguf, else autoawq for 4 bits and
    /// compressed-tensors for others]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Bits of a weight, 2 to 8 [default: 4; 8 for smoothquant]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=8))]
    bits: Option<u8>,
    /// Weights that share a scale; the largest that fits is used where this one does not divide the widths; 0: one scale per output channel
    /// [default: 128]
    #[arg(long, value_name = "N")]
    group: Option<usize>,
    /// No zero points
    #[arg(long)]
    symmetric: bool,
    /// Type of the matrices in a GGUF file: Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q6_K, Q8_0 or F16 [default: Q4_K]
    #[arg(long = "type", value_name = "TYPE", value_parser = ggml_type)]
    ggml_type: Option<GgmlType>,
    /// How the inputs of 8-bit matrices are stored: not at all, with a scale per token, or one per tensor [default: token for smoothquant, else float]
    #[arg(long, value_enum)]
    activations: Option<Inputs>,
    /// The text that the model reads to see what flows through it
    #[arg(long, value_name = "FILE")]
    calib: Option<PathBuf>,
    /// Sequences of that text, at most
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = crate::cli::at_least_one())]
    samples: usize,
    /// Tokens of a sequence [default: 512, or as many as the model takes]
    #[arg(long, value_name = "N", value_parser = crate::cli::at_least_one())]
    sequence: Option<usize>,
    /// Migration strength of smoothquant, 0 to 1, or auto: searched in every layer [default: auto]
    #[arg(long, value_name = "A|auto", allow_hyphen_values = true, value_parser = alpha)]
    alpha: Option<Alpha>,
    /// Whether smoothquant may rotate inputs while the model runs, where that lowers the error [default: auto with a scale per token and alpha auto,
    /// else none]
    #[arg(long, value_enum)]
    rotate: Option<Rotate>,
    /// Where awq measures the error of a scale [default: linear]
    #[arg(long, value_enum)]
    inspect: Option<Where>,
    /// Do not look for narrower ranges (awq)
    #[arg(long)]
    no_clip: bool,
    /// Round to nearest, without error feedback (awq)
    #[arg(long)]
    no_feedback: bool,
    /// Put the head into 8 bits too (compressed-tensors, gguf)
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(8..=8))]
    head: Option<u8>,
    /// Write errors and choices of every layer as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Draw the error of every layer
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    #[command(flatten)]
    threads: Threads,
    /// Print JSON rather than a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Named {
    Rtn,
    Awq,
    Smoothquant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Autoawq,
    CompressedTensors,
    Gguf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Inputs {
    Float,
    Token,
    Tensor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rotate {
    /// where it lowers the error
    Auto,
    /// not at all
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Where {
    /// at the outputs of the scaled maps, from the moments of their inputs
    Linear,
    /// at the output of the whole layer, run again for every candidate
    Block,
}

/// What `--report` and `--json` hold.
#[derive(Serialize)]
struct Report<'a> {
    model: String,
    output: String,
    seconds: f64,
    peak_rss_bytes: Option<u64>,
    #[serde(flatten)]
    compression: &'a CompressReport,
}

fn ggml_type(name: &str) -> Result<GgmlType, String> {
    let found = GgmlType::from_name(name).filter(|ty| ty.can_quantize());
    found.ok_or_else(|| "one of Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q6_K, Q8_0, F16, BF16, F32".to_owned())
}

fn alpha(text: &str) -> Result<Alpha, String> {
    if text == "auto" {
        return Ok(Alpha::Auto);
    }
    match text.parse::<f32>() {
        Ok(alpha) if (0.0..=1.0).contains(&alpha) => Ok(Alpha::Fixed(alpha)),
        _ => Err("a number from 0 to 1, or auto".to_owned()),
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let options = arguments.options()?;
    let source = resolve::resolve(&arguments.model)?;
    let Arguments { report, figure, output, .. } = arguments;
    let files: Vec<&PathBuf> = report.iter().chain(figure).collect();
    for (index, path) in files.iter().enumerate() {
        if *path == output || **path == source || files[..index].contains(path) {
            let cause = format!("{} cannot hold two things", path.display());
            return Err(Failure::usage(cause).hint("give --report, --figure and -o paths of their own"));
        }
        output::check_writable(path)?;
    }
    let text = arguments.calib.as_deref().map(input::read_text).transpose()?;
    let interrupt = Interrupt::listen()?;
    interrupt.listen_for_the_end()?;
    let mut pool = ThreadPool::new(arguments.threads.get());
    let begun = Instant::now();
    let bar = ProgressBar::new(1000).with_style(
        ProgressStyle::with_template("{msg} [{bar:32}] {percent}%, {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let result =
        compress::compress(&source, &arguments.output, &options, text.as_deref(), &mut pool, &mut |state| {
            let phase = match state.phase {
                Phase::Calibrate => "reading the text",
                Phase::Search => "searching scales",
                Phase::Round => "rounding",
            };
            bar.set_position((state.share * 1000.0) as u64);
            bar.set_message(format!("layer {} of {}: {phase}", state.layers_done + 1, state.layers));
            if interrupt.pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    bar.finish_and_clear();
    let compression = result.map_err(failure)?;
    let report = Report {
        model: resolve::display_name(&source),
        output: arguments.output.display().to_string(),
        seconds: begun.elapsed().as_secs_f64(),
        peak_rss_bytes: peak_rss_bytes(),
        compression: &compression,
    };
    if let Some(path) = &arguments.report {
        output::write(path, &format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    }
    if let Some(path) = &arguments.figure {
        let title = format!("{}, {}", report.model, compression.weights);
        output::write(path, &figure::svg(&title, &compression))?;
    }
    if arguments.json {
        return output::print_json(&report);
    }
    let memory = report
        .peak_rss_bytes
        .map_or_else(String::new, |n| format!(", {} of memory at most", output::bytes(n)));
    output::print(&format!(
        "{}{}: {}, {:.3} bits per weight in quantized matrices\n{:.1} s{memory}\n",
        table::layers(&compression),
        report.output,
        output::bytes(compression.bytes),
        compression.bits_per_weight,
        report.seconds,
    ))
}

fn failure(error: CompressError) -> Failure {
    let usage = matches!(error, CompressError::Options(_) | CompressError::Sequence { .. });
    let text = matches!(error, CompressError::NoText | CompressError::TooShort { .. });
    let failure = if usage { Failure::usage(error) } else { Failure::from(error) };
    if text {
        failure.hint("--calib FILE: some hundred kilobytes of text like what the model will read")
    } else {
        failure
    }
}

impl Arguments {
    fn options(&self) -> Result<CompressOptions> {
        let smooth = self.method == Named::Smoothquant;
        let activations = match self.activations {
            Some(Inputs::Float) => Activations::Float,
            Some(Inputs::Token) => Activations::PerToken,
            Some(Inputs::Tensor) => Activations::PerTensor,
            None if smooth => Activations::PerToken,
            None => Activations::Float,
        };
        let int8 = activations != Activations::Float;
        let bits = self.bits.unwrap_or(if smooth || int8 { 8 } else { 4 });
        let ggml_type = self.ggml_type.unwrap_or(GgmlType::Q4K);
        let gguf = self.output.extension().is_some_and(|extension| extension == "gguf");
        let target = match self.format {
            Some(Format::Gguf) => Target::Gguf(ggml_type),
            Some(Format::Autoawq) => Target::AutoAwq,
            Some(Format::CompressedTensors) => Target::CompressedTensors,
            None if gguf => Target::Gguf(ggml_type),
            None if bits == 4 && !self.symmetric && !int8 && !smooth && self.head.is_none() => {
                Target::AutoAwq
            }
            None => Target::CompressedTensors,
        };
        let group = match self.group {
            Some(0) => None,
            Some(group) => Some(group),
            None if int8 => None,
            None => Some(128),
        };
        let inspect = match self.inspect {
            None | Some(Where::Linear) => Inspect::Linear,
            Some(Where::Block) => Inspect::Block,
        };
        let alpha = self.alpha.unwrap_or(Alpha::Auto);
        let rotate = match self.rotate {
            Some(rotate) => rotate == Rotate::Auto,
            None => alpha == Alpha::Auto && activations == Activations::PerToken,
        };
        self.check_use(target).map_err(Failure::usage)?;
        let method = match self.method {
            Named::Rtn => Method::Nearest,
            Named::Awq => Method::Awq { clip: !self.no_clip, feedback: !self.no_feedback, inspect },
            Named::Smoothquant => Method::SmoothQuant { alpha, rotate },
        };
        Ok(CompressOptions {
            method,
            bits,
            group,
            symmetric: self.symmetric,
            activations,
            target,
            int8_head: self.head.is_some(),
            samples: self.samples,
            sequence: self.sequence,
            ..CompressOptions::default()
        })
    }

    /// Refuses options that the method or the target would pass over.
    fn check_use(&self, target: Target) -> Result<(), DoesNotApply> {
        let (method, awq) = match self.method {
            Named::Rtn => ("rtn", false),
            Named::Awq => ("awq", true),
            Named::Smoothquant => ("smoothquant", false),
        };
        let smooth = self.method == Named::Smoothquant;
        let option = |option, given, applies, advice| Given { option, given, applies, advice };
        applies::check(
            method,
            &[
                option("--alpha", self.alpha.is_some(), smooth, "it is for smoothquant"),
                option("--rotate", self.rotate.is_some(), smooth, "it is for smoothquant"),
                option("--inspect", self.inspect.is_some(), awq, "it is for awq"),
                option("--no-clip", self.no_clip, awq, "it is for awq"),
                option(
                    "--no-feedback",
                    self.no_feedback,
                    awq,
                    "it is for awq; smoothquant rounds to nearest with a fixed --alpha",
                ),
            ],
        )?;
        let gguf = matches!(target, Target::Gguf(_));
        let by_type = "the type of a GGUF file says it: choose one with --type";
        applies::check(
            if gguf { "GGUF" } else { "folders" },
            &[
                option("--bits", self.bits.is_some(), !gguf, by_type),
                option("--group", self.group.is_some(), !gguf, by_type),
                option("--symmetric", self.symmetric, !gguf, by_type),
                option(
                    "--type",
                    self.ggml_type.is_some(),
                    gguf,
                    "it is for GGUF; folders take --bits and --group",
                ),
            ],
        )
    }
}
