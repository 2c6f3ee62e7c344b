//! What a decoder-only transformer is made of, whichever file described it.

use crate::arch::ConfigError;
pub use ounce_kernels::ops::{Activation, RopeStyle};

/// Largest width, count or length that a configuration may name; products of two stay far from overflow.
const LARGEST_DIMENSION: usize = 1 << 26;
/// Largest number of layers or experts that a configuration may name.
const LARGEST_COUNT: usize = 4096;

/// The shape and options of one decoder. Dimensions are in elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name of the architecture's row, such as `llama`.
    pub architecture: &'static str,
    /// Number of token ids.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width between the two halves of a feed-forward layer, of one expert where there are experts.
    pub feed_forward: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Number of positions that the model was made for.
    pub context: usize,
    /// How attention and feed-forward are wired within a layer.
    pub block: Block,
    /// Which normalisation every layer uses.
    pub norm: NormKind,
    /// Added to the variance before the square root.
    pub norm_eps: f32,
    /// Whether normalisations of kind [`NormKind::Layer`] have a bias.
    pub norm_bias: Bias,
    /// Added to stored normalisation weights: 1 for Gemma checkpoints of Hugging Face, which store `w - 1`.
    pub norm_offset: f32,
    /// Queries and keys are normalised per head before the rotation.
    pub qk_norm: bool,
    /// Nonlinearity of the feed-forward layers.
    pub activation: Activation,
    /// Feed-forward is `down(act(gate x) * up x)`, else `down(act(up x))`.
    pub gated: bool,
    /// Mixture of experts in place of each dense feed-forward layer.
    pub experts: Option<Experts>,
    /// Which linear maps have a bias.
    pub bias: Biases,
    /// Queries, keys and values are clamped to plus and minus this.
    pub qkv_clamp: Option<f32>,
    /// How the model knows the order of tokens.
    pub positions: Positions,
    /// Multiplies the scores `q . k`.
    pub attention_scale: f32,
    /// `cap * tanh(logit / cap)` on the logits.
    pub logit_softcap: Option<f32>,
    /// How token embeddings are scaled on lookup.
    pub embedding_scale: EmbeddingScale,
    /// The head is the embedding matrix; `None`: it is unless the checkpoint holds a head.
    pub tied: Option<bool>,
    /// Which coordinates rotate together.
    pub rope_style: RopeStyle,
    /// The rotations that layers choose from.
    pub ropes: Vec<Rope>,
    /// One entry per layer.
    pub layers: Vec<LayerKind>,
}

/// How a model knows the order of tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Positions {
    /// Queries and keys are rotated as [`Config::ropes`] says.
    Rotary,
    /// Scores fall with the distance, by these slopes of the heads (ALiBi, Press et al., 2022).
    Alibi(Vec<f32>),
    /// Every position has a vector of its own, which is added to the embedding. A text of such a model has an end.
    Learned {
        /// Row of the first position in the table of vectors.
        offset: usize,
    },
}

impl Positions {
    /// ALiBi for so many heads: `2^(-largest i / n)` for i from 1 to n, the next power of two. Of these, where there are fewer heads,
    /// every other one from the second on, then those between them from the first on.
    pub fn alibi(heads: usize, largest: f32) -> Self {
        let n = heads.next_power_of_two();
        let slope = |i: usize| 2f32.powf(-largest * (i + 1) as f32 / n as f32);
        if n == heads {
            return Self::Alibi((0..n).map(slope).collect());
        }
        let coarse = (1..n).step_by(2);
        Self::Alibi(coarse.chain((0..n).step_by(2)).take(heads).map(slope).collect())
    }

    /// The slopes, if there are any: `[heads]`.
    pub fn slopes(&self) -> Option<&[f32]> {
        if let Self::Alibi(slopes) = self { Some(slopes) } else { None }
    }
}

