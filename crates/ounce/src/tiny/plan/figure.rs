//! Contributions as a figure.

use crate::chart::{Chart, Line, Scale, stacked};
use ounce_tiny::contribution::{Contributions, Point};
use ounce_tiny::scheme::TrainedWeight;

const COLOURS: [&str; 5] = ["#2b6cb5", "#b5522b", "#4a9c5d", "#8a5bb0", "#777777"];

/// Two charts: the accuracy by the number of biases, and what the weights of each convolution add, a line for each share of channels.
pub(crate) fn svg(found: &Contributions) -> String {
    let setting = &found.setting;
    let of = format!("{} on {}, {} pictures", setting.network, setting.data, setting.train);
    let known = found.biases.iter().map(|of| of.biases);
    let points =
        known.filter_map(|biases| Some((biases as f64, 100.0 * found.accuracy(Point::Biases(biases))?)));
    let line = Line { name: "biases alone".to_owned(), color: COLOURS[0], points: points.collect() };
    let biases = Chart {
        title: &of,
        horizontal: "convolutions, from the last, whose biases are trained",
        vertical: "% right",
        scale: Scale::Linear,
        lines: vec![line],
    };
    let mut shares: Vec<f64> = found.weights.iter().map(|of| of.share).collect();
    shares.sort_by(|a, b| b.total_cmp(a));
    shares.dedup();
    let lines = shares.iter().zip(COLOURS).map(|(share, color)| {
        let convs = found.weights.iter().filter(|of| of.share == *share).map(|of| of.conv);
        let gain =
            |conv: usize| Some((conv as f64, 100.0 * found.gain(TrainedWeight { conv, share: *share })?));
        Line { name: format!("{share} of the channels"), color, points: convs.filter_map(gain).collect() }
    });
    let title = format!("Weights on top of the biases of {} convolutions", found.base);
    let weights = Chart {
        title: &title,
        horizontal: "convolution, from the input, whose weights are trained too",
        vertical: "% right more",
        scale: Scale::Linear,
        lines: lines.collect(),
    };
    stacked(&[biases, weights])
}
