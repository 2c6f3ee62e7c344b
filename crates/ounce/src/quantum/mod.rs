//! What the commands on circuits share.

pub(crate) mod circuit;
pub(crate) mod devices;
pub(crate) mod folder;
pub(crate) mod patience;
pub(crate) mod report;
pub(crate) mod trainer;

use ounce_kernels::ThreadPool;
use ounce_quantum::sim::SimulatorBackend;

/// Bytes that states may take.
pub(crate) const STATE_LIMIT: u128 = 16 << 30;

/// The simulator that models are trained on.
pub(crate) fn simulator(threads: usize) -> SimulatorBackend<f32> {
    SimulatorBackend::new(ThreadPool::new(threads), STATE_LIMIT)
}
