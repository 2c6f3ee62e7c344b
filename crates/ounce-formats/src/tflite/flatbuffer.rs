//! The FlatBuffers layout: tables, vectors and texts behind offsets that cannot be trusted.
//!
//! Source: the internals page of FlatBuffers. A table starts with the signed distance back to its vtable: its own length and that of the table, then the
//! offset of each field in the table, 0 for the default. Vectors and texts are a count and the elements. All is little-endian. Offsets may
//! point anywhere in the file, so that what takes memory is counted: a file cannot name one table more often than it could hold tables.

use std::cell::Cell;
use std::marker::PhantomData;

use thiserror::Error;

/// What is wrong with an offset, or with what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlatFault {
    /// Something reaches beyond the end of the file.
    #[error("{needed} bytes needed, {remaining} left; the file is truncated or damaged")]
    Truncated {
        /// Bytes needed.
        needed: u64,
        /// Bytes from there to the end of the file.
        remaining: usize,
    },
    /// The description of a table is impossible.
    #[error("the description of a table (vtable) is damaged")]
    Vtable,
    /// A field reaches beyond its table.
    #[error("field {0} reaches beyond its table; the file is damaged")]
    Field(usize),
    /// A text is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// More is referred to than the file can hold.
    #[error("the file refers to the same parts again and again, more than it could hold; it is damaged")]
    Shared,
}

/// A fault and where in the file it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fell {
    pub(super) offset: usize,
    pub(super) fault: FlatFault,
}

/// A file.
pub(super) struct Flat<'a> {
    bytes: &'a [u8],
    /// Tables that may still be read: each takes 4 bytes itself and 4 to refer to it.
    tables: Cell<usize>,
    /// Elements of vectors that may still be looked at.
    elements: Cell<usize>,
}

/// A table of a file.
#[derive(Clone, Copy)]
pub(super) struct Table<'f, 'a> {
    flat: &'f Flat<'a>,
    pub(super) at: usize,
    len: usize,
    /// Offsets of the fields.
    fields: &'a [[u8; 2]],
}

/// A number in a vector.
pub trait Element: Copy {
    #[doc(hidden)]
    type Bytes: Copy;
    #[doc(hidden)]
    fn split(bytes: &[u8]) -> &[Self::Bytes];
    #[doc(hidden)]
    fn read(bytes: Self::Bytes) -> Self;
}

macro_rules! element {
    ($($ty:ty: $bytes:literal),*) => {$(
        impl Element for $ty {
            type Bytes = [u8; $bytes];
            fn split(bytes: &[u8]) -> &[Self::Bytes] {
                bytes.as_chunks().0
            }
            fn read(bytes: Self::Bytes) -> Self {
                Self::from_le_bytes(bytes)
            }
        }
    )*};
}
element!(u8: 1, u32: 4, i32: 4, i64: 8, f32: 4);

/// Numbers in a row, read from the file when they are asked for.
pub struct Vector<'a, T> {
    bytes: &'a [u8],
    element: PhantomData<T>,
}

impl<T> Clone for Vector<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Vector<'_, T> {}

impl<T> Default for Vector<'_, T> {
    fn default() -> Self {
        Self { bytes: &[], element: PhantomData }
    }
}

impl<'a, T: Element + 'a> Vector<'a, T> {
    /// How many there are.
    pub fn len(self) -> usize {
        T::split(self.bytes).len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// The number at this place.
    pub fn get(self, index: usize) -> Option<T> {
        T::split(self.bytes).get(index).map(|&bytes| T::read(bytes))
    }

    /// All numbers in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = T> + 'a {
        T::split(self.bytes).iter().map(|&bytes| T::read(bytes))
    }
}

impl<T: Element + std::fmt::Debug> std::fmt::Debug for Vector<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Flat<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, tables: Cell::new(bytes.len() / 8), elements: Cell::new(bytes.len()) }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    fn slice(&self, at: usize, len: u64) -> Result<&'a [u8], Fell> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let slice = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        slice.ok_or(Fell { offset: at, fault: FlatFault::Truncated { needed: len, remaining: rest.len() } })
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Fell> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let fault = FlatFault::Truncated { needed: N as u64, remaining: rest.len() };
        rest.first_chunk().copied().ok_or(Fell { offset: at, fault })
    }

    /// Where the offset at `at` points.
    fn follow(&self, at: usize) -> Result<usize, Fell> {
        let distance = u32::from_le_bytes(self.array(at)?) as usize;
        match at.checked_add(distance) {
            Some(target) if target < self.bytes.len() => Ok(target),
            _ => {
                let fault =
                    FlatFault::Truncated { needed: distance as u64, remaining: self.bytes.len() - at };
                Err(Fell { offset: at, fault })
            }
        }
    }

    /// The table that the offset at `at` points to.
    pub(super) fn table<'f>(&'f self, at: usize) -> Result<Table<'f, 'a>, Fell> {
        let at = self.follow(at)?;
        self.spend(&self.tables, 1, at)?;
        let wrong = Fell { offset: at, fault: FlatFault::Vtable };
        let back = i64::from(i32::from_le_bytes(self.array(at)?));
        let vtable = usize::try_from(at as i64 - back).map_err(|_| wrong.clone())?;
        let vtable_len = u16::from_le_bytes(self.array(vtable)?);
        let len = u16::from_le_bytes(self.array(vtable.saturating_add(2))?);
        let description = self.slice(vtable, vtable_len.into())?;
        self.slice(at, len.into())?;
        match description.as_chunks() {
            ([_, _, fields @ ..], []) if len >= 4 => Ok(Table { flat: self, at, len: len.into(), fields }),
            _ => Err(wrong),
        }
    }

    /// Counts elements that are looked at.
    pub(super) fn look_at(&self, count: usize, at: usize) -> Result<(), Fell> {
        self.spend(&self.elements, count, at)
    }

    fn spend(&self, left: &Cell<usize>, count: usize, at: usize) -> Result<(), Fell> {
        let remaining = left.get().checked_sub(count);
        left.set(remaining.ok_or(Fell { offset: at, fault: FlatFault::Shared })?);
        Ok(())
    }
}

