//! Memory for packed weights: large pieces, in huge pages where the system has them.
//!
//! A decode step streams all weights once, so most of its address translations miss with pages of 4 KiB. Most matrices of a small
//! model are smaller than one huge page of 2 MiB; they are therefore cut one after another from larger pieces.

use std::sync::Arc;

/// The alignment of pieces and the size of a huge page.
const HUGE_PAGE: usize = 2 << 20;
/// The size of a piece that several matrices share. Untouched memory of a piece costs nothing.
const PIECE: usize = 32 << 20;
/// The alignment of a matrix.
const LINE: usize = 64;

/// Hands out memory for one matrix after another.
#[derive(Default)]
pub(crate) struct Arena {
    piece: Option<Arc<Piece>>,
    used: usize,
}

/// A piece of memory. Its bytes are reached only through the [`Region`]s cut from it, which do not overlap.
struct Piece {
    /// Owns the memory; never read or written through this field after the piece is made.
    _owner: Vec<u8>,
    /// The first address inside the memory that a huge page may begin at.
    start: *mut u8,
    len: usize,
}

// SAFETY: the memory is owned by the piece, and regions of it do not overlap.
unsafe impl Send for Piece {}
// SAFETY: as above.
unsafe impl Sync for Piece {}

impl Piece {
    fn new(len: usize) -> Self {
        // Zeroed memory of this size comes from the system and is committed when it is first written.
        let mut owner = vec![0u8; len + HUGE_PAGE];
        let offset = owner.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
        let start = owner[offset..].as_mut_ptr();
        advise_huge_pages(start, len);
        Self { _owner: owner, start, len }
    }
}

/// Asks for huge pages in a range of memory, from the first page that begins in it.
#[cfg(target_os = "linux")]
pub(crate) fn advise_huge_pages(start: *mut u8, len: usize) {
    unsafe extern "C" {
        fn madvise(addr: *mut std::ffi::c_void, len: usize, advice: std::ffi::c_int) -> std::ffi::c_int;
    }
    const MADV_HUGEPAGE: std::ffi::c_int = 14;
    // The advice is refused where it does not begin with a page.
    const PAGE: usize = 4096;
    let before = start.align_offset(PAGE).min(len);
    let (start, len) = (start.wrapping_add(before), len - before);
    // SAFETY: the advice changes no contents, whatever the range. A refusal changes nothing.
    unsafe { madvise(start.cast(), len, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn advise_huge_pages(_start: *mut u8, _len: usize) {}

/// The bytes of one matrix, zero at first.
pub(crate) struct Region {
    piece: Arc<Piece>,
    offset: usize,
    len: usize,
}

impl Arena {
    /// Cuts off `len` bytes, aligned to a cache line.
    pub(crate) fn take(&mut self, len: usize) -> Region {
        let offset = self.used.next_multiple_of(LINE);
        if let Some(piece) = &self.piece
            && offset <= piece.len
            && len <= piece.len - offset
        {
            self.used = offset + len;
            return Region { piece: Arc::clone(piece), offset, len };
        }
        // A matrix as large as a piece gets its own, and the current one stays in use.
        if len >= PIECE {
            return Region { piece: Arc::new(Piece::new(len)), offset: 0, len };
        }
        let piece = Arc::new(Piece::new(PIECE));
        self.piece = Some(Arc::clone(&piece));
        self.used = len;
        Region { piece, offset: 0, len }
    }
}

impl Region {
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the region lies inside the piece, and is written only through `&mut self`.
        unsafe { std::slice::from_raw_parts(self.piece.start.add(self.offset), self.len) }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; no other region overlaps this one.
        unsafe { std::slice::from_raw_parts_mut(self.piece.start.add(self.offset), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_aligned_zero_and_apart() {
        let mut arena = Arena::default();
        let lens = [1, 63, 0, PIECE + 5, 1000, PIECE - 100, 1 << 20, 4096];
        let mut regions: Vec<Region> = lens.iter().map(|&len| arena.take(len)).collect();
        for (i, region) in regions.iter_mut().enumerate() {
            assert_eq!(region.bytes().len(), lens[i]);
            assert!(region.bytes().as_ptr().addr().is_multiple_of(LINE));
            assert!(region.bytes().iter().all(|&b| b == 0));
            region.bytes_mut().fill(i as u8 + 1);
        }
        drop(arena);
        for (i, region) in regions.iter().enumerate() {
            assert!(region.bytes().iter().all(|&b| b == i as u8 + 1));
        }
    }
}
