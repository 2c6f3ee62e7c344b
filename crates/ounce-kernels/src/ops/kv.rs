//! Cached keys and values of one layer, which may roll: the oldest positions but the first few can be forgotten at a cost that does
//! not depend on how many are held.

use super::pages::Pages;
use crate::simd::Element;
use crate::{ActivationScale, Kernels, Team};
use std::ops::Range;

/// The number format of cached keys and values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KvType {
    /// Single precision: exact, twice the memory.
    F32,
    /// Half precision.
    #[default]
    F16,
    /// Signed bytes, with a scale for every position and head: half the memory of [`F16`](Self::F16).
    Q8,
}

/// The system does not give the memory that a cache needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory {
    /// At most so many bytes were asked for.
    pub bytes: usize,
}

impl std::fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes of memory cannot be had", self.bytes)
    }
}

impl std::error::Error for OutOfMemory {}

/// The cached keys and values of one layer, each `[kv_heads, slots, head_dim]`.
///
/// Position p lies in slot `first + p`. Where positions are evicted, `first` grows and the positions that are kept in front of
/// them are copied up to the others; once the slots are used up, everything held moves back to the first slot.
#[derive(Debug)]
pub struct KvLayer {
    kv_heads: usize,
    head_dim: usize,
    capacity: usize,
    slots: usize,
    first: usize,
    keys: Store,
    values: Store,
}

#[derive(Debug)]
enum Store {
    F32(Pages<f32>),
    F16(Pages<u16>),
    /// Rows of quants, and what they are multiplied with: `[rows]`.
    Q8(Pages<i8>, Pages<f32>),
}

/// Consecutive rows of a store.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[rows, head_dim]`
    pub(crate) bytes: &'a [u8],
    /// `[rows]`; empty for floats
    pub(crate) scales: &'a [f32],
}

impl Store {
    fn new(rows: usize, width: usize, ty: KvType) -> Option<Self> {
        let len = rows.checked_mul(width)?;
        match ty {
            KvType::F32 => Pages::zeroed(len).map(Store::F32),
            KvType::F16 => Pages::zeroed(len).map(Store::F16),
            KvType::Q8 => Some(Store::Q8(Pages::zeroed(len)?, Pages::zeroed(rows)?)),
        }
    }

    fn element(&self) -> Element {
        match self {
            Store::F32(_) => Element::F32,
            Store::F16(_) => Element::F16,
            Store::Q8(..) => Element::I8,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Store::F32(data) => bytemuck::cast_slice(&data[..]),
            Store::F16(data) => bytemuck::cast_slice(&data[..]),
            Store::Q8(quants, _) => bytemuck::cast_slice(&quants[..]),
        }
    }

    fn scales(&self) -> &[f32] {
        if let Store::Q8(_, scales) = self { scales } else { &[] }
    }

    fn rows(&self, first: usize, count: usize, width: usize) -> Rows<'_> {
        let row = width * self.element().size();
        let scales = self.scales().get(first..first + count).unwrap_or_default();
        Rows { bytes: &self.bytes()[first * row..(first + count) * row], scales }
    }

    /// Writes a row of `x.len()` elements.
    fn write(&mut self, kernels: Kernels, row: usize, x: &[f32]) {
        let range = row * x.len()..(row + 1) * x.len();
        match self {
            Store::F32(data) => data[range].copy_from_slice(x),
            Store::F16(data) => kernels.narrow(x, &mut data[range]),
            Store::Q8(quants, scales) => {
                scales[row] = kernels.quantize_token(x, ActivationScale::PerToken, &mut quants[range]).0;
            }
        }
    }

    /// Copies `count` rows of `width` elements from another store of the same type.
    fn take(&mut self, to: usize, other: &Self, from: usize, count: usize, width: usize) {
        let (to_range, from_range) = (to * width..(to + count) * width, from * width..(from + count) * width);
        match (self, other) {
            (Store::F32(data), Store::F32(other)) => data[to_range].copy_from_slice(&other[from_range]),
            (Store::F16(data), Store::F16(other)) => data[to_range].copy_from_slice(&other[from_range]),
            (Store::Q8(quants, scales), Store::Q8(other, other_scales)) => {
                quants[to_range].copy_from_slice(&other[from_range]);
                scales[to..to + count].copy_from_slice(&other_scales[from..from + count]);
            }
            _ => unreachable!("the caller compared the types"),
        }
    }

    /// Copies `count` rows of `width` elements, which may overlap.
    fn copy(&mut self, from: usize, to: usize, count: usize, width: usize) {
        let range = from * width..(from + count) * width;
        match self {
            Store::F32(data) => data.copy_within(range, to * width),
            Store::F16(data) => data.copy_within(range, to * width),
            Store::Q8(quants, scales) => {
                quants.copy_within(range, to * width);
                scales.copy_within(from..from + count, to);
            }
        }
    }
}

impl KvLayer {
    /// An empty cache for `capacity` positions. Its memory is committed as it is filled.
    ///
    /// # Errors
    /// [`OutOfMemory`] if the system does not give that much.
    pub fn new(kv_heads: usize, head_dim: usize, capacity: usize, ty: KvType) -> Result<Self, OutOfMemory> {
        Self::rolling(kv_heads, head_dim, capacity, 0, ty)
    }

