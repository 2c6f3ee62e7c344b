//! GGUF metadata from a configuration that did not come from any.

use super::ExportError;
use crate::config::{Activation, Block, Config, RopeScaling, RopeStyle};
use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::Value;

/// Every so many layers of Gemma 3 one is global, where the file says nothing.
const PATTERN: usize = 6;
/// Base of the rotation of Gemma 3's sliding layers, where the file says nothing.
const LOCAL_BASE: f64 = 10_000.0;
/// The Gemma 3 that scales queries by `hidden / heads`, known by its number of layers; GGUF does not say so.
const LAYERS_OF_27B: usize = 62;

/// The name of an architecture in GGUF and the pairing of its rotated rows there.
pub(super) fn architecture(config: &Config) -> Result<(&'static str, RopeStyle), ExportError> {
    match config.architecture {
        "llama" | "mistral" | "mixtral" => Ok(("llama", RopeStyle::Interleaved)),
        "qwen2" => Ok(("qwen2", RopeStyle::HalfSplit)),
        "gemma3" => Ok(("gemma3", RopeStyle::HalfSplit)),
        "falcon" => Ok(("falcon", RopeStyle::HalfSplit)),
        other => Err(unsupported(format!("the architecture {other}"))),
    }
}

fn unsupported(what: String) -> ExportError {
    ExportError::Unsupported { what, target: "GGUF", advice: "write a Hugging Face folder instead" }
}

/// The entries `{arch}.*`, as llama.cpp's converter writes them.
///
/// # Errors
/// Options that readers of GGUF take for granted and this model has otherwise.
pub(super) fn entries(config: &Config) -> Result<Vec<(String, Value)>, ExportError> {
    let (arch, _) = architecture(config)?;
    check(arch, config)?;
    let mut entries = Vec::new();
    let mut put = |key: &str, value: Value| entries.push((format!("{arch}.{key}"), value));
    let size = |n: usize| Value::U32(u32::try_from(n).unwrap_or(u32::MAX));
    let Some(rope) = config.ropes.first() else { return Err(unsupported("a model without rotation".into())) };
    put("block_count", size(config.layers.len()));
    put("context_length", size(config.context));
    put("embedding_length", size(config.hidden));
    put("feed_forward_length", size(config.feed_forward));
    put("attention.head_count", size(config.heads));
    put("attention.head_count_kv", size(config.kv_heads));
    put("vocab_size", size(config.vocab_size));
    put("rope.freq_base", Value::F32(rope.base as f32));
    put("rope.dimension_count", size(rope.rotary_dim));
    if let RopeScaling::Linear(factor) = rope.scaling {
        put("rope.scaling.type", Value::String("linear".into()));
        put("rope.scaling.factor", Value::F32(factor as f32));
    }
    if arch == "falcon" {
        put("attention.layer_norm_epsilon", Value::F32(config.norm_eps));
        put("tensor_data_layout", Value::String("jploski".into()));
        return Ok(entries);
    }
    put("attention.layer_norm_rms_epsilon", Value::F32(config.norm_eps));
    put("attention.key_length", size(config.head_dim));
    put("attention.value_length", size(config.head_dim));
    if let Some(experts) = config.experts {
        put("expert_count", size(experts.count));
        put("expert_used_count", size(experts.used));
    }
    if let Some(window) = config.layers.iter().find_map(|layer| layer.window) {
        put("attention.sliding_window", size(window));
    }
    if arch == "gemma3" {
        let pattern = pattern(config)?;
        if pattern != PATTERN {
            put("attention.sliding_window_pattern", size(pattern));
        }
        if let Some(local) = config.ropes.get(1).filter(|rope| rope.base != LOCAL_BASE) {
            put("rope.freq_base_swa", Value::F32(local.base as f32));
        }
        if let Some(cap) = config.logit_softcap {
            put("final_logit_softcapping", Value::F32(cap));
        }
    }
    Ok(entries)
}

/// Refuses what GGUF has no words for.
fn check(arch: &str, config: &Config) -> Result<(), ExportError> {
    let gemma = arch == "gemma3";
    let activation = match arch {
        "gemma3" => Activation::GeluTanh,
        "falcon" => Activation::Gelu,
        _ => Activation::Silu,
    };
    if config.activation != activation {
        return Err(unsupported(format!("the activation {:?} in {arch} models", config.activation)));
    }
    if arch == "falcon" && !matches!(config.block, Block::Parallel { .. }) {
        return Err(unsupported("a Falcon whose feed-forward layers follow attention".into()));
    }
    let width = match config.layers.len() {
        LAYERS_OF_27B if gemma => config.hidden / config.heads,
        _ => config.head_dim,
    };
    if (config.attention_scale * (width as f32).sqrt() - 1.0).abs() > 1e-3 {
        return Err(unsupported(format!("an attention scale of {}", config.attention_scale)));
    }
    if arch != "llama" && config.ropes.iter().any(|rope| super::rope::divisors(rope).is_some()) {
        return Err(unsupported(format!("a rotation like that of Llama 3 in {arch} models")));
    }
    let local = config.ropes.get(1).map(|rope| &rope.scaling);
    if local.is_some_and(|scaling| *scaling != RopeScaling::None) {
        return Err(unsupported("a scaled rotation of sliding layers".into()));
    }
    // Elsewhere readers either slide in all layers or in none.
    let windows = config.layers.iter().filter(|layer| layer.window.is_some()).count();
    let uniform = windows == 0 || (arch == "llama" && windows == config.layers.len());
    if !gemma && !uniform {
        return Err(unsupported(format!("a sliding window in {windows} layers of a {arch} model")));
    }
    Ok(())
}

/// Every so many layers one is global.
fn pattern(config: &Config) -> Result<usize, ExportError> {
    let layers = config.layers.len();
    let fits = |pattern: &usize| {
        let global = |index: usize| (index + 1).is_multiple_of(*pattern);
        config.layers.iter().enumerate().all(|(index, layer)| (layer.rope == 0) == global(index))
    };
    std::iter::once(PATTERN)
        .chain(1..=layers + 1)
        .find(fits)
        .ok_or_else(|| unsupported("an order of sliding and global layers that does not repeat".into()))
}

/// The number by which `general.file_type` calls files that are mostly of this type (`llama_ftype` of llama.cpp).
pub(super) fn file_type(ty: GgmlType) -> u32 {
    match ty {
        GgmlType::F32 => 0,
        GgmlType::F16 => 1,
        GgmlType::Q4_0 => 2,
        GgmlType::Q4_1 => 3,
        GgmlType::Q8_0 => 7,
        GgmlType::Q5_0 => 8,
        GgmlType::Q5_1 => 9,
        GgmlType::Q2K => 10,
        GgmlType::Q3K => 11,
        GgmlType::Q4K => 14,
        GgmlType::Q5K => 16,
        GgmlType::Q6K => 18,
        GgmlType::Iq4Nl => 25,
        GgmlType::BF16 => 32,
    }
}
