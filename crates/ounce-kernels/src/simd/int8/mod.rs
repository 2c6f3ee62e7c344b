//! Convolutions of bytes: sums in 32 bits of products of signed bytes, made bytes again.
//!
//! Images are multiplied as unsigned bytes (an element plus 128), since that is what the instructions take; what this adds to a sum, and the zero
//! point, is a number for each row of weights that the sum starts from. So all tables give the same bits.

pub(crate) mod add;
pub(crate) mod channels;
pub(crate) mod columns;
pub(crate) mod dense;
pub(crate) mod depthwise;
pub(crate) mod finish;
pub(crate) mod places;
pub(crate) mod quantize;
pub(crate) mod scales;

use crate::ops::Scale;

/// A token for one instruction set's vectors of `LANES` sums, each of four products at a time.
///
/// # Safety
/// A value may exist only where the CPU has the instructions that the methods use.
pub(crate) unsafe trait Int8: Copy {
    /// Sums in a vector.
    const LANES: usize;
    /// Rows of a tile that is four vectors wide: a power of two, or 6.
    const WIDE_ROWS: usize;
    /// Rows of a tile that is one vector wide: 4, 8 or 12.
    const TALL_ROWS: usize;
    /// A vector of sums.
    type Sums: Copy;
    /// Four unsigned bytes for each sum.
    type Bytes: Copy;
    /// Four signed bytes for each sum.
    type Weights: Copy;
    /// A factor for each sum.
    type Factors: Copy;
    /// A factor for each sum, for `fixed_each`.
    type FixedFactors: Copy;

    fn splat(self, x: i32) -> Self::Sums;
    /// # Safety
    /// `LANES` sums are readable from `from`.
    unsafe fn sums(self, from: *const i32) -> Self::Sums;
    /// The same four weights for each sum, the first in the lowest byte.
    fn repeat(self, quad: i32) -> Self::Weights;
    /// # Safety
    /// `4 * LANES` bytes are readable from `from`.
    unsafe fn weights(self, from: *const i8) -> Self::Weights;
    /// # Safety
    /// `4 * LANES` bytes are readable from `from`.
    unsafe fn bytes(self, from: *const u8) -> Self::Bytes;
    /// For sum `i` the four bytes from `from + i * STRIDE` on; `STRIDE` is 1 or 2.
    ///
    /// # Safety
    /// 64 bytes are readable from `from`.
    unsafe fn windows<const STRIDE: usize>(self, from: *const u8) -> Self::Bytes;
    /// Adds four products to each sum, wrapping around.
    fn dot(self, sums: Self::Sums, bytes: Self::Bytes, weights: Self::Weights) -> Self::Sums;
    /// All sums together.
    fn total(self, sums: Self::Sums) -> i32;
    /// Writes `LANES` quads of elements plus 128, quad `i` being element `i` of each source.
    ///
    /// # Safety
    /// `LANES` bytes are readable from every source, `4 * LANES` writable to `to`.
    unsafe fn interleave(self, from: [*const i8; 4], to: *mut u8);
    /// As `interleave` for four times as many elements, as four vectors in the order that `store_four` undoes.
    ///
    /// # Safety
    /// `4 * LANES` bytes are readable from every source, `16 * LANES` writable to `to`.
    unsafe fn interleave_four(self, from: [*const i8; 4], to: *mut u8);
    /// The product with a float, rounded to nearest, ties to even. Beyond 2^16 it may be any number beyond.
    fn nearest(self, sums: Self::Sums, factor: f32) -> Self::Sums;
    /// As `nearest`, rounded towards zero.
    fn truncated(self, sums: Self::Sums, factor: f32) -> Self::Sums;
    /// `sum * 2^left * multiplier / 2^31`, divided by `2^right`, both rounded to nearest as TensorFlow Lite does. Beyond 2^16 it may be any number beyond.
    fn fixed(self, sums: Self::Sums, multiplier: i32, left: i32, right: i32) -> Self::Sums;
    /// Adds a number, wrapping around.
    fn plus(self, sums: Self::Sums, x: i32) -> Self::Sums;
    /// Stores the first `count` sums as saturated words.
    ///
    /// # Safety
    /// `count` words are writable to `to`; `count` is at most `LANES`.
    unsafe fn store_words(self, sums: Self::Sums, to: *mut i16, count: usize);
    /// Stores the first `count` sums as bytes within bounds.
    ///
    /// # Safety
    /// `count` bytes are writable to `to`; `count` is at most `LANES`.
    unsafe fn store_bytes(self, sums: Self::Sums, bounds: [i8; 2], to: *mut i8, count: usize);
    /// Stores the sums of four vectors that came by `interleave_four` as bytes within bounds.
    ///
    /// # Safety
    /// `4 * LANES` bytes are writable to `to`.
    unsafe fn store_four(self, sums: [Self::Sums; 4], bounds: [i8; 2], to: *mut i8);
    /// Copies bytes, each with the bits of `FLIP` inverted.
    ///
    /// # Safety
    /// `count` bytes are readable from `from` and writable to `to`, which do not overlap.
    #[inline(always)]
    unsafe fn copy<const FLIP: u8>(self, from: *const i8, to: *mut i8, count: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            let from = std::slice::from_raw_parts(from, count);
            copy_run::<FLIP>(from, std::slice::from_raw_parts_mut(to, count));
        }
    }
    /// The same four bytes for each sum.
    ///
    /// # Safety
    /// 4 bytes are readable from `from`.
    unsafe fn broadcast(self, from: *const u8) -> Self::Bytes;
    /// # Safety
    /// `LANES` factors are readable from `from`.
    unsafe fn factors(self, from: *const f32) -> Self::Factors;
    /// # Safety
    /// `LANES` numbers are readable from both. Multipliers are not negative, shifts to the right are in 1..=31.
    unsafe fn fixed_factors(self, multipliers: *const i32, right: *const i32) -> Self::FixedFactors;
    /// As `nearest`, with a factor for each sum, where no product reaches 2^31.
    fn nearest_each(self, sums: Self::Sums, factors: Self::Factors) -> Self::Sums;
    /// As `truncated`, with a factor for each sum, where no product reaches 2^31.
    fn truncated_each(self, sums: Self::Sums, factors: Self::Factors) -> Self::Sums;
    /// As `fixed`, with a factor for each sum, where no sum reaches 2^30.
    fn fixed_each(self, sums: Self::Sums, factors: Self::FixedFactors) -> Self::Sums;
    /// Elements as sums.
    ///
    /// # Safety
    /// `LANES` elements are readable from `from`.
    unsafe fn elements(self, from: *const i8) -> Self::Sums;
    /// Adds sums, wrapping around.
    fn sum(self, a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// Shifts to the left by less than 32.
    fn shift_left(self, sums: Self::Sums, by: i32) -> Self::Sums;
    /// Stores the first `count` sums of each of four vectors as bytes, `zero` being added before they are brought within bounds.
    ///
    /// # Safety
    /// `count` bytes are writable to each of `to`; `count` is at most `LANES`.
    unsafe fn store_places(
        self,
        sums: [Self::Sums; 4],
        zero: i16,
        bounds: [i8; 2],
        to: [*mut i8; 4],
        count: usize,
    );
    /// Makes 16 words bytes within bounds, and returns a bit for each that was within.
    ///
    /// # Safety
    /// 16 words are readable from `from`, 16 bytes writable to `to`.
    unsafe fn clamp_words(self, from: *const i16, bounds: [i8; 2], to: *mut i8) -> u16;
}

