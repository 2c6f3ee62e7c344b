//! Sums over a vocabulary and over a text, in f64.

/// `log(sum(exp(logits)))`; NaN if a logit is NaN or none is finite.
pub(super) fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !max.is_finite() {
        return f64::NAN;
    }
    // Four independent sums keep the additions from waiting for each other.
    let mut sums = [0.0_f64; 4];
    let (blocks, rest) = logits.as_chunks::<4>();
    for block in blocks {
        for (sum, &logit) in sums.iter_mut().zip(block) {
            *sum += f64::from((logit - max).exp());
        }
    }
    for &logit in rest {
        sums[0] += f64::from((logit - max).exp());
    }
    f64::from(max) + (sums.iter().sum::<f64>()).ln()
}

/// Mean and standard error of a stream of numbers (Welford's recurrence).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        let delta = value - self.mean;
        self.mean += delta / self.count as f64;
        self.squares += delta * (value - self.mean);
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Standard error of the mean; 0 for fewer than two numbers.
    pub(super) fn standard_error(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let n = self.count as f64;
        (self.squares / (n - 1.0) / n).sqrt()
    }
}

/// The number below which a share `q` of the sorted numbers lies, interpolated linearly between neighbours.
pub(super) fn percentile(sorted: &[f32], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(last);
    let share = position - below as f64;
    f64::from(sorted[below]) * (1.0 - share) + f64::from(sorted[above]) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        assert!((log_sum_exp(&[0.0; 7]) - 7.0_f64.ln()).abs() < 1e-12);
        assert!((log_sum_exp(&[1000.0, 1000.0]) - (1000.0 + 2.0_f64.ln())).abs() < 1e-9);
        assert!(log_sum_exp(&[f32::NEG_INFINITY, 0.0]).abs() < 1e-12);
        assert!(log_sum_exp(&[f32::NAN, 0.0]).is_nan());
        assert!(log_sum_exp(&[f32::NEG_INFINITY]).is_nan());
        assert!(log_sum_exp(&[]).is_nan());

        let mut mean = Mean::default();
        [1.0, 2.0, 3.0, 4.0].into_iter().for_each(|x| mean.add(x));
        assert_eq!((mean.count(), mean.mean()), (4, 2.5));
        assert!((mean.standard_error() - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);

        assert_eq!(percentile(&[0.0, 1.0, 2.0], 0.5), 1.0);
        assert_eq!(percentile(&[0.0, 1.0], 0.25), 0.25);
        assert_eq!(percentile(&[3.0], 0.99), 3.0);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
