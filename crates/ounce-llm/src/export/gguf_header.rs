//! What a GGUF file says before and after its layers.

use super::folder::source_tensor;
use super::gguf::{End, EndContent};
use super::plan::{Present, root_of};
use super::{ExportError, HeadExport, Origin, metadata, rope};
use crate::arch::names;
use crate::checkpoint::Source;
use crate::template::ChatTemplate;
use crate::tokenizer::gguf_tokenizer;
use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::{Value, Writer};
use std::path::Path;

const FILE_TYPE: &str = "general.file_type";
const QUANTIZATION_VERSION: &str = "general.quantization_version";
/// The present layout of ggml's block types.
const VERSION: u32 = 2;

/// A writer with all metadata. `main` is the type of most weights.
pub(super) fn header(
    path: &Path,
    origin: Origin<'_>,
    biases: Present,
    main: GgmlType,
) -> Result<Writer, ExportError> {
    let mut writer = Writer::new();
    let mut put = |key: &str, value: Value| writer.metadata(key, value).map(|_| ());
    let text = |text: &str| Value::String(text.to_owned());
    match origin.checkpoint.source() {
        Source::Gguf(file) => {
            for (key, value) in file.metadata().iter() {
                let own = [FILE_TYPE, QUANTIZATION_VERSION, "general.alignment"].contains(&key);
                // The parts of a model that was split are one file here.
                if !own && !key.starts_with("split.") {
                    put(key, value.clone())?;
                }
            }
        }
        Source::Folder(folder) => {
            let config = origin.config;
            let (arch, _) = metadata::architecture(config)?;
            if arch == "falcon" && (biases.qkv || biases.output || biases.feed_forward) {
                return Err(ExportError::Unsupported {
                    what: "a Falcon with biases".into(),
                    target: "GGUF",
                    advice: "write a Hugging Face folder instead",
                });
            }
            put("general.architecture", text(arch))?;
            put("general.type", text("model"))?;
            let name = folder.path().file_name().or(path.file_stem());
            put("general.name", text(&name.unwrap_or_default().to_string_lossy()))?;
            for (key, value) in metadata::entries(config)? {
                put(&key, value)?;
            }
            for (key, value) in gguf_tokenizer(folder.path(), config.vocab_size)? {
                put(&key, value)?;
            }
            if let Some(template) = ChatTemplate::from_folder(folder.path())? {
                put("tokenizer.chat_template", text(template.source()))?;
            }
        }
    }
    put(FILE_TYPE, Value::U32(metadata::file_type(main)))?;
    put(QUANTIZATION_VERSION, Value::U32(VERSION))?;
    Ok(writer)
}

/// The tensors before the layers and those after them.
pub(super) fn ends(origin: Origin<'_>, head: HeadExport) -> Result<(Vec<End>, Vec<End>), ExportError> {
    match origin.checkpoint.source() {
        Source::Gguf(_) => copied(origin, head),
        Source::Folder(_) => named(origin, head),
    }
}

/// All tensors of a GGUF file that belong to no layer, as they are.
fn copied(origin: Origin<'_>, head: HeadExport) -> Result<(Vec<End>, Vec<End>), ExportError> {
    let Source::Gguf(file) = origin.checkpoint.source() else { return Ok((Vec::new(), Vec::new())) };
    let names = &names::GGUF;
    let untied = file.tensor("output.weight").is_some();
    let head_name = if untied { "output.weight" } else { "token_embd.weight" };
    let in_layers = |name: &str| {
        let number = name.strip_prefix(names.layers).and_then(|rest| rest.split('.').next());
        let number = number.and_then(|number| number.parse::<usize>().ok());
        number.is_some_and(|number| number < origin.config.layers.len())
    };
    let ends = file.tensors().iter().filter(|tensor| !in_layers(&tensor.name)).map(|tensor| End {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        ty: if tensor.name == head_name { head_type(tensor.ty, &tensor.shape, head) } else { tensor.ty },
        content: EndContent::Source(tensor.name.clone()),
    });
    Ok(ends.partition(|end| !end.name.starts_with("output")))
}

/// The tensors of a folder under the names of GGUF.
fn named(origin: Origin<'_>, head: HeadExport) -> Result<(Vec<End>, Vec<End>), ExportError> {
    let Origin { checkpoint, config, names } = origin;
    let root = root_of(checkpoint, names);
    let stems = |root: &str, part: &[&str]| -> Vec<String> {
        part.iter().map(|stem| format!("{root}{stem}")).collect()
    };
    let heads = stems("", names.head);
    let tied =
        config.tied.unwrap_or_else(|| !heads.iter().any(|stem| checkpoint.holds(&format!("{stem}.weight"))));
    let matrix = |name: &str, stems: &[String], is_head: bool| -> Result<End, ExportError> {
        let tensor = source_tensor(origin, stems)?;
        let ty = if is_head { head_type(tensor.ty, &tensor.shape, head) } else { tensor.ty };
        let content = EndContent::Source(tensor.name.clone());
        Ok(End { name: format!("{name}.weight"), shape: tensor.shape, ty, content })
    };
    let vector = |name: String, values: Vec<f32>| End {
        name,
        shape: vec![values.len()],
        ty: GgmlType::F32,
        content: EndContent::Values(values),
    };
    let mut front = vec![matrix("token_embd", &stems(root, names.embedding), tied)?];
    if let Some(divisors) = config.ropes.first().and_then(rope::divisors) {
        front.push(vector("rope_freqs.weight".into(), divisors));
    }
    let norms = stems(root, names.final_norm);
    let mut norm = source_tensor(origin, &norms)?.dequantize();
    norm.iter_mut().for_each(|w| *w += config.norm_offset);
    let mut tail = vec![vector("output_norm.weight".into(), norm)];
    for stem in &norms {
        if let Some(bias) = checkpoint.tensor(&format!("{stem}.bias"))? {
            tail.push(vector("output_norm.bias".into(), bias.dequantize()));
        }
    }
    if !tied {
        tail.push(matrix("output", &heads, true)?);
    }
    Ok((front, tail))
}

/// The type of the head: 8 bits if they are asked for and it has more.
fn head_type(found: GgmlType, shape: &[usize], head: HeadExport) -> GgmlType {
    let fits = shape.last().is_some_and(|&cols| GgmlType::Q8_0.row_bytes(cols).is_some());
    let float = matches!(found, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16);
    if head == HeadExport::Int8 && float && fits { GgmlType::Q8_0 } else { found }
}
