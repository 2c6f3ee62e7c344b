//! [`Int8`] in plain Rust: the reference.

use super::portable::Portable;
use crate::simd::int8::Int8;

const LANES: usize = 8;

/// `sum * multiplier / 2^31`, divided by `2^right`, both rounded to nearest as TensorFlow Lite does.
fn fixed_product(sum: i32, multiplier: i32, right: i32) -> i32 {
    let high = (i64::from(sum) * i64::from(multiplier) + (1 << 30)) >> 31;
    // Half of the last bit that is kept is added, a little less to negative numbers: ties away from zero.
    let half = if right > 0 { 1i64 << (right - 1) } else { 0 };
    ((high + half - i64::from(high < 0 && right > 0)) >> right) as i32
}

// SAFETY: plain Rust needs no instructions beyond the target's own.
unsafe impl Int8 for Portable {
    const LANES: usize = LANES;
    const WIDE_ROWS: usize = 2;
    const TALL_ROWS: usize = 4;
    type Sums = [i32; LANES];
    type Bytes = [[u8; 4]; LANES];
    type Weights = [[i8; 4]; LANES];
    type Factors = [f32; LANES];
    type FixedFactors = [[i32; LANES]; 2];

    #[inline(always)]
    fn splat(self, x: i32) -> [i32; LANES] {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn sums(self, from: *const i32) -> [i32; LANES] {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<[i32; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    fn repeat(self, quad: i32) -> [[i8; 4]; LANES] {
        [quad.to_le_bytes().map(|w| w as i8); LANES]
    }
    #[inline(always)]
    unsafe fn weights(self, from: *const i8) -> [[i8; 4]; LANES] {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<[[i8; 4]; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn bytes(self, from: *const u8) -> [[u8; 4]; LANES] {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<[[u8; 4]; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn windows<const STRIDE: usize>(self, from: *const u8) -> [[u8; 4]; LANES] {
        // SAFETY: the last window ends before the 64 bytes do.
        std::array::from_fn(|i| unsafe { from.add(i * STRIDE).cast::<[u8; 4]>().read_unaligned() })
    }
    #[inline(always)]
    fn dot(self, mut sums: [i32; LANES], bytes: [[u8; 4]; LANES], weights: [[i8; 4]; LANES]) -> [i32; LANES] {
        for i in 0..LANES {
            for k in 0..4 {
                sums[i] = sums[i].wrapping_add(i32::from(bytes[i][k]) * i32::from(weights[i][k]));
            }
        }
        sums
    }
    #[inline(always)]
    fn total(self, sums: [i32; LANES]) -> i32 {
        sums.into_iter().fold(0, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn interleave(self, from: [*const i8; 4], to: *mut u8) {
        for (k, from) in from.into_iter().enumerate() {
            for i in 0..LANES {
                // SAFETY: as the caller promises.
                unsafe { *to.add(4 * i + k) = *from.add(i) as u8 ^ 128 };
            }
        }
    }
    #[inline(always)]
    unsafe fn interleave_four(self, from: [*const i8; 4], to: *mut u8) {
        for v in 0..4 {
            // SAFETY: as the caller promises.
            unsafe { self.interleave(from.map(|from| from.add(v * LANES)), to.add(v * 4 * LANES)) };
        }
    }
    #[inline(always)]
    fn nearest(self, sums: [i32; LANES], factor: f32) -> [i32; LANES] {
        sums.map(|sum| (sum as f32 * factor).clamp(-65536.0, 65536.0).round_ties_even() as i32)
    }
    #[inline(always)]
    fn truncated(self, sums: [i32; LANES], factor: f32) -> [i32; LANES] {
        sums.map(|sum| (sum as f32 * factor).clamp(-65536.0, 65536.0) as i32)
    }
    #[inline(always)]
    fn fixed(self, sums: [i32; LANES], multiplier: i32, left: i32, right: i32) -> [i32; LANES] {
        sums.map(|sum| fixed_product(sum.wrapping_shl(left as u32), multiplier, right).clamp(-65536, 65536))
    }
    #[inline(always)]
    fn plus(self, sums: [i32; LANES], x: i32) -> [i32; LANES] {
        sums.map(|sum| sum.wrapping_add(x))
    }
    #[inline(always)]
    unsafe fn store_words(self, sums: [i32; LANES], to: *mut i16, count: usize) {
        let words = sums.map(|sum| sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16);
        // SAFETY: as the caller promises.
        unsafe { words.as_ptr().copy_to_nonoverlapping(to, count) };
    }
    #[inline(always)]
    unsafe fn store_bytes(self, sums: [i32; LANES], [low, high]: [i8; 2], to: *mut i8, count: usize) {
        let bytes = sums.map(|sum| sum.min(high.into()).max(low.into()) as i8);
        // SAFETY: as the caller promises.
        unsafe { bytes.as_ptr().copy_to_nonoverlapping(to, count) };
    }
    #[inline(always)]
    unsafe fn store_four(self, sums: [[i32; LANES]; 4], bounds: [i8; 2], to: *mut i8) {
        for (v, sums) in sums.into_iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { self.store_bytes(sums, bounds, to.add(v * LANES), LANES) };
        }
    }
    #[inline(always)]
    unsafe fn broadcast(self, from: *const u8) -> [[u8; 4]; LANES] {
        // SAFETY: as the caller promises.
        [unsafe { from.cast::<[u8; 4]>().read_unaligned() }; LANES]
    }
    #[inline(always)]
    unsafe fn factors(self, from: *const f32) -> [f32; LANES] {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<[f32; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn fixed_factors(self, multipliers: *const i32, right: *const i32) -> [[i32; LANES]; 2] {
        // SAFETY: as the caller promises.
        unsafe { [self.sums(multipliers), self.sums(right)] }
    }
    #[inline(always)]
    fn nearest_each(self, sums: [i32; LANES], factors: [f32; LANES]) -> [i32; LANES] {
        std::array::from_fn(|i| self.nearest([sums[i]; LANES], factors[i])[0])
    }
    #[inline(always)]
    fn truncated_each(self, sums: [i32; LANES], factors: [f32; LANES]) -> [i32; LANES] {
        std::array::from_fn(|i| self.truncated([sums[i]; LANES], factors[i])[0])
    }
    #[inline(always)]
    fn fixed_each(self, sums: [i32; LANES], [multipliers, right]: [[i32; LANES]; 2]) -> [i32; LANES] {
        std::array::from_fn(|i| fixed_product(sums[i], multipliers[i], right[i]))
    }
    #[inline(always)]
    unsafe fn elements(self, from: *const i8) -> [i32; LANES] {
        // SAFETY: as the caller promises.
        unsafe { from.cast::<[i8; LANES]>().read_unaligned() }.map(i32::from)
    }
    #[inline(always)]
    fn sum(self, a: [i32; LANES], b: [i32; LANES]) -> [i32; LANES] {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn shift_left(self, sums: [i32; LANES], by: i32) -> [i32; LANES] {
        sums.map(|sum| sum.wrapping_shl(by as u32))
    }
    #[inline(always)]
    unsafe fn store_places(
        self,
        sums: [[i32; LANES]; 4],
        zero: i16,
        bounds: [i8; 2],
        to: [*mut i8; 4],
        count: usize,
    ) {
        for (sums, to) in sums.into_iter().zip(to) {
            let sums = sums.map(|sum| sum.clamp(-65536, 65536) + i32::from(zero));
            // SAFETY: as the caller promises.
            unsafe { self.store_bytes(sums, bounds, to, count) };
        }
    }
    #[inline(always)]
    unsafe fn clamp_words(self, from: *const i16, [low, high]: [i8; 2], to: *mut i8) -> u16 {
        let mut within = 0;
        for i in 0..16 {
            // SAFETY: as the caller promises.
            let x = unsafe { *from.add(i) };
            let y = x.min(high.into()).max(low.into());
            // SAFETY: as the caller promises.
            unsafe { *to.add(i) = y as i8 };
            within |= u16::from(x == y) << i;
        }
        within
    }
}
