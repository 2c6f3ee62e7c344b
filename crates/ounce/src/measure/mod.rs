//! Measuring this machine and this process.

pub(crate) mod bandwidth;
pub(crate) mod memory;
