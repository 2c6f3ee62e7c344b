//! SmoothQuant on a layer.

use super::awq::names;
use super::groups::{ScalingGroup, scaling_groups};
use super::layer::WorkingLayer;
use super::report::ScaleReport;
use super::{Activations, Alpha, CompressedWeight};
use crate::decoder::LinearId;
use ounce_kernels::Team;
use ounce_quant::Inputs;
use ounce_quant::smoothquant::{self, Map};

/// Strengths tried by the search.
const ALPHAS: [f32; 9] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/// Finds and applies the migration of all groups of a layer.
pub(super) fn smooth(
    team: &mut Team<'_>,
    layer: &mut WorkingLayer<'_>,
    alpha: Alpha,
    activations: Activations,
) -> Vec<ScaleReport> {
    let mut reports = Vec::new();
    for group in scaling_groups(layer.config, &layer.weights) {
        if matches!(alpha, Alpha::Fixed(_)) && !group.fold.is_norm() {
            continue;
        }
        let ids: Vec<LinearId> = group.linears.clone();
        let Some(width) = ids.first().map(|&id| layer.cols(id)) else { continue };
        let weights: Vec<&[f32]> = ids.iter().chain(&group.passengers).map(|&id| layer.weights(id)).collect();
        let scales = |sizes: &[f32], alpha: f32| {
            let mut scales = smoothquant::scales(sizes, &weights, alpha);
            if let Some(ties) = &group.ties {
                tie(&mut scales, ties);
            }
            scales
        };
        let largest = sizes(layer, &ids, width, |inputs| inputs.max_abs.clone());
        let share = if alpha == Alpha::Auto { smoothquant::WEIGHT_SHARE } else { 1.0 };
        let mut loss = |team: &mut Team<'_>, scales: Option<&[f32]>| {
            errors(team, layer, &ids, scales, activations, share)
        };
        let found = match alpha {
            Alpha::Fixed(alpha) => {
                let scales = scales(&largest, alpha);
                let error = loss(team, Some(&scales));
                let naive_error = loss(team, None);
                smoothquant::Found { alpha: Some(alpha), refined: false, scales, error, naive_error }
            }
            Alpha::Auto => {
                // With a scale per token only the sizes within a token matter.
                let relative = sizes(layer, &ids, width, smoothquant::relative_max);
                let spread = sizes(layer, &ids, width, smoothquant::relative_mean);
                let mut best: Option<smoothquant::Found> = None;
                for sizes in [&largest, &relative, &spread] {
                    let found =
                        smoothquant::search(team, width, &ALPHAS, &|alpha| scales(sizes, alpha), &mut loss);
                    if best.as_ref().is_none_or(|best| found.error < best.error) {
                        best = Some(found);
                    }
                }
                let Some(mut best) = best else { continue };
                if activations == Activations::PerToken {
                    refine(team, layer, &group, &mut best, &mut loss);
                }
                best
            }
        };
        reports.push(ScaleReport {
            linears: names(&group),
            folded_into: group.fold.name(),
            kind: match (found.refined, found.alpha) {
                (true, _) => "refined",
                (false, Some(_)) => "alpha",
                (false, None) => "identity",
            },
            ratio: found.alpha,
            error_before: found.naive_error,
            error_after: found.error,
        });
        if found.refined || found.alpha.is_some() {
            layer.apply(&group, &found.scales);
        }
    }
    reports
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
    best: &mut smoothquant::Found,
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
    errors(team, layer, &[id], None, activations, 1.0)
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
    scales: Option<&[f32]>,
    activations: Activations,
    weight_share: f32,
) -> f64 {
    let activations = rounding(activations);
    ids.iter()
        .filter_map(|&id| {
            let (inputs, weights) = (layer.inputs.get(&id.site())?, [layer.weights(id)]);
            Some(smoothquant::output_error(team, inputs, &weights, scales, activations, weight_share))
        })
        .sum()
}
