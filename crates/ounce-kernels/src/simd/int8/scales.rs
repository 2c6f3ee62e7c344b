//! From sums of several channels to bytes of neighbouring places.

use super::Int8;

/// A factor for every channel, up to the end of the last panel.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum ChannelScales {
    /// See [`Scale::Nearest`](crate::ops::Scale::Nearest); no product reaches 2^31.
    Nearest(Vec<f32>),
    /// See [`Scale::Truncated`](crate::ops::Scale::Truncated); no product reaches 2^31.
    Truncated(Vec<f32>),
    /// See [`Scale::Fixed`](crate::ops::Scale::Fixed): multipliers and shifts to the right, in 1..=31; no sum reaches 2^30.
    Fixed(Vec<i32>, Vec<i32>),
}

impl ChannelScales {
    /// Channels.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Nearest(factors) | Self::Truncated(factors) => factors.len(),
            Self::Fixed(multipliers, right) => multipliers.len().min(right.len()),
        }
    }
}

/// One kind of [`ChannelScales`], for a vector of channels.
pub(crate) trait EachScale<S: Int8>: Copy {
    /// Sums, scaled.
    fn apply(self, s: S, sums: S::Sums) -> S::Sums;
}

/// See [`ChannelScales::Nearest`].
#[derive(Clone, Copy)]
pub(crate) struct Nearest<S: Int8>(pub(crate) S::Factors);

impl<S: Int8> EachScale<S> for Nearest<S> {
    #[inline(always)]
    fn apply(self, s: S, sums: S::Sums) -> S::Sums {
        s.nearest_each(sums, self.0)
    }
}

/// See [`ChannelScales::Truncated`].
#[derive(Clone, Copy)]
pub(crate) struct Truncated<S: Int8>(pub(crate) S::Factors);

impl<S: Int8> EachScale<S> for Truncated<S> {
    #[inline(always)]
    fn apply(self, s: S, sums: S::Sums) -> S::Sums {
        s.truncated_each(sums, self.0)
    }
}

/// See [`ChannelScales::Fixed`].
#[derive(Clone, Copy)]
pub(crate) struct Fixed<S: Int8>(pub(crate) S::FixedFactors);

impl<S: Int8> EachScale<S> for Fixed<S> {
    #[inline(always)]
    fn apply(self, s: S, sums: S::Sums) -> S::Sums {
        s.fixed_each(sums, self.0)
    }
}

/// Runs `$body` with `$scale` of the kind that `$scales` are of, for the vector of channels from `$channel` on, which must have scales.
macro_rules! with_scale {
    ($s:expr, $scales:expr, $channel:expr, |$scale:ident| $body:expr) => {
        match $scales {
            ChannelScales::Nearest(factors) => {
                let $scale = Nearest::<S>($s.factors(factors.as_ptr().wrapping_add($channel)));
                $body
            }
            ChannelScales::Truncated(factors) => {
                let $scale = Truncated::<S>($s.factors(factors.as_ptr().wrapping_add($channel)));
                $body
            }
            ChannelScales::Fixed(multipliers, right) => {
                let right = right.as_ptr().wrapping_add($channel);
                let multipliers = multipliers.as_ptr().wrapping_add($channel);
                let $scale = Fixed::<S>($s.fixed_factors(multipliers, right));
                $body
            }
        }
    };
}
pub(crate) use with_scale;

/// Where results of neighbouring places go, and as what.
#[derive(Clone, Copy)]
pub(crate) struct Finish {
    pub(crate) zero: i16,
    pub(crate) bounds: [i8; 2],
    /// Bytes from one place to the next.
    pub(crate) step: usize,
    /// Channels of the vector.
    pub(crate) count: usize,
}

/// Scales the sums of `P` places, at most 12, and stores them from `to` on.
///
/// # Safety
/// `count` bytes are writable for every place, which no other call writes.
#[inline(always)]
pub(crate) unsafe fn store<S: Int8, const P: usize>(
    s: S,
    sums: &[S::Sums; P],
    scale: impl EachScale<S>,
    finish: Finish,
    to: *mut i8,
) {
    // Written out, for sums that a loop of unknown index reads would be kept in memory.
    // SAFETY: as the caller promises.
    unsafe {
        four::<S, P, 0>(s, sums, scale, finish, to);
        if P > 4 {
            four::<S, P, 4>(s, sums, scale, finish, to);
        }
        if P > 8 {
            four::<S, P, 8>(s, sums, scale, finish, to);
        }
    }
}

/// Four of the places from `FIRST` on, the last again where there are fewer.
///
/// # Safety
/// As [`store`].
#[inline(always)]
unsafe fn four<S: Int8, const P: usize, const FIRST: usize>(
    s: S,
    sums: &[S::Sums; P],
    scale: impl EachScale<S>,
    finish: Finish,
    to: *mut i8,
) {
    let last = P - 1;
    let places = [FIRST.min(last), (FIRST + 1).min(last), (FIRST + 2).min(last), (FIRST + 3).min(last)];
    let [a, b, c, d] = places;
    let y =
        [scale.apply(s, sums[a]), scale.apply(s, sums[b]), scale.apply(s, sums[c]), scale.apply(s, sums[d])];
    let at = |p: usize| to.wrapping_add(p * finish.step);
    // SAFETY: as the caller promises.
    unsafe { s.store_places(y, finish.zero, finish.bounds, [at(a), at(b), at(c), at(d)], finish.count) };
}
