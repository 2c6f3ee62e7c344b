//! The weights of a decoder, in the layouts of the kernels.

use super::tap::Site;
use crate::config::NormKind;
use ounce_formats::ggml::GgmlType;
use ounce_kernels::ops::{Norm, Output};
use ounce_kernels::{Matrix, SharedBytes};

/// All weights of a decoder.
pub(crate) struct Weights {
    pub(crate) embedding: Embedding,
    pub(crate) layers: Vec<Layer>,
    pub(crate) final_norm: NormWeights,
    /// `[vocab, hidden]`.
    pub(crate) head: Matrix,
}

/// How tokens become vectors.
pub(crate) struct Embedding {
    /// `[vocab, hidden]`.
    pub(crate) tokens: Table,
    pub(crate) scale: f32,
    /// `[positions, hidden]`, where the model has learned positions.
    pub(crate) positions: Option<Table>,
}

/// A matrix kept as it lies in the file: only the rows at hand are ever read.
pub(crate) struct Table {
    pub(crate) bytes: SharedBytes,
    pub(crate) ty: GgmlType,
    pub(crate) row_bytes: usize,
}

/// One layer, with weights of type `W`: the layout of the kernels, or what compression makes.
pub(crate) struct Layer<W = Matrix> {
    pub(crate) attention_norm: NormWeights,
    /// `[heads * head_dim, hidden]`.
    pub(crate) q: Linear<W>,
    /// `[kv_heads * head_dim, hidden]`.
    pub(crate) k: Linear<W>,
    /// `[kv_heads * head_dim, hidden]`.
    pub(crate) v: Linear<W>,
    /// `[hidden, heads * head_dim]`.
    pub(crate) o: Linear<W>,
    /// Of queries and of keys, each `[head_dim]`.
    pub(crate) qk_norms: Option<(NormWeights, NormWeights)>,
    /// Of the attention's output, in sandwich blocks.
    pub(crate) post_attention_norm: Option<NormWeights>,
    /// Before the feed-forward layer; absent where it shares `attention_norm`.
    pub(crate) feed_forward_norm: Option<NormWeights>,
    pub(crate) feed_forward: FeedForward<W>,
    /// Of the feed-forward's output, in sandwich blocks.
    pub(crate) post_feed_forward_norm: Option<NormWeights>,
}

/// The feed-forward part of a layer.
pub(crate) enum FeedForward<W = Matrix> {
    /// `down(act(gate x) * up x)`.
    Gated(GatedWeights<W>),
    /// `down(act(up x))`.
    Plain {
        /// `[feed_forward, hidden]`.
        up: Linear<W>,
        /// `[hidden, feed_forward]`.
        down: Linear<W>,
    },
    /// A mixture of gated ones.
    Experts {
        /// `[experts, hidden]`.
        router: Linear<W>,
        experts: Vec<GatedWeights<W>>,
    },
}

/// The matrices of a gated feed-forward layer.
pub(crate) struct GatedWeights<W = Matrix> {
    /// `[feed_forward, hidden]`.
    pub(crate) gate: Linear<W>,
    /// `[feed_forward, hidden]`.
    pub(crate) up: Linear<W>,
    /// `[hidden, feed_forward]`.
    pub(crate) down: Linear<W>,
}

/// A linear map `y = W x + b`.
pub(crate) struct Linear<W = Matrix> {
    pub(crate) weight: W,
    pub(crate) bias: Option<Vec<f32>>,
}

/// A normalisation.
#[derive(Clone)]
pub(crate) struct NormWeights {
    pub(crate) kind: NormKind,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) eps: f32,
}

/// A linear map of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum LinearId {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
    Router,
    ExpertGate(usize),
    ExpertUp(usize),
    ExpertDown(usize),
}

impl LinearId {
    /// Where its input is seen.
    pub(crate) fn site(self) -> Site {
        match self {
            Self::Q | Self::K | Self::V => Site::Attention,
            Self::O => Site::AttentionOutput,
            Self::Gate | Self::Up | Self::Router => Site::FeedForward,
            Self::Down => Site::Down,
            Self::ExpertGate(n) | Self::ExpertUp(n) => Site::Expert(n),
            Self::ExpertDown(n) => Site::ExpertDown(n),
        }
    }
}

