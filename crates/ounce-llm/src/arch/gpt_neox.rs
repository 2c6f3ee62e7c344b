//! GPT-NeoX (Black et al., 2022), also Pythia: rotation of a part of each head, attention and feed-forward side by side.

use super::shape::Shape;
use super::{ConfigError, Description, activation, rope};
use crate::config::{Bias, Biases, Block, Config, Rope, check_layers};

/// Part of a head that rotates, unless the description says otherwise.
const ROTARY_PART: f64 = 0.25;

/// GGUF `gptneox`.
pub(super) fn from_gguf(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let heads = fields.size("attention.head_count")?;
    let shape = Shape {
        vocab_size: description.checkpoint.rows("token_embd.weight")?,
        hidden: fields.size("embedding_length")?,
        heads,
        kv_heads: heads,
        feed_forward: fields.size("feed_forward_length")?,
        context: fields.size("context_length")?,
        layers: check_layers(fields.size("block_count")?)?,
        norm_eps: fields.number("attention.layer_norm_epsilon")? as f32,
    };
    let parallel = fields.flag_or("use_parallel_residual", true)?;
    Ok(Config {
        block: block(parallel),
        bias: Biases::all(Bias::IfPresent),
        ropes: vec![rope::from_gguf(description, shape.head_dim())?],
        ..shape.config(description.name)
    })
}

/// `config.json` of type `gpt_neox`.
pub(super) fn from_hugging_face(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let heads = fields.size("num_attention_heads")?;
    let shape = Shape {
        vocab_size: fields.size("vocab_size")?,
        hidden: fields.size("hidden_size")?,
        heads,
        kv_heads: heads,
        feed_forward: fields.size("intermediate_size")?,
        context: fields.size_or("max_position_embeddings", 2048)?,
        layers: check_layers(fields.size("num_hidden_layers")?)?,
        norm_eps: fields.number_or("layer_norm_eps", 1e-5)? as f32,
    };
    let head_dim = shape.head_dim();
    let base = fields.number_or("rotary_emb_base", 10_000.0)?;
    let mut ropes = vec![rope::from_hugging_face(fields, head_dim, base, None)?];
    if fields.object("rope_parameters")?.is_none() {
        // Before transformers 5.
        let part = fields.number_or("rotary_pct", ROTARY_PART)?;
        ropes = ropes
            .into_iter()
            .map(|rope| Rope { rotary_dim: (head_dim as f64 * part) as usize, ..rope })
            .collect();
    }
    let attention = if fields.flag_or("attention_bias", true)? { Bias::Required } else { Bias::None };
    Ok(Config {
        block: block(fields.flag_or("use_parallel_residual", true)?),
        activation: activation(fields, "hidden_act", "gelu")?,
        bias: Biases { feed_forward: Bias::Required, ..Biases::all(attention) },
        tied: Some(fields.flag_or("tie_word_embeddings", false)?),
        ropes,
        ..shape.config(description.name)
    })
}

fn block(parallel: bool) -> Block {
    if parallel { Block::Parallel { shared_norm: false } } else { Block::Sequential }
}
