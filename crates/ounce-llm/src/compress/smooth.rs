//! SmoothQuant on a layer.

use super::awq::names;
use super::groups::{ScalingGroup, scaling_groups};
use super::layer::WorkingLayer;
use super::report::ScaleReport;
use super::{Activations, Alpha, CompressedWeight};
use crate::decoder::LinearId;
use ounce_kernels::Team;
use ounce_kernels::ops::Rotation;
use ounce_quant::Inputs;
use ounce_quant::smoothquant::{self, Found, Map, Transform};

/// Strengths tried by the search.
const ALPHAS: [f32; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/// Strengths tried before a rotation, which levels what they leave.
const ROTATED_ALPHAS: [f32; 3] = [0.3, 0.5, 0.7];
/// A rotation costs time whenever the model runs: it must bring the error down to this share.
const WORTH: f64 = 0.9;

/// Finds and applies what is done to the inputs of all maps of a layer: migration for the groups that share a scale, and rotations if `rotate`.
pub(super) fn smooth(
    team: &mut Team<'_>,
    layer: &mut WorkingLayer<'_>,
    alpha: Alpha,
    rotate: bool,
    activations: Activations,
) -> Vec<ScaleReport> {
    let mut reports = Vec::new();
    let groups = scaling_groups(layer.config, &layer.weights);
    for group in &groups {
        let found = if matches!(alpha, Alpha::Fixed(_)) && !group.fold.is_norm() {
            None
        } else {
            migrate(team, layer, group, alpha, activations)
        };
        let candidates = Candidates { ids: &group.linears, group: Some(group), alpha };
        let turned = rotate.then(|| candidates.rotated(team, layer, found.as_ref(), activations)).flatten();
        let (found, rotation) = match (found, turned) {
            (_, Some((turned, rotation))) => (turned, Some(rotation)),
            (Some(found), None) => (found, None),
            (None, None) => continue,
        };
        if found.refined || found.alpha.is_some() {
            layer.apply(group, &found.scales);
        }
        if let Some(rotation) = rotation {
            layer.rotate(team, &group.linears, rotation);
        }
        reports.push(report(names(group), group.fold.name(), &found, rotation));
    }
    // Without a gate, down shares a scale with nothing, but can be rotated.
    let alone = [LinearId::Down];
    if rotate && !groups.iter().any(|group| group.linears.contains(&LinearId::Down)) {
        let candidates = Candidates { ids: &alone, group: None, alpha };
        if let Some((found, rotation)) = candidates.rotated(team, layer, None, activations) {
            layer.rotate(team, &alone, rotation);
            reports.push(report(LinearId::Down.to_string(), "nothing", &found, Some(rotation)));
        }
    }
    reports
}

fn report(
    linears: String,
    folded_into: &'static str,
    found: &Found,
    rotation: Option<Rotation>,
) -> ScaleReport {
    ScaleReport {
        linears,
        folded_into,
        kind: match (found.refined, found.alpha) {
            (true, _) => "refined",
            (false, Some(_)) => "alpha",
            (false, None) => "identity",
        },
        ratio: found.alpha,
        rotation: rotation.map(Rotation::block),
        error_before: found.naive_error,
        error_after: found.error,
    }
}

/// The migration of a group without rotation.
fn migrate(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    group: &ScalingGroup,
    alpha: Alpha,
    activations: Activations,
) -> Option<Found> {
    let ids = &group.linears;
    let width = layer.cols(*ids.first()?);
    let largest = sizes(layer, ids, width, |inputs| inputs.max_abs.clone());
    let mut loss = |team: &mut Team<'_>, scales: Option<&[f32]>| {
        errors(team, layer, ids, Transform { scales, rotation: None }, activations, share(alpha))
    };
    match alpha {
        Alpha::Fixed(alpha) => {
            let scales = scales(layer, group, &largest, alpha);
            let error = loss(team, Some(&scales));
            let naive_error = loss(team, None);
            Some(Found { alpha: Some(alpha), refined: false, scales, error, naive_error })
        }
        Alpha::Auto => {
            // With a scale per token only the sizes within a token matter.
            let relative = sizes(layer, ids, width, smoothquant::relative_max);
            let spread = sizes(layer, ids, width, smoothquant::relative_mean);
            let mut best: Option<Found> = None;
            for sizes in [&largest, &relative, &spread] {
                let of = |alpha| scales(layer, group, sizes, alpha);
                let found = smoothquant::search(team, width, &ALPHAS, &of, &mut loss);
                if best.as_ref().is_none_or(|best| found.error < best.error) {
                    best = Some(found);
                }
            }
            let mut best = best?;
            if activations == Activations::PerToken {
                refine(team, layer, group, &mut best, &mut loss);
            }
            Some(best)
        }
    }
}

/// Maps that read the same inputs, which may be rotated.
struct Candidates<'a> {
    ids: &'a [LinearId],
    /// The group that they are, if they share a scale.
    group: Option<&'a ScalingGroup>,
    alpha: Alpha,
}

