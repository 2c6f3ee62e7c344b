//! Attention of one layer.

use super::rope::Angles;
use super::weights::Layer;
use crate::config::{Config, LayerKind};
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Attention, Input, KvLayer, Run};
use smallvec::SmallVec;

/// Texts of a step that need no memory of the heap.
pub(super) const TEXTS: usize = 64;

/// How the queries of a text gather values. Either way rounds differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// One by one, each over all positions: fast for few.
    Singly,
    /// As a run, in blocks: fast for many. Where a text is cut into runs changes nothing.
    Run,
}

/// The tokens of one text in a step of a layer.
pub(crate) struct LayerText<'a> {
    /// Keys and values of the layer, which get those of these tokens.
    pub(crate) cache: &'a mut KvLayer,
    /// Position of the first of the tokens.
    pub(crate) start: usize,
    pub(crate) tokens: usize,
    pub(crate) way: Way,
}

/// Queries and keys into `qk` (`[n, heads * head_dim]`, then `[n, kv_heads * head_dim]`) and values into `v`, in one parallel step.
pub(crate) fn project_qkv(team: &mut Team, layer: &Layer, input: Input, qk: &mut [f32], v: &mut [f32]) {
    let (q, k) = qk.split_at_mut(qk.len() - v.len());
    ops::project(team, input, &mut [layer.q.write_to(q), layer.k.write_to(k), layer.v.write_to(v)]);
}

/// Normalises and rotates queries and keys, keeps keys and values, and gathers the values that each query attends to. Texts that go
/// [singly](Way::Singly) come first.
#[expect(clippy::too_many_arguments, reason = "the buffers of one step")]
pub(crate) fn attend(
    team: &mut Team,
    config: &Config,
    layer: &Layer,
    kind: LayerKind,
    texts: &mut [LayerText],
    angles: Option<&Angles>,
    qk: &mut [f32],
    v: &[f32],
    gathered: &mut [f32],
) {
    let (head_dim, style) = (config.head_dim, config.rope_style);
    let (q_size, n) = (gathered.len(), gathered.len() / config.q_width());
    if let Some((q_norm, k_norm)) = &layer.qk_norms {
        let (q, k) = qk.split_at_mut(q_size);
        ops::norm_in_place(team, &q_norm.norm(), q, head_dim);
        ops::norm_in_place(team, &k_norm.norm(), k, head_dim);
    }
    if let Some(angles) = angles {
        let (cos, sin) = angles.of(n);
        let mut rotate = |x: &mut [f32]| ops::rope(team, x, head_dim, angles.rotary_dim, cos, sin, style);
        if n == 1 {
            // The heads of one token lie side by side, keys after queries.
            rotate(qk);
        } else {
            let (q, k) = qk.split_at_mut(q_size);
            rotate(q);
            rotate(k);
        }
    }
    let (q, k) = qk.split_at(q_size);
    let mut rows = 0;
    for text in texts.iter_mut() {
        let range = rows * config.kv_width()..(rows + text.tokens) * config.kv_width();
        text.cache.store(team, text.start, &k[range.clone()], &v[range]);
        rows += text.tokens;
    }
    let mut singles = SmallVec::<[Run<'_>; TEXTS]>::new();
    let mut runs = SmallVec::<[Run<'_>; TEXTS]>::new();
    for text in texts.iter() {
        let run = |start, tokens| Run { cache: &*text.cache, start, tokens };
        match text.way {
            Way::Singly => singles.extend((0..text.tokens).map(|t| run(text.start + t, 1))),
            Way::Run => runs.push(run(text.start, text.tokens)),
        }
    }
    let attention = Attention {
        q,
        singles: &singles,
        runs: &runs,
        heads: config.heads,
        scale: config.attention_scale,
        window: kind.window,
        softcap: None,
        slopes: config.positions.slopes(),
    };
    ops::attention(team, &attention, gathered);
}
