//! The errors of layers as a figure.

use crate::chart::{Chart, Line, Scale};
use ounce_llm::compress::{CompressReport, LinearReport};

/// An SVG drawing of the mean relative error of the outputs of every layer, rounded to nearest and as stored, on a logarithmic scale. Without
/// calibration, of the weights.
pub(crate) fn svg(title: &str, report: &CompressReport) -> String {
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let line = |name: &str, color: &'static str, pick: &dyn Fn(&LinearReport) -> Option<f64>| Line {
        name: name.into(),
        color,
        points: (report.layers.iter().enumerate())
            .map(|(index, layer)| (index as f64, mean(layer.linears.iter().filter_map(pick).collect())))
            .collect(),
    };
    let calibrated =
        report.layers.iter().flat_map(|layer| &layer.linears).any(|map| map.error_after.is_some());
    let lines = if calibrated {
        vec![
            line("rounded to nearest", "#b5522b", &|map| map.error_before),
            line("as stored", "#2b6cb5", &|map| map.error_after),
        ]
    } else {
        vec![line("weights, rounded to nearest", "#b5522b", &|map| Some(map.weight_error_before))]
    };
    Chart {
        title,
        horizontal: "layer",
        vertical: "mean relative squared error",
        scale: Scale::Logarithmic,
        lines,
    }
    .svg()
}
