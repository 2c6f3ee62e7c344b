//! Numbers that nobody can guess, for names and seeds that a request does not give.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number drawn by the standard library's keyed hash, whose key comes from the system's randomness.
pub(crate) fn number() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    RandomState::new().hash_one(COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A name that begins with `kind`, as OpenAI's API gives them.
pub(crate) fn name(kind: &str) -> String {
    format!("{kind}-{:016x}{:016x}", number(), number())
}
