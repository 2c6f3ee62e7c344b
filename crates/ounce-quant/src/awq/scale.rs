//! The search for the scale of each input channel.

use crate::inputs::Inputs;
use crate::loss::error_of;
use crate::rounding::Rounding;
use ounce_kernels::Team;

/// A way to derive scales from statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Candidate {
    /// All scales are 1: rounding to nearest.
    Identity,
    /// `s = mean|x|^ratio` (the AWQ repository).
    Plain {
        /// 0 to 1.
        ratio: f32,
    },
    /// `s = mean|x|^ratio / mean|w|^(1 - ratio)` with weights relative to the largest of their group (AutoAWQ's `duo_scaling`).
    Duo {
        /// 0 to 1.
        ratio: f32,
    },
}

/// The linear maps that are scaled together: all read the same inputs, or parts of them as experts do.
#[derive(Clone, Copy)]
pub struct Scaled<'a> {
    /// `[rows, width]`.
    pub weights: &'a [f32],
    /// Statistics of its inputs.
    pub inputs: &'a Inputs,
}

/// What is searched.
pub struct Search<'a> {
    /// The maps that share the scale, at least one.
    pub linears: &'a [Scaled<'a>],
    /// Columns with the same number share one scale: for attention with fewer value heads than query heads. `None`: every column has its
    /// own. Numbers are below the number of columns.
    pub ties: Option<&'a [usize]>,
    /// Columns whose weights are compared with their largest, for [`Candidate::Duo`].
    pub group: usize,
}

/// The best scale.
#[derive(Clone, Debug)]
pub struct Found {
    /// How it came about.
    pub candidate: Candidate,
    /// `[width]`; weights are multiplied with it, inputs divided.
    pub scales: Vec<f32>,
    /// Error with the scale.
    pub error: f64,
    /// Error with all scales 1.
    pub nearest_error: f64,
}

/// Smallest scale before normalisation.
const SMALLEST: f32 = 1e-4;
/// Steps of the coarse search: ratios in fifths. The fine one looks a tenth and a twentieth to both sides of the best.
const COARSE: usize = 5;

/// Looks for the scale of least error, first over ratios in steps of 0.2 of both kinds of candidates, then at a tenth and a twentieth
/// beside the best. The identity is always a candidate.
///
/// `loss(team, scales)` is the error with a scale (`None`: 1 everywhere); [`Search::rounding_error`] is the one of the linear maps alone, and
/// a caller may look at a whole block instead.
pub fn search(
    team: &mut Team<'_>,
    what: &Search<'_>,
    loss: &mut dyn FnMut(&mut Team<'_>, Option<&[f32]>) -> f64,
) -> Found {
    let statistics = Statistics::new(what);
    let nearest_error = loss(team, None);
    let width = statistics.mean_abs.len();
    let mut best = Found {
        candidate: Candidate::Identity,
        scales: vec![1.0; width],
        error: nearest_error,
        nearest_error,
    };
    let mut consider = |team: &mut Team<'_>, candidate: Candidate, best: &mut Found| {
        let Some(scales) = statistics.scales(candidate) else { return };
        let error = loss(team, Some(&scales));
        if error < best.error {
            *best = Found { candidate, scales, error, nearest_error };
        }
    };
    for step in 0..=COARSE {
        let ratio = step as f32 / COARSE as f32;
        if step > 0 {
            consider(team, Candidate::Plain { ratio }, &mut best);
        }
        consider(team, Candidate::Duo { ratio }, &mut best);
    }
    for step in [0.1, 0.05] {
        for sign in [-1.0, 1.0] {
            let near = |ratio: f32| (ratio + sign * step).clamp(0.0, 1.0);
            let candidate = match best.candidate {
                Candidate::Identity => Candidate::Plain { ratio: step },
                Candidate::Plain { ratio } => Candidate::Plain { ratio: near(ratio) },
                Candidate::Duo { ratio } => Candidate::Duo { ratio: near(ratio) },
            };
            consider(team, candidate, &mut best);
        }
    }
    best
}