/// Sums as scaled numbers with a zero point; what lies beyond 2^16 stays beyond.
#[inline(always)]
pub(crate) fn scaled<S: Int8>(s: S, sums: S::Sums, scale: Scale, zero: i32) -> S::Sums {
    let scaled = match scale {
        Scale::Nearest(factor) => s.nearest(sums, factor),
        Scale::Truncated(factor) => s.truncated(sums, factor),
        Scale::Fixed { multiplier, shift } => s.fixed(sums, multiplier, shift.max(0), -shift.min(0)),
    };
    s.plus(scaled, zero)
}

/// Copies a few elements, without the call that a copy of unknown length is.
#[inline(always)]
pub(crate) fn copy_run<const FLIP: u8>(from: &[i8], to: &mut [i8]) {
    assert_eq!(from.len(), to.len());
    let (n, from, to) = (from.len(), from.as_ptr().cast::<u8>(), to.as_mut_ptr().cast::<u8>());
    macro_rules! ends {
        ($word:ty) => {{
            const SIZE: usize = size_of::<$word>();
            let flip = <$word>::from_ne_bytes([FLIP; SIZE]);
            let mut at = 0;
            // SAFETY: words lie within both slices, whose lengths are equal and at least that of a word; the last may overlap the one before.
            unsafe {
                let (first, last) = (from.cast::<$word>(), from.add(n - SIZE).cast::<$word>());
                let last = last.read_unaligned() ^ flip;
                to.cast::<$word>().write_unaligned(first.read_unaligned() ^ flip);
                at += SIZE;
                while at + SIZE < n {
                    let word = from.add(at).cast::<$word>().read_unaligned();
                    to.add(at).cast::<$word>().write_unaligned(word ^ flip);
                    at += SIZE;
                }
                to.add(n - SIZE).cast::<$word>().write_unaligned(last);
            }
        }};
    }
    match n {
        16.. => ends!(u128),
        8.. => ends!(u64),
        4.. => ends!(u32),
        _ => {
            for i in 0..n {
                // SAFETY: `i` is below the lengths.
                unsafe { *to.add(i) = *from.add(i) ^ FLIP };
            }
        }
    }
}
