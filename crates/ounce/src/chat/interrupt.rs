//! Ctrl-C stops a generation, not the program.

use crate::failure::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Remembers that Ctrl-C was pressed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self::default();
        let flag = interrupt.0.clone();
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
        Ok(interrupt)
    }

    /// Whether it was pressed since the last [`Interrupt::clear`].
    pub(crate) fn pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets that it was pressed.
    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
