//! How the learning rate changes.

/// The learning rate of every step.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Schedule {
    /// Always the same.
    Constant(f32),
    /// Linearly up over `warmup` steps, then down to 0 along half a cosine until step `total`.
    Cosine {
        /// The largest rate.
        peak: f32,
        /// Steps of the rise.
        warmup: u64,
        /// Steps in all.
        total: u64,
    },
    /// Divided by `factor` after every `every` steps.
    Step {
        /// The first rate.
        start: f32,
        /// What it is divided by.
        factor: f32,
        /// Steps between divisions.
        every: u64,
    },
}

impl Schedule {
    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f32 {
        match *self {
            Self::Constant(rate) => rate,
            Self::Cosine { peak, warmup, .. } if step < warmup => {
                peak * ((step + 1) as f64 / warmup as f64) as f32
            }
            Self::Cosine { peak, warmup, total } => {
                let rest = total.saturating_sub(warmup).max(1);
                let done = ((step - warmup) as f64 / rest as f64).min(1.0);
                peak * (0.5 * (1.0 + (std::f64::consts::PI * done).cos())) as f32
            }
            Self::Step { start, factor, every } => {
                start / factor.powi(i32::try_from(step / every.max(1)).unwrap_or(i32::MAX))
            }
        }
    }
}
