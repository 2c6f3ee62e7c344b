//! The files beside the weights of a folder.

use super::plan::Present;
use super::{ExportError, FolderExport, FolderFormat, config_json};
use crate::checkpoint::Source;
use crate::tokenizer::{FolderTokenizer, folder_tokenizer};
use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::Metadata;
use ounce_formats::hugging_face::Folder;
use ounce_formats::quantized::{awq_config, compressed_tensors_config};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Files of a folder that are copied as they are: those of the tokenizer, the template, the pictures' processor, and what people read.
const COPIED: [&str; 15] = [
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "README.md",
    "USE_POLICY.md",
    "NOTICE",
];
/// Beginnings of the names of licences.
const LICENCES: [&str; 2] = ["LICENSE", "LICENCE"];

/// Adds everything but the weights.
pub(super) fn write(export: &mut FolderExport<'_>) -> Result<(), ExportError> {
    let checkpoint = export.origin.checkpoint;
    let mut config = match checkpoint.source() {
        Source::Folder(folder) => {
            copy(export, folder)?;
            of_folder(export, folder)
        }
        Source::Gguf(file) => of_gguf(export, file.metadata())?,
    };
    if let Some(quantization) = quantization(export) {
        config.insert("quantization_config".into(), quantization);
    }
    add_json(export, "config.json", &Value::Object(config))
}

fn add_json(export: &mut FolderExport<'_>, name: &str, value: &Value) -> Result<(), ExportError> {
    Ok(export.writer.add_file(name, format!("{value:#}\n").as_bytes())?)
}

/// Copies what a folder holds beside its weights and its configuration.
fn copy(export: &mut FolderExport<'_>, folder: &Folder) -> Result<(), ExportError> {
    let path = folder.path();
    let failed = |source| ExportError::Io { path: path.to_owned(), source };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let wanted = COPIED.contains(&&*name) || LICENCES.iter().any(|licence| name.starts_with(licence));
        if wanted && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    for file in files {
        export.writer.copy_file(&file)?;
    }
    Ok(())
}

/// The configuration of a folder, with what this export changes.
fn of_folder(export: &FolderExport<'_>, folder: &Folder) -> Map<String, Value> {
    let mut config = folder.config().as_object().cloned().unwrap_or_default();
    config.remove("quantization_config");
    config.remove("compression_config");
    if export.origin.config.tied == Some(true) && !export.tied {
        config.insert("tie_word_embeddings".into(), json!(false));
        if let Some(text) = config.get_mut("text_config").and_then(Value::as_object_mut) {
            text.insert("tie_word_embeddings".into(), json!(false));
        }
    }
    let dtype = dtype(export);
    // transformers 5 has shortened the name and reads both.
    let keys: Vec<&str> =
        ["dtype", "torch_dtype"].into_iter().filter(|key| config.contains_key(*key)).collect();
    for key in if keys.is_empty() { vec!["torch_dtype"] } else { keys } {
        config.insert(key.into(), json!(dtype));
    }
    config
}

/// Configuration and tokenizer of a GGUF file.
fn of_gguf(export: &mut FolderExport<'_>, metadata: &Metadata) -> Result<Map<String, Value>, ExportError> {
    let description = export.origin.config;
    let biases: Present = export.layout.biases;
    let mut config =
        config_json::kind(description)?.config(description, biases, export.tied, dtype(export))?;
    let FolderTokenizer { json, config: mut tokenizer, bos, ends, padding } = folder_tokenizer(metadata)?;
    if let Some(template) = metadata.string("tokenizer.chat_template")? {
        tokenizer["chat_template"] = json!(template);
    }
    tokenizer["model_max_length"] = json!(description.context);
    let mut generation = Map::new();
    let ends_value = |ends: &[u32]| if let [only] = ends { json!(only) } else { json!(ends) };
    let entries = [("bos_token_id", bos.map(|id| json!(id))), ("pad_token_id", padding.map(|id| json!(id)))];
    for (key, value) in entries {
        if let Some(value) = value {
            config.insert(key.into(), value.clone());
            generation.insert(key.into(), value);
        }
    }
    if let Some(first) = ends.first() {
        config.insert("eos_token_id".into(), json!(first));
        generation.insert("eos_token_id".into(), ends_value(&ends));
    }
    export.writer.add_file("tokenizer.json", &json)?;
    add_json(export, "tokenizer_config.json", &tokenizer)?;
    add_json(export, "generation_config.json", &Value::Object(generation))?;
    Ok(config)
}

/// The type that the model is meant to be run in. Gemma's activations overflow half precision.
fn dtype(export: &FolderExport<'_>) -> &'static str {
    match (&export.format, export.float) {
        (FolderFormat::Float(GgmlType::F32), _) => "float32",
        (_, GgmlType::BF16) => "bfloat16",
        _ if export.origin.config.architecture == "gemma3" => "bfloat16",
        _ => "float16",
    }
}

fn quantization(export: &FolderExport<'_>) -> Option<Value> {
    let mut kept = export.kept.clone();
    kept.sort();
    kept.dedup();
    match &export.format {
        FolderFormat::Float(_) => None,
        FolderFormat::AutoAwq { group } => Some(awq_config(group.unwrap_or(0), &kept)),
        FolderFormat::CompressedTensors(scheme) => {
            Some(compressed_tensors_config(scheme, &kept, export.head.as_ref(), &export.rotated))
        }
    }
}
