//! Rows of planes of floats that are moved: as they are, taken apart by a stride of two, or put together again.

use super::Simd;

/// Elements that are taken apart or put together at a time.
const MANY: usize = 16;
const FEW: usize = 4;
/// Floats of a cache line.
const LINE: usize = 16;

/// Some rows, their length, and the distance of two of them where they are read and where they are written.
#[derive(Clone, Copy)]
pub(crate) struct PlaneRows {
    pub(crate) rows: usize,
    pub(crate) len: usize,
    pub(crate) pitches: [usize; 2],
    /// How far behind what is read lies what will be read soon, wrapping around: it is fetched. Zero for nothing.
    pub(crate) ahead: usize,
}

impl PlaneRows {
    /// Asks for the cache lines of a row that will be read soon, where the row at hand is at `from`.
    #[inline(always)]
    fn fetch<S: Simd>(&self, s: S, from: *const f32) {
        if self.ahead != 0 {
            for at in (0..self.len).step_by(LINE) {
                s.prefetch(from.wrapping_add(self.ahead.wrapping_add(at)).cast());
            }
        }
    }

    /// # Panics
    /// If rows of `len` do not lie in an array of `room` elements.
    fn check(&self, side: usize, len: usize, room: usize) {
        let last = self.rows.saturating_sub(1) * self.pitches[side];
        assert!(self.rows == 0 || last + len <= room, "rows beyond the end of a plane");
    }
}

/// Copies rows.
#[inline(always)]
pub(crate) fn copy_rows<S: Simd>(s: S, job: PlaneRows, from: &[f32], to: &mut [f32]) {
    job.check(0, job.len, from.len());
    job.check(1, job.len, to.len());
    let n = job.len;
    for row in 0..job.rows {
        // SAFETY: rows lie in both arrays; the last vector of a row may overlap the one before.
        unsafe {
            let (from, to) =
                (from.as_ptr().add(row * job.pitches[0]), to.as_mut_ptr().add(row * job.pitches[1]));
            job.fetch(s, from);
            if n >= S::LANES {
                let last = s.load(from.add(n - S::LANES));
                let mut at = 0;
                while at + S::LANES < n {
                    s.store(to.add(at), s.load(from.add(at)));
                    at += S::LANES;
                }
                s.store(to.add(n - S::LANES), last);
            } else if n >= FEW {
                let last = from.add(n - FEW).cast::<u128>().read_unaligned();
                let mut at = 0;
                while at + FEW < n {
                    to.add(at).cast::<u128>().write_unaligned(from.add(at).cast::<u128>().read_unaligned());
                    at += FEW;
                }
                to.add(n - FEW).cast::<u128>().write_unaligned(last);
            } else {
                for i in 0..n {
                    *to.add(i) = *from.add(i);
                }
            }
        }
    }
}

/// Writes the elements of rows with even numbers to `to`, from `at[0]` on, and the others from `at[1]` on. The rows so written may be `len` long in all, and
/// of an odd length the first has one more.
#[inline(always)]
pub(crate) fn split_rows<S: Simd>(s: S, job: PlaneRows, from: &[f32], to: &mut [f32], at: [usize; 2]) {
    let pairs = job.len / 2;
    job.check(0, job.len, from.len());
    job.check(1, job.len - pairs, to.len().saturating_sub(at[0]));
    job.check(1, pairs, to.len().saturating_sub(at[1]));
    for row in 0..job.rows {
        // SAFETY: rows lie in both arrays.
        unsafe {
            let from = from.as_ptr().add(row * job.pitches[0]);
            let to = to.as_mut_ptr().wrapping_add(row * job.pitches[1]);
            let (even, odd) = (to.wrapping_add(at[0]), to.wrapping_add(at[1]));
            job.fetch(s, from);
            let mut i = 0;
            while i + MANY <= pairs {
                split::<MANY>(from.add(2 * i), even.add(i), odd.add(i));
                i += MANY;
            }
            while i + FEW <= pairs {
                split::<FEW>(from.add(2 * i), even.add(i), odd.add(i));
                i += FEW;
            }
            for i in i..pairs {
                split::<1>(from.add(2 * i), even.add(i), odd.add(i));
            }
            if job.len % 2 == 1 {
                *even.add(pairs) = *from.add(2 * pairs);
            }
        }
    }
}

/// # Safety
/// `N` pairs are readable, and `N` elements writable to both sides.
#[inline(always)]
unsafe fn split<const N: usize>(from: *const f32, even: *mut f32, odd: *mut f32) {
    // SAFETY: as the caller promises.
    let pairs = unsafe { from.cast::<[[f32; 2]; N]>().read_unaligned() };
    let (mut evens, mut odds) = ([0.0f32; N], [0.0f32; N]);
    for i in 0..N {
        (evens[i], odds[i]) = (pairs[i][0], pairs[i][1]);
    }
    // SAFETY: as above.
    unsafe {
        even.cast::<[f32; N]>().write_unaligned(evens);
        odd.cast::<[f32; N]>().write_unaligned(odds);
    }
}

/// Writes rows of `len` elements that come from the first and the second array in turn.
#[inline(always)]
pub(crate) fn join_rows<S: Simd>(_s: S, job: PlaneRows, from: [&[f32]; 2], to: &mut [f32]) {
    let pairs = job.len / 2;
    job.check(0, job.len - pairs, from[0].len());
    job.check(0, pairs, from[1].len());
    job.check(1, job.len, to.len());
    for row in 0..job.rows {
        // SAFETY: rows lie in all arrays.
        unsafe {
            let even = from[0].as_ptr().wrapping_add(row * job.pitches[0]);
            let odd = from[1].as_ptr().wrapping_add(row * job.pitches[0]);
            let to = to.as_mut_ptr().add(row * job.pitches[1]);
            let mut i = 0;
            while i + MANY <= pairs {
                join::<MANY>(even.add(i), odd.add(i), to.add(2 * i));
                i += MANY;
            }
            while i + FEW <= pairs {
                join::<FEW>(even.add(i), odd.add(i), to.add(2 * i));
                i += FEW;
            }
            for i in i..pairs {
                join::<1>(even.add(i), odd.add(i), to.add(2 * i));
            }
            if job.len % 2 == 1 {
                *to.add(2 * pairs) = *even.add(pairs);
            }
        }
    }
}

/// # Safety
/// `N` elements are readable from both sides, and `N` pairs writable.
#[inline(always)]
unsafe fn join<const N: usize>(even: *const f32, odd: *const f32, to: *mut f32) {
    // SAFETY: as the caller promises.
    let (evens, odds) =
        unsafe { (even.cast::<[f32; N]>().read_unaligned(), odd.cast::<[f32; N]>().read_unaligned()) };
    let mut pairs = [[0.0f32; 2]; N];
    for i in 0..N {
        pairs[i] = [evens[i], odds[i]];
    }
    // SAFETY: as above.
    unsafe { to.cast::<[[f32; 2]; N]>().write_unaligned(pairs) };
}
