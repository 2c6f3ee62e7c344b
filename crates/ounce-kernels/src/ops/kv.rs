//! Cached keys and values of one layer, which may roll: the oldest positions but the first few can be forgotten at a cost that does
//! not depend on how many are held.

use crate::simd::Element;
use crate::{Kernels, Team};

/// The number format of cached keys and values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KvType {
    /// Single precision: exact, twice the memory.
    F32,
    /// Half precision.
    #[default]
    F16,
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
    F32(Vec<f32>),
    F16(Vec<u16>),
}

impl Store {
    fn new(len: usize, ty: KvType) -> Option<Self> {
        // Zeroed memory is committed by the system when it is first written.
        match ty {
            KvType::F32 => bytemuck::allocation::try_zeroed_vec(len).ok().map(Store::F32),
            KvType::F16 => bytemuck::allocation::try_zeroed_vec(len).ok().map(Store::F16),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Store::F32(data) => bytemuck::cast_slice(data),
            Store::F16(data) => bytemuck::cast_slice(data),
        }
    }

    fn element(&self) -> Element {
        match self {
            Store::F32(_) => Element::F32,
            Store::F16(_) => Element::F16,
        }
    }

    /// Writes a row of `x.len()` elements.
    fn write(&mut self, kernels: Kernels, row: usize, x: &[f32]) {
        let at = row * x.len();
        match self {
            Store::F32(data) => data[at..at + x.len()].copy_from_slice(x),
            Store::F16(data) => kernels.narrow(x, &mut data[at..at + x.len()]),
        }
    }

    /// Copies `count` rows of `width` elements, which may overlap.
    fn copy(&mut self, from: usize, to: usize, count: usize, width: usize) {
        let (range, to) = (from * width..(from + count) * width, to * width);
        match self {
            Store::F32(data) => data.copy_within(range, to),
            Store::F16(data) => data.copy_within(range, to),
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
        let row = kv_heads.checked_mul(head_dim);
        let len = slots.and_then(|slots| row?.checked_mul(slots));
        let store = || Store::new(len?, ty);
        match (store(), store(), slots) {
            (Some(keys), Some(values), Some(slots)) => {
                Ok(Self { kv_heads, head_dim, capacity, slots, first: 0, keys, values })
            }
            _ => Err(OutOfMemory { bytes: len.and_then(|len| len.checked_mul(8)).unwrap_or(usize::MAX) }),
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

    /// Positions there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of the whole cache.
    pub fn bytes(&self) -> usize {
        self.keys.bytes().len() + self.values.bytes().len()
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
    pub(crate) fn head(&self, head: usize, position: usize, count: usize) -> (&[u8], &[u8]) {
        let row = self.head_dim * self.element().size();
        let first = head * self.slots + self.first + position;
        let range = first * row..(first + count) * row;
        (&self.keys.bytes()[range.clone()], &self.values.bytes()[range])
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
