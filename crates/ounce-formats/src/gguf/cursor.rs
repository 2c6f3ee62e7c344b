//! Reading numbers and strings from bytes that cannot be trusted.

use super::error::{Fault, GgufError, Place};

/// A position in the bytes of a file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A fault and the offset of the field that has it.
pub(super) struct Fell {
    offset: usize,
    fault: Fault,
}

impl Fell {
    /// Completes the error with the part of the header that was being read.
    pub(super) fn at(self, place: Place) -> GgufError {
        GgufError::Malformed { place, offset: self.offset, fault: self.fault }
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn fail<T>(&self, offset: usize, fault: Fault) -> Result<T, Fell> {
        Err(Fell { offset, fault })
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], Fell> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(len).ok().and_then(|len| rest.get(..len)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => self.fail(self.at, Fault::Truncated { needed: len, remaining: rest.len() }),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fell> {
        match self.bytes[self.at..].first_chunk() {
            Some(&taken) => {
                self.at += N;
                Ok(taken)
            }
            None => self.fail(self.at, Fault::Truncated { needed: N as u64, remaining: self.remaining() }),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fell> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fell> {
        self.array().map(u64::from_le_bytes)
    }

    /// A u64 that announces items of at least `item_bytes` each, checked against the bytes that remain.
    pub(super) fn count(&mut self, item_bytes: usize) -> Result<usize, Fell> {
        let offset = self.at;
        let count = self.u64()?;
        let remaining = self.remaining();
        match usize::try_from(count) {
            Ok(count) if count <= remaining / item_bytes => Ok(count),
            _ => self.fail(offset, Fault::Count { count, item_bytes, remaining }),
        }
    }

    pub(super) fn string(&mut self) -> Result<&'a str, Fell> {
        let offset = self.at;
        let len = self.u64()?;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).or_else(|_| self.fail(offset, Fault::NotUtf8))
    }
}
