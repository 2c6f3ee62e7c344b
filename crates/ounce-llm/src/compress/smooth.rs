//! SmoothQuant on a layer.

use super::awq::names;
use super::groups::scaling_groups;
use super::layer::WorkingLayer;
use super::report::ScaleReport;
use super::{Activations, Alpha};
use crate::decoder::LinearId;
use ounce_kernels::Team;
use ounce_quant::smoothquant;

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
        let mut largest = vec![0.0f32; width];
        for inputs in ids.iter().filter_map(|id| layer.inputs.get(&id.site())) {
            largest.iter_mut().zip(&inputs.max_abs).for_each(|(largest, &x)| *largest = largest.max(x));
        }
        if let Some(ties) = &group.ties {
            tie(&mut largest, ties);
        }
        let weights: Vec<&[f32]> = ids.iter().chain(&group.passengers).map(|&id| layer.weights(id)).collect();
        let scales = |alpha: f32| {
            let mut scales = smoothquant::scales(&largest, &weights, alpha);
            if let Some(ties) = &group.ties {
                tie(&mut scales, ties);
            }
            scales
        };
        let mut loss =
            |team: &mut Team<'_>, scales: Option<&[f32]>| error(team, layer, &ids, scales, activations);
        let found = match alpha {
            Alpha::Auto => smoothquant::search(team, width, &ALPHAS, &scales, &mut loss),
            Alpha::Fixed(alpha) => {
                let scales = scales(alpha);
                let error = loss(team, Some(&scales));
                let naive_error = loss(team, None);
                smoothquant::Found { alpha: Some(alpha), scales, error, naive_error }
            }
        };
        reports.push(ScaleReport {
            linears: names(&group),
            folded_into: group.fold.name(),
            kind: if found.alpha.is_some() { "alpha" } else { "identity" },
            ratio: found.alpha,
            error_before: found.naive_error,
            error_after: found.error,
        });
        if found.alpha.is_some() {
            layer.apply(&group, &found.scales);
        }
    }
    reports
}

/// Gives columns that share a number the largest of their values.
fn tie(values: &mut [f32], ties: &[usize]) {
    let mut largest = vec![0.0f32; values.len()];
    ties.iter().zip(&*values).for_each(|(&tie, &value)| largest[tie] = largest[tie].max(value));
    ties.iter().zip(values).for_each(|(&tie, value)| *value = largest[tie]);
}

/// Error of the outputs of maps with 8-bit weights and inputs.
pub(super) fn error(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    ids: &[LinearId],
    scales: Option<&[f32]>,
    activations: Activations,
) -> f64 {
    let activations = match activations {
        Activations::PerTensor => smoothquant::Activations::PerTensor,
        _ => smoothquant::Activations::PerToken,
    };
    ids.iter()
        .filter_map(|&id| {
            let inputs = layer.inputs.get(&id.site())?;
            Some(smoothquant::output_error(team, inputs, &[layer.weights(id)], scales, activations))
        })
        .sum()
}
