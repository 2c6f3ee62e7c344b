//! Zeroed memory straight from the system, committed page by page as it is written, and given back at once when dropped: an allocator may keep
//! what it was given back, or hand it out again with all of its pages.

use bytemuck::Pod;
use memmap2::MmapMut;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// `len` elements, zero at first.
pub(super) struct Pages<T> {
    map: MmapMut,
    bytes: usize,
    elements: PhantomData<T>,
}

impl<T: Pod> Pages<T> {
    /// Memory for `len` elements; `None` if the system does not give it.
    pub(super) fn zeroed(len: usize) -> Option<Self> {
        let bytes = len.checked_mul(size_of::<T>())?;
        // An empty map is refused.
        let map = MmapMut::map_anon(bytes.max(1)).ok()?;
        Some(Self { map, bytes, elements: PhantomData })
    }
}

impl<T: Pod> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.map[..self.bytes])
    }
}

impl<T: Pod> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.map[..self.bytes])
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pages({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zero_and_may_be_empty_but_not_endless() {
        let mut pages = Pages::<u16>::zeroed(3).unwrap();
        pages[2] = 7;
        assert_eq!(*pages, [0, 0, 7]);
        assert!(Pages::<f32>::zeroed(0).unwrap().is_empty());
        assert!(Pages::<f32>::zeroed(usize::MAX).is_none());
        assert!(Pages::<f32>::zeroed(usize::MAX / 8).is_none());
    }
}
