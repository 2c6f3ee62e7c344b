//! Gemma 3 (text): normalised queries and keys, a normalisation before and after each branch, sliding and global layers with their own
//! rotations.

use super::{ConfigError, Description, activation, llama, rope};
use crate::config::{
    Activation, Bias, Biases, Block, Config, EmbeddingScale, LayerKind, Rope, RopeScaling, RopeStyle,
};

/// Index into [`Config::ropes`] of the rotation of global layers.
const GLOBAL: usize = 0;
/// Index into [`Config::ropes`] of the rotation of sliding layers.
const LOCAL: usize = 1;
/// Every so many layers one is global, unless the description says otherwise.
const PATTERN: usize = 6;
/// Base of the rotation of sliding layers, unless the description says otherwise.
const LOCAL_BASE: f64 = 10_000.0;
/// The 27B model, known by its number of layers, scales queries by `hidden / heads` and not by the head size; GGUF does not say so.
const LAYERS_OF_27B: usize = 62;

/// GGUF `gemma3`.
pub(super) fn from_gguf(description: &Description) -> Result<Config, ConfigError> {
    let fields = &description.fields;
    let config = Config {
        block: Block::Sandwich,
        qk_norm: true,
        activation: Activation::GeluTanh,
        embedding_scale: EmbeddingScale::SqrtHidden,
        logit_softcap: fields.optional_number("final_logit_softcapping")?.map(|cap| cap as f32),
        rope_style: RopeStyle::HalfSplit,
        ..llama::from_gguf(description)?
    };
    let query_width =
        if config.layers.len() == LAYERS_OF_27B { config.hidden / config.heads } else { config.head_dim };
    let global = Rope { base: fields.number_or("rope.freq_base", 1_000_000.0)?, ..config.ropes[0].clone() };
    let local_base = fields.number_or("rope.freq_base_swa", LOCAL_BASE)?;
    let local = Rope { base: local_base, scaling: RopeScaling::None, ..global.clone() };
    let window = config.layers[0].window;
    let pattern = fields.size_or("attention.sliding_window_pattern", PATTERN)?;
    let layers = (0..config.layers.len()).map(|index| kind(!is_global(index, pattern), window)).collect();
    Ok(Config {
        attention_scale: 1.0 / (query_width as f32).sqrt(),
        ropes: vec![global, local],
        layers,
        ..config
    })
}

/// `config.json` of type `gemma3_text`, or `gemma3` with the decoder's part under `text_config`.
pub(super) fn from_hugging_face(description: &Description) -> Result<Config, ConfigError> {
    let nested = description.fields.object("text_config")?;
    let text = nested.map(|fields| Description { fields, ..*description });
    let description = text.as_ref().unwrap_or(description);
    let fields = &description.fields;
    if fields.flag_or("use_bidirectional_attention", false)? {
        return Err(ConfigError::unsupported("use_bidirectional_attention", true, "false"));
    }
    let config = llama::llama(description)?;
    let head_dim = fields.size_or("head_dim", 256)?;
    let query_width = fields.number_or("query_pre_attn_scalar", 256.0)?;
    let global = rope::from_hugging_face(fields, head_dim, 1_000_000.0, Some("full_attention"))?;
    let per_kind = match fields.object("rope_parameters")? {
        Some(parameters) => parameters.object("sliding_attention")?.is_some(),
        None => false,
    };
    let local = if per_kind {
        rope::from_hugging_face(fields, head_dim, LOCAL_BASE, Some("sliding_attention"))?
    } else {
        let base = fields.number_or("rope_local_base_freq", LOCAL_BASE)?;
        Rope { base, scaling: RopeScaling::None, ..global.clone() }
    };
    let window = Some(fields.size_or("sliding_window", 4096)?);
    let pattern = fields.size_or("sliding_window_pattern", PATTERN)?;
    let kinds = fields.texts("layer_types")?;
    let layers = (0..config.layers.len())
        .map(|index| match kinds.as_ref().and_then(|kinds| kinds.get(index)) {
            Some(&"sliding_attention") => Ok(kind(true, window)),
            Some(&"full_attention") => Ok(kind(false, window)),
            Some(other) => {
                Err(ConfigError::unsupported("layer_types", other, "sliding_attention, full_attention"))
            }
            None => Ok(kind(!is_global(index, pattern), window)),
        })
        .collect::<Result<_, _>>()?;
    Ok(Config {
        head_dim,
        block: Block::Sandwich,
        norm_offset: 1.0,
        qk_norm: true,
        activation: activation(fields, "hidden_activation", "gelu_pytorch_tanh")?,
        bias: Biases { feed_forward: Bias::None, ..config.bias },
        attention_scale: 1.0 / (query_width as f32).sqrt(),
        logit_softcap: fields.optional_number("final_logit_softcapping")?.map(|cap| cap as f32),
        embedding_scale: EmbeddingScale::SqrtHiddenRounded,
        tied: Some(fields.flag_or("tie_word_embeddings", true)?),
        ropes: vec![global, local],
        layers,
        ..config
    })
}

/// The last of every `pattern` layers is global.
fn is_global(index: usize, pattern: usize) -> bool {
    pattern != 0 && (index + 1).is_multiple_of(pattern)
}

fn kind(slides: bool, window: Option<usize>) -> LayerKind {
    if slides { LayerKind { rope: LOCAL, window } } else { LayerKind { rope: GLOBAL, window: None } }
}
