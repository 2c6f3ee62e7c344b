//! Falcon: attention and feed-forward side by side. The 7B has one key/value head and one normalisation; 40B, 180B and 11B
//! (`new_decoder_architecture`) have groups of heads and two normalisations or one.

use super::shape::{Shape, either};
use super::{ConfigError, Description, activation, rope};
use crate::config::{Bias, Biases, Block, Config, check_layers};

/// GGUF `falcon`.
pub(super) fn from_gguf(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let hidden = fields.size("embedding_length")?;
    let heads = fields.size("attention.head_count")?;
    let shape = Shape {
        vocab_size: description.checkpoint.rows("token_embd.weight")?,
        hidden,
        heads,
        kv_heads: fields.size_or("attention.head_count_kv", 1)?,
        feed_forward: fields.size_or("feed_forward_length", 4 * hidden)?,
        context: fields.size("context_length")?,
        layers: check_layers(fields.size("block_count")?)?,
        norm_eps: fields.number("attention.layer_norm_epsilon")? as f32,
    };
    let two_norms = description.checkpoint.holds("blk.0.attn_norm_2.weight");
    Ok(Config {
        block: Block::Parallel { shared_norm: !two_norms },
        bias: Biases::all(Bias::IfPresent),
        ropes: vec![rope::from_gguf(description, shape.head_dim())?],
        ..shape.config(description.name)
    })
}

/// `config.json` of type `falcon`.
pub(super) fn from_hugging_face(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    if fields.flag_or("alibi", false)? {
        return Err(ConfigError::unsupported("alibi", true, "false (rotary positions)"));
    }
    let hidden = fields.size("hidden_size")?;
    let heads = either(fields, "num_attention_heads", "n_head")?
        .ok_or(ConfigError::Missing { key: "num_attention_heads".into() })?;
    let layers = either(fields, "num_hidden_layers", "n_layer")?
        .ok_or(ConfigError::Missing { key: "num_hidden_layers".into() })?;
    let grouped = fields.flag_or("new_decoder_architecture", false)?;
    let kv_heads = match (grouped, fields.flag_or("multi_query", true)?) {
        (false, true) => 1,
        _ => either(fields, "num_kv_heads", "n_head_kv")?.unwrap_or(heads),
    };
    let parallel = grouped || fields.flag_or("parallel_attn", true)?;
    let norms = match fields.optional_size("num_ln_in_parallel_attn")? {
        Some(norms) => norms,
        None => 1 + usize::from(grouped),
    };
    let shape = Shape {
        vocab_size: fields.size("vocab_size")?,
        hidden,
        heads,
        kv_heads,
        feed_forward: fields.size_or("ffn_hidden_size", 4 * hidden)?,
        context: fields.size_or("max_position_embeddings", 2048)?,
        layers: check_layers(layers)?,
        norm_eps: fields.number_or("layer_norm_epsilon", 1e-5)? as f32,
    };
    let bias = if fields.flag_or("bias", false)? { Bias::Required } else { Bias::None };
    let block =
        if parallel { Block::Parallel { shared_norm: !grouped || norms == 1 } } else { Block::Sequential };
    Ok(Config {
        block,
        activation: activation(fields, "activation", "gelu")?,
        bias: Biases::all(bias),
        tied: Some(fields.flag_or("tie_word_embeddings", true)?),
        ropes: vec![rope::from_hugging_face(fields, shape.head_dim(), 10_000.0, None)?],
        ..shape.config(description.name)
    })
}
