//! `ounce inspect`: what is in a model file, without loading it.

use crate::failure::{Failure, Result};
use crate::load::with_hint;
use crate::{output, resolve};
use clap::Args;
use ounce_formats::gguf::Gguf;
use ounce_formats::quantized::{Activations, LinearFormat, LinearScheme};
use ounce_llm::arch;
use ounce_llm::checkpoint::{Checkpoint, TensorSummary};
use ounce_llm::config::Config;
use ounce_llm::template::ChatTemplate;
use ounce_llm::tokenizer::Tokenizer;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Arguments of `ounce inspect`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model
    model: String,
    /// List every tensor
    #[arg(long)]
    tensors: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    path: String,
    format: String,
    architecture: Option<Architecture>,
    /// Why the architecture cannot be run, if it cannot.
    problem: Option<String>,
    parameters: u64,
    tensor_count: usize,
    tensor_bytes: u64,
    bits_per_weight: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantization: Option<Quantization>,
    types: Vec<TypeRow>,
    tokenizer: Option<TokenizerRow>,
    tokenizer_problem: Option<String>,
    chat_template: bool,
    /// Why the chat template cannot be used, if it cannot.
    chat_template_problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tensors: Option<Vec<TensorRow>>,
}

#[derive(Serialize)]
struct Architecture {
    name: &'static str,
    layers: usize,
    hidden: usize,
    feed_forward: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    vocabulary: usize,
    context: usize,
    sliding_window: Option<usize>,
    experts: Option<usize>,
    experts_used: Option<usize>,
}

/// How a quantized Hugging Face folder stores its linear maps.
#[derive(Serialize)]
struct Quantization {
    method: String,
    /// The scheme of most parameters first.
    schemes: Vec<SchemeRow>,
}

#[derive(Serialize)]
struct SchemeRow {
    layout: &'static str,
    bits: u8,
    /// Columns that share a scale; absent for one scale per row.
    group: Option<usize>,
    symmetric: bool,
    activations: &'static str,
    matrices: usize,
    parameters: u64,
}