impl std::fmt::Display for LinearId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Q => f.write_str("q"),
            Self::K => f.write_str("k"),
            Self::V => f.write_str("v"),
            Self::O => f.write_str("o"),
            Self::Gate => f.write_str("gate"),
            Self::Up => f.write_str("up"),
            Self::Down => f.write_str("down"),
            Self::Router => f.write_str("router"),
            Self::ExpertGate(n) => write!(f, "experts.{n}.gate"),
            Self::ExpertUp(n) => write!(f, "experts.{n}.up"),
            Self::ExpertDown(n) => write!(f, "experts.{n}.down"),
        }
    }
}

impl<W> Layer<W> {
    /// All linear maps.
    pub(crate) fn linears(&self) -> Vec<(LinearId, &Linear<W>)> {
        use LinearId::*;
        let mut all = vec![(Q, &self.q), (K, &self.k), (V, &self.v), (O, &self.o)];
        match &self.feed_forward {
            FeedForward::Gated(ff) => all.extend([(Gate, &ff.gate), (Up, &ff.up), (Down, &ff.down)]),
            FeedForward::Plain { up, down } => all.extend([(Up, up), (Down, down)]),
            FeedForward::Experts { router, experts } => {
                all.push((Router, router));
                for (n, expert) in experts.iter().enumerate() {
                    all.extend([
                        (ExpertGate(n), &expert.gate),
                        (ExpertUp(n), &expert.up),
                        (ExpertDown(n), &expert.down),
                    ]);
                }
            }
        }
        all
    }

    /// A linear map, if the layer has it.
    pub(crate) fn linear(&self, id: LinearId) -> Option<&Linear<W>> {
        self.linears().into_iter().find(|(other, _)| *other == id).map(|(_, linear)| linear)
    }

    /// A linear map to be changed, if the layer has it.
    pub(crate) fn linear_mut(&mut self, id: LinearId) -> Option<&mut Linear<W>> {
        match (id, &mut self.feed_forward) {
            (LinearId::Q, _) => Some(&mut self.q),
            (LinearId::K, _) => Some(&mut self.k),
            (LinearId::V, _) => Some(&mut self.v),
            (LinearId::O, _) => Some(&mut self.o),
            (LinearId::Gate, FeedForward::Gated(ff)) => Some(&mut ff.gate),
            (LinearId::Up, FeedForward::Gated(ff)) => Some(&mut ff.up),
            (LinearId::Down, FeedForward::Gated(ff)) => Some(&mut ff.down),
            (LinearId::Up, FeedForward::Plain { up, .. }) => Some(up),
            (LinearId::Down, FeedForward::Plain { down, .. }) => Some(down),
            (LinearId::Router, FeedForward::Experts { router, .. }) => Some(router),
            (LinearId::ExpertGate(n), FeedForward::Experts { experts, .. }) => {
                experts.get_mut(n).map(|expert| &mut expert.gate)
            }
            (LinearId::ExpertUp(n), FeedForward::Experts { experts, .. }) => {
                experts.get_mut(n).map(|expert| &mut expert.up)
            }
            (LinearId::ExpertDown(n), FeedForward::Experts { experts, .. }) => {
                experts.get_mut(n).map(|expert| &mut expert.down)
            }
            _ => None,
        }
    }

    /// The same layer with other weights; norms and biases are kept.
    pub(crate) fn try_map<V, E>(
        self,
        each: &mut dyn FnMut(LinearId, W) -> Result<V, E>,
    ) -> Result<Layer<V>, E> {
        let mut linear = |id, linear: Linear<W>| -> Result<Linear<V>, E> {
            Ok(Linear { weight: each(id, linear.weight)?, bias: linear.bias })
        };
        Ok(Layer {
            attention_norm: self.attention_norm,
            q: linear(LinearId::Q, self.q)?,
            k: linear(LinearId::K, self.k)?,
            v: linear(LinearId::V, self.v)?,
            o: linear(LinearId::O, self.o)?,
            qk_norms: self.qk_norms,
            post_attention_norm: self.post_attention_norm,
            feed_forward_norm: self.feed_forward_norm,
            feed_forward: match self.feed_forward {
                FeedForward::Gated(ff) => FeedForward::Gated(GatedWeights {
                    gate: linear(LinearId::Gate, ff.gate)?,
                    up: linear(LinearId::Up, ff.up)?,
                    down: linear(LinearId::Down, ff.down)?,
                }),
                FeedForward::Plain { up, down } => {
                    FeedForward::Plain { up: linear(LinearId::Up, up)?, down: linear(LinearId::Down, down)? }
                }
                FeedForward::Experts { router, experts } => FeedForward::Experts {
                    router: linear(LinearId::Router, router)?,
                    experts: experts
                        .into_iter()
                        .enumerate()
                        .map(|(n, expert)| {
                            Ok(GatedWeights {
                                gate: linear(LinearId::ExpertGate(n), expert.gate)?,
                                up: linear(LinearId::ExpertUp(n), expert.up)?,
                                down: linear(LinearId::ExpertDown(n), expert.down)?,
                            })
                        })
                        .collect::<Result<_, E>>()?,
                },
            },
            post_feed_forward_norm: self.post_feed_forward_norm,
        })
    }
}

