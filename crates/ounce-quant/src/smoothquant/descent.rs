//! Descent on migration scales, channel by channel.
//!
//! The published rule sets all scales by one number. Here they are free: the noise that rounding to 8 bits puts into the outputs is written as
//! a function of the scales, and lowered by gradient descent (Adam; Kingma and Ba, 2015) on their logarithms.
//!
//! With a step of size `d`, a value `x` far larger than `d` is off by `d^2 / 12` on average (squared), one far smaller vanishes and is off
//! by `x^2`; `x^2 b / (x^2 + b)` with `b = d^2 / 12` is both. The step of a token is its largest input over 127, that of a row of weights
//! its largest weight over 127: the gradient takes the largest as the one it is at present.

use super::WEIGHT_SHARE;
use crate::inputs::Inputs;
use ounce_kernels::Team;
use ounce_kernels::ops::{self, Input, Output};

/// Steps of the descent.
const STEPS: usize = 80;
/// The first step, in natural logarithms of a scale; steps shrink to nothing.
const RATE: f32 = 0.06;
/// `1 / 12 / 127^2`: mean squared error of rounding, for a largest magnitude of 1.
const NOISE: f32 = 1.0 / (12.0 * 127.0 * 127.0);
/// Tokens or rows whose gradients are summed at a time. Fixed, so that results do not depend on the number of threads.
const ROWS_AT_ONCE: usize = 64;
/// Columns that are computed side by side.
const LANES: usize = 8;
/// Rows of weights that are looked at, at most, evenly chosen.
const MOST_ROWS: usize = 512;

/// A linear map whose inputs are rounded to 8 bits with a scale per token and whose weights `[rows, width]` with a scale per row.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    /// What it reads.
    pub inputs: &'a Inputs,
    /// `[rows, width]`
    pub weights: &'a [f32],
}

/// Scales `[width]` that put less noise into the outputs of `maps` than `start [width]` does, by the model above. Columns with the same number
/// in `ties` keep the same scale, if they start with the same. The noise of rounded weights counts [`WEIGHT_SHARE`] times.
///
/// # Panics
/// If lengths do not fit.
pub fn refine(team: &mut Team<'_>, maps: &[Map<'_>], ties: Option<&[usize]>, start: &[f32]) -> Vec<f32> {
    let width = start.len();
    let noise = Noise::new(team, maps, width);
    let mut logs: Vec<f32> = start.iter().map(|s| s.ln()).collect();
    let (mut first, mut second) = (vec![0.0f32; width], vec![0.0f32; width]);
    let mut best = (noise.gradient(team, &logs).0, logs.clone());
    if !(best.0 as f32).is_normal() {
        // Nothing flows here, or what flows is not a number.
        return start.to_vec();
    }
    for step in 0..STEPS {
        let (value, mut gradient) = noise.gradient(team, &logs);
        if value < best.0 {
            best = (value, logs.clone());
        }
        if let Some(ties) = ties {
            share(&mut gradient, ties);
        }
        let done = step as f32 / STEPS as f32;
        let rate = RATE * 0.5 * (1.0 + (std::f32::consts::PI * done).cos());
        let (fading1, fading2) = (1.0 - 0.9f32.powi(step as i32 + 1), 1.0 - 0.99f32.powi(step as i32 + 1));
        // Adam does not ask how large the gradient is; this keeps its squares within range.
        let unit = 1.0 / (value as f32).max(f32::MIN_POSITIVE);
        for (((log, g), m), v) in logs.iter_mut().zip(&gradient).zip(&mut first).zip(&mut second) {
            let g = g * unit;
            *m = 0.9 * *m + 0.1 * g;
            *v = 0.99 * *v + 0.01 * g * g;
            *log -= rate * (*m / fading1) / ((*v / fading2).sqrt() + 1e-12);
        }
    }
    best.1.iter().map(|log| log.exp()).collect()
}

/// Replaces values that share a number by their sum.
fn share(values: &mut [f32], ties: &[usize]) {
    let mut sums = vec![0.0f32; values.len()];
    ties.iter().zip(&*values).for_each(|(&tie, value)| sums[tie] += value);
    ties.iter().zip(values).for_each(|(&tie, value)| *value = sums[tie]);
}

/// What the noise in the outputs depends on, beside the scales.
struct Noise {
    width: usize,
    /// One per input that some of the maps read.
    inputs: Vec<Tokens>,
    /// One per map.
    weights: Vec<Rows>,
}

struct Tokens {
    /// `[tokens, width]`: squared inputs.
    squares: Vec<f32>,
    /// `[tokens, width]`: how much squared noise in an input adds to the relative squared error of the outputs.
    gains: Vec<f32>,
}

