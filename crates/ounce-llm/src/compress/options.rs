//! What is asked of a compression.

use ounce_formats::ggml::GgmlType;

/// How weights are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Rounding to nearest; needs no calibration.
    Nearest,
    /// Activation-aware weight quantization (Lin et al., 2023).
    Awq {
        /// Look for narrower ranges too.
        clip: bool,
        /// Round with error feedback rather than to nearest.
        feedback: bool,
        /// Where the error of a scale is measured.
        inspect: Inspect,
    },
    /// SmoothQuant (Xiao et al., 2023).
    SmoothQuant {
        /// How much of the inputs' size moves into the weights.
        alpha: Alpha,
        /// Rotate inputs of maps while the model runs, where that leaves a smaller error. Only with a scale per token.
        rotate: bool,
    },
}

/// Where the error of an AWQ scale is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspect {
    /// At the outputs of the linear maps that are scaled, from the Gram matrix of their inputs.
    Linear,
    /// At the output of the whole layer, which is run again for every candidate. (The original looks at the attention or the feed-forward
    /// part.)
    Block,
}

/// The migration strength of SmoothQuant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Alpha {
    /// The same for all layers, on the maps behind a normalisation, as in the paper.
    Fixed(f32),
    /// Searched for every group of maps, those behind values and feed-forward halves included.
    Auto,
}

/// What the inputs of quantized maps will be when the model runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// Floats, as far as the file says; engines may do as they like.
    Float,
    /// int8 with a scale per token.
    PerToken,
    /// int8 with one scale per tensor, from calibration.
    PerTensor,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Hugging Face folder in AutoAWQ's `gemm` layout: 4 bits, asymmetric.
    AutoAwq,
    /// A Hugging Face folder in compressed-tensors' layouts.
    CompressedTensors,
    /// A GGUF file with matrices of this type.
    Gguf(GgmlType),
}

/// Tokens of a calibration sequence, where nothing else is said.
pub const SEQUENCE: usize = 512;

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompressOptions {
    /// How weights are chosen.
    pub method: Method,
    /// Bits of a weight, 2 to 8; not for GGUF, whose type says it.
    pub bits: u8,
    /// Weights that share a scale, at most; the largest multiple of 32 up to it that divides the widths of all maps is used. `None`: a scale
    /// per output channel.
    pub group: Option<usize>,
    /// Zero points in the middle.
    pub symmetric: bool,
    /// What the inputs of quantized maps will be.
    pub activations: Activations,
    /// What is written.
    pub target: Target,
    /// Put the head into 8 bits.
    pub int8_head: bool,
    /// Sequences of calibration text, at most.
    pub samples: usize,
    /// Tokens of a sequence, at most as many as the model takes; `None`: [`SEQUENCE`], or the model's context if that is shorter.
    pub sequence: Option<usize>,
    /// Tokens that go into the Gram matrices, at most; at least twice the width of the map is used if there are as many.
    pub gram_tokens: usize,
}

impl CompressOptions {
    /// Whether rounding errors are carried into the columns that are yet to be rounded. SmoothQuant does so where it searches; with a fixed
    /// strength it is as published.
    pub(crate) fn feeds_back(&self) -> bool {
        match self.method {
            Method::Nearest | Method::SmoothQuant { alpha: Alpha::Fixed(_), .. } => false,
            Method::SmoothQuant { alpha: Alpha::Auto, .. } => true,
            Method::Awq { feedback, .. } => feedback,
        }
    }
}

impl Default for CompressOptions {
    fn default() -> Self {
        Self {
            method: Method::Awq { clip: true, feedback: true, inspect: Inspect::Linear },
            bits: 4,
            group: Some(128),
            symmetric: false,
            activations: Activations::Float,
            target: Target::AutoAwq,
            int8_head: false,
            samples: 128,
            sequence: None,
            gram_tokens: 65_536,
        }
    }
}
