//! Scratch memory that grows when it must and is then kept, so that steady work allocates nothing.

use std::cell::UnsafeCell;

use crate::buffer::Line;
use crate::ops::MAX_OUTPUTS;
use crate::quantize::{QuantizedRows, TokenRows};

/// One value per worker, each used by one thread at a time.
pub(crate) struct PerWorker<T>(Box<[UnsafeCell<T>]>);

// SAFETY: `get` hands out a value only under the promise that one thread at a time uses its number.
unsafe impl<T: Send> Sync for PerWorker<T> {}

impl<T: Default> PerWorker<T> {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| UnsafeCell::default()).collect())
    }

    /// The value of `worker`.
    ///
    /// # Safety
    /// No other reference to this worker's value may be alive.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn get(&self, worker: usize) -> &mut T {
        // SAFETY: exclusive by the caller's promise.
        unsafe { &mut *self.0[worker].get() }
    }
}

/// Scratch of one thread: the input of a product after its norm, in floats and quantized, and room for packed panels.
#[derive(Default)]
pub(crate) struct Buffers {
    /// Rows of floats: a normalised input.
    pub(crate) rows: Vec<f32>,
    /// The same rows quantized to 8 bits with a scale per block.
    pub(crate) quantized: QuantizedRows,
    /// The same with one scale a row, once for every way to choose it.
    pub(crate) tokens: [TokenRows; MAX_OUTPUTS],
    /// A panel of weights or keys as floats.
    pub(crate) panel: Vec<f32>,
    /// Further floats: attention scores and partial results, a rotated row.
    pub(crate) work: Vec<f32>,
    /// A tile of amplitudes, or padded planes and panels of bytes.
    pub(crate) lines: Vec<Line>,
    /// Which operation `rows`, `quantized` and `tokens` were prepared for.
    pub(crate) prepared_for: u64,
}

/// Makes `buffer` at least `len` long and returns that many elements of it, with unspecified contents.
pub(crate) fn at_least(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// As [`at_least`] for cache lines.
pub(crate) fn at_least_lines(buffer: &mut Vec<Line>, len: usize) -> &mut [Line] {
    if buffer.len() < len {
        buffer.resize(len, bytemuck::Zeroable::zeroed());
    }
    &mut buffer[..len]
}

/// As [`at_least`] for bytes, at the beginning of a cache line.
pub(crate) fn bytes_at_least(buffer: &mut Vec<Line>, len: usize) -> &mut [u8] {
    let lines = at_least_lines(buffer, len.div_ceil(size_of::<Line>()));
    &mut bytemuck::cast_slice_mut(lines)[..len]
}