struct Rows {
    /// `[rows, width]`: squared weights.
    squares: Vec<f32>,
    /// `[width]`: how much squared noise in a weight adds to the relative squared error of the outputs.
    gains: Vec<f32>,
}

impl Noise {
    fn new(team: &mut Team<'_>, maps: &[Map<'_>], width: usize) -> Self {
        let mut inputs: Vec<(*const Inputs, Tokens)> = Vec::new();
        let mut weights = Vec::new();
        for map in maps {
            let x = map.inputs.sample.as_f32().unwrap_or_default();
            let (tokens, rows) = (map.inputs.sample.rows(), map.weights.len() / width);
            if tokens == 0 || rows == 0 {
                continue;
            }
            // What each token's error is divided by, and by how many tokens.
            let mut outputs = vec![0.0; tokens * rows];
            let matrix = crate::inputs::float_matrix(rows, width, map.weights.to_vec());
            ops::project(team, Input { x, norm: None }, &mut [Output::write(&matrix, &mut outputs)]);
            let parts: Vec<f32> =
                super::token_weights(&outputs, rows).into_iter().map(|part| part as f32).collect();
            let mut columns = vec![0.0f32; width];
            for row in map.weights.chunks_exact(width) {
                columns.iter_mut().zip(row).for_each(|(sum, w)| *sum += w * w);
            }
            let squares = |x: &[f32]| x.iter().map(|x| x * x).collect::<Vec<_>>();
            let key = std::ptr::from_ref(map.inputs);
            let site = match inputs.iter().position(|(inputs, _)| *inputs == key) {
                Some(found) => found,
                None => {
                    inputs.push((key, Tokens { squares: squares(x), gains: vec![0.0; x.len()] }));
                    inputs.len() - 1
                }
            };
            let site = &mut inputs[site].1;
            let mut gains = vec![0.0f32; width];
            for ((part, x2), token) in
                parts.iter().zip(site.squares.chunks_exact(width)).zip(site.gains.chunks_exact_mut(width))
            {
                token.iter_mut().zip(&columns).for_each(|(gain, column)| *gain += part * column);
                gains.iter_mut().zip(x2).for_each(|(gain, x2)| *gain += part * x2);
            }
            // Of very many rows some stand for all.
            let stride = rows.div_ceil(MOST_ROWS);
            let taken: Vec<f32> =
                map.weights.chunks_exact(width).step_by(stride).flatten().copied().collect();
            let factor = WEIGHT_SHARE * rows as f32 / (taken.len() / width) as f32;
            gains.iter_mut().for_each(|gain| *gain *= factor);
            weights.push(Rows { squares: squares(&taken), gains });
        }
        Self { width, inputs: inputs.into_iter().map(|(_, tokens)| tokens).collect(), weights }
    }

    /// The noise with scales of these natural logarithms, and its derivatives `[width]`.
    fn gradient(&self, team: &mut Team<'_>, logs: &[f32]) -> (f64, Vec<f32>) {
        let width = self.width;
        let squares: Vec<f32> = logs.iter().map(|log| (2.0 * log).exp()).collect();
        let inverses: Vec<f32> = squares.iter().map(|s| 1.0 / s).collect();
        let mut value = 0.0;
        let mut gradient = vec![0.0f32; width];
        let mut add = |parts: Vec<Part>| {
            for part in parts {
                value += part.value;
                gradient.iter_mut().zip(&part.gradient).for_each(|(sum, g)| *sum += g);
            }
        };
        for site in &self.inputs {
            let tokens = site.squares.len() / width;
            let mut parts = parts(tokens, width);
            team.for_each_chunk_mut(&mut parts, 1, |chunk, part| {
                let from = chunk * ROWS_AT_ONCE * width;
                let to = (from + ROWS_AT_ONCE * width).min(site.squares.len());
                let rows = site.squares[from..to].chunks_exact(width);
                for (x2, gains) in rows.zip(site.gains[from..to].chunks_exact(width)) {
                    // Noise of one size in all scaled inputs; the scale enlarges it again in the weights.
                    part[0].add(x2, gains, &inverses, &squares, 1.0);
                }
            });
            add(parts);
        }
        for map in &self.weights {
            let rows = map.squares.len() / width;
            let mut parts = parts(rows, width);
            team.for_each_chunk_mut(&mut parts, 1, |chunk, part| {
                let from = chunk * ROWS_AT_ONCE * width;
                let to = (from + ROWS_AT_ONCE * width).min(map.squares.len());
                for w2 in map.squares[from..to].chunks_exact(width) {
                    part[0].add(w2, &map.gains, &squares, &inverses, -1.0);
                }
            });
            add(parts);
        }
        (value, gradient)
    }
}

/// What some tokens or rows contribute.
struct Part {
    value: f64,
    gradient: Vec<f32>,
}