impl Embedding {
    /// Writes the embedding of a token, which must be below the vocabulary size, into `out [hidden]`. Where positions are learned, `position`
    /// must be below the context.
    pub(crate) fn lookup(&self, token: u32, position: usize, out: &mut [f32]) {
        self.tokens.row(token as usize, out);
        if self.scale != 1.0 {
            out.iter_mut().for_each(|x| *x *= self.scale);
        }
        if let Some(positions) = &self.positions {
            positions.add_row(position, out);
        }
    }
}

/// Elements of a row that are added at a time.
const PIECE: usize = 256;

impl Table {
    fn row(&self, row: usize, out: &mut [f32]) {
        self.ty.dequantize(&self.bytes[row * self.row_bytes..][..self.row_bytes], out);
    }

    /// Adds a row of floats.
    fn add_row(&self, row: usize, out: &mut [f32]) {
        let bytes = &self.bytes[row * self.row_bytes..][..self.row_bytes];
        let mut piece = [0.0; PIECE];
        let piece_bytes = PIECE / self.ty.block_len() * self.ty.block_bytes();
        for (bytes, out) in bytes.chunks(piece_bytes).zip(out.chunks_mut(PIECE)) {
            let piece = &mut piece[..out.len()];
            self.ty.dequantize(bytes, piece);
            out.iter_mut().zip(piece).for_each(|(out, x)| *out += *x);
        }
    }
}

impl Linear {
    /// `out = W x + b`, as a part of [`ounce_kernels::ops::project`].
    pub(crate) fn write_to<'a>(&'a self, out: &'a mut [f32]) -> Output<'a> {
        Output { weight: &self.weight, bias: self.bias.as_deref(), out, add: false, activation: None }
    }

    /// `out += W x + b`, as a part of [`ounce_kernels::ops::project`].
    pub(crate) fn add_to<'a>(&'a self, out: &'a mut [f32]) -> Output<'a> {
        Output { add: true, ..self.write_to(out) }
    }
}

impl NormWeights {
    /// As the kernels want it.
    pub(crate) fn norm(&self) -> Norm<'_> {
        match self.kind {
            NormKind::Rms => Norm::Rms { weight: &self.weight, eps: self.eps },
            NormKind::Layer => {
                Norm::Layer { weight: &self.weight, bias: self.bias.as_deref(), eps: self.eps }
            }
        }
    }
}

impl Weights {
    /// Bytes read from memory to decode one token: every matrix once, of a mixture the experts that a token goes to.
    pub(crate) fn streamed_bytes(&self, experts_used: usize) -> u64 {
        let linear = |linear: &Linear| linear.weight.bytes() as u64;
        let gated = |ff: &GatedWeights| linear(&ff.gate) + linear(&ff.up) + linear(&ff.down);
        let layer = |layer: &Layer| {
            let attention: u64 = [&layer.q, &layer.k, &layer.v, &layer.o].into_iter().map(linear).sum();
            attention
                + match &layer.feed_forward {
                    FeedForward::Gated(ff) => gated(ff),
                    FeedForward::Plain { up, down } => linear(up) + linear(down),
                    FeedForward::Experts { router, experts } => {
                        let all: u64 = experts.iter().map(gated).sum();
                        linear(router) + all * experts_used as u64 / experts.len().max(1) as u64
                    }
                }
        };
        self.layers.iter().map(layer).sum::<u64>() + self.head.bytes() as u64
    }
}
