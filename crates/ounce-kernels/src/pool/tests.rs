use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn every_chunk_runs_once_on_any_number_of_threads() {
    for threads in [1, 2, 3, 8] {
        let mut pool = ThreadPool::new(threads);
        assert_eq!(pool.threads(), threads);
        for chunks in [0, 1, 2, 7, 100, 70_000] {
            let counts: Vec<AtomicUsize> = (0..chunks).map(|_| AtomicUsize::new(0)).collect();
            pool.region(|team| {
                team.run(chunks, |chunk, worker| {
                    assert!(worker < threads);
                    counts[chunk].fetch_add(1, Ordering::Relaxed);
                });
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{chunks} chunks");
        }
    }
}

#[test]
fn many_small_steps_in_and_between_regions() {
    let mut pool = ThreadPool::new(4);
    let total = AtomicUsize::new(0);
    for round in 0..50 {
        pool.region(|team| {
            for _ in 0..200 {
                team.run(9, |chunk, _| {
                    total.fetch_add(chunk, Ordering::Relaxed);
                });
            }
        });
        if round % 10 == 0 {
            // Long enough for the workers to park.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
    assert_eq!(total.into_inner(), 50 * 200 * 36);
}

#[test]
fn pieces_of_a_slice_are_disjoint_and_complete() {
    let mut pool = ThreadPool::new(3);
    let mut data = vec![0u32; 1003];
    pool.region(|team| {
        team.for_each_chunk_mut(&mut data, 10, |chunk, piece| {
            assert_eq!(piece.len(), if chunk == 100 { 3 } else { 10 });
            piece.iter_mut().enumerate().for_each(|(i, x)| *x += (chunk * 10 + i) as u32);
        });
    });
    assert!(data.iter().enumerate().all(|(i, &x)| x == i as u32));
}

#[test]
fn a_panic_in_a_job_reaches_the_caller_and_leaves_the_pool_usable() {
    let mut pool = ThreadPool::new(2);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.region(|team| team.run(64, |chunk, _| assert_ne!(chunk, 33)));
    }));
    assert!(outcome.is_err());
    let count = AtomicUsize::new(0);
    pool.region(|team| {
        team.run(64, |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(count.into_inner(), 64);
}

#[test]
fn more_threads_than_cpus_still_finish() {
    let mut pool = ThreadPool::new(4 * available_threads());
    let total = AtomicUsize::new(0);
    pool.region(|team| {
        for _ in 0..2000 {
            team.run(32, |_, _| {
                total.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(total.into_inner(), 64_000);
}
