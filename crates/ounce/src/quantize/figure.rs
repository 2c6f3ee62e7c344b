//! The errors of layers as a figure.

use ounce_llm::compress::CompressReport;
use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;

/// An SVG drawing of the mean relative error of the outputs of every layer, rounded to nearest and as stored, on a logarithmic scale. Without
/// calibration, of the weights.
pub(crate) fn svg(title: &str, report: &CompressReport) -> String {
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let calibrated =
        report.layers.iter().flat_map(|layer| &layer.linears).any(|map| map.error_after.is_some());
    let mut series: Vec<(&str, &str, Vec<f64>)> = Vec::new();
    let of = |pick: &dyn Fn(&ounce_llm::compress::LinearReport) -> Option<f64>| -> Vec<f64> {
        report.layers.iter().map(|layer| mean(layer.linears.iter().filter_map(pick).collect())).collect()
    };
    if calibrated {
        series.push(("rounded to nearest", "#b5522b", of(&|map| map.error_before)));
        series.push(("as stored", "#2b6cb5", of(&|map| map.error_after)));
    } else {
        series.push(("weights, rounded to nearest", "#b5522b", of(&|map| Some(map.weight_error_before))));
    }
    let positive = || series.iter().flat_map(|(_, _, values)| values).copied().filter(|value| *value > 0.0);
    let low = positive().fold(f64::INFINITY, f64::min).min(1.0);
    let high = positive().fold(0.0, f64::max).max(low);
    let (low, high) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
    let layers = report.layers.len().max(2) - 1;
    let x = |layer: usize| LEFT + (WIDTH - LEFT - RIGHT) * layer as f64 / layers as f64;
    let y = |value: f64| {
        let place = (value.max(1e-30).log10().clamp(low, high) - low) / (high - low);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * place
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
        escape(title)
    );
    for decade in low as i32..=high as i32 {
        let at = y(10f64.powi(decade));
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">1e{decade}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
    }
    let step = report.layers.len().div_ceil(16).max(1);
    for layer in (0..report.layers.len()).step_by(step) {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{layer}</text>",
            x(layer),
            HEIGHT - BOTTOM + 20.0
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">layer</text>\
         <text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">mean relative squared error</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 10.0,
        (TOP + HEIGHT - BOTTOM) / 2.0
    );
    for (index, (name, color, values)) in series.iter().enumerate() {
        let points: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(layer, &value)| format!("{:.1},{:.1}", x(layer), y(value)))
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        let legend = LEFT + 12.0 + 190.0 * index as f64;
        let _ = writeln!(
            out,
            "<line x1=\"{legend}\" x2=\"{}\" y1=\"38\" y2=\"38\" stroke=\"{color}\" stroke-width=\"2\"/><text x=\"{}\" y=\"42\">{name}</text>",
            legend + 24.0,
            legend + 30.0
        );
    }
    out.push_str("</svg>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
