//! Plans for people.

use super::{LayerRow, Need, Report, Searched, Training};
use crate::output::count;
use std::fmt::Write as _;

impl Report {
    /// The plan as tables.
    pub(crate) fn text(&self, layers: bool) -> String {
        let Self { network, size: [rows, columns], macs, convolutions, .. } = self;
        let mut text = format!(
            "{network} at {rows} x {columns}: {convolutions} convolutions, {:.1} million products an inference\n\n",
            *macs as f64 / 1e6
        );
        if layers {
            text += &layer_table(&self.layers);
        }
        // Without contributions there is no such column.
        let predicted = self.schemes.iter().any(|training| training.predicted_accuracy.is_some());
        let mut row = |name: &str, biases: &str, extra: &str, accuracy: &str, need: &str| {
            let accuracy = if predicted { format!("{accuracy:>9}  ") } else { String::new() };
            let _ = writeln!(text, "{:<12}  {biases:>6}  {extra:>8}  {accuracy}{need}", short(name));
        };
        row("scheme", "biases", "extra KB", "predicted", &need_heading());
        row("inference", "", "", "", &need_row(&self.inference));
        for Training { name, scheme, extra_kb, predicted_accuracy, need } in &self.schemes {
            let accuracy = predicted_accuracy.map_or_else(String::new, percent);
            row(name, &scheme.biases.to_string(), &format!("{extra_kb:.1}"), &accuracy, &need_row(need));
        }
        if !self.schemes.is_empty() {
            text += "\nextra KB: beyond inference, by the formula that published budgets are stated in; all else in bytes, of the program as it is emitted\n";
        }
        if let Some(Searched { evaluations, accuracy_by_chance, stopped, .. }) = &self.search {
            let _ = write!(text, "searched: {evaluations} schemes were tried");
            if *stopped {
                text += " before it was stopped";
            }
            if let Some(chance) = accuracy_by_chance {
                let _ = write!(text, "; as many by chance alone would have given {}", percent(*chance));
            }
            text += "\n";
        }
        text
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn need_heading() -> String {
    format!(
        "{:>9}  {:>9}  {:>6}  {:>9}  {:>9}  {:>9}  {:>9}  fits",
        "arena", "bound", "gap", "first fit", "trained", "SRAM", "flash"
    )
}

fn need_row(need: &Need) -> String {
    format!(
        "{:>9}  {:>9}  {:>5.1}%  {:>9}  {:>9}  {:>9}  {:>9}  {}",
        count(need.arena_bytes),
        count(need.arena_lower_bound_bytes),
        need.gap(),
        count(need.arena_first_fit_bytes),
        count(need.state_bytes),
        count(need.sram_bytes),
        count(need.flash_bytes),
        if need.fits { "yes" } else { "no" }
    )
}

/// The last part of a path, as much as fits its column.
fn short(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.chars().take(12).collect()
}

fn layer_table(layers: &[LayerRow]) -> String {
    let shape = |[channels, rows, columns]: [usize; 3]| format!("{channels} x {rows} x {columns}");
    let mut text = format!(
        "{:>4}  {:<9}  {:>14}  {:>14}  {:>6}  {:>9}  {:>7}  {:>7}  {:>9}\n",
        "conv", "kind", "from", "to", "kernel", "products", "weights", "bias KB", "weight KB"
    );
    for row in layers {
        let _ = writeln!(
            text,
            "{:>4}  {:<9}  {:>14}  {:>14}  {:>6}  {:>9}  {:>7}  {:>7.1}  {:>9.1}",
            row.number,
            row.kind,
            shape(row.input),
            shape(row.output),
            format!("{} x {}", row.kernel[0], row.kernel[1]),
            row.macs,
            row.weights,
            row.bias_kb,
            row.weight_kb
        );
    }
    text + "\n"
}
