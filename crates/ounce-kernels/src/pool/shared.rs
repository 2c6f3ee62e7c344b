//! What the threads of a pool share: the ticket that work is claimed from, the job it stands for, and who sleeps.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Thread;

/// Checks of the ticket before an idle worker parks: some 100 microseconds, longer than the serial parts of a decode step.
const SPINS_BEFORE_PARK: u32 = 6_000;
/// Checks of the count of finished chunks before the caller offers its CPU to others: some 60 microseconds, since one who takes it keeps it for milliseconds.
const SPINS_BEFORE_YIELD: u32 = 4_000;

/// The most claims one job is divided into; more chunks than this are claimed several at a time.
const MAX_CLAIMS: usize = 0xffff;

/// One value on a cache line of its own, so that writing it does not slow down readers of its neighbours.
#[repr(align(128))]
struct Line<T>(T);

/// A job: a function to call with its data for every claimed chunk.
#[derive(Clone, Copy)]
struct Job {
    call: unsafe fn(*const (), usize, usize),
    data: *const (),
    chunks: usize,
    chunks_per_claim: usize,
}

/// The state shared by the caller and the workers.
pub(super) struct Shared {
    /// Epoch (32 bits), number of claims (16 bits), next claim (16 bits).
    ticket: Line<AtomicU64>,
    /// Claims of the current epoch that are finished.
    finished: Line<AtomicUsize>,
    job: UnsafeCell<Job>,
    stopping: AtomicBool,
    panicked: AtomicBool,
    parked: Box<[Line<AtomicBool>]>,
    parked_count: Line<AtomicUsize>,
    threads: Mutex<Vec<Option<Thread>>>,
}

// SAFETY: `job` is written only by the caller while no claim is open, and read only by a thread that holds an open claim; the
// ticket's release store and acquire load order the two. The data a job points to is `Sync`, and outlives the job because
// `Shared::run` returns only after every claim is finished.
unsafe impl Sync for Shared {}
// SAFETY: as above; the raw pointer in `job` is only followed under an open claim.
unsafe impl Send for Shared {}

fn claims_of(ticket: u64) -> u64 {
    (ticket >> 16) & 0xffff
}

fn next_of(ticket: u64) -> u64 {
    ticket & 0xffff
}

unsafe fn call<F: Fn(usize, usize)>(data: *const (), chunk: usize, worker: usize) {
    // SAFETY: `data` was made from `&F` in `Shared::run`, which does not return while a claim is open.
    let job = unsafe { &*data.cast::<F>() };
    job(chunk, worker);
}

impl Shared {
    pub(super) fn new(threads: usize) -> Self {
        unsafe fn nothing(_: *const (), _: usize, _: usize) {}
        Self {
            ticket: Line(AtomicU64::new(0)),
            finished: Line(AtomicUsize::new(0)),
            job: UnsafeCell::new(Job {
                call: nothing,
                data: std::ptr::null(),
                chunks: 0,
                chunks_per_claim: 1,
            }),
            stopping: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            parked: (0..threads).map(|_| Line(AtomicBool::new(false))).collect(),
            parked_count: Line(AtomicUsize::new(0)),
            threads: Mutex::new(vec![None; threads]),
        }
    }

    /// Notes the handle by which `worker` is woken.
    pub(super) fn register(&self, worker: usize, thread: Thread) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)[worker] = Some(thread);
    }

    /// Runs `job` for every chunk on the calling thread and all workers that are awake.
    pub(super) fn run<F: Fn(usize, usize) + Sync>(&self, chunks: usize, job: &F) {
        let chunks_per_claim = chunks.div_ceil(MAX_CLAIMS);
        let claims = chunks.div_ceil(chunks_per_claim);
        let epoch = (self.ticket.0.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        self.finished.0.store(0, Ordering::Relaxed);
        // SAFETY: all claims of the previous epoch are finished, so no thread reads the job.
        unsafe {
            *self.job.get() =
                Job { call: call::<F>, data: std::ptr::from_ref(job).cast(), chunks, chunks_per_claim };
        }
        // Sequentially consistent, as are the sleeper's announcement and its second look at the ticket: one of the two
        // sees the other.
        self.ticket.0.store((epoch << 32) | ((claims as u64) << 16), Ordering::SeqCst);
        if self.parked_count.0.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
        while self.claim_and_run(0) {}
        let mut spins = 0;
        while self.finished.0.load(Ordering::Acquire) < claims {
            spins += 1;
            if spins < SPINS_BEFORE_YIELD {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        if self.panicked.swap(false, Ordering::Relaxed) {
            panic!("a job of the thread pool panicked");
        }
    }

    /// Claims one piece of the current job and runs it; `false` if there is none.
    fn claim_and_run(&self, worker: usize) -> bool {
        let mut ticket = self.ticket.0.load(Ordering::Acquire);
        loop {
            if next_of(ticket) >= claims_of(ticket) {
                return false;
            }
            match self.ticket.0.compare_exchange_weak(ticket, ticket + 1, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => break,
                Err(now) => ticket = now,
            }
        }
        // SAFETY: the claim is open until `finished` is increased below, so the job is neither replaced nor freed.
        let job = unsafe { *self.job.get() };
        let first = next_of(ticket) as usize * job.chunks_per_claim;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            for chunk in first..job.chunks.min(first + job.chunks_per_claim) {
                // SAFETY: `call` and `data` were made from the same `&F`.
                unsafe { (job.call)(job.data, chunk, worker) };
            }
        }));
        if let Err(payload) = outcome {
            // Not dropped: a payload whose drop panics would unwind past the claims that are still open.
            std::mem::forget(payload);
            self.panicked.store(true, Ordering::Relaxed);
        }
        self.finished.0.fetch_add(1, Ordering::Release);
        true
    }

    /// The life of a worker: claim, spin, park, until the pool is dropped.
    pub(super) fn work(&self, worker: usize) {
        let mut spins = 0;
        loop {
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            if self.claim_and_run(worker) {
                spins = 0;
            } else if spins < SPINS_BEFORE_PARK {
                spins += 1;
                std::hint::spin_loop();
            } else {
                self.park(worker);
                spins = 0;
            }
        }
    }

    fn park(&self, worker: usize) {
        let parked = &self.parked[worker].0;
        self.parked_count.0.fetch_add(1, Ordering::SeqCst);
        parked.store(true, Ordering::SeqCst);
        let ticket = self.ticket.0.load(Ordering::SeqCst);
        let idle = next_of(ticket) >= claims_of(ticket);
        if idle && !self.stopping.load(Ordering::SeqCst) {
            while parked.load(Ordering::SeqCst) {
                std::thread::park();
            }
        }
        parked.store(false, Ordering::SeqCst);
        self.parked_count.0.fetch_sub(1, Ordering::SeqCst);
    }

    /// Wakes every worker that is parked.
    pub(super) fn wake(&self) {
        if self.parked_count.0.load(Ordering::SeqCst) == 0 {
            return;
        }
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for (parked, thread) in self.parked.iter().zip(threads.iter()) {
            if let Some(thread) = thread
                && parked.0.swap(false, Ordering::SeqCst)
            {
                thread.unpark();
            }
        }
    }

    /// Tells all workers to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wake();
    }
}
