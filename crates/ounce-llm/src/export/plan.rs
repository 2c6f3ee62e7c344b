//! The tensors of a layer as a target names and orders them.

use super::ExportError;
use super::options::LinearKind;
use crate::arch::names::{Names, Part};
use crate::checkpoint::Checkpoint;
use crate::compress::CompressedWeight;
use crate::config::{Bias, Block, Config, NormKind, RopeStyle};
use crate::decoder::weights::{FeedForward, GatedWeights, Layer, Linear, NormWeights};

/// How a target lays out the layers of a model.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) names: &'static Names,
    pub(super) rope_style: RopeStyle,
    /// Subtracted from norms as the decoder applies them.
    pub(super) norm_offset: f32,
    /// Query, key and value are one matrix, ordered as `names` says.
    pub(super) fused_qkv: bool,
    /// All experts are one tensor per map.
    pub(super) merged_experts: bool,
    pub(super) biases: Present,
}

/// Which linear maps of the layers have a bias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) qkv: bool,
    pub(super) output: bool,
    pub(super) feed_forward: bool,
}

/// One tensor of a layer, or the tensors of one quantized linear map.
pub(super) struct Slot {
    /// Its name after the prefix of the layer, without `.weight` or `.bias`.
    pub(super) stem: String,
    pub(super) content: Content,
    /// Outermost dimension first.
    pub(super) shape: Vec<usize>,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Norm(NormRole),
    NormBias(NormRole),
    Weight(Map),
    Bias(Map),
}

/// The norms of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NormRole {
    Attention,
    PostAttention,
    FeedForward,
    PostFeedForward,
    Q,
    K,
}

/// The linear maps of a layer as tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Map {
    One(LinearKind),
    Qkv,
    /// Of one expert.
    Expert(LinearKind, usize),
    /// Of all experts.
    Experts(LinearKind),
}

impl Slot {
    /// The full name: `prefix` is that of the layer.
    pub(super) fn name(&self, prefix: &str) -> String {
        let suffix = match self.content {
            Content::Norm(_) | Content::Weight(_) => "weight",
            Content::NormBias(_) | Content::Bias(_) => "bias",
        };
        format!("{prefix}{}.{suffix}", self.stem)
    }
}

impl Map {
    /// Which map of the layer it is; the query for the fused one.
    pub(super) fn kind(self) -> LinearKind {
        match self {
            Map::One(kind) | Map::Expert(kind, _) | Map::Experts(kind) => kind,
            Map::Qkv => LinearKind::Q,
        }
    }

