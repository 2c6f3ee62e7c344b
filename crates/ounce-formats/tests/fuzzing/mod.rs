//! Mutation fuzzing of every parser, the same from seed to seed, shared by the test `fuzz` and the example `fuzz`.
//!
//! A run takes a valid file or a dense worst case, mutates it a few times, and parses it under a counting allocator. It fails if the parser
//! panics, if what it accepted breaks its promises, or if at any moment more memory was in use than the parser's documentation allows.

#![allow(clippy::unwrap_used)]

mod mutate;
mod networks;
mod quantized;
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
    /// The longest that the parser took.
    pub(crate) slowest: Duration,
}

/// How much longer the dense inputs are that are parsed unchanged, so that the allowance does not hide what they use.
const DENSE: usize = 25;

/// Parses the seeds, long and short, and `count` mutations of the short ones.
pub(crate) fn run(target: &Target, count: usize, seed: u64) -> Report {
    let seeds = (target.seeds)(1);
    let mut random = Random::new(seed);
    let mut report = Report { runs: 0, accepted: 0, peak: 0, ratio: 0.0, slowest: Duration::ZERO };
    let mut unchanged = (target.seeds)(DENSE).into_iter().chain(seeds.clone());
    while report.runs < count {
        let input = match unchanged.next() {
            Some(input) => input,
            None => (target.repair)(mutate::mutate(&seeds, &mut random), &mut random),
        };
        one(target, input, &mut report);
    }
    report
}

fn one(target: &Target, input: Vec<u8>, report: &mut Report) {
    let len = input.len();
    let input = (target.prepare)(input);
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let start = Instant::now();
    let parsed = (target.parse)(&input);
    report.slowest = report.slowest.max(start.elapsed());
    let used = ALLOCATOR.peak_usage().saturating_sub(before);
    report.accepted += usize::from((target.check)(&input, parsed));
    report.runs += 1;
    report.peak = report.peak.max(used);
    let ratio = used.saturating_sub(ALLOWANCE) as f64 / len.max(1) as f64;
    report.ratio = report.ratio.max(ratio);
    let number = report.runs;
    assert!(
        ratio <= target.multiple as f64,
        "{}: {used} bytes in use for input {number}, of {len} bytes",
        target.name
    );
}
