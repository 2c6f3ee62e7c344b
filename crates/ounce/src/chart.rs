//! Charts of lines as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 50.0;
/// About so many numbers stand below the horizontal axis.
const TICKS: f64 = 12.0;
/// About so many characters of a legend fit into a pixel.
const CHARACTERS_PER_PIXEL: f64 = 0.14;

/// One line of a chart.
pub(crate) struct Line {
    pub(crate) name: String,
    /// As SVG writes it.
    pub(crate) color: &'static str,
    /// Horizontal and vertical; ascending in the former.
    pub(crate) points: Vec<(f64, f64)>,
}

/// How values stand on the vertical axis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Equal distances are equal factors. Values that are not positive are drawn at the lower edge.
    Logarithmic,
    /// Equal distances are equal differences.
    Linear,
}

/// Lines over a linear horizontal axis.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) horizontal: &'a str,
    pub(crate) vertical: &'a str,
    pub(crate) scale: Scale,
    pub(crate) lines: Vec<Line>,
}

/// The vertical axis: what it reaches, on its own scale.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    /// The axis that holds these values.
    fn holding(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let finite = values.filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
        let low = finite.clone().fold(f64::INFINITY, f64::min).min(1e30);
        match scale {
            Scale::Logarithmic => {
                let high = finite.fold(0.0, f64::max).max(low);
                let low = low.log10().floor();
                Self { scale, low, high: high.log10().ceil().max(low + 1.0) }
            }
            Scale::Linear => {
                let low = if low < 1e30 { low.clamp(-1e30, 1e30) } else { 0.0 };
                let high = finite.fold(f64::NEG_INFINITY, f64::max).clamp(low, 1e30);
                let step = linear_step((high - low) / TICKS);
                Self {
                    scale,
                    low: (low / step).floor() * step,
                    high: ((high / step).ceil() * step).max(low + step),
                }
            }
        }
    }

    /// Where a value stands, from 0 at the lower to 1 at the upper edge.
    fn place(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Logarithmic => value.clamp(1e-30, 1e30).log10(),
            Scale::Linear => value,
        };
        (value.clamp(self.low, self.high) - self.low) / (self.high - self.low)
    }

    /// Values with a line across, and what stands beside it.
    fn ticks(&self) -> Vec<(f64, String)> {
        match self.scale {
            Scale::Logarithmic => (self.low as i32..=self.high as i32)
                .map(|decade| {
                    let plain = (0..=6).contains(&decade);
                    let label = if plain { 10f64.powi(decade).to_string() } else { format!("1e{decade}") };
                    (10f64.powi(decade), label)
                })
                .collect(),
            Scale::Linear => {
                let step = linear_step((self.high - self.low) / TICKS);
                let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
                let count = ((self.high - self.low) / step).round().min(4.0 * TICKS) as u32;
                (0..=count)
                    .map(|tick| self.low + f64::from(tick) * step)
                    .map(|at| (at, format!("{at:.digits$}")))
                    .collect()
            }
        }
    }
}

/// Charts below each other in one drawing.
pub(crate) fn stacked(charts: &[Chart<'_>]) -> String {
    let height = HEIGHT * charts.len() as f64;
    let mut out = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\">\n");
    for (at, chart) in charts.iter().enumerate() {
        let place = format!("<svg y=\"{}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" ", HEIGHT * at as f64);
        out += &chart.svg().replacen("<svg ", &place, 1);
    }
    out + "</svg>\n"
}

impl Chart<'_> {
    /// The drawing. What is no number is not drawn.
    pub(crate) fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points).copied();
        let axis = Axis::holding(self.scale, points().map(|(_, y)| y));
        let places = || points().map(|(x, _)| x).filter(|x| x.is_finite());
        let first = places().reduce(f64::min).unwrap_or(0.0);
        let last = places().fold(first + 1.0, f64::max);
        let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * (value - first) / (last - first);
        let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * axis.place(value);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
            escape(self.title)
        );
        for (value, label) in axis.ticks() {
            let at = y(value);
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                at + 4.0
            );
        }
        let step = round_step((last - first) / TICKS);
        for tick in
            (0..).map(|n| ((first / step).ceil() + f64::from(n)) * step).take_while(|tick| *tick <= last)
        {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
                x(tick),
                HEIGHT - BOTTOM + 20.0
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 10.0,
            escape(self.horizontal),
            (TOP + HEIGHT - BOTTOM) / 2.0,
            escape(self.vertical),
        );
        let mut legend = LEFT + 12.0;
        for Line { name, color, points } in &self.lines {
            let known = points.iter().filter(|(h, v)| h.is_finite() && !v.is_nan());
            let points: Vec<String> = known.map(|&(h, v)| format!("{:.1},{:.1}", x(h), y(v))).collect();
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\n\
                 <line x1=\"{legend:.0}\" x2=\"{:.0}\" y1=\"38\" y2=\"38\" stroke=\"{color}\" stroke-width=\"2\"/><text x=\"{:.0}\" y=\"42\">{}</text>",
                points.join(" "),
                legend + 24.0,
                legend + 30.0,
                escape(name),
            );
            legend += 54.0 + name.chars().count() as f64 / CHARACTERS_PER_PIXEL;
        }
        out.push_str("</svg>\n");
        out
    }
}

/// The least of 1, 2, 5, 10, 20, ... that is not below `step`.
fn round_step(step: f64) -> f64 {
    linear_step(step.max(1.0))
}

/// The least of ..., 0.1, 0.2, 0.5, 1, 2, 5, ... that is not below `step`, 1e-9 at least.
fn linear_step(step: f64) -> f64 {
    let step = step.max(1e-9);
    let decade = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade).into_iter().find(|round| *round >= step).unwrap_or(step)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_numbers() {
        assert_eq!([0.3, 1.0, 1.2, 2.5, 24_000.0].map(round_step), [1.0, 1.0, 2.0, 5.0, 50_000.0]);
    }

    #[test]
    fn linear_axes_hold_their_values_between_round_numbers() {
        let axis = Axis::holding(Scale::Linear, [0.123, 0.97].into_iter());
        assert!(
            (axis.low - 0.1).abs() < 1e-12 && (axis.high - 1.0).abs() < 1e-12,
            "{} {}",
            axis.low,
            axis.high
        );
        let labels: Vec<String> = axis.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]);
        assert!((axis.place(0.55) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn odd_values_make_no_broken_drawing() {
        for points in [vec![], vec![(0.0, 0.0)], vec![(1.0, f64::NAN), (2.0, f64::INFINITY), (3.0, 1e-9)]] {
            for scale in [Scale::Logarithmic, Scale::Linear] {
                let lines = vec![Line { name: "a < b".into(), color: "#000", points: points.clone() }];
                let svg = Chart { title: "t & t", horizontal: "x", vertical: "y", scale, lines }.svg();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                assert!(svg.contains("a &lt; b") && svg.contains("t &amp; t"));
            }
        }
    }
}
