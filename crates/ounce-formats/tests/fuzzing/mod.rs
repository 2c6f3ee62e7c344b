//! Mutation fuzzing of every parser, the same from seed to seed, shared by the test `fuzz` and the example `fuzz`.
//!
//! A run takes a valid file or a dense worst case, mutates it a few times, and parses it under a counting allocator. It fails if the parser
//! panics, if what it accepted breaks its promises, or if at any moment more memory was in use than the parser's documentation allows.

#![allow(clippy::unwrap_used)]

mod mutate;
mod seeds;
mod targets;

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

pub(crate) use mutate::Random;
pub(crate) use targets::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Memory that a parser may use whatever the length of the input: error messages, first capacities, thread-local buffers.
const ALLOWANCE: usize = 64 << 10;

/// What a fuzz run saw.
pub(crate) struct Report {
    /// Inputs parsed.
    pub(crate) runs: usize,
    /// Inputs that the parser accepted.
    pub(crate) accepted: usize,
    /// The most bytes in use while parsing one input.
    pub(crate) peak: usize,
    /// The most bytes in use beyond the allowance, as a multiple of the input.
    pub(crate) ratio: f64,
    /// The longest that one input took.
    pub(crate) slowest: Duration,
}

/// Parses `count` mutated inputs.
pub(crate) fn run(target: &Target, count: usize, seed: u64) -> Report {
    let seeds = (target.seeds)();
    let mut random = Random::new(seed);
    let mut report = Report { runs: 0, accepted: 0, peak: 0, ratio: 0.0, slowest: Duration::ZERO };
    for number in 0..count {
        // The seeds themselves come first.
        let input = match seeds.get(number) {
            Some(seed) => seed.clone(),
            None => (target.repair)(mutate::mutate(&seeds, &mut random), &mut random),
        };
        let (len, start) = (input.len(), Instant::now());
        let input = (target.prepare)(input);
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        let parsed = (target.parse)(&input);
        let used = ALLOCATOR.peak_usage().saturating_sub(before);
        report.accepted += usize::from((target.check)(&input, parsed));
        report.slowest = report.slowest.max(start.elapsed());
        report.runs += 1;
        report.peak = report.peak.max(used);
        let ratio = used.saturating_sub(ALLOWANCE) as f64 / len.max(1) as f64;
        report.ratio = report.ratio.max(ratio);
        assert!(
            ratio <= target.multiple as f64,
            "{}: {used} bytes in use for an input of {len} (number {number}, seed {seed})",
            target.name
        );
    }
    report
}