/// How attention and feed-forward are wired within a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// `x += attention(norm x); x += feed_forward(norm x)`.
    Sequential,
    /// `x += norm(attention(norm x)); x += norm(feed_forward(norm x))`.
    Sandwich,
    /// `x += attention(norm x) + feed_forward(norm x)`, one normalisation for both or one each.
    Parallel {
        /// One normalisation serves both branches.
        shared_norm: bool,
    },
}

/// The kind of normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Root mean square, no mean subtracted (Zhang and Sennrich, 2019).
    Rms,
    /// Mean and variance, with weight and bias (Ba et al., 2016).
    Layer,
}

/// Whether a linear map has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// It has none.
    None,
    /// It has one if the checkpoint holds one.
    IfPresent,
    /// The checkpoint must hold one.
    Required,
}

/// Biases of the linear maps of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Biases {
    /// Query, key and value.
    pub qkv: Bias,
    /// Attention output.
    pub output: Bias,
    /// Feed-forward.
    pub feed_forward: Bias,
}

impl Biases {
    /// The same rule for every linear map.
    pub fn all(bias: Bias) -> Self {
        Self { qkv: bias, output: bias, feed_forward: bias }
    }
}

/// A mixture of experts: each token goes to the `used` experts of highest router score, weighted by the softmax over these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// Experts per layer.
    pub count: usize,
    /// Experts that each token goes to.
    pub used: usize,
}

/// How token embeddings are scaled on lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingScale {
    /// Not at all.
    One,
    /// By the square root of the hidden size.
    SqrtHidden,
    /// By the square root of the hidden size, rounded to the type in which the checkpoint stores the embedding, as
    /// transformers' `Gemma3TextScaledWordEmbedding` does.
    SqrtHiddenRounded,
}

/// What distinguishes the attention of one layer from that of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerKind {
    /// Index into [`Config::ropes`], where there are any.
    pub rope: usize,
    /// Sees only the last so many positions, its own included.
    pub window: Option<usize>,
}

/// A rotary position embedding (Su et al., 2021).
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the geometric sequence of frequencies.
    pub base: f64,
    /// Leading coordinates of each head that rotate; even, at most `head_dim`.
    pub rotary_dim: usize,
    /// How frequencies are changed for long contexts.
    pub scaling: RopeScaling,
}

/// How the frequencies of a rotation are changed for long contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All frequencies are divided by a factor (Chen et al., 2023).
    Linear(f64),
    /// Each frequency is divided by its own factor: `rope_freqs.weight` of GGUF, `rotary_dim / 2` values.
    Divisors(Vec<f32>),
    /// Llama 3.1: wavelengths above `original_context / low_freq_factor` are divided, those below
    /// `original_context / high_freq_factor` are kept, those between are blended.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Sets the wavelength above which a frequency counts as low.
        low_freq_factor: f64,
        /// Sets the wavelength below which a frequency counts as high.
        high_freq_factor: f64,
        /// Context length before the extension.
        original_context: f64,
    },
}