#[derive(Serialize)]
struct TypeRow {
    r#type: String,
    tensors: usize,
    parameters: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct TokenizerRow {
    vocabulary: usize,
    bos: Option<u32>,
    eos: Option<u32>,
    adds_bos: bool,
}

#[derive(Serialize)]
struct TensorRow {
    name: String,
    shape: Vec<usize>,
    r#type: String,
    bytes: u64,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let path = resolve::resolve(&arguments.model)?;
    let report = inspect(&path, arguments.tensors)?;
    if arguments.json { output::print_json(&report) } else { output::print(&describe(&report)) }
}

fn inspect(path: &Path, list: bool) -> Result<Report> {
    let checkpoint = Checkpoint::open(path).map_err(|error| with_hint(Failure::from(error), path))?;
    let tensors = checkpoint.tensors();
    let parameters = tensors.iter().map(elements).sum();
    let tensor_bytes: u64 = tensors.iter().map(|tensor| tensor.bytes).sum();
    let (architecture, problem) = match arch::config(&checkpoint) {
        Ok(config) => (Some(architecture(&config)), None),
        Err(error) => (None, Some(Failure::from(error).to_string())),
    };
    let (format, tokenizer, template) = if path.is_dir() {
        let template = ChatTemplate::from_folder(path);
        ("Hugging Face folder".to_owned(), Tokenizer::from_folder(path), template)
    } else {
        let file = Gguf::open(path)?;
        let template = ChatTemplate::from_gguf(file.metadata());
        let format = format!("GGUF version {}", file.version());
        (format, Tokenizer::from_gguf(file.metadata()), template)
    };
    let (tokenizer, tokenizer_problem) = match tokenizer {
        Ok(tokenizer) => (Some(tokenizer), None),
        Err(error) => (None, Some(Failure::from(error).to_string())),
    };
    Ok(Report {
        path: path.display().to_string(),
        format,
        architecture,
        problem,
        parameters,
        tensor_count: tensors.len(),
        tensor_bytes,
        bits_per_weight: if parameters == 0 { 0.0 } else { tensor_bytes as f64 * 8.0 / parameters as f64 },
        quantization: checkpoint.quantization().map(|quantization| Quantization {
            method: quantization.method().to_owned(),
            schemes: by_scheme(&tensors),
        }),
        types: by_type(&tensors),
        tokenizer: tokenizer.map(|tokenizer| TokenizerRow {
            vocabulary: tokenizer.vocab_size(),
            bos: tokenizer.bos(),
            eos: tokenizer.eos(),
            adds_bos: tokenizer.adds_bos(),
        }),
        tokenizer_problem,
        chat_template: matches!(template, Ok(Some(_))),
        chat_template_problem: template.err().map(|error| Failure::from(error).to_string()),
        tensors: list.then(|| tensors.into_iter().map(row).collect()),
    })
}

fn architecture(config: &Config) -> Architecture {
    Architecture {
        name: config.architecture,
        layers: config.layers.len(),
        hidden: config.hidden,
        feed_forward: config.feed_forward,
        heads: config.heads,
        kv_heads: config.kv_heads,
        head_dim: config.head_dim,
        vocabulary: config.vocab_size,
        context: config.context,
        sliding_window: config.layers.iter().find_map(|layer| layer.window),
        experts: config.experts.map(|experts| experts.count),
        experts_used: config.experts.map(|experts| experts.used),
    }
}

fn elements(tensor: &TensorSummary) -> u64 {
    tensor.shape.iter().map(|&n| n as u64).product()
}

/// Quantized linear maps by scheme, the scheme of most parameters first.
fn by_scheme(tensors: &[TensorSummary]) -> Vec<SchemeRow> {
    let mut found: Vec<(&LinearScheme, SchemeRow)> = Vec::new();
    for tensor in tensors {
        let Some(scheme) = &tensor.scheme else { continue };
        let at = found.iter().position(|(other, _)| *other == scheme).unwrap_or_else(|| {
            found.push((scheme, scheme_row(scheme)));
            found.len() - 1
        });
        found[at].1.matrices += 1;
        found[at].1.parameters += elements(tensor);
    }
    let mut rows: Vec<SchemeRow> = found.into_iter().map(|(_, row)| row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.parameters));
    rows
}

fn scheme_row(scheme: &LinearScheme) -> SchemeRow {
    SchemeRow {
        layout: match scheme.format {
            LinearFormat::AwqGemm => "gemm",
            LinearFormat::AwqGemv => "gemv",
            LinearFormat::Gptq => "gptq",
            LinearFormat::GptqV2 => "gptq_v2",
            LinearFormat::PackQuantized => "pack-quantized",
            LinearFormat::IntQuantized => "int-quantized",
            _ => "other",
        },
        bits: scheme.bits,
        group: scheme.group,
        symmetric: scheme.symmetric,
        activations: match scheme.activations {
            Activations::Float => "float",
            Activations::Int8PerToken => "int8 per token",
            Activations::Int8PerTensor => "int8 per tensor",
        },
        matrices: 0,
        parameters: 0,
    }
}

/// Tensors by type, the type with most bytes first.
fn by_type(tensors: &[TensorSummary]) -> Vec<TypeRow> {
    let mut rows: BTreeMap<&str, TypeRow> = BTreeMap::new();
    for tensor in tensors {
        let row = rows.entry(tensor.ty.as_str()).or_insert_with(|| TypeRow {
            r#type: tensor.ty.clone(),
            tensors: 0,
            parameters: 0,
            bytes: 0,
        });
        row.tensors += 1;
        row.parameters += elements(tensor);
        row.bytes += tensor.bytes;
    }
    let mut rows: Vec<TypeRow> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    rows
}