fn parts(rows: usize, width: usize) -> Vec<Part> {
    (0..rows.div_ceil(ROWS_AT_ONCE)).map(|_| Part { value: 0.0, gradient: vec![0.0; width] }).collect()
}

impl Part {
    /// Adds a row of squared values that share a step. `scaled` takes them to what is rounded, `back` takes the noise to where `gains` counts
    /// it; `back` grows with the square of the scale (`sign` 1) or shrinks with it (-1).
    fn add(&mut self, squares: &[f32], gains: &[f32], scaled: &[f32], back: &[f32], sign: f32) {
        let largest = largest_product(squares, scaled);
        if largest <= 0.0 {
            return;
        }
        let step = largest * NOISE;
        let (mut value, mut moved) = ([0.0f32; LANES], [0.0f32; LANES]);
        let mut one = |lane: usize, x2: f32, gain: f32, back: f32, gradient: &mut f32| {
            let noise = step * back;
            let kept = x2 / (x2 + noise + f32::MIN_POSITIVE);
            let part = gain * noise * kept;
            let change = 2.0 * part * kept;
            value[lane] += part;
            moved[lane] += change;
            *gradient += sign * change;
        };
        let (squares8, squares1) = squares.as_chunks::<LANES>();
        let (gains8, gains1) = gains.as_chunks::<LANES>();
        let (back8, back1) = back.as_chunks::<LANES>();
        let (gradient8, gradient1) = self.gradient.as_chunks_mut::<LANES>();
        for (((x2, gain), back), gradient) in squares8.iter().zip(gains8).zip(back8).zip(gradient8) {
            for lane in 0..LANES {
                one(lane, x2[lane], gain[lane], back[lane], &mut gradient[lane]);
            }
        }
        for (((x2, gain), back), gradient) in squares1.iter().zip(gains1).zip(back1).zip(gradient1) {
            one(0, *x2, *gain, *back, gradient);
        }
        if let Some(at) = squares.iter().zip(scaled).position(|(x2, s)| x2 * s == largest) {
            self.gradient[at] -= sign * moved.iter().sum::<f32>();
        }
        self.value += f64::from(value.iter().sum::<f32>());
    }
}

/// The largest of the products of two rows.
fn largest_product(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a1) = a.as_chunks::<LANES>();
    let (b8, b1) = b.as_chunks::<LANES>();
    let mut largest = [0.0f32; LANES];
    for (a, b) in a8.iter().zip(b8) {
        for lane in 0..LANES {
            let product = a[lane] * b[lane];
            largest[lane] = if product > largest[lane] { product } else { largest[lane] };
        }
    }
    let rest = a1.iter().zip(b1).map(|(a, b)| a * b);
    largest.into_iter().chain(rest).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::{InputObserver, Keep};
    use ounce_kernels::ThreadPool;

    /// Values of many sizes that never tie.
    fn values(count: usize, seed: usize) -> Vec<f32> {
        let value = |i: usize| (((i + seed) * 7919 % 1009) as f32 / 504.5 - 1.0) * (1 + i % 7) as f32;
        (0..count).map(value).collect()
    }

    #[test]
    fn derivatives_are_those_of_finite_differences() {
        // Odd widths leave columns beside the lanes; 70 tokens and rows are more than one part.
        for (tokens, width, rows) in [(70, 19, 5), (9, 8, 70), (3, 5, 2)] {
            let (x, w) = (values(tokens * width, 3), [values(rows * width, 50), values(2 * width, 90)]);
            ThreadPool::new(2).region(|team| {
                let keep = Keep { gram_rows: 0, sample_rows: tokens, expected_rows: tokens };
                let mut observer = InputObserver::new(width, keep);
                observer.observe(team, &x);
                let inputs = observer.finish(team);
                let maps = [Map { inputs: &inputs, weights: &w[0] }, Map { inputs: &inputs, weights: &w[1] }];
                let noise = Noise::new(team, &maps, width);
                let logs: Vec<f32> = (0..width).map(|i| (i as f32 * 0.7).sin()).collect();
                let (_, gradient) = noise.gradient(team, &logs);
                let size = gradient.iter().fold(0.0f32, |size, g| size.max(g.abs()));
                for column in 0..width {
                    let mut at = |step: f32| {
                        let mut logs = logs.clone();
                        logs[column] += step;
                        noise.gradient(team, &logs).0
                    };
                    let step = 1e-3;
                    let slope = ((at(step) - at(-step)) / (2.0 * f64::from(step))) as f32;
                    assert!(
                        (slope - gradient[column]).abs() < 0.02 * size,
                        "{width} {column}: {slope} {}",
                        gradient[column]
                    );
                }
            });
        }
    }
}
