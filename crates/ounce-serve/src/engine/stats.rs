//! What the engine counts, for `/metrics`.

use super::job::Usage;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Counters of one engine, shared with those who ask it.
pub(crate) struct Stats {
    queued: AtomicUsize,
    queue: Gauge,
    active: Gauge,
    wait: Histogram,
    step: Histogram,
    first_token: Histogram,
    prompt_tokens: Counter,
    cached_tokens: Counter,
    generated_tokens: Counter,
}

impl Stats {
    pub(super) fn new() -> Self {
        Self {
            queued: AtomicUsize::new(0),
            queue: gauge!("ounce_requests_waiting"),
            active: gauge!("ounce_requests_running"),
            wait: histogram!("ounce_queue_seconds"),
            step: histogram!("ounce_step_seconds"),
            first_token: histogram!("ounce_time_to_first_token_seconds"),
            prompt_tokens: counter!("ounce_prompt_tokens_total"),
            cached_tokens: counter!("ounce_prompt_tokens_cached_total"),
            generated_tokens: counter!("ounce_generated_tokens_total"),
        }
    }

    /// Counts `jobs` more as waiting unless `limit` wait already.
    pub(super) fn enqueue(&self, jobs: usize, limit: usize) -> bool {
        let more = |queued: usize| (queued < limit).then_some(queued + jobs);
        let result = self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        self.queue.set(self.queued.load(Ordering::Relaxed) as f64);
        result.is_ok()
    }

    pub(super) fn unqueue(&self, jobs: usize) {
        self.queued.fetch_sub(jobs, Ordering::Relaxed);
        self.queue.set(self.queued.load(Ordering::Relaxed) as f64);
    }

    pub(super) fn waited(&self, time: Duration) {
        self.wait.record(time.as_secs_f64());
    }

    pub(super) fn running(&self, sequences: usize) {
        self.active.set(sequences as f64);
    }

    pub(super) fn began(&self, usage: Usage) {
        self.prompt_tokens.increment(usage.prompt as u64);
        self.cached_tokens.increment(usage.cached as u64);
    }

    /// Counts a step over all texts of a model.
    pub(super) fn stepped(&self, decoded: usize, prefilled: usize, seconds: f64) {
        self.step.record(seconds);
        self.generated_tokens.increment(decoded as u64);
        counter!("ounce_prefilled_tokens_total").increment(prefilled as u64);
    }

    pub(super) fn finished(&self, usage: Usage) {
        self.first_token.record(usage.prefill.as_secs_f64());
        self.ended("finished");
    }

    pub(super) fn ended(&self, how: &'static str) {
        counter!("ounce_generations_total", "end" => how).increment(1);
    }
}
