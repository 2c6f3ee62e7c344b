//! From 32-bit sums to bytes.

use ounce_kernels::ops::Scale;

use crate::error::OpError;

/// How a sum of products becomes a quantized number: multiplied with `input scale * weight scale / output scale`, rounded.
#[derive(Clone, PartialEq, Debug)]
pub enum Requantize {
    /// In floats, rounded to nearest, ties to even: `fp_requantize` as MCUNetV3 simulates it. One factor, or one per channel.
    Float(Vec<f32>),
    /// In floats, rounded towards zero: as TinyEngine's kernels compute on the device.
    FloatTruncated(Vec<f32>),
    /// In integers, as TensorFlow Lite and CMSIS-NN. One factor, or one per channel.
    Fixed(Vec<FixedScale>),
}

/// The factor `multiplier * 2^(shift - 31)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FixedScale {
    /// In `2^30..2^31`, or 0.
    pub multiplier: i32,
    /// To the left where positive. In -31..=30.
    pub shift: i32,
}

impl FixedScale {
    /// The factor nearest to a float, as TensorFlow Lite's `QuantizeMultiplier`. Factors too small for 32 bits become 0.
    ///
    /// # Errors
    /// If it is negative, not finite, or 2^30 and more.
    pub fn new(factor: f64) -> Result<Self, OpError> {
        if !(0.0..1073741824.0).contains(&factor) {
            return Err(OpError::attribute(
                "requantize",
                format!("a factor must be in 0..2^30, found {factor}"),
            ));
        }
        if factor == 0.0 {
            return Ok(Self { multiplier: 0, shift: 0 });
        }
        // factor = fraction * 2^shift, 0.5 <= fraction < 1.
        let mut shift = factor.log2().floor() as i32 + 1;
        let mut fraction = factor / f64::from(shift).exp2();
        if fraction >= 1.0 {
            (fraction, shift) = (fraction / 2.0, shift + 1);
        } else if fraction < 0.5 {
            (fraction, shift) = (fraction * 2.0, shift - 1);
        }
        let mut multiplier = (fraction * 2147483648.0).round() as i64;
        if multiplier == 1 << 31 {
            (multiplier, shift) = (multiplier / 2, shift + 1);
        }
        if shift < -31 {
            return Ok(Self { multiplier: 0, shift: 0 });
        }
        if shift > 30 {
            return Ok(Self { multiplier: i32::MAX, shift: 30 });
        }
        Ok(Self { multiplier: multiplier as i32, shift })
    }

    /// The factor as a number.
    pub fn factor(self) -> f64 {
        f64::from(self.multiplier) * f64::from(self.shift - 31).exp2()
    }

    /// The product with a sum, rounded twice as TensorFlow Lite does: `MultiplyByQuantizedMultiplier`.
    #[inline]
    pub fn apply(self, sum: i32) -> i32 {
        let shifted = sum.wrapping_shl(self.shift.max(0) as u32);
        let high = doubling_high_product(shifted, self.multiplier);
        rounding_shift(high, -self.shift.min(0))
    }
}

/// `round(a b / 2^31)`, ties away from zero, saturating: `SaturatingRoundingDoublingHighMul`.
fn doubling_high_product(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    ((product + nudge) / (1 << 31)) as i32
}

/// `round(x / 2^exponent)`, ties away from zero: `RoundingDivideByPOT`.
fn rounding_shift(x: i32, exponent: i32) -> i32 {
    let mask = ((1i64 << exponent) - 1) as i32;
    let remainder = x & mask;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> exponent.min(31)) + i32::from(remainder > threshold)
}

impl Requantize {
    /// The factors as floats.
    pub fn factors(&self) -> Vec<f32> {
        match self {
            Self::Float(factors) | Self::FloatTruncated(factors) => factors.clone(),
            Self::Fixed(factors) => factors.iter().map(|scale| scale.factor() as f32).collect(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Float(factors) | Self::FloatTruncated(factors) => factors.len(),
            Self::Fixed(factors) => factors.len(),
        }
    }

    /// There is one factor or one for each of `channels`, and all are sound.
    pub(crate) fn check(&self, channels: usize) -> Result<(), OpError> {
        if self.len() != 1 && self.len() != channels {
            let problem =
                format!("{} factors for {channels} channels: give one, or one for each", self.len());
            return Err(OpError::attribute("requantize", problem));
        }
        let sound = match self {
            Self::Float(factors) | Self::FloatTruncated(factors) => {
                factors.iter().all(|f| f.is_finite() && *f >= 0.0)
            }
            Self::Fixed(factors) => {
                factors.iter().all(|f| f.multiplier >= 0 && (-31..=30).contains(&f.shift))
            }
        };
        if sound {
            return Ok(());
        }
        Err(OpError::attribute("requantize", "factors must be finite and not negative, shifts in -31..=30"))
    }

    /// The factor of channel `channel`, as kernels take it.
    pub(crate) fn scale(&self, channel: usize) -> Scale {
        let at = if self.len() == 1 { 0 } else { channel };
        match self {
            Self::Float(factors) => Scale::Nearest(factors[at]),
            Self::FloatTruncated(factors) => Scale::Truncated(factors[at]),
            Self::Fixed(factors) => {
                Scale::Fixed { multiplier: factors[at].multiplier, shift: factors[at].shift }
            }
        }
    }

    /// The rounded product of a sum of channel `channel`, without zero point and bounds. Products beyond 32 bits saturate.
    #[inline]
    pub fn apply(&self, sum: i32, channel: usize) -> i32 {
        let at = if self.len() == 1 { 0 } else { channel };
        match self {
            Self::Float(factors) => (sum as f32 * factors[at]).round_ties_even() as i32,
            Self::FloatTruncated(factors) => (sum as f32 * factors[at]) as i32,
            Self::Fixed(factors) => factors[at].apply(sum),
        }
    }
}
