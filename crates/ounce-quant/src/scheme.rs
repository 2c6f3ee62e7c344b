//! Uniform quantization: `w = scale * (q - zero)`, with a scale and a zero point per group of weights.
//!
//! The asymmetric rule is `pseudo_quantize_tensor` of the AWQ repository (`awq/quantize/quantizer.py`), the symmetric one that of
//! AutoAWQ. Quants and zero points are unsigned, whatever the scheme: a symmetric scheme has the zero point `2^(bits - 1)` everywhere,
//! which is what the files call offset binary.

use half::f16;

/// Which weights of a matrix `[rows, cols]` share a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// All of them.
    Tensor,
    /// Those of a row, which belong to one output channel.
    Channel,
    /// So many neighbouring columns of a row.
    Group(usize),
}

/// A uniform quantization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Bits of a quant, 2 to 8.
    pub bits: u8,
    /// The zero point is `2^(bits - 1)` everywhere.
    pub symmetric: bool,
    /// Which weights share a scale.
    pub granularity: Granularity,
}

/// A scheme that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// The number of bits cannot be had.
    #[error("{found} bits were asked for; weights take 2 to 8")]
    Bits {
        /// What was asked for.
        found: u8,
    },
    /// The group does not divide the columns.
    #[error("groups of {group} do not fit rows of {cols} weights; {}", fitting(*cols, *group))]
    Group {
        /// Weights that should share a scale.
        group: usize,
        /// Columns of the matrix.
        cols: usize,
    },
}

fn fitting(cols: usize, group: usize) -> String {
    match Scheme::fitting_group(&[cols], group) {
        Some(fits) => format!("{fits} would"),
        None => "use one group per row".to_owned(),
    }
}

/// Scale and zero point of one group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// The step between neighbouring quants, a half-precision number.
    pub scale: f32,
    /// The quant that means 0.
    pub zero: u8,
}

/// Smallest range of a group, so that no scale is 0 (as in the AWQ repository).
const SMALLEST_RANGE: f32 = 1e-5;

impl Scheme {
    /// Columns that share a scale, for rows of `cols` columns. Of [`Granularity::Tensor`] also the whole row, since all rows have the
    /// same scale.
    ///
    /// # Errors
    /// [`SchemeError`].
    pub fn group(&self, cols: usize) -> Result<usize, SchemeError> {
        if !(2..=8).contains(&self.bits) {
            return Err(SchemeError::Bits { found: self.bits });
        }
        match self.granularity {
            Granularity::Tensor | Granularity::Channel => Ok(cols),
            Granularity::Group(group) if group > 0 && cols.is_multiple_of(group) => Ok(group),
            Granularity::Group(group) => Err(SchemeError::Group { group, cols }),
        }
    }

    /// The largest group up to `wanted` that divides all `widths` and is a multiple of 32, which every engine asks for; 96 for the width
    /// 576 of SmolLM2 where 128 is wanted.
    pub fn fitting_group(widths: &[usize], wanted: usize) -> Option<usize> {
        let divides = |group: &usize| widths.iter().all(|width| width.is_multiple_of(*group));
        let most = widths.iter().copied().min().unwrap_or(0).min(wanted);
        (1..=most / 32).rev().map(|n| n * 32).find(divides)
    }

    /// The largest quant.
    pub fn top(&self) -> u8 {
        ((1u16 << self.bits) - 1) as u8
    }

    /// Scale and zero point for weights between `min` and `max`. The scale is rounded to half precision, as files store it.
    pub fn affine(&self, min: f32, max: f32) -> Affine {
        let (range, steps, zero) = if self.symmetric {
            let half = f32::from(1u8 << (self.bits - 1));
            (min.abs().max(max.abs()), half - 1.0, half as u8)
        } else {
            (max - min, f32::from(self.top()), 0)
        };
        let scale = half_at_least(range.max(SMALLEST_RANGE) / steps);
        if self.symmetric {
            return Affine { scale, zero };
        }
        let zero = (-round_ties_even(min / scale)).clamp(0.0, f32::from(self.top()));
        Affine { scale, zero: zero as u8 }
    }

    /// The quant of a weight.
    #[inline]
    pub fn quant(&self, weight: f32, affine: Affine) -> u8 {
        self.quant_as_float(weight, affine) as u8
    }

    /// The weight nearest to `weight` that the scheme holds.
    #[inline]
    pub fn round(&self, weight: f32, affine: Affine) -> f32 {
        (self.quant_as_float(weight, affine) - f32::from(affine.zero)) * affine.scale
    }

    #[inline]
    fn quant_as_float(&self, weight: f32, affine: Affine) -> f32 {
        let (zero, top) = (f32::from(affine.zero), f32::from(self.top()));
        (round_ties_even(weight / affine.scale) + zero).max(0.0).min(top)
    }

    /// Scale and zero point of each group of a row, by the extremes of its weights.
    pub fn affines<'a>(&self, row: &'a [f32], group: usize) -> impl Iterator<Item = Affine> + use<'a> {
        let scheme = *self;
        row.chunks_exact(group).map(move |weights| {
            let (min, max) = bounds(weights);
            scheme.affine(min, max)
        })
    }
}

impl Affine {
    /// The weight that a quant means.
    #[inline]
    pub fn weight(self, quant: u8) -> f32 {
        (f32::from(quant) - f32::from(self.zero)) * self.scale
    }
}

/// Rounded to half precision, but neither to 0 nor to infinity.
pub(crate) fn half_at_least(scale: f32) -> f32 {
    let rounded = f16::from_f32(scale);
    let bounded = rounded.max(f16::from_bits(1)).min(f16::MAX);
    bounded.to_f32()
}

/// The smallest and the largest weight.
pub(crate) fn bounds(weights: &[f32]) -> (f32, f32) {
    weights.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &w| (low.min(w), high.max(w)))
}

/// Rounds to the nearest integer, halves to the even one, for magnitudes below 2^22; larger ones come out as some number beyond every
/// quant. Two additions: vectorized on every CPU, which the instruction for rounding is not.
#[inline]
pub(crate) fn round_ties_even(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-4_194_304.0, 4_194_304.0);
    (x + MAGIC) - MAGIC
}
