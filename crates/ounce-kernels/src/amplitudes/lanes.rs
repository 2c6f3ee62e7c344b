//! Vectors of `f32` or `f64` as a trait, with what amplitudes need: permutations of lanes and selection.

use super::Real;

/// A token for one instruction set's vectors of `LANES` reals, as [`crate::simd::Simd`] is for floats alone.
///
/// # Safety
/// A value may exist only where the CPU has the instructions that the methods use.
pub(crate) unsafe trait Lanes<T: Real>: Copy {
    /// Reals in a vector: a power of two, at most [`super::MAX_LANES`].
    const LANES: usize;
    /// A vector of reals.
    type V: Copy;
    /// A permutation of lanes.
    type P: Copy;

    fn splat(self, x: T) -> Self::V;
    /// # Safety
    /// `LANES` reals are readable from `from`.
    unsafe fn load(self, from: *const T) -> Self::V;
    /// # Safety
    /// `LANES` reals are writable to `to`.
    unsafe fn store(self, to: *mut T, x: Self::V);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, fused where the instruction set can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, fused where the instruction set can.
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The permutation whose lane `i` comes from lane `from[i]`, each below `LANES`.
    fn permutation(self, from: &[u32; super::MAX_LANES]) -> Self::P;
    fn permute(self, x: Self::V, by: Self::P) -> Self::V;
    /// `a` in the lanes where `mask` has its sign bit set, `b` in the others.
    fn select(self, mask: Self::V, a: Self::V, b: Self::V) -> Self::V;
}