impl Config {
    /// Width of all queries of a token.
    pub fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of all keys, or all values, of a token.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] naming the first number that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let wrong = |key: &str, expected: String, found: String| {
            Err(ConfigError::Invalid { key: key.into(), expected, found })
        };
        let dimensions = [
            ("vocabulary size", self.vocab_size),
            ("hidden size", self.hidden),
            ("feed-forward size", self.feed_forward),
            ("attention heads", self.heads),
            ("key/value heads", self.kv_heads),
            ("head size", self.head_dim),
            ("context length", self.context),
        ];
        for (key, value) in dimensions {
            if !(1..=LARGEST_DIMENSION).contains(&value) {
                return wrong(key, format!("1 to {LARGEST_DIMENSION}"), value.to_string());
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return wrong(
                "key/value heads",
                format!("a divisor of {} heads", self.heads),
                self.kv_heads.to_string(),
            );
        }
        check_layers(self.layers.len())?;
        if let Positions::Alibi(slopes) = &self.positions
            && slopes.iter().any(|slope| !slope.is_finite())
        {
            return wrong("ALiBi's largest bias", "a number of moderate size".into(), format!("{slopes:?}"));
        }
        if let Some(limit) = self.qkv_clamp.filter(|limit| !(limit.is_finite() && *limit > 0.0)) {
            return wrong("clamp of queries, keys and values", "a positive number".into(), limit.to_string());
        }
        if let Some(Experts { count, used }) = self.experts {
            if count > LARGEST_COUNT {
                return wrong("experts", format!("at most {LARGEST_COUNT}"), count.to_string());
            }
            if !(1..=count).contains(&used) {
                return wrong("experts per token", format!("1 to {count}"), used.to_string());
            }
        }
        for layer in &self.layers {
            if layer.window == Some(0) {
                return wrong("sliding window", "at least 1".into(), "0".into());
            }
        }
        for Rope { base, rotary_dim, scaling } in &self.ropes {
            if !rotary_dim.is_multiple_of(2) || !(2..=self.head_dim).contains(rotary_dim) {
                let expected = format!("an even number up to the head size {}", self.head_dim);
                return wrong("rotary dimensions", expected, rotary_dim.to_string());
            }
            if !(base.is_finite() && *base > 0.0) {
                return wrong("rope base", "a positive number".into(), base.to_string());
            }
            scaling.validate(*rotary_dim)?;
        }
        if !(self.norm_eps.is_finite() && self.norm_eps >= 0.0) {
            return wrong("norm epsilon", "a small positive number".into(), self.norm_eps.to_string());
        }
        if !self.attention_scale.is_finite() {
            return wrong("attention scale", "a finite number".into(), self.attention_scale.to_string());
        }
        if let Some(cap) = self.logit_softcap.filter(|cap| !(cap.is_finite() && *cap > 0.0)) {
            return wrong("logit softcap", "a positive number".into(), cap.to_string());
        }
        Ok(())
    }
}

impl RopeScaling {
    fn validate(&self, rotary_dim: usize) -> Result<(), ConfigError> {
        let numbers: &[f64] = match self {
            RopeScaling::None => &[],
            RopeScaling::Linear(factor) => &[*factor],
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                if low_freq_factor == high_freq_factor {
                    return Err(ConfigError::Invalid {
                        key: "rope high_freq_factor".into(),
                        expected: "a number other than low_freq_factor".into(),
                        found: high_freq_factor.to_string(),
                    });
                }
                &[*factor, *low_freq_factor, *high_freq_factor, *original_context]
            }
            RopeScaling::Divisors(divisors) => {
                if divisors.len() != rotary_dim / 2 {
                    return Err(ConfigError::Invalid {
                        key: "rope_freqs.weight".into(),
                        expected: format!("{} numbers", rotary_dim / 2),
                        found: divisors.len().to_string(),
                    });
                }
                &[]
            }
        };
        match numbers.iter().find(|number| !(number.is_finite() && **number > 0.0)) {
            None => Ok(()),
            Some(number) => Err(ConfigError::Invalid {
                key: "rope scaling".into(),
                expected: "positive numbers".into(),
                found: number.to_string(),
            }),
        }
    }
}

/// Checks a number of layers before anything is made once per layer.
pub(crate) fn check_layers(layers: usize) -> Result<usize, ConfigError> {
    if (1..=LARGEST_COUNT).contains(&layers) {
        return Ok(layers);
    }
    let expected = format!("1 to {LARGEST_COUNT}");
    Err(ConfigError::Invalid { key: "layers".into(), expected, found: layers.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_the_paper() {
        assert_eq!(Positions::alibi(4, 8.0).slopes().unwrap(), [0.25, 0.0625, 0.015_625, 0.003_906_25]);
        let three = [0.062_5, 0.003_906_25, 0.25];
        assert_eq!(Positions::alibi(3, 8.0).slopes().unwrap(), three);
        assert_eq!(Positions::alibi(1, 8.0).slopes().unwrap(), [0.003_906_25]);
    }
}
