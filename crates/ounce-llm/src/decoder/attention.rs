//! Attention of one layer.

use super::rope::Angles;
use super::weights::Layer;
use crate::config::{Config, LayerKind};
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Attention, Input, KvLayer};

/// Where in the model and in the text a step is.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) kind: LayerKind,
    /// Position of the first token of the step.
    pub(crate) start: usize,
    /// Tokens of the step, `n`.
    pub(crate) tokens: usize,
}

/// Queries and keys into `qk` (`[n, heads * head_dim]`, then `[n, kv_heads * head_dim]`) and values into `v`, in one parallel step.
pub(crate) fn project_qkv(team: &mut Team, layer: &Layer, input: Input, qk: &mut [f32], v: &mut [f32]) {
    let (q, k) = qk.split_at_mut(qk.len() - v.len());
    ops::project(team, input, &mut [layer.q.write_to(q), layer.k.write_to(k), layer.v.write_to(v)]);
}

/// Normalises and rotates queries and keys, keeps keys and values, and gathers the values that each query attends to.
#[expect(clippy::too_many_arguments, reason = "the buffers of one step")]
pub(crate) fn attend(
    team: &mut Team,
    config: &Config,
    layer: &Layer,
    place: Place,
    angles: Option<&Angles>,
    qk: &mut [f32],
    v: &[f32],
    cache: &mut KvLayer,
    gathered: &mut [f32],
) {
    let (head_dim, style) = (config.head_dim, config.rope_style);
    let q_size = gathered.len();
    if let Some((q_norm, k_norm)) = &layer.qk_norms {
        let (q, k) = qk.split_at_mut(q_size);
        ops::norm_in_place(team, &q_norm.norm(), q, head_dim);
        ops::norm_in_place(team, &k_norm.norm(), k, head_dim);
    }
    if let Some(angles) = angles {
        let (cos, sin) = angles.of(place.tokens);
        let mut rotate = |x: &mut [f32]| ops::rope(team, x, head_dim, angles.rotary_dim, cos, sin, style);
        if place.tokens == 1 {
            // The heads of one token lie side by side, keys after queries.
            rotate(qk);
        } else {
            let (q, k) = qk.split_at_mut(q_size);
            rotate(q);
            rotate(k);
        }
    }
    let (q, k) = qk.split_at(q_size);
    cache.store(team, place.start, k, v);
    let attention = Attention {
        q,
        cache,
        start: place.start,
        heads: config.heads,
        scale: config.attention_scale,
        window: place.kind.window,
        softcap: None,
        slopes: config.positions.slopes(),
    };
    ops::attention(team, &attention, gathered);
}
