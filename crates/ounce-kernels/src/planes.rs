//! Pieces of an array at equal distances, of which several threads write different ones.

use std::marker::PhantomData;

use crate::pool::SharedMut;

/// Planes of equal length at equal distances: those of one channel in a batch of images, or some columns of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Planes<'a> {
    start: *const f32,
    /// Elements of a plane.
    pub(crate) len: usize,
    stride: usize,
    /// Planes.
    pub(crate) count: usize,
    lifetime: PhantomData<&'a [f32]>,
}

/// [`Planes`] that are written.
pub(crate) struct PlanesMut<'a> {
    start: *mut f32,
    read: Planes<'a>,
}

/// Which planes of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where the first plane begins.
    pub(crate) first: usize,
    /// Elements of a plane.
    pub(crate) len: usize,
    /// Distance of two planes.
    pub(crate) stride: usize,
    /// Planes.
    pub(crate) count: usize,
}

impl Place {
    fn check(&self, len: usize) {
        let last = self.count.saturating_sub(1).checked_mul(self.stride);
        let end = last.and_then(|last| last.checked_add(self.len)?.checked_add(self.first));
        assert!(self.count == 0 || end.is_some_and(|end| end <= len), "planes beyond the end of an array");
    }
}

impl<'a> Planes<'a> {
    /// # Panics
    /// If the planes do not lie in `data`.
    pub(crate) fn of(data: &'a [f32], place: Place) -> Self {
        place.check(data.len());
        let Place { first, len, stride, count } = place;
        Self { start: data.as_ptr().wrapping_add(first), len, stride, count, lifetime: PhantomData }
    }

    /// Where plane `i` begins. Inside the array, as far as there are so many planes.
    #[inline(always)]
    pub(crate) fn plane(&self, i: usize) -> *const f32 {
        self.start.wrapping_add(i * self.stride)
    }

    /// Whether there are as many planes, of as many elements.
    pub(crate) fn same_extents(&self, other: &Planes<'_>) -> bool {
        self.len == other.len && self.count == other.count
    }
}

impl<'a> PlanesMut<'a> {
    /// # Safety
    /// While this value or one of its [`PlanesMut::read`] lives, nothing else reads or writes these planes.
    ///
    /// # Panics
    /// If the planes do not lie in `data`.
    pub(crate) unsafe fn of(data: &SharedMut<'a, f32>, place: Place) -> Self {
        place.check(data.len());
        let Place { first, len, stride, count } = place;
        let start = data.as_mut_ptr().wrapping_add(first);
        Self { start, read: Planes { start, len, stride, count, lifetime: PhantomData } }
    }

    /// Where plane `i` begins. Inside the array, as far as there are so many planes.
    #[inline(always)]
    pub(crate) fn plane(&self, i: usize) -> *mut f32 {
        self.start.wrapping_add(i * self.read.stride)
    }

    /// The same planes as an input: what is computed from an element may overwrite it.
    pub(crate) fn read(&self) -> Planes<'a> {
        self.read
    }
}
