//! A pool of threads for work that is divided thousands of times a second.
//!
//! One token of a small model needs some 150 parallel steps of a few microseconds each, so a step must cost far less than a system
//! call. The caller publishes a job by storing one 64-bit ticket (epoch, chunks, next chunk); every thread, the caller included,
//! claims chunks from it by compare-and-swap. The caller waits only for chunks that were claimed: a worker that the system has put
//! to sleep, or that never woke, delays nobody, so the pool does not collapse on a busy machine. Idle workers spin for a bounded
//! time and then park.

mod scratch;
mod shared;

use std::sync::Arc;
use std::thread::JoinHandle;

pub(crate) use scratch::{Buffers, PerWorker, at_least, at_least_lines, bytes_at_least};
use shared::Shared;

use crate::Kernels;
use crate::matrix::Arena;

/// The number of threads worth starting: the CPUs of the affinity mask, bounded by the cgroup's quota. At least 1.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// The largest number of threads a pool is made with; a larger request is cut down to it.
pub const MAX_THREADS: usize = 256;

/// Worker threads together with the kernels and scratch memory they use. Dropping the pool ends its threads.
pub struct ThreadPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    kernels: Kernels,
    buffers: PerWorker<Buffers>,
    common: Buffers,
    arena: Arena,
}

impl ThreadPool {
    /// A pool of `threads` threads (the calling one included, at least 1) with the fastest kernels of this CPU.
    pub fn new(threads: usize) -> Self {
        Self::with_kernels(threads, Kernels::detect())
    }

    /// A pool that uses the given kernels. Where the system refuses a thread, the pool runs with those it got.
    pub fn with_kernels(threads: usize, kernels: Kernels) -> Self {
        let threads = threads.clamp(1, MAX_THREADS);
        let shared = Arc::new(Shared::new(threads));
        let mut workers = Vec::with_capacity(threads - 1);
        for worker in 1..threads {
            let theirs = Arc::clone(&shared);
            let spawned = std::thread::Builder::new()
                .name(format!("ounce-{worker}"))
                .spawn(move || theirs.work(worker));
            match spawned {
                Ok(handle) => {
                    shared.register(worker, handle.thread().clone());
                    workers.push(handle);
                }
                Err(_) => break,
            }
        }
        let buffers = PerWorker::new(workers.len() + 1);
        Self { shared, workers, kernels, buffers, common: Buffers::default(), arena: Arena::default() }
    }

    /// The number of threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// The kernels that operations of this pool use.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Wakes the workers and runs `body`, whose operations they then share with little delay. A whole step of generation
    /// belongs into one region.
    pub fn region<R>(&mut self, body: impl FnOnce(&mut Team<'_>) -> R) -> R {
        self.shared.wake();
        body(&mut Team { pool: self })
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.stop();
        for worker in self.workers.drain(..) {
            // A worker's panic has already been passed on by `Team::run`.
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadPool")
            .field("threads", &self.threads())
            .field("kernels", &self.kernels)
            .finish()
    }
}

/// The threads of a pool inside a region: what an operation needs to run in parallel.
pub struct Team<'a> {
    pool: &'a mut ThreadPool,
}

impl Team<'_> {
    /// The number of threads, the caller's included.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// The kernels to use.
    pub fn kernels(&self) -> Kernels {
        self.pool.kernels
    }

    /// Calls `job(chunk, worker)` once for every chunk below `chunks`, on all threads, and returns when all are done. `worker` is
    /// below [`Team::threads`], and no two calls that run at the same time share it. Which worker gets which chunk is not
    /// determined, so results must not depend on it.
    ///
    /// # Panics
    /// If a job panicked.
    pub fn run(&mut self, chunks: usize, job: impl Fn(usize, usize) + Sync) {
        if chunks <= 1 || self.pool.workers.is_empty() {
            (0..chunks).for_each(|chunk| job(chunk, 0));
        } else {
            self.pool.shared.run(chunks, &job);
        }
    }

    /// Cuts `data` into pieces of `chunk_len` (the last may be shorter) and calls `job(piece number, piece)` once for each.
    pub fn for_each_chunk_mut<T: Send>(
        &mut self,
        data: &mut [T],
        chunk_len: usize,
        job: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let chunk_len = chunk_len.max(1);
        let len = data.len();
        let data = SharedMut::new(data);
        self.run(len.div_ceil(chunk_len), |chunk, _| {
            let start = chunk * chunk_len;
            // SAFETY: pieces of different chunks do not overlap, and each chunk is run once.
            let piece = unsafe { data.slice(start, chunk_len.min(len - start)) };
            job(chunk, piece);
        });
    }

    /// Where the weights that this pool packs are put.
    pub(crate) fn arena(&mut self) -> &mut Arena {
        &mut self.pool.arena
    }

    /// How many chunks to cut `items` pieces of work into: several per thread, so that a late thread does not hold up the rest.
    pub(crate) fn chunks_for(&self, items: usize) -> usize {
        let threads = self.threads();
        if threads == 1 { items.min(1) } else { items.min(threads * 4) }
    }

    /// Takes the common scratch memory out, so that it can be read while the team runs. Give it back with
    /// [`Team::put_common`].
    pub(crate) fn take_common(&mut self) -> Buffers {
        std::mem::take(&mut self.pool.common)
    }

    /// Puts the common scratch memory back.
    pub(crate) fn put_common(&mut self, common: Buffers) {
        self.pool.common = common;
    }

    /// As [`Team::run`], with exclusive use of the worker's own scratch memory.
    pub(crate) fn run_with_buffers(&mut self, chunks: usize, job: impl Fn(usize, &mut Buffers) + Sync) {
        let pool = &mut *self.pool;
        let buffers = &pool.buffers;
        let job = |chunk: usize, worker: usize| {
            // SAFETY: no two jobs that run at the same time have the same worker number.
            job(chunk, unsafe { buffers.get(worker) });
        };
        if chunks <= 1 || pool.workers.is_empty() {
            (0..chunks).for_each(|chunk| job(chunk, 0));
        } else {
            pool.shared.run(chunks, &job);
        }
    }
}

/// A mutable slice of which several threads write different parts.
pub(crate) struct SharedMut<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: the only access is through `slice`, whose caller promises that parts do not overlap.
unsafe impl<T: Send> Sync for SharedMut<'_, T> {}

impl<'a, T> SharedMut<'a, T> {
    /// Shares `data` for the lifetime of the borrow.
    pub(crate) fn new(data: &'a mut [T]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), lifetime: std::marker::PhantomData }
    }

    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first element. What is written through it is the writer's responsibility, as with [`SharedMut::slice`].
    pub(crate) fn as_mut_ptr(&self) -> *mut T {
        self.start
    }

    /// The part of `len` elements from `start`.
    ///
    /// # Safety
    /// No two parts that are alive at the same time may overlap.
    ///
    /// # Panics
    /// If the part does not lie inside the slice.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start, "part {start}+{len} of {}", self.len);
        // SAFETY: inside the slice by the assertion, exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

#[cfg(test)]
mod tests;
