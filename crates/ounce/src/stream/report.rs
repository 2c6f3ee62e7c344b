//! What was measured along a text: a table, a file of rows, a figure.

use super::measure::{Measured, Reading};
use crate::chart::{Chart, Line, Scale};
use crate::output;
use std::fmt::Write as _;

/// Where the first part of a text ends, with which the last is compared, in tokens.
const FIRST: usize = 4000;

/// One line per way of reading, for people.
pub(crate) fn table(all: &[Measured]) -> String {
    let mut text = format!(
        "{:<10} {:>9} {:>12} {:>14} {:>14} {:>10} {:>12}\n",
        "reading", "tokens", "perplexity", "first 4,000", "last tenth", "ms/token", "memory"
    );
    for measured in all {
        let Some(last) = measured.rows.last() else { continue };
        let number = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.3}"));
        let _ = writeln!(
            text,
            "{:<10} {:>9} {:>12.3} {:>14} {:>14} {:>10.3} {:>12}",
            measured.reading.name(),
            output::count(last.tokens as u64),
            measured.perplexity,
            number(measured.perplexity_between(0, FIRST)),
            number(measured.perplexity_between(last.tokens - last.tokens / 10, last.tokens)),
            measured.ms_per_token,
            last.rss_bytes.map_or_else(|| "-".into(), output::bytes),
        );
    }
    text
}

/// Every row of every way of reading, with a line of headings.
pub(crate) fn csv(all: &[Measured]) -> String {
    let mut text = String::from("reading,tokens,scored,mean_nll,perplexity,ms_per_token,held,rss_bytes\n");
    for measured in all {
        for row in &measured.rows {
            let memory = row.rss_bytes.map_or_else(String::new, |bytes| bytes.to_string());
            let _ = writeln!(
                text,
                "{},{},{},{:.5},{:.4},{:.4},{},{memory}",
                measured.reading.name(),
                row.tokens,
                row.scored,
                row.mean_nll,
                row.perplexity,
                row.ms_per_token,
                row.held,
            );
        }
    }
    text
}

/// Perplexity of the rows along the text.
pub(crate) fn figure(title: &str, all: &[Measured]) -> String {
    let lines = all
        .iter()
        .map(|measured| Line {
            name: measured.reading.name().into(),
            color: match measured.reading {
                Reading::Dense => "#777777",
                Reading::Window => "#b5522b",
                Reading::Recompute => "#3a8f4d",
                Reading::Sinks => "#2b6cb5",
            },
            points: measured.rows.iter().map(|row| (row.tokens as f64, row.perplexity)).collect(),
        })
        .collect();
    Chart { title, horizontal: "tokens read", vertical: "perplexity", scale: Scale::Logarithmic, lines }.svg()
}
