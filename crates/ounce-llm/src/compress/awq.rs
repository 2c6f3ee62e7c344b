//! AWQ on a layer: scales, then ranges.

use super::block::BlockLoss;
use super::groups::{ScalingGroup, scaling_groups};
use super::layer::WorkingLayer;
use super::plan::{Plan, Rounder};
use super::report::ScaleReport;
use crate::decoder::LinearId;
use ounce_kernels::Team;
use ounce_quant::awq::{self, Candidate, Clipping, Scaled, Search};
use ounce_quant::feedback::Feedback;
use ounce_quant::loss::error_of;
use ounce_quant::{Inputs, Nearest, QuantizedMatrix, SchemeError};

/// Finds and applies the scales of all groups of a layer.
///
/// With a `block`, groups of several maps are judged by the output of the layer, as in the AWQ repository.
pub(super) fn scale(
    team: &mut Team<'_>,
    layer: &mut WorkingLayer<'_>,
    plan: &Plan,
    mut block: Option<BlockLoss<'_>>,
) -> Vec<ScaleReport> {
    let groups = scaling_groups(layer.config, &layer.weights);
    // All are searched on the weights as they came: a scale that is folded into rows changes nothing of their relative error.
    let found: Vec<_> = groups.iter().map(|group| search(team, layer, plan, group, block.as_mut())).collect();
    let mut reports = Vec::new();
    for (group, found) in groups.iter().zip(found) {
        let (kind, ratio) = match found.candidate {
            Candidate::Identity => ("identity", None),
            Candidate::Plain { ratio } => ("plain", Some(ratio)),
            Candidate::Duo { ratio } => ("duo", Some(ratio)),
        };
        if found.candidate != Candidate::Identity {
            layer.apply(group, &found.scales);
        }
        reports.push(ScaleReport {
            linears: names(group),
            folded_into: group.fold.name(),
            kind,
            ratio,
            rotation: None,
            error_before: found.nearest_error,
            error_after: found.error,
        });
    }
    reports
}

fn search(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    plan: &Plan,
    group: &ScalingGroup,
    block: Option<&mut BlockLoss<'_>>,
) -> awq::Found {
    let linears: Vec<Scaled<'_>> = group
        .linears
        .iter()
        .filter_map(|&id| Some(Scaled { weights: layer.weights(id), inputs: layer.inputs.get(&id.site())? }))
        .collect();
    let cols = group.linears.first().map_or(1, |&id| layer.cols(id));
    let rounder = plan.rounder(cols);
    let search = Search { linears: &linears, ties: group.ties.as_deref(), group: plan.group(cols) };
    match block.filter(|_| group.linears.len() > 1) {
        Some(block) => awq::search(team, &search, &mut |team, scales| {
            block.error(team, &group.linears, &rounder, scales)
        }),
        None => awq::search(team, &search, &mut |team, scales| search.rounding_error(team, &rounder, scales)),
    }
}

/// The maps of a group, for people.
pub(super) fn names(group: &ScalingGroup) -> String {
    group.linears.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// How a map in groups came about.
pub(super) struct Stored {
    pub(super) matrix: QuantizedMatrix,
    /// Ranges were narrowed.
    pub(super) clipped: bool,
}

/// A map in groups: with narrower ranges, and with error feedback, each where it is asked for and lowers the error of the outputs.
///
/// # Errors
/// [`SchemeError`].
pub(super) fn quantize(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    id: LinearId,
    nearest: &Nearest,
    clip: bool,
    feedback: Option<&Feedback>,
) -> Result<Stored, SchemeError> {
    let (weights, cols, scheme) = (layer.weights(id), layer.cols(id), nearest.scheme);
    let mut matrix = QuantizedMatrix::nearest(weights, cols, scheme)?;
    let mut clipped = false;
    let Some(inputs) = layer.inputs.get(&id.site()) else { return Ok(Stored { matrix, clipped }) };
    let mut error = error(team, inputs, weights, &matrix);
    // Products of queries and keys suffer from clipped weights (AWQ repository, `auto_clip.py`).
    if clip && inputs.gram.is_some() && !matches!(id, LinearId::Q | LinearId::K) {
        let affines = awq::clip(team, weights, inputs, scheme, nearest.group, Clipping::default());
        let narrower = QuantizedMatrix::with_affines(weights, cols, scheme, &affines)?;
        // The search looked at each group alone; together they may disagree.
        let narrower_error = self::error(team, inputs, weights, &narrower);
        if narrower_error < error {
            (matrix, error, clipped) = (narrower, narrower_error, true);
        }
    }
    if let Some(feedback) = feedback {
        let quants = feedback.round(team, weights, scheme, nearest.group, &matrix.affines());
        let fed = QuantizedMatrix { quants, ..matrix.clone() };
        if self::error(team, inputs, weights, &fed) < error {
            matrix = fed;
        }
    }
    Ok(Stored { matrix, clipped })
}

fn error(team: &mut Team<'_>, inputs: &Inputs, weights: &[f32], matrix: &QuantizedMatrix) -> f64 {
    error_of(team, inputs, weights, |row, out| matrix.dequantize_row(row, out))
}

/// The error of the outputs of a map whose weights are rounded to nearest.
pub(super) fn nearest_error(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    id: LinearId,
    rounder: &Rounder,
) -> Option<f64> {
    let linear = Scaled { weights: layer.weights(id), inputs: layer.inputs.get(&id.site())? };
    Some(awq::scaled_error(team, linear, rounder, None))
}
