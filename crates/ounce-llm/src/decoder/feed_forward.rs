//! The feed-forward part of one layer.

use super::experts::mixture;
use super::scratch::FeedForwardScratch;
use super::tap::{Site, Taps, show};
use super::weights::{FeedForward, GatedWeights, Layer};
use crate::config::{Activation, Config};
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Input, Norm, Output};

/// `x += feed_forward(norm(x))`, or `branch = feed_forward(norm(x))` where a branch is given; `x` and `branch` are `[n, hidden]`.
#[expect(clippy::too_many_arguments, reason = "the buffers of one step")]
pub(crate) fn feed_forward(
    team: &mut Team,
    config: &Config,
    layer: &Layer,
    norm: &Norm,
    x: &mut [f32],
    branch: Option<&mut [f32]>,
    scratch: &mut FeedForwardScratch,
    mut tap: Taps<'_, '_>,
) {
    let n = x.len() / config.hidden;
    show(team, &mut tap, Site::FeedForward, Input { x, norm: Some(*norm) }, config.hidden);
    let inner = &mut scratch.inner[..n * config.feed_forward];
    let down = match &layer.feed_forward {
        FeedForward::Gated(weights) => {
            gated(team, Input { x, norm: Some(*norm) }, weights, config.activation, inner, &mut scratch.up);
            &weights.down
        }
        FeedForward::Plain { up, down } => {
            let output = Output { activation: Some(config.activation), ..up.write_to(inner) };
            ops::project(team, Input { x, norm: Some(*norm) }, &mut [output]);
            down
        }
        FeedForward::Experts { router, experts } => {
            return mixture(team, config, router, experts, norm, x, branch, scratch, tap);
        }
    };
    let output = match branch {
        Some(branch) => down.write_to(branch),
        None => down.add_to(x),
    };
    let inner = Input { x: inner, norm: None };
    show(team, &mut tap, Site::Down, inner, config.feed_forward);
    ops::project(team, inner, &mut [output]);
}

/// `inner = act(gate x) * up x`, `[n, feed_forward]`; `spare` has room for as much.
pub(crate) fn gated(
    team: &mut Team,
    input: Input,
    weights: &GatedWeights,
    activation: Activation,
    inner: &mut [f32],
    spare: &mut [f32],
) {
    let GatedWeights { gate, up, .. } = weights;
    if gate.bias.is_none() && up.bias.is_none() {
        return ops::project_gated(team, input, &gate.weight, &up.weight, activation, inner);
    }
    let raised = &mut spare[..inner.len()];
    let output = Output { activation: Some(activation), ..gate.write_to(inner) };
    ops::project(team, input, &mut [output, up.write_to(raised)]);
    inner.iter_mut().zip(raised).for_each(|(gate, up)| *gate *= *up);
}