    /// An empty cache for `capacity` positions with `spare` slots more: so many positions can be evicted between two moves of
    /// everything held.
    ///
    /// # Errors
    /// [`OutOfMemory`] if the system does not give that much.
    pub fn rolling(
        kv_heads: usize,
        head_dim: usize,
        capacity: usize,
        spare: usize,
        ty: KvType,
    ) -> Result<Self, OutOfMemory> {
        let slots = capacity.checked_add(spare);
        let rows = slots.and_then(|slots| kv_heads.checked_mul(slots));
        let store = || Store::new(rows?, head_dim, ty);
        match (store(), store(), slots) {
            (Some(keys), Some(values), Some(slots)) => {
                Ok(Self { kv_heads, head_dim, capacity, slots, first: 0, keys, values })
            }
            _ => {
                let bytes = rows.and_then(|rows| rows.checked_mul(head_dim)?.checked_mul(8));
                Err(OutOfMemory { bytes: bytes.unwrap_or(usize::MAX) })
            }
        }
    }

    /// Stores keys and values (`[n, kv_heads * head_dim]` each) of the positions from `position` on.
    ///
    /// # Panics
    /// If the positions exceed the capacity.
    pub fn store(&mut self, team: &Team<'_>, position: usize, k: &[f32], v: &[f32]) {
        assert_eq!(k.len(), v.len());
        let (kernels, first_row, width) = (team.kernels(), self.first_row(position, k), self.head_dim);
        for (t, (k, v)) in self.rows(k).zip(self.rows(v)).enumerate() {
            for (head, (k, v)) in k.chunks_exact(width).zip(v.chunks_exact(width)).enumerate() {
                let row = head * self.slots + first_row + t;
                self.keys.write(kernels, row, k);
                self.values.write(kernels, row, v);
            }
        }
    }

    /// Replaces the keys (`[n, kv_heads * head_dim]`) of the positions from `position` on.
    ///
    /// # Panics
    /// If the positions exceed the capacity.
    pub fn replace_keys(&mut self, team: &Team<'_>, position: usize, k: &[f32]) {
        let (kernels, first_row) = (team.kernels(), self.first_row(position, k));
        for (t, k) in self.rows(k).enumerate() {
            for (head, k) in k.chunks_exact(self.head_dim).enumerate() {
                self.keys.write(kernels, head * self.slots + first_row + t, k);
            }
        }
    }

    /// Forgets `count` positions after the first `sinks` of `held` positions. The later ones become the positions from `sinks` on.
    ///
    /// The cost is that of copying `sinks` positions, and once every `spare / count` calls that of copying all that are held.
    ///
    /// # Panics
    /// If `sinks + count` exceeds `held`, or `held` the capacity.
    pub fn evict(&mut self, sinks: usize, count: usize, held: usize) {
        assert!(sinks + count <= held && held <= self.capacity);
        let (old, width) = (self.first, self.head_dim);
        let fits = old + count + self.capacity <= self.slots;
        self.first = if fits { old + count } else { 0 };
        for head in 0..self.kv_heads {
            let head = head * self.slots;
            for store in [&mut self.keys, &mut self.values] {
                store.copy(head + old, head + self.first, sinks, width);
                if !fits {
                    let kept = held - sinks - count;
                    store.copy(head + old + sinks + count, head + sinks, kept, width);
                }
            }
        }
    }

    /// Takes over positions of another cache.
    ///
    /// # Panics
    /// If the caches differ in heads or type, or are smaller than that.
    pub fn copy_from(&mut self, other: &Self, positions: Range<usize>) {
        assert!(self.is_like(other) && positions.start <= positions.end);
        assert!(positions.end <= self.capacity.min(other.capacity));
        let (start, count) = (positions.start, positions.len());
        for head in 0..self.kv_heads {
            let (from, to) =
                (head * other.slots + other.first + start, head * self.slots + self.first + start);
            self.keys.take(to, &other.keys, from, count, self.head_dim);
            self.values.take(to, &other.values, from, count, self.head_dim);
        }
    }

    /// Whether heads and number format are the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.kv_heads == other.kv_heads
            && self.head_dim == other.head_dim
            && self.element() == other.element()
    }

    /// Positions there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of the whole cache.
    pub fn bytes(&self) -> usize {
        [&self.keys, &self.values].map(|store| store.bytes().len() + size_of_val(store.scales())).iter().sum()
    }

    pub(crate) fn kv_heads(&self) -> usize {
        self.kv_heads
    }

    pub(crate) fn head_dim(&self) -> usize {
        self.head_dim
    }

    pub(crate) fn element(&self) -> Element {
        self.keys.element()
    }

    /// Keys and values of `count` positions of one head from `position` on.
    pub(crate) fn head(&self, head: usize, position: usize, count: usize) -> (Rows<'_>, Rows<'_>) {
        let first = head * self.slots + self.first + position;
        let rows = |store| Store::rows(store, first, count, self.head_dim);
        (rows(&self.keys), rows(&self.values))
    }

    /// The slot of `position`, after checking that whole rows `x` fit from there on.
    fn first_row(&self, position: usize, x: &[f32]) -> usize {
        let row = self.kv_heads * self.head_dim;
        assert!(x.len().is_multiple_of(row) && position + x.len() / row <= self.capacity);
        self.first + position
    }

    fn rows<'x>(&self, x: &'x [f32]) -> std::slice::ChunksExact<'x, f32> {
        x.chunks_exact(self.kv_heads * self.head_dim)
    }
}
