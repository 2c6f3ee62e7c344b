//! Memory for large arrays, aligned to cache lines.

use std::marker::PhantomData;

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
    element: PhantomData<T>,
}

impl<T: bytemuck::Pod> Buffer<T> {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        let count = (len * size_of::<T>()).div_ceil(size_of::<Line>());
        let mut lines: Vec<Line> = Vec::with_capacity(count);
        if count * size_of::<Line>() >= LARGE {
            advise_huge_pages(lines.as_mut_ptr().cast(), count * size_of::<Line>());
        }
        lines.resize(count, bytemuck::Zeroable::zeroed());
        Self { lines, len, element: PhantomData }
    }
}

impl<T: bytemuck::Pod> std::ops::Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<T: bytemuck::Pod> std::ops::DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl<T> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer of {}", self.len)
    }
}
