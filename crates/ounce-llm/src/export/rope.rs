//! Changed rotations, as parameters in folders and as divisors of the frequencies in GGUF.

use crate::config::{Rope, RopeScaling};
use std::f64::consts::TAU;

/// Parameters of Llama 3.1's change of frequencies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Llama3 {
    pub(super) factor: f64,
    pub(super) low_freq_factor: f64,
    pub(super) high_freq_factor: f64,
    pub(super) original_context: f64,
}

impl Llama3 {
    /// What the frequency of each rotated pair is divided by.
    pub(super) fn divisors(&self, base: f64, rotary_dim: usize) -> Vec<f32> {
        let half = rotary_dim / 2;
        let divisor = |pair: usize| {
            let frequency = base.powf(-(pair as f64) / half as f64);
            let turns = self.original_context * frequency / TAU;
            let blend = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor);
            let blend = blend.clamp(0.0, 1.0);
            (1.0 / (blend + (1.0 - blend) / self.factor)) as f32
        };
        (0..half).map(divisor).collect()
    }

    /// The parameters that give these divisors, if there are any: the low and high factors 1 and 4 of every released model, and an original
    /// context that is a power of two.
    pub(super) fn from_divisors(divisors: &[f32], base: f64, rotary_dim: usize) -> Option<Self> {
        let factor = divisors.iter().copied().fold(1.0, f32::max);
        // The lowest frequency is divided by the whole factor, which is a number that people choose.
        let factor = (f64::from(factor) * 1024.0).round() / 1024.0;
        let candidates = (4..=20).map(|power| Self {
            factor,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: f64::from(1u32 << power),
        });
        let fits = |candidate: &Self| {
            let made = candidate.divisors(base, rotary_dim);
            let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * b.abs();
            made.len() == divisors.len() && made.iter().zip(divisors).all(near)
        };
        // 8192 is what Llama 3 was trained on; with few pairs several contexts can give the same.
        let known = Self { factor, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 8192.0 };
        std::iter::once(known).chain(candidates).find(fits)
    }
}

/// The divisors of a rotation as GGUF stores them in `rope_freqs.weight`, if it has any.
pub(super) fn divisors(rope: &Rope) -> Option<Vec<f32>> {
    match rope.scaling {
        RopeScaling::None | RopeScaling::Linear(_) => None,
        RopeScaling::Divisors(ref divisors) => Some(divisors.clone()),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
            let llama3 = Llama3 { factor, low_freq_factor, high_freq_factor, original_context };
            Some(llama3.divisors(rope.base, rope.rotary_dim))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_again() {
        for (factor, original_context, base, rotary) in
            [(8.0, 8192.0, 500_000.0, 128), (32.0, 8192.0, 500_000.0, 64), (8.0, 32.0, 10_000.0, 24)]
        {
            let made = Llama3 { factor, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context };
            let divisors = made.divisors(base, rotary);
            assert_eq!(Llama3::from_divisors(&divisors, base, rotary), Some(made));
        }
        assert_eq!(Llama3::from_divisors(&[1.0, 3.0, 2.0, 5.0], 10_000.0, 8), None);
    }
}
