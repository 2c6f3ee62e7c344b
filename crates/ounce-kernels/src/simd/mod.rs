//! Vectors of floats as a trait, and every floating-point kernel written once over it.
//!
//! A type that implements [`Simd`] is a token: a value of it exists only where the CPU has the instructions, so its methods are safe
//! to call. The functions here are `inline(always)`: they take on the instruction set of the function they are inlined into, which
//! the tables of [`crate::isa`] provide.

pub(crate) mod attend;
pub(crate) mod batch_norm;
pub(crate) mod gate;
pub(crate) mod gemm;
pub(crate) mod hadamard;
pub(crate) mod int8;
pub(crate) mod norm;
pub(crate) mod plane_rows;
pub(crate) mod planes;
pub(crate) mod pointwise;
pub(crate) mod quantize;
pub(crate) mod rows;

/// A token for one instruction set's vectors of `LANES` floats.
///
/// # Safety
/// A value may exist only where the CPU has the instructions that the methods use.
pub(crate) unsafe trait Simd: Copy {
    /// Floats in a vector.
    const LANES: usize;
    /// A vector of floats.
    type F: Copy;

    fn splat(self, x: f32) -> Self::F;
    /// # Safety
    /// `LANES` floats are readable from `from`.
    unsafe fn load(self, from: *const f32) -> Self::F;
    /// # Safety
    /// `LANES` floats are writable to `to`.
    unsafe fn store(self, to: *mut f32, x: Self::F);
    /// Loads IEEE half-precision floats.
    ///
    /// # Safety
    /// `LANES` values are readable from `from`.
    unsafe fn load_f16(self, from: *const u16) -> Self::F;
    /// Stores as IEEE half-precision floats, rounding to nearest even.
    ///
    /// # Safety
    /// `LANES` values are writable to `to`.
    unsafe fn store_f16(self, to: *mut u16, x: Self::F);
    /// Loads bfloat16 values.
    ///
    /// # Safety
    /// `LANES` values are readable from `from`.
    unsafe fn load_bf16(self, from: *const u16) -> Self::F;
    /// Loads signed bytes.
    ///
    /// # Safety
    /// `LANES` values are readable from `from`.
    unsafe fn load_i8(self, from: *const i8) -> Self::F;
    /// Rounds to nearest even and stores the integers as bytes; values lie in -127..=127.
    ///
    /// # Safety
    /// `LANES` bytes are writable to `to`.
    unsafe fn store_i8(self, to: *mut i8, x: Self::F);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, fused where the instruction set can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `value` where `low < a < high`, else zero.
    fn inside(self, a: Self::F, low: Self::F, high: Self::F, value: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// The sign of `sign` on the magnitude of `magnitude`.
    fn copysign(self, magnitude: Self::F, sign: Self::F) -> Self::F;
    /// Rounds to nearest even.
    fn round(self, a: Self::F) -> Self::F;
    /// 2 to the power of integers in -126..=127, given as floats.
    fn pow2(self, a: Self::F) -> Self::F;
    /// Asks for the cache line at an address, which need not be valid.
    #[inline(always)]
    fn prefetch(self, _at: *const u8) {}
    fn sum(self, a: Self::F) -> f32;
    fn maximum(self, a: Self::F) -> f32;
}

/// The type of the elements of a row in memory that is computed with in floats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Element {
    F32,
    F16,
    Bf16,
    /// Integers, whose scale belongs to the row.
    I8,
}

impl Element {
    /// Bytes of one element.
    pub(crate) fn size(self) -> usize {
        match self {
            Element::F32 => 4,
            Element::F16 | Element::Bf16 => 2,
            Element::I8 => 1,
        }
    }
}

/// An element type known at compile time, for kernels whose inner loop must not branch on it.
pub(crate) trait Float {
    /// The element in memory.
    type Raw: Copy;
    /// # Safety
    /// `LANES` elements are readable from `from`.
    unsafe fn load<S: Simd>(s: S, from: *const Self::Raw) -> S::F;
    /// One element as a float.
    fn widen(raw: Self::Raw) -> f32;
}

pub(crate) struct F32;
pub(crate) struct F16;
pub(crate) struct Bf16;
pub(crate) struct I8;

impl Float for F32 {
    type Raw = f32;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const f32) -> S::F {
        // SAFETY: as the caller promises.
        unsafe { s.load(from) }
    }
    #[inline(always)]
    fn widen(raw: f32) -> f32 {
        raw
    }
}

impl Float for F16 {
    type Raw = u16;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const u16) -> S::F {
        // SAFETY: as the caller promises.
        unsafe { s.load_f16(from) }
    }
    #[inline(always)]
    fn widen(raw: u16) -> f32 {
        f16_to_f32(raw)
    }
}

impl Float for Bf16 {
    type Raw = u16;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const u16) -> S::F {
        // SAFETY: as the caller promises.
        unsafe { s.load_bf16(from) }
    }
    #[inline(always)]
    fn widen(raw: u16) -> f32 {
        f32::from_bits(u32::from(raw) << 16)
    }
}

impl Float for I8 {
    type Raw = i8;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, from: *const i8) -> S::F {
        // SAFETY: as the caller promises.
        unsafe { s.load_i8(from) }
    }
    #[inline(always)]
    fn widen(raw: i8) -> f32 {
        f32::from(raw)
    }
}

/// IEEE half precision to single, exact. `half`'s own conversion asks for CPU features at every call.
#[inline(always)]
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    half::f16::from_bits(bits).to_f32_const()
}

/// `e^x` to about 2 units in the last place for x in -87.3..=88, and the value at the nearer end outside. NaN is not passed on.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.max(s.min(x, s.splat(88.0)), s.splat(-87.3));
    // x = n ln 2 + r, |r| <= ln 2 / 2, with ln 2 in two parts.
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-0.693_359_4), x);
    let r = s.mul_add(n, s.splat(2.121_944_4e-4), r);
    // Minimax polynomial of e^r (Cephes expf).
    let mut p = s.splat(1.987_569_1e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = s.mul_add(p, r, s.splat(c));
    }
    let p = s.mul_add(p, s.mul(r, r), s.add(r, s.splat(1.0)));
    s.mul(p, s.pow2(n))
}
