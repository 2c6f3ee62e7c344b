//! The errors of layers as a table.

use ounce_llm::compress::{CompressReport, LinearReport};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A line per layer: the relative errors of its maps, in percent, by rounding to nearest and as stored.
pub(crate) fn layers(report: &CompressReport) -> String {
    let calibrated =
        report.layers.iter().flat_map(|layer| &layer.linears).any(|map| map.error_after.is_some());
    if !calibrated {
        return String::new();
    }
    let columns: Vec<&str> = ["q", "k", "v", "o", "gate", "up", "down"]
        .into_iter()
        .filter(|name| report.layers.iter().any(|layer| !maps(&layer.linears, name).is_empty()))
        .collect();
    let mut text = String::from("error of outputs in %, rounded to nearest > as stored\nlayer");
    for name in &columns {
        let _ = write!(text, "  {name:>15}");
    }
    for layer in &report.layers {
        let _ = write!(text, "\n{:>5}", layer.layer);
        for name in &columns {
            let found = maps(&layer.linears, name);
            let (before, after) = (mean(&found, |map| map.error_before), mean(&found, |map| map.error_after));
            let _ = write!(text, "  {:>6} > {:>6}", percent(before), percent(after));
        }
    }
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for scale in report.layers.iter().flat_map(|layer| &layer.scales) {
        *totals.entry(scale.kind).or_default() += 1;
    }
    text.push('\n');
    if !totals.is_empty() {
        let kinds: Vec<String> = totals.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let _ = writeln!(text, "scales: {}", kinds.join(", "));
    }
    let linears = || report.layers.iter().flat_map(|layer| &layer.linears);
    let rotated = linears().filter(|map| map.rotation.is_some()).count();
    if rotated > 0 {
        let of = linears().count();
        let _ = writeln!(
            text,
            "rotated inputs: {rotated} of {of} maps; transformers passes over rotations (--rotate none goes without)"
        );
    }
    text
}

/// The maps of a name, those of all experts together.
fn maps<'a>(linears: &'a [LinearReport], name: &str) -> Vec<&'a LinearReport> {
    linears.iter().filter(|map| map.linear.rsplit('.').next() == Some(name)).collect()
}

fn mean(maps: &[&LinearReport], error: impl Fn(&LinearReport) -> Option<f64>) -> Option<f64> {
    let errors: Vec<f64> = maps.iter().filter_map(|map| error(map)).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.3}", 100.0 * share))
}
