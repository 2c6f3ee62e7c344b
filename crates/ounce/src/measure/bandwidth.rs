//! How fast this machine reads memory.

use ounce_kernels::ThreadPool;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Well beyond the caches of one processor.
const BYTES: usize = 256 << 20;
/// Words that a thread claims at a time.
const CHUNK: usize = (1 << 20) / 8;
/// The best of so many passes counts.
const PASSES: usize = 5;

/// The bandwidth, in bytes per second, at which all threads of `pool` together read memory: the best of several passes over a
/// buffer that no cache holds; `None` if there is no memory for it.
pub(crate) fn read_bandwidth(pool: &mut ThreadPool) -> Option<f64> {
    // Asked for first, since a vector that cannot be had ends the program; what is gained by it is given back untouched.
    Vec::<u64>::new().try_reserve_exact(BYTES / 8).ok()?;
    let mut words = vec![0_u64; BYTES / 8];
    let mut best = f64::INFINITY;
    pool.region(|team| {
        // Touching every page first, by the threads that read it later.
        team.for_each_chunk_mut(&mut words, CHUNK, |chunk, words| words.fill(chunk as u64 | 1));
        let sum = AtomicU64::new(0);
        for _ in 0..PASSES {
            let start = Instant::now();
            team.run(words.len().div_ceil(CHUNK), |chunk, _| {
                let part = &words[chunk * CHUNK..words.len().min((chunk + 1) * CHUNK)];
                sum.fetch_add(sum_of(part), Ordering::Relaxed);
            });
            best = best.min(start.elapsed().as_secs_f64());
        }
        black_box(sum.into_inner());
    });
    Some(BYTES as f64 / best)
}

/// A sum with enough independent parts that loading is all it waits for.
fn sum_of(words: &[u64]) -> u64 {
    let mut sums = [0_u64; 32];
    let (blocks, rest) = words.as_chunks::<32>();
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().chain(rest).fold(0, |a, &b| a.wrapping_add(b))
}
