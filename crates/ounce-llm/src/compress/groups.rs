//! Which linear maps share a scale of their input channels, and where its inverse goes.
//!
//! The groups are those of the AWQ repository (`awq/quantize/auto_scale.py`), derived from the wiring of a layer rather than from the name of
//! its architecture, and one more: under grouped-query attention, values may be scaled too, with one scale for all query heads that
//! read a value channel.

use crate::config::{Activation, Block, Config};
use crate::decoder::{FeedForward, Layer, LinearId};

/// Linear maps that read the same input.
#[derive(Clone, Debug)]
pub(crate) struct ScalingGroup {
    /// The maps whose weights are multiplied with the scale and quantized.
    pub(crate) linears: Vec<LinearId>,
    /// Maps that read the same input and stay in floats: multiplied too.
    pub(crate) passengers: Vec<LinearId>,
    pub(crate) fold: Fold,
    /// Columns with the same number share a scale.
    pub(crate) ties: Option<Vec<usize>>,
}

/// Where the inverse of a scale goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    /// Into the normalisation before attention.
    AttentionNorm,
    /// Into the normalisation before the feed-forward part.
    FeedForwardNorm,
    /// Into the rows of this map, in their order; of values, which several heads read, each row takes the scale of its first reader.
    Rows(LinearId),
}

impl Fold {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AttentionNorm => "attention norm",
            Self::FeedForwardNorm => "feed-forward norm",
            Self::Rows(LinearId::V) => "v",
            Self::Rows(_) => "up",
        }
    }

    /// Whether a normalisation takes the scale: these are the groups that SmoothQuant migrates.
    pub(crate) fn is_norm(self) -> bool {
        !matches!(self, Self::Rows(_))
    }
}

/// The groups of a layer.
pub(crate) fn scaling_groups<W>(config: &Config, layer: &Layer<W>) -> Vec<ScalingGroup> {
    use LinearId::*;
    let group = |fold, linears: Vec<LinearId>| ScalingGroup { linears, passengers: vec![], fold, ties: None };
    let (mut halves, mut passengers) = (Vec::new(), Vec::new());
    let mut downs = Vec::new();
    match &layer.feed_forward {
        FeedForward::Gated(_) => {
            halves.extend([Gate, Up]);
            downs.push((Up, Down));
        }
        FeedForward::Plain { .. } => {
            halves.push(Up);
            // Only an activation that keeps positive factors lets the scale through.
            if config.activation == Activation::Relu {
                downs.push((Up, Down));
            }
        }
        FeedForward::Experts { experts, .. } => {
            passengers.push(Router);
            for n in 0..experts.len() {
                halves.extend([ExpertGate(n), ExpertUp(n)]);
                downs.push((ExpertUp(n), ExpertDown(n)));
            }
        }
    }
    let mut groups = Vec::new();
    if config.block == (Block::Parallel { shared_norm: true }) {
        let linears = [vec![Q, K, V], halves].concat();
        groups.push(ScalingGroup { passengers, ..group(Fold::AttentionNorm, linears) });
    } else {
        groups.push(group(Fold::AttentionNorm, vec![Q, K, V]));
        groups.push(ScalingGroup { passengers, ..group(Fold::FeedForwardNorm, halves) });
    }
    groups.push(ScalingGroup { ties: Some(value_channels(config)), ..group(Fold::Rows(V), vec![O]) });
    groups.extend(downs.into_iter().map(|(up, down)| group(Fold::Rows(up), vec![down])));
    groups
}

/// For each column of the output map of attention, the value channel that it reads.
fn value_channels(config: &Config) -> Vec<usize> {
    let readers = config.heads / config.kv_heads;
    (0..config.q_width())
        .map(|column| {
            let (head, channel) = (column / config.head_dim, column % config.head_dim);
            head / readers * config.head_dim + channel
        })
        .collect()
}

/// For each row of the map that a scale is folded into, the column whose scale it takes.
pub(crate) fn folded_rows(config: &Config, id: LinearId, rows: usize) -> Vec<usize> {
    let readers = if id == LinearId::V { config.heads / config.kv_heads } else { 1 };
    (0..rows)
        .map(|row| {
            let (head, channel) = (row / config.head_dim, row % config.head_dim);
            if readers == 1 { row } else { head * readers * config.head_dim + channel }
        })
        .collect()
}
