//! Llama 1, 2 and 3 (also SmolLM2, TinyLlama), Mistral, Mixtral and Qwen 2: the same block, with a window, experts or biases.

use super::{ConfigError, Description, activation, rope};
use crate::config::{
    Activation, Bias, Biases, Block, Config, EmbeddingScale, Experts, LayerKind, NormKind, Positions,
    RopeStyle, check_layers,
};

/// GGUF `llama`: also Mistral and, with experts, Mixtral.
pub(super) fn from_gguf(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let hidden = fields.size("embedding_length")?;
    let heads = fields.size("attention.head_count")?;
    let head_dim = fields.size_or("attention.key_length", hidden / heads.max(1))?;
    if fields.size_or("attention.value_length", head_dim)? != head_dim {
        let found = fields.size("attention.value_length")?;
        return Err(ConfigError::unsupported(
            &fields.name("attention.value_length"),
            found,
            "the value of attention.key_length",
        ));
    }
    let experts = match fields.size_or("expert_count", 0)? {
        0 => None,
        count => Some(Experts { count, used: fields.size("expert_used_count")? }),
    };
    let window = fields.optional_size("attention.sliding_window")?.filter(|&window| window > 0);
    let layers = check_layers(fields.size("block_count")?)?;
    Ok(Config {
        architecture: description.name,
        vocab_size: description.checkpoint.rows("token_embd.weight")?,
        hidden,
        feed_forward: fields.size("feed_forward_length")?,
        heads,
        kv_heads: fields.size_or("attention.head_count_kv", heads)?,
        head_dim,
        context: fields.size("context_length")?,
        block: Block::Sequential,
        norm: NormKind::Rms,
        norm_eps: fields.number("attention.layer_norm_rms_epsilon")? as f32,
        norm_bias: Bias::None,
        norm_offset: 0.0,
        qk_norm: false,
        activation: Activation::Silu,
        gated: true,
        experts,
        bias: Biases::all(Bias::IfPresent),
        qkv_clamp: None,
        positions: Positions::Rotary,
        attention_scale: 1.0 / (head_dim as f32).sqrt(),
        logit_softcap: None,
        embedding_scale: EmbeddingScale::One,
        tied: None,
        // The converter to GGUF permutes the rows of q and k of Llama models for this style.
        rope_style: RopeStyle::Interleaved,
        ropes: vec![rope::from_gguf(description, head_dim)?],
        layers: vec![LayerKind { rope: 0, window }; layers],
    })
}

/// GGUF `qwen2`.
pub(super) fn qwen2_from_gguf(description: &Description) -> Result<Config, ConfigError> {
    let bias = Biases { qkv: Bias::Required, ..Biases::all(Bias::IfPresent) };
    Ok(Config { bias, rope_style: RopeStyle::HalfSplit, ..from_gguf(description)? })
}

/// `config.json` of type `llama`.
pub(super) fn llama(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let hidden = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let head_dim = fields.size_or("head_dim", hidden / heads.max(1))?;
    let layers = check_layers(fields.size("num_hidden_layers")?)?;
    let bias = |present| if present { Bias::Required } else { Bias::None };
    let attention = bias(fields.flag_or("attention_bias", false)?);
    let feed_forward = bias(fields.flag_or("mlp_bias", false)?);
    Ok(Config {
        architecture: description.name,
        vocab_size: fields.size("vocab_size")?,
        hidden,
        feed_forward: fields.size("intermediate_size")?,
        heads,
        kv_heads: fields.size_or("num_key_value_heads", heads)?,
        head_dim,
        context: fields.size_or("max_position_embeddings", 2048)?,
        block: Block::Sequential,
        norm: NormKind::Rms,
        norm_eps: fields.number_or("rms_norm_eps", 1e-6)? as f32,
        norm_bias: Bias::None,
        norm_offset: 0.0,
        qk_norm: false,
        activation: activation(fields, "hidden_act", "silu")?,
        gated: true,
        experts: None,
        bias: Biases { qkv: attention, output: attention, feed_forward },
        qkv_clamp: None,
        positions: Positions::Rotary,
        attention_scale: 1.0 / (head_dim as f32).sqrt(),
        logit_softcap: None,
        embedding_scale: EmbeddingScale::One,
        tied: Some(fields.flag_or("tie_word_embeddings", false)?),
        rope_style: RopeStyle::HalfSplit,
        ropes: vec![rope::from_hugging_face(fields, head_dim, 10_000.0, None)?],
        layers: vec![LayerKind { rope: 0, window: None }; layers],
    })
}

/// `config.json` of type `mistral`: every layer slides if there is a window.
pub(super) fn mistral(description: &Description) -> Result<Config, ConfigError> {
    let window = description.fields.optional_size("sliding_window")?;
    let mut config = Config { bias: Biases::all(Bias::None), ..llama(description)? };
    config.layers.fill(LayerKind { rope: 0, window });
    Ok(config)
}

/// `config.json` of type `mixtral`.
pub(super) fn mixtral(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let experts = Experts {
        count: fields.size_or("num_local_experts", 8)?,
        used: fields.size_or("num_experts_per_tok", 2)?,
    };
    Ok(Config { experts: Some(experts), ..mistral(description)? })
}

/// `config.json` of type `qwen2`: biases on q, k and v; with `use_sliding_window` the layers from `max_window_layers` on slide.
pub(super) fn qwen2(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let bias = Biases { qkv: Bias::Required, ..Biases::all(Bias::None) };
    let mut config = Config { bias, ..llama(description)? };
    if fields.flag_or("use_sliding_window", false)? {
        let window = fields.size_or("sliding_window", 4096)?;
        let dense = fields.size_or("max_window_layers", 28)?;
        let kinds = fields.texts("layer_types")?;
        for (index, layer) in config.layers.iter_mut().enumerate() {
            let slides = match kinds.as_ref().and_then(|kinds| kinds.get(index)) {
                Some(kind) => *kind == "sliding_attention",
                None => index >= dense,
            };
            layer.window = slides.then_some(window);
        }
    }
    Ok(config)
}