fn row(tensor: TensorSummary) -> TensorRow {
    TensorRow { name: tensor.name, shape: tensor.shape, r#type: tensor.ty, bytes: tensor.bytes }
}

fn describe(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{label:<14}{}", output::escaped(&value));
    };
    line("file", format!("{} ({})", report.path, report.format));
    match (&report.architecture, &report.problem) {
        (Some(a), _) => describe_architecture(a, &mut line),
        (None, Some(problem)) => line("architecture", format!("cannot be run: {problem}")),
        (None, None) => {}
    }
    line("parameters", output::count(report.parameters));
    line(
        "size",
        format!(
            "{} in {} tensors, {:.2} bits per weight",
            output::bytes(report.tensor_bytes),
            report.tensor_count,
            report.bits_per_weight
        ),
    );
    if let Some(quantization) = &report.quantization {
        describe_quantization(quantization, &mut line);
    }
    let width = report.types.iter().map(|row| row.r#type.len()).max().unwrap_or(0).max(6);
    for (index, row) in report.types.iter().enumerate() {
        line(
            if index == 0 { "types" } else { "" },
            format!(
                "{:<width$} {:>4} tensors  {:>15} parameters  {:>9}",
                row.r#type,
                row.tensors,
                output::count(row.parameters),
                output::bytes(row.bytes)
            ),
        );
    }
    match (&report.tokenizer, &report.tokenizer_problem) {
        (Some(t), _) => {
            let id = |id: Option<u32>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
            let (bos, eos) = (id(t.bos), id(t.eos));
            let adds = if t.adds_bos { ", put before every text" } else { "" };
            line(
                "tokenizer",
                format!("{} tokens; begin {bos}{adds}; end {eos}", output::count(t.vocabulary as u64)),
            );
        }
        (None, Some(problem)) => line("tokenizer", format!("cannot be used: {problem}")),
        (None, None) => {}
    }
    line(
        "chat template",
        match &report.chat_template_problem {
            Some(problem) => format!("cannot be used: {problem}"),
            None => if report.chat_template { "yes" } else { "none" }.to_owned(),
        },
    );
    for tensor in report.tensors.iter().flatten() {
        let shape: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "{:<40} {:<16} {:<width$} {:>10}",
            output::escaped(&tensor.name).replace('\n', "\\n"),
            shape.join(" x "),
            tensor.r#type,
            output::bytes(tensor.bytes)
        );
    }
    text
}

fn describe_quantization(quantization: &Quantization, line: &mut impl FnMut(&str, String)) {
    if quantization.schemes.is_empty() {
        line("quantization", format!("{}, of no linear map", quantization.method));
    }
    for (index, row) in quantization.schemes.iter().enumerate() {
        let scales = row
            .group
            .map_or_else(|| "a scale per row".to_owned(), |columns| format!("a scale per {columns} columns"));
        let zeros = if row.symmetric { "symmetric" } else { "with zero points" };
        line(
            if index == 0 { "quantization" } else { "" },
            format!(
                "{} ({}): {} bits, {scales}, {zeros}; activations {}; {} matrices, {} parameters",
                quantization.method,
                row.layout,
                row.bits,
                row.activations,
                row.matrices,
                output::count(row.parameters)
            ),
        );
    }
}

fn describe_architecture(a: &Architecture, line: &mut impl FnMut(&str, String)) {
    line("architecture", format!("{}, {} layers of width {}", a.name, a.layers, a.hidden));
    line("attention", format!("{} heads of {}, {} for keys and values", a.heads, a.head_dim, a.kv_heads));
    let experts = match (a.experts, a.experts_used) {
        (Some(count), Some(used)) => format!(", {count} experts of which {used} are used"),
        _ => String::new(),
    };
    line("feed forward", format!("{}{experts}", output::count(a.feed_forward as u64)));
    let window = a.sliding_window.map_or_else(String::new, |n| format!(", sliding window {n}"));
    line("context", format!("{} tokens{window}", output::count(a.context as u64)));
    line("vocabulary", output::count(a.vocabulary as u64));
}
