//! Ctrl-C stops a generation, not the program; a second one, while the generation goes on, stops the program.

use crate::failure::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// 128 and the number of the signal, as shells count.
const EXIT_CODE: i32 = 130;

/// Remembers that Ctrl-C was pressed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Begins to listen. If it is pressed again before [`Interrupt::clear`], what runs does not stop: the program exits with the code of
    /// a program that Ctrl-C ended.
    pub(crate) fn listen() -> Result<Self> {
        let interrupt = Self::default();
        let flag = interrupt.0.clone();
        ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_CODE);
            }
        })?;
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
