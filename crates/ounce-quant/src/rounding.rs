//! What becomes of a row of weights when it is stored.

use crate::scheme::Scheme;

/// A way to store weights, as far as its error goes.
pub trait Rounding: Sync {
    /// Writes to `out` what a reader will find where the row `weights` was stored; both `[cols]`. Nothing of it may depend on other
    /// rows.
    fn round_row(&self, weights: &[f32], out: &mut [f32]);

    /// As [`round_row`](Self::round_row), of the row multiplied with `scales [cols]`, if any, which are taken out of the result again.
    fn round_scaled_row(&self, weights: &[f32], scales: Option<&[f32]>, out: &mut [f32]) {
        let Some(scales) = scales else { return self.round_row(weights, out) };
        let scaled: Vec<f32> = weights.iter().zip(scales).map(|(w, s)| w * s).collect();
        self.round_row(&scaled, out);
        out.iter_mut().zip(scales).for_each(|(w, s)| *w /= s);
    }
}

/// Rounding to nearest, with scales by the extremes of each group.
#[derive(Clone, Copy, Debug)]
pub struct Nearest {
    /// The scheme; its group must divide the columns.
    pub scheme: Scheme,
    /// Columns that share a scale.
    pub group: usize,
}

impl Rounding for Nearest {
    fn round_row(&self, weights: &[f32], out: &mut [f32]) {
        for ((weights, out), affine) in weights
            .chunks_exact(self.group)
            .zip(out.chunks_exact_mut(self.group))
            .zip(self.scheme.affines(weights, self.group))
        {
            weights.iter().zip(out).for_each(|(&w, out)| *out = self.scheme.round(w, affine));
        }
    }
}

impl<F: Fn(&[f32], &mut [f32]) + Sync> Rounding for F {
    fn round_row(&self, weights: &[f32], out: &mut [f32]) {
        self(weights, out);
    }
}
