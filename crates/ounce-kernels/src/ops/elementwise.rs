//! Norms and sums of rows.

use super::Norm;
use crate::pool::SharedMut;
use crate::{Kernels, Team};

/// Below this many floats a parallel step costs more than it saves.
const SERIAL_BELOW: usize = 16 * 1024;

/// Calls `row(index)` for every row, in parallel where there is enough work.
pub(super) fn for_rows(team: &mut Team<'_>, rows: usize, d: usize, row: impl Fn(usize) + Sync) {
    if rows * d < SERIAL_BELOW {
        (0..rows).for_each(row);
        return;
    }
    let chunks = team.chunks_for(rows);
    team.run(chunks, |chunk, _| (rows * chunk / chunks..rows * (chunk + 1) / chunks).for_each(&row));
}

/// `out = norm(x)` for every row of width `d`; per head where `d` is the width of a head.
pub fn norm(team: &mut Team<'_>, norm: &Norm<'_>, x: &[f32], out: &mut [f32], d: usize) {
    assert!(x.len() == out.len() && x.len().is_multiple_of(d));
    let kernels = team.kernels();
    let out = SharedMut::new(out);
    for_rows(team, x.len() / d, d, |row| {
        // SAFETY: rows do not overlap, and each is visited once.
        let out = unsafe { out.slice(row * d, d) };
        kernels.norm_row(norm, &x[row * d..][..d], out);
    });
}

fn norm_row_in_place(kernels: Kernels, norm: &Norm<'_>, row: &mut [f32]) {
    let mut copy = [0.0f32; 512];
    if let Some(copy) = copy.get_mut(..row.len()) {
        copy.copy_from_slice(row);
        kernels.norm_row(norm, copy, row);
    } else {
        let copy = row.to_vec();
        kernels.norm_row(norm, &copy, row);
    }
}

/// `x = norm(x)` for every row of width `d`. Meant for heads: rows above 512 allocate.
pub fn norm_in_place(team: &mut Team<'_>, norm: &Norm<'_>, x: &mut [f32], d: usize) {
    assert!(x.len().is_multiple_of(d));
    let kernels = team.kernels();
    let rows = x.len() / d;
    let x = SharedMut::new(x);
    for_rows(team, rows, d, |row| {
        // SAFETY: rows do not overlap, and each is visited once.
        norm_row_in_place(kernels, norm, unsafe { x.slice(row * d, d) });
    });
}

/// `residual += norm(x)` for every row of width `d`.
pub fn norm_add(team: &mut Team<'_>, norm: &Norm<'_>, x: &[f32], residual: &mut [f32], d: usize) {
    assert!(x.len() == residual.len() && x.len().is_multiple_of(d));
    let kernels = team.kernels();
    let rows = x.len() / d;
    let mut scratch = team.take_common();
    let normed = SharedMut::new(crate::pool::at_least(&mut scratch.work, x.len()));
    let residual = SharedMut::new(residual);
    for_rows(team, rows, d, |row| {
        // SAFETY: rows do not overlap, and each is visited once.
        let (normed, residual) = unsafe { (normed.slice(row * d, d), residual.slice(row * d, d)) };
        kernels.norm_row(norm, &x[row * d..][..d], normed);
        kernels.add(normed, residual);
    });
    team.put_common(scratch);
}

/// `y += x`.
pub fn add(team: &mut Team<'_>, x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    let kernels = team.kernels();
    if x.len() < SERIAL_BELOW {
        return kernels.add(x, y);
    }
    team.for_each_chunk_mut(y, SERIAL_BELOW / 4, |chunk, y| {
        kernels.add(&x[chunk * (SERIAL_BELOW / 4)..][..y.len()], y);
    });
}

/// Softmax of one vector in place, by subtracting its maximum; on the calling thread.
pub fn softmax(team: &Team<'_>, x: &mut [f32]) {
    team.kernels().softmax(x);
}
