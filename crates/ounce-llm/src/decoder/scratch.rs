//! The memory of a step, allocated once.

use super::rope::Angles;
use crate::config::Config;

/// Buffers for steps of up to `tokens` tokens; `n` below is the number of tokens of the step at hand.
pub(crate) struct Scratch {
    pub(crate) tokens: usize,
    /// The residual stream, `[n, hidden]`.
    pub(crate) x: Vec<f32>,
    /// Queries `[n, heads * head_dim]`, and directly after them keys `[n, kv_heads * head_dim]`.
    pub(crate) qk: Vec<f32>,
    /// `[n, kv_heads * head_dim]`.
    pub(crate) v: Vec<f32>,
    /// What attention gathered, `[n, heads * head_dim]`.
    pub(crate) gathered: Vec<f32>,
    /// Output of a branch that is normalised before it joins the stream, `[n, hidden]`.
    pub(crate) branch: Vec<f32>,
    pub(crate) feed_forward: FeedForwardScratch,
    /// One per entry of [`Config::ropes`].
    pub(crate) angles: Vec<Angles>,
}

/// Buffers of the feed-forward part.
pub(crate) struct FeedForwardScratch {
    /// `[n, feed_forward]`.
    pub(crate) inner: Vec<f32>,
    /// `[n, feed_forward]`; touched only by gated layers with biases.
    pub(crate) up: Vec<f32>,
    /// Empty without experts.
    pub(crate) experts: ExpertScratch,
}

/// Buffers of a mixture of experts.
#[derive(Default)]
pub(crate) struct ExpertScratch {
    /// Normalised input, `[n, hidden]`.
    pub(crate) normed: Vec<f32>,
    /// Router scores, `[n, experts]`; afterwards the weight of each expert, 0 for those not chosen.
    pub(crate) scores: Vec<f32>,
    /// Tokens of the expert at hand, at most `n`.
    pub(crate) rows: Vec<usize>,
    /// Inputs of the expert at hand, `[rows, hidden]`.
    pub(crate) input: Vec<f32>,
    /// Outputs of the expert at hand, `[rows, hidden]`.
    pub(crate) output: Vec<f32>,
}

impl Scratch {
    pub(crate) fn new(config: &Config, tokens: usize) -> Self {
        let rows = |width: usize| vec![0.0; tokens * width];
        let experts = match config.experts {
            None => ExpertScratch::default(),
            Some(experts) => ExpertScratch {
                normed: rows(config.hidden),
                scores: rows(experts.count),
                rows: Vec::with_capacity(tokens),
                input: rows(config.hidden),
                output: rows(config.hidden),
            },
        };
        Self {
            tokens,
            x: rows(config.hidden),
            qk: rows(config.q_width() + config.kv_width()),
            v: rows(config.kv_width()),
            gathered: rows(config.q_width()),
            branch: rows(config.hidden),
            feed_forward: FeedForwardScratch {
                inner: rows(config.feed_forward),
                up: rows(config.feed_forward),
                experts,
            },
            angles: config.ropes.iter().map(|rope| Angles::new(rope, tokens)).collect(),
        }
    }
}
