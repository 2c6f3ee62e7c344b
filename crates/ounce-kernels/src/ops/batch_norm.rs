//! Batch norm with the statistics of the batch, and its gradient.

use crate::Team;
use crate::planes::{Place, Planes, PlanesMut};
use crate::pool::SharedMut;
use crate::simd::batch_norm::Affine;

/// Elements of channels that are worth a task of their own.
const TASK: usize = 1 << 13;

/// `y = (x - mean) / sqrt(var + eps) * weight + bias` for every channel of `[batch, channels, len]`, within bounds if there are any.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// Images.
    pub batch: usize,
    /// Elements of a channel of an image.
    pub len: usize,
    /// `[channels]`
    pub weight: &'a [f32],
    /// `[channels]`
    pub bias: &'a [f32],
    /// Added to the variance.
    pub eps: f32,
    /// Least and largest result.
    pub bounds: Option<[f32; 2]>,
}

impl BatchNorm<'_> {
    fn channels(&self) -> usize {
        self.weight.len()
    }

    /// Elements of a channel.
    fn count(&self) -> usize {
        self.batch.saturating_mul(self.len)
    }

    fn place(&self, channel: usize) -> Place {
        let stride = self.channels().saturating_mul(self.len);
        Place { first: channel * self.len, len: self.len, stride, count: self.batch }
    }

    /// `1 / sqrt(var + eps)`
    fn inverse(&self, var: f32) -> f32 {
        1.0 / (var + self.eps).sqrt()
    }

    fn affine(&self, channel: usize, mean: f32, var: f32) -> Affine {
        let scale = self.weight[channel] * self.inverse(var);
        Affine { mean, scale, bias: self.bias[channel], bounds: self.bounds }
    }

    /// Calls `job(channel)` for every channel. There is something in each, or nothing is called.
    fn for_channels(&self, team: &mut Team<'_>, job: impl Fn(usize) + Sync) {
        let channels = if self.count() == 0 { 0 } else { self.channels() };
        let together = (TASK / self.count().max(1)).clamp(1, channels.div_ceil(team.threads()).max(1));
        team.run(channels.div_ceil(together), |task, _| {
            (task * together..channels.min((task + 1) * together)).for_each(&job);
        });
    }
}

/// Computes `y`, and of every channel mean and variance (that of the batch, divided by its elements). `None` stands for an `x` that `y` holds.
///
/// # Panics
/// If lengths do not fit.
pub fn batch_norm(
    team: &mut Team<'_>,
    norm: &BatchNorm<'_>,
    x: Option<&[f32]>,
    y: &mut [f32],
    [mean, var]: [&mut [f32]; 2],
) {
    let channels = norm.channels();
    assert!(norm.bias.len() == channels && mean.len() == channels && var.len() == channels);
    assert!(y.len() == channels * norm.count() && x.is_none_or(|x| x.len() == y.len()));
    let kernels = team.kernels();
    let (y, mean, var) = (SharedMut::new(y), SharedMut::new(mean), SharedMut::new(var));
    norm.for_channels(team, |channel| {
        let place = norm.place(channel);
        // SAFETY: channels do not overlap, and each is visited once.
        let (y, mean, var) =
            unsafe { (PlanesMut::of(&y, place), mean.slice(channel, 1), var.slice(channel, 1)) };
        let x = x.map_or(y.read(), |x| Planes::of(x, place));
        let moments = kernels.batch_moments(x);
        (mean[0], var[0]) = (moments[0] as f32, moments[1] as f32);
        kernels.batch_normalize(x, &norm.affine(channel, mean[0], var[0]), &y);
    });
}

/// The gradients by `x`, weight and bias of what [`batch_norm`] computed, from that by `y`. Mean and variance are those of `x`. `dx` may hold one of
/// `g` and `x`, for which `None` stands.
///
/// # Panics
/// If lengths do not fit.
pub fn batch_norm_gradient(
    team: &mut Team<'_>,
    norm: &BatchNorm<'_>,
    [mean, var]: [&[f32]; 2],
    [g, x]: [Option<&[f32]>; 2],
    dx: &mut [f32],
    [dweight, dbias]: [&mut [f32]; 2],
) {
    let channels = norm.channels();
    assert!([norm.bias, mean, var, &*dweight, &*dbias].iter().all(|data| data.len() == channels));
    assert!(dx.len() == channels * norm.count());
    assert!([g, x].iter().flatten().all(|data| data.len() == dx.len()));
    let kernels = team.kernels();
    if norm.count() == 0 {
        dweight.fill(0.0);
        dbias.fill(0.0);
    }
    let (dx, dweight, dbias) = (SharedMut::new(dx), SharedMut::new(dweight), SharedMut::new(dbias));
    norm.for_channels(team, |channel| {
        let place = norm.place(channel);
        // SAFETY: channels do not overlap, and each is visited once.
        let (dx, dweight, dbias) =
            unsafe { (PlanesMut::of(&dx, place), dweight.slice(channel, 1), dbias.slice(channel, 1)) };
        let [g, x] = [g, x].map(|data| data.map_or(dx.read(), |data| Planes::of(data, place)));
        let affine = norm.affine(channel, mean[channel], var[channel]);
        let inverse = f64::from(norm.inverse(var[channel]));
        let [sum, weighted] = kernels.batch_gradient_sums(g, x, &affine);
        dbias[0] = sum as f32;
        dweight[0] = (weighted * inverse) as f32;
        // dx = weight inverse (g - mean(g) - inverse^2 (x - mean) mean(g (x - mean)))
        let (a, n) = (f64::from(affine.scale), norm.count() as f64);
        let factors = [affine.scale, (-a * inverse * inverse * weighted / n) as f32, (-a * sum / n) as f32];
        kernels.batch_gradient([g, x], &affine, factors, &dx);
    });
}
