//! The memory of a step, allocated once.

use super::rope::Angles;
use crate::config::Config;
use ounce_kernels::ops::OutOfMemory;

/// Buffers for steps of up to `tokens` tokens; `n` below is the number of tokens of the step at hand.
pub(crate) struct Scratch {
    pub(crate) tokens: usize,
    /// Token and position of every row of the step.
    pub(crate) rows: Vec<(u32, usize)>,
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
    /// # Errors
    /// [`OutOfMemory`] if the system does not give that much.
    pub(crate) fn new(config: &Config, tokens: usize) -> Result<Self, OutOfMemory> {
        let rows = |width: usize| zeros(tokens, width);
        let experts = match config.experts {
            None => ExpertScratch::default(),
            Some(experts) => ExpertScratch {
                normed: rows(config.hidden)?,
                scores: rows(experts.count)?,
                rows: Vec::with_capacity(tokens),
                input: rows(config.hidden)?,
                output: rows(config.hidden)?,
            },
        };
        Ok(Self {
            tokens,
            rows: Vec::with_capacity(tokens),
            x: rows(config.hidden)?,
            qk: rows(config.q_width() + config.kv_width())?,
            v: rows(config.kv_width())?,
            gathered: rows(config.q_width())?,
            branch: rows(config.hidden)?,
            feed_forward: FeedForwardScratch {
                inner: rows(config.feed_forward)?,
                up: rows(config.feed_forward)?,
                experts,
            },
            angles: config.ropes.iter().map(|rope| Angles::new(rope, tokens)).collect(),
        })
    }
}

/// `[rows, width]` zeros.
pub(crate) fn zeros(rows: usize, width: usize) -> Result<Vec<f32>, OutOfMemory> {
    let len = rows.checked_mul(width).ok_or(OutOfMemory { bytes: usize::MAX })?;
    bytemuck::allocation::try_zeroed_vec(len).map_err(|()| OutOfMemory { bytes: len.saturating_mul(4) })
}
