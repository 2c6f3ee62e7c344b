//! What is drawn from uniform numbers.

use crate::Pcg32;

impl Pcg32 {
    /// A number in [low, high); `low` if the two are equal.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next_f64()
    }

    /// A number of the normal distribution of mean 0 and variance 1 (Box and Muller, 1958; the cosine of each pair).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.next_f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.next_f64()).cos()
    }

    /// Puts a slice into an order of which each is equally likely (Fisher and Yates). Slices of 2^32 elements and more are left as they
    /// are beyond that number.
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for last in (1..slice.len().min(u32::MAX as usize)).rev() {
            let other = self.below(last as u32 + 1) as usize;
            slice.swap(last, other);
        }
    }

    /// The number of an element, each with a probability in proportion to its weight; `None` if no weight is positive. Weights that
    /// are negative or no numbers count as 0.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let positive = |weight: &f64| if *weight > 0.0 { *weight } else { 0.0 };
        let sum: f64 = weights.iter().map(positive).sum();
        let mut left = self.next_f64() * sum;
        let mut chosen = None;
        for (index, weight) in weights.iter().map(positive).enumerate().filter(|(_, weight)| *weight > 0.0) {
            chosen = Some(index);
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_the_moments_of_the_distribution() {
        let mut generator = Pcg32::new(3);
        let n = 100_000;
        let numbers: Vec<f64> = (0..n).map(|_| generator.normal()).collect();
        let moment = |power: i32| numbers.iter().map(|x| x.powi(power)).sum::<f64>() / f64::from(n);
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.02 && (moment(4) - 3.0).abs() < 0.1);
    }

    #[test]
    fn shuffles_keep_all_and_favour_none() {
        let mut generator = Pcg32::new(4);
        let mut first = [0; 4];
        for _ in 0..8000 {
            let mut order = [0, 1, 2, 3];
            generator.shuffle(&mut order);
            first[order[0]] += 1;
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3]);
        }
        assert!(first.iter().all(|count| (1800..2200).contains(count)), "{first:?}");
    }

    #[test]
    fn weights_are_proportions() {
        let mut generator = Pcg32::new(5);
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            let chosen = generator.weighted(&[1.0, -3.0, 0.0, 3.0]);
            assert!(matches!(chosen, Some(0 | 3)));
            counts[chosen.unwrap_or(1)] += 1;
        }
        assert!((2300..2700).contains(&counts[0]), "{counts:?}");
        assert_eq!(generator.weighted(&[0.0, f64::NAN]), None);
    }
}
