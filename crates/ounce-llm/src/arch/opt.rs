//! OPT (Zhang et al., 2022): a learned vector for every position, ReLU.

use super::shape::Shape;
use super::{ConfigError, Description, activation};
use crate::config::{Bias, Biases, Config, Positions, check_layers};

/// Row of the first position in the table of vectors.
const OFFSET: usize = 2;

/// `config.json` of type `opt`. GGUF has no such architecture.
pub(super) fn from_hugging_face(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let hidden = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let shape = Shape {
        vocab_size: fields.size("vocab_size")?,
        hidden,
        heads,
        kv_heads: heads,
        feed_forward: fields.size_or("ffn_dim", 4 * hidden)?,
        context: fields.size_or("max_position_embeddings", 2048)?,
        layers: check_layers(fields.size("num_hidden_layers")?)?,
        norm_eps: 1e-5,
    };
    for (key, only) in [
        ("do_layer_norm_before", true),
        ("layer_norm_elementwise_affine", true),
        ("_remove_final_layer_norm", false),
    ] {
        if fields.flag_or(key, only)? != only {
            return Err(ConfigError::unsupported(key, !only, if only { "true" } else { "false" }));
        }
    }
    let embedded = fields.size_or("word_embed_proj_dim", hidden)?;
    if embedded != hidden {
        return Err(ConfigError::unsupported("word_embed_proj_dim", embedded, "the value of hidden_size"));
    }
    let bias = if fields.flag_or("enable_bias", true)? { Bias::Required } else { Bias::None };
    Ok(Config {
        activation: activation(fields, "activation_function", "relu")?,
        bias: Biases::all(bias),
        positions: Positions::Learned { offset: OFFSET },
        tied: Some(fields.flag_or("tie_word_embeddings", true)?),
        ..shape.config(description.name)
    })
}

/// No GGUF file means this row.
pub(super) fn from_gguf(description: &Description) -> Result<Config, ConfigError> {
    Err(ConfigError::unsupported("general.architecture", description.name, "a Hugging Face folder"))
}
