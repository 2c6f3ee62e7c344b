//! Convolutions of bytes, and what surrounds them in a quantized network.

mod channels_last;
mod conv;
mod depthwise;
mod weights;

pub use channels_last::Int8ChannelsLast;
pub use conv::{Int8Conv, Int8Output, int8_conv, int8_conv_scratch};

use crate::Team;

/// What a sum of 32 bits is multiplied with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Scale {
    /// A float, the product rounded to nearest, ties to even.
    Nearest(f32),
    /// A float, the product rounded towards zero.
    Truncated(f32),
    /// `multiplier * 2^(shift - 31)`, in integers as TensorFlow Lite: `MultiplyByQuantizedMultiplier`. The multiplier is not negative, the shift in -31..=30.
    Fixed {
        /// The factor's bits.
        multiplier: i32,
        /// To the left where positive.
        shift: i32,
    },
}

/// Words and the bounds of the bytes that they become: `y` gets them, `mask` a bit for every word that was within the bounds.
///
/// # Panics
/// If the lengths differ.
pub fn int8_clamp(team: &mut Team<'_>, words: &[i16], bounds: [i8; 2], y: &mut [i8], mask: &mut [u8]) {
    /// A multiple of 8, so that pieces share no byte of the mask.
    const PIECE: usize = 8192;
    assert!(words.len() == y.len() && mask.len() == y.len().div_ceil(8));
    let kernels = team.kernels();
    let mask = crate::pool::SharedMut::new(mask);
    team.for_each_chunk_mut(y, PIECE, |piece, y| {
        let first = piece * PIECE;
        // SAFETY: pieces begin at multiples of 8, so their bytes of the mask do not overlap, and each is run once.
        let mask = unsafe { mask.slice(first / 8, y.len().div_ceil(8)) };
        kernels.int8_clamp(&words[first..first + y.len()], bounds, y, mask);
    });
}

/// Bytes as floats.
///
/// # Panics
/// If the lengths differ.
pub fn int8_widen(team: &mut Team<'_>, x: &[i8], y: &mut [f32]) {
    const PIECE: usize = 16384;
    assert_eq!(x.len(), y.len());
    let kernels = team.kernels();
    team.for_each_chunk_mut(y, PIECE, |piece, y| {
        let x = &x[piece * PIECE..][..y.len()];
        kernels.widen(crate::simd::Element::I8, bytemuck::cast_slice(x), y);
    });
}

/// Floats to bytes: `y = clamp(round(x / scale) + zero)` to -128..=127, ties to even; what is no number becomes 0.
///
/// # Panics
/// If the lengths differ.
pub fn int8_quantize(team: &mut Team<'_>, x: &[f32], scale: f32, zero: i32, y: &mut [i8]) {
    const PIECE: usize = 16384;
    assert_eq!(x.len(), y.len());
    let kernels = team.kernels();
    team.for_each_chunk_mut(y, PIECE, |piece, y| {
        let x = &x[piece * PIECE..][..y.len()];
        kernels.int8_quantize(x, scale, zero as f32, y);
        if x.iter().fold(false, |nan, x| nan | (x / scale).is_nan()) {
            y.iter_mut().zip(x).filter(|(_, x)| (**x / scale).is_nan()).for_each(|(y, _)| *y = 0);
        }
    });
}

/// The attributes of an addition of bytes in integers, as TensorFlow Lite: both terms are shifted up by [`Int8FixedAdd::SHIFT`] bits and scaled to a common scale, added, and scaled to the result's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Int8FixedAdd {
    pub(crate) zeros: [i32; 2],
    /// Multiplier and shift to the right of each term.
    pub(crate) terms: [[i32; 2]; 2],
    pub(crate) y: [i32; 2],
    pub(crate) y_zero: i16,
    pub(crate) bounds: [i8; 2],
}

impl Int8FixedAdd {
    /// How many bits terms are shifted up.
    pub const SHIFT: i32 = 20;

    /// An addition with zero points and factors of both terms and of the result, factors as in [`Scale::Fixed`]: multiplier and shift. `None` if a factor of a term is above one half, or
    /// one of the result 1 or more, which no scales give that the common scale is made from, twice the larger of both.
    pub fn new(
        zeros: [i8; 2],
        terms: [[i32; 2]; 2],
        y: [i32; 2],
        y_zero: i8,
        bounds: [i8; 2],
    ) -> Option<Self> {
        let sound = |[multiplier, shift]: [i32; 2]| multiplier >= 0 && (-31..=-1).contains(&shift);
        let half = |term: [i32; 2]| term == [1 << 30, 0];
        if !terms.iter().all(|term| sound(*term) || half(*term)) || !sound(y) {
            return None;
        }
        let right = |[multiplier, shift]: [i32; 2]| [multiplier, -shift];
        Some(Self {
            zeros: zeros.map(i32::from),
            terms: terms.map(right),
            y: right(y),
            y_zero: y_zero.into(),
            bounds,
        })
    }
}

/// Adds bytes in integers.
///
/// # Panics
/// If the lengths differ.
pub fn int8_fixed_add(team: &mut Team<'_>, add: &Int8FixedAdd, terms: [&[i8]; 2], y: &mut [i8]) {
    const PIECE: usize = 8192;
    assert!(terms.iter().all(|term| term.len() == y.len()));
    let kernels = team.kernels();
    team.for_each_chunk_mut(y, PIECE, |piece, y| {
        kernels.int8_fixed_add(add, terms.map(|term| &term[piece * PIECE..][..y.len()]), y);
    });
}

/// The attributes of an addition of bytes: `y = clamp(round(((a - zeros[0]) scales[0] + (b - zeros[1]) scales[1]) / y_scale) + y_zero)`, in floats, ties to even.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Int8Add {
    /// Scales of both terms.
    pub scales: [f32; 2],
    /// Zero points of both terms.
    pub zeros: [f32; 2],
    /// Scale of the result.
    pub y_scale: f32,
    /// Zero point of the result.
    pub y_zero: f32,
}

/// A term of [`int8_add`].
#[derive(Clone, Copy, Debug)]
pub enum Term<'a> {
    /// Elsewhere.
    Of(&'a [i8]),
    /// Where the result goes.
    Overwritten,
}

/// Adds bytes.
///
/// # Panics
/// If the lengths differ.
pub fn int8_add(team: &mut Team<'_>, add: Int8Add, terms: [Term<'_>; 2], y: &mut [i8]) {
    const PIECE: usize = 8192;
    let kernels = team.kernels();
    team.for_each_chunk_mut(y, PIECE, |piece, y| {
        let part = terms.map(|term| match term {
            Term::Of(x) => Some(&x[piece * PIECE..][..y.len()]),
            Term::Overwritten => None,
        });
        kernels.int8_add(&add, part, y);
    });
}