impl<'f, 'a> Table<'f, 'a> {
    /// Where a field of `len` bytes stands in the file; `None` if it has its default.
    fn field(&self, slot: usize, len: usize) -> Result<Option<usize>, Fell> {
        match self.fields.get(slot).map_or(0, |&bytes| usize::from(u16::from_le_bytes(bytes))) {
            0 => Ok(None),
            offset if offset >= 4 && offset + len <= self.len => Ok(Some(self.at + offset)),
            _ => Err(Fell { offset: self.at, fault: FlatFault::Field(slot) }),
        }
    }

    fn scalar<const N: usize>(&self, slot: usize) -> Result<Option<[u8; N]>, Fell> {
        self.field(slot, N)?.map(|at| self.flat.array(at)).transpose()
    }

    pub(super) fn i8(&self, slot: usize) -> Result<i8, Fell> {
        Ok(self.scalar(slot)?.map_or(0, i8::from_le_bytes))
    }

    pub(super) fn u8(&self, slot: usize) -> Result<u8, Fell> {
        Ok(self.scalar(slot)?.map_or(0, u8::from_le_bytes))
    }

    pub(super) fn bool(&self, slot: usize) -> Result<bool, Fell> {
        Ok(self.u8(slot)? != 0)
    }

    pub(super) fn i32(&self, slot: usize, default: i32) -> Result<i32, Fell> {
        Ok(self.scalar(slot)?.map_or(default, i32::from_le_bytes))
    }

    pub(super) fn u32(&self, slot: usize) -> Result<u32, Fell> {
        Ok(self.scalar(slot)?.map_or(0, u32::from_le_bytes))
    }

    pub(super) fn u64(&self, slot: usize) -> Result<u64, Fell> {
        Ok(self.scalar(slot)?.map_or(0, u64::from_le_bytes))
    }

    pub(super) fn f32(&self, slot: usize) -> Result<f32, Fell> {
        Ok(self.scalar(slot)?.map_or(0.0, f32::from_le_bytes))
    }

    pub(super) fn table(&self, slot: usize) -> Result<Option<Table<'f, 'a>>, Fell> {
        self.field(slot, 4)?.map(|at| self.flat.table(at)).transpose()
    }

    /// The elements of a vector, `bytes` each, and where they start.
    fn elements(&self, slot: usize, bytes: u64) -> Result<Option<(usize, &'a [u8])>, Fell> {
        let Some(at) = self.field(slot, 4)? else { return Ok(None) };
        let at = self.flat.follow(at)?;
        let count = u32::from_le_bytes(self.flat.array(at)?);
        Ok(Some((at + 4, self.flat.slice(at + 4, u64::from(count) * bytes)?)))
    }

    pub(super) fn vector<T: Element>(&self, slot: usize) -> Result<Option<Vector<'a, T>>, Fell> {
        let elements = self.elements(slot, size_of::<T::Bytes>() as u64)?;
        Ok(elements.map(|(_, bytes)| Vector { bytes, element: PhantomData }))
    }

    pub(super) fn bytes(&self, slot: usize) -> Result<&'a [u8], Fell> {
        Ok(self.elements(slot, 1)?.map_or(&[][..], |(_, bytes)| bytes))
    }

    pub(super) fn text(&self, slot: usize) -> Result<&'a str, Fell> {
        let (at, bytes) = self.elements(slot, 1)?.unwrap_or((self.at, &[]));
        std::str::from_utf8(bytes).map_err(|_| Fell { offset: at, fault: FlatFault::NotUtf8 })
    }

    /// The tables of a vector, each read when it is its turn.
    pub(super) fn tables(
        &self,
        slot: usize,
    ) -> Result<impl ExactSizeIterator<Item = Result<Table<'f, 'a>, Fell>> + use<'f, 'a>, Fell> {
        let (start, bytes) = self.elements(slot, 4)?.unwrap_or((self.at, &[]));
        let flat = self.flat;
        Ok((0..bytes.len() / 4).map(move |i| flat.table(start + 4 * i)))
    }
}
