//! Cutting memory into what a step writes and what it reads, without copying and without overlap.

use crate::tensor::{Slice, SliceMut};
use crate::types::DType;

/// Which memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Region {
    Arena,
    Parameters,
    Constants,
}

/// Where a value lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Location {
    pub(crate) region: Region,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    pub(crate) dtype: DType,
}

impl Location {
    /// Whether both have a byte in common.
    pub(crate) fn overlaps(&self, other: &Location) -> bool {
        self.region == other.region
            && self.offset < other.offset + other.bytes
            && other.offset < self.offset + self.bytes
    }

    /// The value in the memory of its region.
    pub(crate) fn read<'a>(&self, memory: &'a [u8]) -> Slice<'a> {
        typed(self.dtype, &memory[self.offset..self.offset + self.bytes])
    }

    /// The value in the memory of its region, for writing.
    pub(crate) fn write<'a>(&self, memory: &'a mut [u8]) -> SliceMut<'a> {
        typed_mut(self.dtype, &mut memory[self.offset..self.offset + self.bytes])
    }
}

/// Bytes as elements of a type. Offsets are multiples of four bytes from the start of memory that is aligned to eight.
fn typed(dtype: DType, bytes: &[u8]) -> Slice<'_> {
    match dtype {
        DType::F32 => Slice::F32(bytemuck::cast_slice(bytes)),
        DType::I8 => Slice::I8(bytemuck::cast_slice(bytes)),
        DType::I32 => Slice::I32(bytemuck::cast_slice(bytes)),
        DType::Bits => Slice::Bits(bytes),
    }
}

fn typed_mut(dtype: DType, bytes: &mut [u8]) -> SliceMut<'_> {
    match dtype {
        DType::F32 => SliceMut::F32(bytemuck::cast_slice_mut(bytes)),
        DType::I8 => SliceMut::I8(bytemuck::cast_slice_mut(bytes)),
        DType::I32 => SliceMut::I32(bytemuck::cast_slice_mut(bytes)),
        DType::Bits => SliceMut::Bits(bytes),
    }
}

/// What lies between the outputs of a step in one region: pieces with their offsets.
pub(crate) struct Gaps<'a, const N: usize> {
    pieces: [(usize, &'a [u8]); N],
    count: usize,
}

impl<'a, const N: usize> Gaps<'a, N> {
    /// Cuts the outputs that lie in `region` out of its memory. `outputs` gives them in ascending order of offset, with the place in `slices` where each goes; they
    /// do not overlap.
    pub(crate) fn carve(
        memory: &'a mut [u8],
        region: Region,
        outputs: impl Iterator<Item = (usize, Location)>,
        slices: &mut [SliceMut<'a>],
    ) -> Self {
        let mut gaps = Gaps { pieces: [(0, &[][..]); N], count: 0 };
        let (mut rest, mut at) = (memory, 0);
        for (output, location) in outputs.filter(|(_, location)| location.region == region) {
            let (gap, tail) = rest.split_at_mut(location.offset - at);
            let (own, tail) = tail.split_at_mut(location.bytes);
            gaps.push(at, gap);
            slices[output] = typed_mut(location.dtype, own);
            at = location.offset + location.bytes;
            rest = tail;
        }
        gaps.push(at, rest);
        gaps
    }

    fn push(&mut self, at: usize, piece: &'a [u8]) {
        self.pieces[self.count] = (at, piece);
        self.count += 1;
    }

    /// A value between the outputs, or [`Slice::Overwritten`] if it lies where an output does.
    pub(crate) fn read(&self, location: &Location) -> Slice<'a> {
        let found = self.pieces[..self.count].iter().find_map(|(at, piece)| {
            let start = location.offset.checked_sub(*at)?;
            piece.get(start..start + location.bytes)
        });
        found.map_or(Slice::Overwritten, |bytes| typed(location.dtype, bytes))
    }
}