    /// The maps of the layer that it is made of; empty if the layer has another kind of feed-forward part.
    pub(super) fn of(self, layer: &Layer<CompressedWeight>) -> Vec<&Linear<CompressedWeight>> {
        use LinearKind::{Down, Gate, K, O, Q, Router, Up, V};
        match (self, &layer.feed_forward) {
            (Map::Qkv, _) => vec![&layer.q, &layer.k, &layer.v],
            (Map::One(Q), _) => vec![&layer.q],
            (Map::One(K), _) => vec![&layer.k],
            (Map::One(V), _) => vec![&layer.v],
            (Map::One(O), _) => vec![&layer.o],
            (Map::One(kind), FeedForward::Gated(ff)) => part(ff, kind).into_iter().collect(),
            (Map::One(Up), FeedForward::Plain { up, .. }) => vec![up],
            (Map::One(Down), FeedForward::Plain { down, .. }) => vec![down],
            (Map::One(Router), FeedForward::Experts { router, .. }) => vec![router],
            (Map::Expert(kind, expert), FeedForward::Experts { experts, .. }) => {
                experts.get(expert).and_then(|ff| part(ff, kind)).into_iter().collect()
            }
            (Map::Experts(kind @ (Gate | Up | Down)), FeedForward::Experts { experts, .. }) => {
                experts.iter().filter_map(|ff| part(ff, kind)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn part(ff: &GatedWeights<CompressedWeight>, kind: LinearKind) -> Option<&Linear<CompressedWeight>> {
    match kind {
        LinearKind::Gate => Some(&ff.gate),
        LinearKind::Up => Some(&ff.up),
        LinearKind::Down => Some(&ff.down),
        _ => None,
    }
}

impl NormRole {
    /// The norm in a layer.
    pub(super) fn of(self, layer: &Layer<CompressedWeight>) -> Option<&NormWeights> {
        match self {
            NormRole::Attention => Some(&layer.attention_norm),
            NormRole::PostAttention => layer.post_attention_norm.as_ref(),
            NormRole::FeedForward => layer.feed_forward_norm.as_ref(),
            NormRole::PostFeedForward => layer.post_feed_forward_norm.as_ref(),
            NormRole::Q => layer.qk_norms.as_ref().map(|(q, _)| q),
            NormRole::K => layer.qk_norms.as_ref().map(|(_, k)| k),
        }
    }
}

impl Present {
    /// What the tensors of a checkpoint show, as far as its description leaves it open.
    pub(super) fn find(checkpoint: &Checkpoint, config: &Config, names: &Names, root: &str) -> Self {
        let any = |parts: &[Part]| {
            (0..config.layers.len()).any(|layer| {
                let stems = parts.iter().flat_map(|part| part.iter());
                stems
                    .into_iter()
                    .any(|stem| checkpoint.holds(&format!("{root}{}{layer}.{stem}.bias", names.layers)))
            })
        };
        let present = |bias: Bias, parts: &[Part]| match bias {
            Bias::None => false,
            Bias::Required => true,
            Bias::IfPresent => any(parts),
        };
        Self {
            qkv: present(config.bias.qkv, &[names.q, names.k, names.v, names.qkv]),
            output: present(config.bias.output, &[names.o]),
            feed_forward: config.experts.is_none()
                && present(config.bias.feed_forward, &[names.gate, names.up, names.down]),
        }
    }
}

/// Refuses the architectures that no target is written for.
pub(super) fn writable(config: &Config, target: &'static str) -> Result<(), ExportError> {
    if matches!(config.architecture, "gpt-neox" | "mpt" | "opt") {
        let what = format!("the architecture {}", config.architecture);
        return Err(ExportError::Unsupported { what, target, advice: "run the model as it is" });
    }
    Ok(())
}

/// The prefix under which a checkpoint keeps its embedding.
pub(super) fn root_of(checkpoint: &Checkpoint, names: &Names) -> &'static str {
    let holds =
        |root: &&&str| names.embedding.iter().any(|stem| checkpoint.holds(&format!("{root}{stem}.weight")));
    names.roots.iter().find(holds).or(names.roots.first()).copied().unwrap_or_default()
}

/// All tensors of a layer, in the order in which they are written.
pub(super) fn slots(config: &Config, layout: &Layout) -> Vec<Slot> {
    Planner { config, layout, slots: Vec::new() }.plan()
}

struct Planner<'a> {
    config: &'a Config,
    layout: &'a Layout,
    slots: Vec<Slot>,
}

impl Planner<'_> {
    fn plan(mut self) -> Vec<Slot> {
        let (config, names, biases) = (self.config, self.layout.names, self.layout.biases);
        let (hidden, q_width, kv_width) = (config.hidden, config.q_width(), config.kv_width());
        // Where a part has two names, which one depends on whether both branches of a parallel block have norms of their own.
        let two_norms = config.block == Block::Parallel { shared_norm: false };
        let either = |part: Part, first: bool| if first { part.first() } else { part.last() };
        let gguf = names.layers == "blk.";
        self.norm(either(names.attention_norm, two_norms), NormRole::Attention, hidden);
        if self.layout.fused_qkv {
            self.map(names.qkv.first(), Map::Qkv, [q_width + 2 * kv_width, hidden], biases.qkv);
        } else {
            self.map(names.q.first(), Map::One(LinearKind::Q), [q_width, hidden], biases.qkv);
            self.map(names.k.first(), Map::One(LinearKind::K), [kv_width, hidden], biases.qkv);
            self.map(names.v.first(), Map::One(LinearKind::V), [kv_width, hidden], biases.qkv);
        }
        if config.qk_norm {
            self.norm(names.q_norm.first(), NormRole::Q, config.head_dim);
            self.norm(names.k_norm.first(), NormRole::K, config.head_dim);
        }
        self.map(names.o.first(), Map::One(LinearKind::O), [hidden, q_width], biases.output);
        if config.block == Block::Sandwich {
            self.norm(names.post_attention_norm.first(), NormRole::PostAttention, hidden);
        }
        if config.block != (Block::Parallel { shared_norm: true }) {
            self.norm(either(names.feed_forward_norm, two_norms != gguf), NormRole::FeedForward, hidden);
        }
        self.feed_forward();
        if config.block == Block::Sandwich {
            self.norm(names.post_feed_forward_norm.first(), NormRole::PostFeedForward, hidden);
        }
        self.slots
    }

    fn feed_forward(&mut self) {
        use LinearKind::{Down, Gate, Router, Up};
        let (config, names, bias) = (self.config, self.layout.names, self.layout.biases.feed_forward);
        let (hidden, width) = (config.hidden, config.feed_forward);
        let Some(experts) = config.experts else {
            if config.gated {
                self.map(names.gate.first(), Map::One(Gate), [width, hidden], bias);
            }
            self.map(names.up.first(), Map::One(Up), [width, hidden], bias);
            self.map(names.down.first(), Map::One(Down), [hidden, width], bias);
            return;
        };
        self.map(names.router.first(), Map::One(Router), [experts.count, hidden], false);
        let parts = [
            (names.expert_gate, Gate, [width, hidden]),
            (names.expert_up, Up, [width, hidden]),
            (names.expert_down, Down, [hidden, width]),
        ];
        for (part, kind, [rows, cols]) in parts {
            let Some(stem) = part.first() else { continue };
            if self.layout.merged_experts {
                let shape = vec![experts.count, rows, cols];
                let content = Content::Weight(Map::Experts(kind));
                self.slots.push(Slot { stem: (*stem).to_owned(), content, shape });
                continue;
            }
            for expert in 0..experts.count {
                let stem = stem.replace("{}", &expert.to_string());
                let content = Content::Weight(Map::Expert(kind, expert));
                self.slots.push(Slot { stem, content, shape: vec![rows, cols] });
            }
        }
    }

    fn norm(&mut self, stem: Option<&&str>, role: NormRole, width: usize) {
        let Some(stem) = stem else { return };
        let mut push =
            |content| self.slots.push(Slot { stem: (*stem).to_string(), content, shape: vec![width] });
        push(Content::Norm(role));
        if self.config.norm == NormKind::Layer {
            push(Content::NormBias(role));
        }
    }

    fn map(&mut self, stem: Option<&&str>, map: Map, [rows, cols]: [usize; 2], bias: bool) {
        let Some(stem) = stem else { return };
        let mut push = |content, shape| self.slots.push(Slot { stem: (*stem).to_string(), content, shape });
        push(Content::Weight(map), vec![rows, cols]);
        if bias {
            push(Content::Bias(map), vec![rows]);
        }
    }
}
