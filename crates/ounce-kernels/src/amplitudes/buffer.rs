//! Memory for amplitudes, aligned to cache lines.

use std::marker::PhantomData;

use super::Real;
use crate::matrix::advise_huge_pages;

/// A cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
pub(crate) struct Line([u8; 64]);

/// Bytes from which huge pages are asked for.
const LARGE: usize = 4 << 20;

/// Numbers in memory that begins at a cache line.
#[derive(Clone)]
pub struct Buffer<T> {
    lines: Vec<Line>,
    len: usize,
    real: PhantomData<T>,
}

impl<T: Real> Buffer<T> {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let count = len.div_ceil(64 / T::BYTES);
        let mut lines: Vec<Line> = Vec::with_capacity(count);
        if count * 64 >= LARGE {
            advise_huge_pages(lines.as_mut_ptr().cast(), count * 64);
        }
        lines.resize(count, bytemuck::Zeroable::zeroed());
        Self { lines, len, real: PhantomData }
    }
}

impl<T: Real> std::ops::Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<T: Real> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl<T> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer of {}", self.len)
    }
}
