//! The decoders with layer normalisation and a plain feed-forward layer, GPT-3's descendants, have most of their options in common.

use super::{ConfigError, Fields};
use crate::config::{
    Activation, Bias, Biases, Block, Config, EmbeddingScale, LayerKind, NormKind, Positions, RopeStyle,
};

/// What the descriptions of these models say in one way or another.
pub(super) struct Shape {
    pub(super) vocab_size: usize,
    pub(super) hidden: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) feed_forward: usize,
    pub(super) context: usize,
    pub(super) layers: usize,
    pub(super) norm_eps: f32,
}

impl Shape {
    pub(super) fn head_dim(&self) -> usize {
        self.hidden / self.heads.max(1)
    }

    /// What they share; the caller sets what is otherwise, and the rotation if there is one.
    pub(super) fn config(&self, architecture: &'static str) -> Config {
        Config {
            architecture,
            vocab_size: self.vocab_size,
            hidden: self.hidden,
            feed_forward: self.feed_forward,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim(),
            context: self.context,
            block: Block::Sequential,
            norm: NormKind::Layer,
            norm_eps: self.norm_eps,
            norm_bias: Bias::Required,
            norm_offset: 0.0,
            qk_norm: false,
            activation: Activation::Gelu,
            gated: false,
            experts: None,
            bias: Biases::all(Bias::None),
            qkv_clamp: None,
            positions: Positions::Rotary,
            attention_scale: 1.0 / (self.head_dim() as f32).sqrt(),
            logit_softcap: None,
            embedding_scale: EmbeddingScale::One,
            tied: None,
            rope_style: RopeStyle::HalfSplit,
            ropes: Vec::new(),
            layers: vec![LayerKind { rope: 0, window: None }; self.layers],
        }
    }
}

/// An entry under its present or its first name.
pub(super) fn either(fields: &Fields, key: &str, older: &str) -> Result<Option<usize>, ConfigError> {
    match fields.optional_size(key)? {
        None => fields.optional_size(older),
        found => Ok(found),
    }
}
