//! What the engine counts, for `/metrics`.

use super::job::Usage;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counters of one engine, shared with those who ask it.
pub(crate) struct Stats {
    /// Jobs that wait, by client; none is zero.
    waiting: Mutex<HashMap<u64, usize>>,
    queue: Gauge,
    active: Gauge,
    wait: Histogram,
    step: Histogram,
    first_token: Histogram,
    prompt_tokens: Counter,
    cached_tokens: Counter,
    generated_tokens: Counter,
    prefilled_tokens: Counter,
    decoded_tokens: Counter,
}

impl Stats {
    pub(super) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            queue: gauge!("ounce_requests_waiting"),
            active: gauge!("ounce_requests_running"),
            wait: histogram!("ounce_queue_seconds"),
            step: histogram!("ounce_step_seconds"),
            first_token: histogram!("ounce_time_to_first_token_seconds"),
            prompt_tokens: counter!("ounce_prompt_tokens_total"),
            cached_tokens: counter!("ounce_prompt_tokens_cached_total"),
            generated_tokens: counter!("ounce_generated_tokens_total"),
            prefilled_tokens: counter!("ounce_prefilled_tokens_total"),
            decoded_tokens: counter!("ounce_decoded_tokens_total"),
        }
    }

    /// Counts `jobs` of a client as waiting, unless `limit` wait already. A client of whom nothing waits is let in up to twice the limit, so that
    /// one who fills the line does not shut others out.
    pub(super) fn enqueue(&self, client: u64, jobs: usize, limit: usize) -> bool {
        let mut waiting = self.waiting();
        let queued: usize = waiting.values().sum();
        let limit = if waiting.contains_key(&client) { limit } else { limit.saturating_mul(2) };
        if queued >= limit {
            return false;
        }
        *waiting.entry(client).or_default() += jobs;
        self.queue.set((queued + jobs) as f64);
        true
    }

    /// A job of a client waits no longer.
    pub(super) fn unqueue(&self, client: u64) {
        let mut waiting = self.waiting();
        if let Entry::Occupied(mut entry) = waiting.entry(client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        self.queue.set(waiting.values().sum::<usize>() as f64);
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn waited(&self, time: Duration) {
        self.wait.record(time.as_secs_f64());
    }

    pub(super) fn running(&self, sequences: usize) {
        self.active.set(sequences as f64);
    }

    /// Counts a step over all texts of a model.
    pub(super) fn stepped(&self, decoded: usize, prefilled: usize, seconds: f64) {
        self.step.record(seconds);
        self.prefilled_tokens.increment(prefilled as u64);
        self.decoded_tokens.increment(decoded as u64);
    }

    pub(super) fn finished(&self, usage: Usage, first_token: Option<Duration>) {
        if let Some(time) = first_token {
            self.first_token.record(time.as_secs_f64());
        }
        self.ended("finished", usage);
    }

    /// The client has left.
    pub(super) fn abandoned(&self, usage: Usage) {
        self.ended("abandoned", usage);
    }

    fn ended(&self, how: &'static str, usage: Usage) {
        self.prompt_tokens.increment(usage.prompt as u64);
        self.cached_tokens.increment(usage.cached as u64);
        self.generated_tokens.increment(usage.generated as u64);
        counter!("ounce_generations_total", "end" => how).increment(1);
    }
}