impl Search<'_> {
    /// Error of the outputs of all linear maps if their weights are scaled, rounded and scaled back.
    pub fn rounding_error(
        &self,
        team: &mut Team<'_>,
        rounding: &dyn Rounding,
        scales: Option<&[f32]>,
    ) -> f64 {
        self.linears.iter().map(|linear| scaled_error(team, *linear, rounding, scales)).sum()
    }
}

/// Error of the outputs of one linear map if its weights are scaled, rounded and scaled back.
pub fn scaled_error(
    team: &mut Team<'_>,
    linear: Scaled<'_>,
    rounding: &dyn Rounding,
    scales: Option<&[f32]>,
) -> f64 {
    let Scaled { weights, inputs } = linear;
    error_of(team, inputs, weights, |row, out| {
        rounding.round_scaled_row(&weights[row * inputs.width..][..inputs.width], scales, out);
    })
}

/// What scales are derived from, one number a column, equal for columns that are tied.
struct Statistics {
    mean_abs: Vec<f32>,
    mean_weight: Vec<f32>,
}

impl Statistics {
    fn new(what: &Search<'_>) -> Self {
        let width = what.linears.first().map_or(0, |linear| linear.inputs.width);
        let tokens: f64 = what.linears.iter().map(|linear| linear.inputs.rows as f64).sum();
        let mut mean_abs = vec![0.0f64; width];
        for linear in what.linears {
            let share = linear.inputs.rows as f64 / tokens.max(1.0);
            mean_abs
                .iter_mut()
                .zip(&linear.inputs.mean_abs)
                .for_each(|(sum, x)| *sum += share * f64::from(*x));
        }
        let mut mean_weight = vec![0.0f64; width];
        let mut rows = 0;
        for linear in what.linears {
            for row in linear.weights.chunks_exact(width.max(1)) {
                rows += 1;
                for (row, sums) in row.chunks(what.group).zip(mean_weight.chunks_mut(what.group)) {
                    let largest = row.iter().fold(0.0f32, |largest, w| largest.max(w.abs())) + 1e-6;
                    row.iter().zip(sums).for_each(|(w, sum)| *sum += f64::from(w.abs() / largest));
                }
            }
        }
        let tie = |values: Vec<f64>| tied(&values, what.ties);
        Self {
            mean_abs: tie(mean_abs),
            mean_weight: tie(mean_weight.iter().map(|sum| sum / f64::from(rows.max(1))).collect()),
        }
    }

    /// `None` for the identity, or if the scales are no numbers.
    fn scales(&self, candidate: Candidate) -> Option<Vec<f32>> {
        let mut scales: Vec<f32> = match candidate {
            Candidate::Identity => return None,
            Candidate::Plain { ratio } => self.mean_abs.iter().map(|x| x.powf(ratio).max(SMALLEST)).collect(),
            Candidate::Duo { ratio } => self
                .mean_abs
                .iter()
                .zip(&self.mean_weight)
                .map(|(x, w)| (x.powf(ratio) / (w.powf(1.0 - ratio) + 1e-4)).max(SMALLEST))
                .collect(),
        };
        let (low, high) = crate::scheme::bounds(&scales);
        let middle = (low * high).sqrt();
        scales.iter_mut().for_each(|s| *s /= middle);
        scales.iter().all(|s| s.is_finite() && *s > 0.0).then_some(scales)
    }
}

/// Means over columns that share a number.
fn tied(values: &[f64], ties: Option<&[usize]>) -> Vec<f32> {
    let Some(ties) = ties else { return values.iter().map(|&x| x as f32).collect() };
    let mut sums = vec![(0.0, 0u32); values.len()];
    for (&tie, value) in ties.iter().zip(values) {
        sums[tie].0 += value;
        sums[tie].1 += 1;
    }
    ties.iter().map(|&tie| (sums[tie].0 / f64::from(sums[tie].1.max(1))) as f32).collect()
}
