//! What the commands on circuits share.

pub(crate) mod folder;
pub(crate) mod report;

use ounce_kernels::ThreadPool;
use ounce_quantum::model::SimulatorExecutor;
use ounce_quantum::sim::SimulatorBackend;

/// Bytes that states may take.
const STATE_LIMIT: u128 = 16 << 30;

/// The simulator that models are trained on.
pub(crate) fn simulator(threads: usize) -> SimulatorExecutor<SimulatorBackend<f32>> {
    SimulatorExecutor(SimulatorBackend::new(ThreadPool::new(threads), STATE_LIMIT))
}
