//! What can be chosen about a step of training.

use ounce_graph::ops::Rounding;

/// What can be chosen about a step of training, besides the scheme.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StepOptions {
    /// How updated weights become bytes.
    pub weights: Rounding,
    /// How updated biases become integers.
    pub biases: Rounding,
    /// Quantization-aware scaling: gradients of weights are divided by the square of the weight's scale, those of biases by that of the bias's. Without it gradients
    /// are taken as they are, by one step of the integer.
    pub scaling: bool,
    /// What the logits are.
    pub head: Head,
    /// Which channels are trained where a scheme trains a part.
    pub channels: Channels,
}

/// What the logits are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Head {
    /// Bytes, scaled by the classifier's scale: 1 in a classifier that [`with_classes`](super::Network::with_classes) made, as on the original's device. The gradient of a logit vanishes where it
    /// is clamped.
    Int8,
    /// Floats: the sums of the same bytes, scaled and not rounded.
    Float,
}

/// Which channels are trained where a scheme trains a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channels {
    /// The first, as the original's compiler cuts them out.
    First,
    /// Those whose weights have the largest norm, as the original's simulation chooses them ("magnitude+").
    Largest,
}

impl StepOptions {
    /// What the original's device does: everything truncated, logits in bytes, the first channels.
    pub const ORIGINAL: Self = Self {
        weights: Rounding::Truncate,
        biases: Rounding::TruncateStep,
        scaling: true,
        head: Head::Int8,
        channels: Channels::First,
    };

    /// One rounding for weights and biases, quantization-aware scaling, logits in floats, the channels of largest weights.
    pub const fn rounded(rounding: Rounding) -> Self {
        Self {
            weights: rounding,
            biases: rounding,
            scaling: true,
            head: Head::Float,
            channels: Channels::Largest,
        }
    }
}

impl Default for StepOptions {
    /// Rounded at random, which needs no memory: [`StepOptions::rounded`] with [`Rounding::Stochastic`].
    fn default() -> Self {
        Self::rounded(Rounding::Stochastic { seed: 0 })
    }
}
