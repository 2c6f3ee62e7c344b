//! Random numbers that are the same in every version and on every machine.

/// PCG-XSH-RR with 64 bits of state and 32 of output (O'Neill, "PCG: A Family of Simple Fast Space-Efficient
/// Statistically Good Algorithms for Random Number Generation", 2014; the `pcg32` of the reference implementation).
#[derive(Debug, Clone)]
pub struct Pcg32 {
    state: u64,
    increment: u64,
}

impl Pcg32 {
    const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
    /// The stream that [`Pcg32::new`] takes; the reference implementation's default.
    const STREAM: u64 = 721_347_520_444_481_703;

    /// The generator of `seed` on the default stream.
    pub fn new(seed: u64) -> Self {
        Self::with_stream(seed, Self::STREAM)
    }

    /// The generator of `seed` on one of 2^63 independent streams.
    pub fn with_stream(seed: u64, stream: u64) -> Self {
        let mut generator = Self { state: 0, increment: (stream << 1) | 1 };
        generator.next_u32();
        generator.state = generator.state.wrapping_add(seed);
        generator.next_u32();
        generator
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        let old = self.state;
        self.state = old.wrapping_mul(Self::MULTIPLIER).wrapping_add(self.increment);
        let xorshifted = (((old >> 18) ^ old) >> 27) as u32;
        xorshifted.rotate_right((old >> 59) as u32)
    }

    /// A number in [0, 1) with 53 random bits.
    pub fn next_f64(&mut self) -> f64 {
        let high = u64::from(self.next_u32() >> 5);
        let low = u64::from(self.next_u32() >> 6);
        ((high << 26) | low) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `0..bound`, each equally likely (Lemire's multiplication with rejection); 0 if `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let threshold = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            if product as u32 >= threshold {
                return (product >> 32) as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs that the reference implementation's demonstration program prints (seed 42, stream 54).
    #[test]
    fn equals_the_reference_implementation() {
        let mut generator = Pcg32::with_stream(42, 54);
        let expected = [0xa15c_02b7, 0x7b47_f409, 0xba1d_3330, 0x83d2_f293, 0xbfa4_784b, 0xcbed_606e];
        assert_eq!(expected.map(|_| generator.next_u32()), expected);
    }

    #[test]
    fn floats_lie_in_the_unit_interval_and_average_to_a_half() {
        let mut generator = Pcg32::new(1);
        let n = 100_000;
        let mut sum = 0.0;
        for _ in 0..n {
            let x = generator.next_f64();
            assert!((0.0..1.0).contains(&x));
            sum += x;
        }
        // The standard error of the mean of n uniform numbers is 1/sqrt(12 n).
        assert!((sum / f64::from(n) - 0.5).abs() < 5.0 / (12.0 * f64::from(n)).sqrt());
    }

    #[test]
    fn bounded_numbers_stay_below_their_bound() {
        let mut generator = Pcg32::new(2);
        let mut seen = [0_u32; 7];
        for _ in 0..7000 {
            seen[generator.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        assert_eq!(generator.below(1), 0);
        assert_eq!(generator.below(0), 0);
    }
}