impl Candidates<'_> {
    /// The best scales (or none) before the rotation in the largest blocks that fit, if that is worth its time beside `unrotated`, or beside
    /// leaving the inputs as they are. `naive_error` of what is found is that without scales and rotation.
    ///
    /// Inputs of experts and of maps with a bias are left alone: engines that read such files cannot rotate them.
    fn rotated(
        &self,
        team: &mut Team<'_>,
        layer: &WorkingLayer<'_>,
        unrotated: Option<&Found>,
        activations: Activations,
    ) -> Option<(Found, Rotation)> {
        let width = layer.cols(*self.ids.first()?);
        let rotation = Rotation::largest(width)?;
        let plain = |&id: &LinearId| {
            let expert = matches!(
                id,
                LinearId::ExpertGate(_) | LinearId::ExpertUp(_) | LinearId::ExpertDown(_) | LinearId::Router
            );
            !expert && layer.weights.linear(id).is_some_and(|linear| linear.bias.is_none())
        };
        if !self.ids.iter().all(plain) || self.group.is_some_and(|group| !group.passengers.is_empty()) {
            return None;
        }
        let share = share(self.alpha);
        let mut loss = |team: &mut Team<'_>, scales: Option<&[f32]>| {
            let transform = Transform { scales, rotation: Some(rotation) };
            errors(team, layer, self.ids, transform, activations, share)
        };
        let alphas: &[f32] = match (self.alpha, self.group) {
            (Alpha::Auto, Some(_)) => &ROTATED_ALPHAS,
            _ => &[],
        };
        let spread = sizes(layer, self.ids, width, smoothquant::relative_mean);
        let of = |alpha| match self.group {
            Some(group) => scales(layer, group, &spread, alpha),
            None => vec![1.0; width],
        };
        let mut best = smoothquant::search(team, width, alphas, &of, &mut loss);
        if let Some(unrotated) = unrotated {
            let error = loss(team, Some(&unrotated.scales));
            if error < best.error {
                best = Found { error, ..unrotated.clone() };
            }
        }
        let (naive_error, other) = match unrotated {
            Some(unrotated) => (unrotated.naive_error, unrotated.error),
            None => {
                let naive = errors(team, layer, self.ids, Transform::default(), activations, share);
                (naive, naive)
            }
        };
        (best.error < WORTH * other).then_some((Found { naive_error, ..best }, rotation))
    }
}

/// How much the noise of weights counts in a search.
fn share(alpha: Alpha) -> f32 {
    if alpha == Alpha::Auto { smoothquant::WEIGHT_SHARE } else { 1.0 }
}

/// The scales of a group by the published rule, for inputs of these sizes.
fn scales(layer: &WorkingLayer<'_>, group: &ScalingGroup, sizes: &[f32], alpha: f32) -> Vec<f32> {
    let ids = group.linears.iter().chain(&group.passengers);
    let weights: Vec<&[f32]> = ids.map(|&id| layer.weights(id)).collect();
    let mut scales = smoothquant::scales(sizes, &weights, alpha);
    if let Some(ties) = &group.ties {
        tie(&mut scales, ties);
    }
    scales
}

/// The sizes `[width]` of the inputs of maps, the largest where they differ.
fn sizes(
    layer: &WorkingLayer<'_>,
    ids: &[LinearId],
    width: usize,
    of: impl Fn(&Inputs) -> Vec<f32>,
) -> Vec<f32> {
    let mut largest = vec![0.0f32; width];
    for inputs in ids.iter().filter_map(|id| layer.inputs.get(&id.site())) {
        largest.iter_mut().zip(of(inputs)).for_each(|(largest, x)| *largest = largest.max(x));
    }
    largest
}

/// Gives columns that share a number the largest of their values.
fn tie(values: &mut [f32], ties: &[usize]) {
    let mut largest = vec![0.0f32; values.len()];
    ties.iter().zip(&*values).for_each(|(&tie, &value)| largest[tie] = largest[tie].max(value));
    ties.iter().zip(values).for_each(|(&tie, value)| *value = largest[tie]);
}

/// Lets each channel leave what the strengths gave, if that lowers the error.
fn refine(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    group: &ScalingGroup,
    best: &mut Found,
    loss: &mut dyn FnMut(&mut Team<'_>, Option<&[f32]>) -> f64,
) {
    let map =
        |&id: &LinearId| Some(Map { inputs: layer.inputs.get(&id.site())?, weights: layer.weights(id) });
    let maps: Vec<Map<'_>> = group.linears.iter().filter_map(map).collect();
    let scales = smoothquant::refine(team, &maps, group.ties.as_deref(), &best.scales);
    let error = loss(team, Some(&scales));
    if error < best.error {
        (best.scales, best.error) = (scales, error);
        best.refined = true;
    }
}

/// Error of the outputs of a map with 8-bit weights and inputs.
pub(super) fn error(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    id: LinearId,
    activations: Activations,
) -> f64 {
    errors(team, layer, &[id], Transform::default(), activations, 1.0)
}

/// The same of a map as it is stored.
pub(super) fn stored_error(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    id: LinearId,
    weight: &CompressedWeight,
    activations: Activations,
) -> Option<f64> {
    let (inputs, weights) = (layer.inputs.get(&id.site())?, layer.weights(id));
    let stored = |row: usize, out: &mut [f32]| weight.dequantize_row(row, out);
    Some(smoothquant::stored_error(team, inputs, weights, stored, rounding(activations)))
}

fn rounding(activations: Activations) -> smoothquant::Activations {
    match activations {
        Activations::PerTensor => smoothquant::Activations::PerTensor,
        _ => smoothquant::Activations::PerToken,
    }
}

fn errors(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    ids: &[LinearId],
    transform: Transform<'_>,
    activations: Activations,
    weight_share: f32,
) -> f64 {
    let activations = rounding(activations);
    ids.iter()
        .filter_map(|&id| {
            let (inputs, weights) = (layer.inputs.get(&id.site())?, [layer.weights(id)]);
            Some(smoothquant::output_error(team, inputs, &weights, transform, activations, weight_share))
        })
        .sum()
}
