//! Angles of rotary position embeddings (Su et al., 2021), computed once per step and shared by all layers.

use crate::config::{Rope, RopeScaling};
use std::f64::consts::TAU;

/// The cosines and sines of one rotation for the tokens of a step.
pub(crate) struct Angles {
    /// Radians per position, `[rotary_dim / 2]`.
    frequencies: Vec<f32>,
    pub(crate) rotary_dim: usize,
    /// `[tokens, rotary_dim / 2]`.
    cos: Vec<f32>,
    /// `[tokens, rotary_dim / 2]`.
    sin: Vec<f32>,
}

impl Angles {
    /// Room for steps of up to `tokens` tokens.
    pub(crate) fn new(rope: &Rope, tokens: usize) -> Self {
        let frequencies = frequencies(rope);
        let room = tokens * frequencies.len();
        Self { frequencies, rotary_dim: rope.rotary_dim, cos: vec![0.0; room], sin: vec![0.0; room] }
    }

    /// Fills in `tokens` rows from `first` on, for positions from `start` on. The angle is rounded to f32 before its cosine is taken, as
    /// in the reference implementations that models were trained with.
    pub(crate) fn fill(&mut self, first: usize, start: usize, tokens: usize) {
        self.set(first, tokens, |row, frequency| ((start + row) as f32 * frequency).sin_cos());
    }

    /// As [`fill`](Self::fill), with angles in double precision: for positions so large that rounding would shift them.
    pub(crate) fn fill_far(&mut self, first: usize, start: usize, tokens: usize) {
        self.set(first, tokens, |row, frequency| turn((start + row) as f64, frequency));
    }

    /// Fills in the first `tokens` rows with the angles of position `by`: those by which keys turn when they move `by` positions.
    pub(crate) fn fill_turn(&mut self, by: usize, tokens: usize) {
        self.set(0, tokens, |_, frequency| turn(by as f64, frequency));
    }

    /// Cosines and sines of the first `tokens` rows, `[tokens, rotary_dim / 2]` each.
    pub(crate) fn of(&self, tokens: usize) -> (&[f32], &[f32]) {
        let len = tokens * self.frequencies.len();
        (&self.cos[..len], &self.sin[..len])
    }

    fn set(&mut self, first: usize, tokens: usize, sin_cos: impl Fn(usize, f32) -> (f32, f32)) {
        let half = self.frequencies.len();
        let rows = self.cos.chunks_exact_mut(half).zip(self.sin.chunks_exact_mut(half));
        let rows = rows.skip(first).take(tokens);
        for (row, (cos, sin)) in rows.enumerate() {
            for ((cos, sin), &frequency) in cos.iter_mut().zip(sin).zip(&self.frequencies) {
                (*sin, *cos) = sin_cos(row, frequency);
            }
        }
    }
}

/// Sine and cosine of a position's angle.
fn turn(position: f64, frequency: f32) -> (f32, f32) {
    let (sin, cos) = (position * f64::from(frequency)).sin_cos();
    (sin as f32, cos as f32)
}

/// Radians per position of each rotated pair.
fn frequencies(rope: &Rope) -> Vec<f32> {
    let half = rope.rotary_dim / 2;
    let plain = (0..half).map(|i| rope.base.powf(-(i as f64) / half as f64));
    match &rope.scaling {
        RopeScaling::None => plain.map(|f| f as f32).collect(),
        RopeScaling::Linear(factor) => plain.map(|f| (f / factor) as f32).collect(),
        RopeScaling::Divisors(divisors) => {
            plain.zip(divisors).map(|(f, divisor)| (f / f64::from(*divisor)) as f32).collect()
        }
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => plain
            .map(|f| {
                // How often the pair turns within the original context.
                let turns = original_context * f / TAU;
                let blend =
                    ((turns - low_freq_factor) / (high_freq_factor - low_freq_factor)).clamp(0.0, 1.0);
                (blend * f + (1.0 - blend) * f / factor) as f32
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_keeps_high_and_divides_low_frequencies() {
        let rope = |scaling| Rope { base: 500_000.0, rotary_dim: 128, scaling };
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 8192.0,
        };
        let (plain, scaled) = (frequencies(&rope(RopeScaling::None)), frequencies(&rope(scaling)));
        assert_eq!(plain[0], 1.0);
        assert_eq!(scaled[0], plain[0]);
        assert!((scaled[63] * 8.0 / plain[63] - 1.0).abs() < 1e-6);
        assert!(scaled.iter().zip(&plain).all(|(s, p)| s <= p && s * 8.0 >= p * 0.999_999));
    }

    #[test]
    fn angles_are_positions_times_frequencies() {
        let rope = Rope { base: 100.0, rotary_dim: 4, scaling: RopeScaling::Linear(2.0) };
        let mut angles = Angles::new(&rope, 3);
        angles.fill(0, 9, 1);
        angles.fill(1, 6, 2);
        for (row, position) in [(0, 9.0f32), (1, 6.0), (2, 7.0)] {
            for (pair, frequency) in [(0, 0.5f32), (1, 0.05)] {
                assert!((angles.cos[row * 2 + pair] - (position * frequency).cos()).abs() < 1e-6);
                assert!((angles.sin[row * 2 + pair] - (position * frequency).sin()).abs() < 1e-6);
            }
        }
    }
}
