//! MPT (MosaicML, 2023): no positions but ALiBi, no biases.

use super::shape::Shape;
use super::{ConfigError, Description, Fields};
use crate::config::{Bias, Biases, Config, Positions, check_layers};

/// Exponent of the steepest slopes, unless the description says otherwise.
const LARGEST_BIAS: f64 = 8.0;

/// GGUF `mpt`.
pub(super) fn from_gguf(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let hidden = fields.size("embedding_length")?;
    let heads = fields.size("attention.head_count")?;
    let shape = Shape {
        vocab_size: description.checkpoint.rows("token_embd.weight")?,
        hidden,
        heads,
        kv_heads: fields.size_or("attention.head_count_kv", heads)?,
        feed_forward: fields.size_or("feed_forward_length", 4 * hidden)?,
        context: fields.size("context_length")?,
        layers: check_layers(fields.size("block_count")?)?,
        norm_eps: fields.number("attention.layer_norm_epsilon")? as f32,
    };
    let largest = fields.number_or("attention.max_alibi_bias", 0.0)?;
    if largest <= 0.0 {
        let key = fields.name("attention.max_alibi_bias");
        return Err(ConfigError::unsupported(&key, largest, "a positive number (ALiBi)"));
    }
    let clamp = fields.optional_number("attention.clamp_kqv")?.filter(|&limit| limit != 0.0);
    Ok(Config { bias: Biases::all(Bias::IfPresent), ..config(description, &shape, largest, clamp) })
}

/// `config.json` of type `mpt`.
pub(super) fn from_hugging_face(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let hidden = fields.size_or("d_model", 2048)?;
    let heads = fields.size_or("n_heads", 16)?;
    let expansion = fields.number_or("expansion_ratio", 4.0)?;
    let shape = Shape {
        vocab_size: fields.size_or("vocab_size", 50_368)?,
        hidden,
        heads,
        kv_heads: heads,
        feed_forward: (hidden as f64 * expansion) as usize,
        context: fields.size_or("max_seq_len", 2048)?,
        layers: check_layers(fields.size_or("n_layers", 24)?)?,
        norm_eps: fields.number_or("layer_norm_epsilon", 1e-5)? as f32,
    };
    let none = serde_json::Map::new();
    let attention = fields.object("attn_config")?.unwrap_or(Fields::Json(&none));
    if !attention.flag_or("alibi", true)? {
        return Err(ConfigError::unsupported("attn_config.alibi", false, "true"));
    }
    for key in ["qk_ln", "prefix_lm"] {
        if attention.flag_or(key, false)? {
            return Err(ConfigError::unsupported(&format!("attn_config.{key}"), true, "false"));
        }
    }
    if let Some(kind) = attention.optional_text("attn_type")?.filter(|&kind| kind != "multihead_attention") {
        return Err(ConfigError::unsupported("attn_config.attn_type", kind, "multihead_attention"));
    }
    if !fields.flag_or("no_bias", true)? {
        return Err(ConfigError::unsupported("no_bias", false, "true"));
    }
    let largest = attention.number_or("alibi_bias_max", LARGEST_BIAS)?;
    let clamp = attention.optional_number("clip_qkv")?.filter(|&limit| limit != 0.0);
    let config = config(description, &shape, largest, clamp);
    Ok(Config {
        tied: Some(fields.flag_or("tie_word_embeddings", true)?),
        attention_scale: attention
            .optional_number("softmax_scale")?
            .map_or(config.attention_scale, |scale| scale as f32),
        ..config
    })
}

fn config(description: &Description, shape: &Shape, largest: f64, clamp: Option<f64>) -> Config {
    // Heads are checked by the caller of the reader; slopes of absurdly many are not worth their memory.
    let heads = shape.heads.min(1 << 16);
    Config {
        norm_bias: Bias::IfPresent,
        positions: Positions::alibi(heads, largest as f32),
        qkv_clamp: clamp.map(|limit| limit as f32),
        ..shape.config(description.name)
    }
}
