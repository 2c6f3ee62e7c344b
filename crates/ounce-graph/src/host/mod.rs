//! Kernels of the host executor: the same results as the reference loops up to rounding, on all threads.

pub(crate) mod conv;
pub(crate) mod matmul;
pub(crate) mod quantized;

use ounce_kernels::Team;

/// Elements that are worth a task of their own.
pub(crate) const CHUNK: usize = 8 * 1024;

/// Calls `job(first, piece)` for pieces of `data` that begin at element `first`, in parallel where there is enough.
pub(crate) fn pieces<T: Send>(team: &mut Team<'_>, data: &mut [T], job: impl Fn(usize, &mut [T]) + Sync) {
    if data.len() <= CHUNK {
        job(0, data);
    } else {
        team.for_each_chunk_mut(data, CHUNK, |chunk, piece| job(chunk * CHUNK, piece));
    }
}

/// Calls `job(row, elements)` for every row of `len` elements, several rows to a task where they are short.
pub(crate) fn rows<T: Send>(
    team: &mut Team<'_>,
    data: &mut [T],
    len: usize,
    job: impl Fn(usize, &mut [T]) + Sync,
) {
    let len = len.max(1);
    let rows = (CHUNK / len).max(1);
    team.for_each_chunk_mut(data, rows * len, |chunk, piece| {
        piece.chunks_exact_mut(len).enumerate().for_each(|(i, row)| job(chunk * rows + i, row));
    });
}

/// Replaces every element by a function of itself.
pub(crate) fn map(team: &mut Team<'_>, data: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    pieces(team, data, |_, piece| piece.iter_mut().for_each(|x| *x = f(*x)));
}
