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

    /// Counts the signals by which a program is asked to end, SIGTERM and SIGHUP, as Ctrl-C too: for what would leave unfinished files behind. A
    /// second one ends the program at once. A SIGHUP that is ignored, as `nohup` has it, stays so.
    #[cfg(unix)]
    pub(crate) fn listen_for_the_end(&self) -> Result<()> {
        use signal_hook::consts::{SIGHUP, SIGTERM};
        let signals = if ignores_hangups() { &[SIGTERM][..] } else { &[SIGTERM, SIGHUP] };
        for &signal in signals {
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, self.0.clone())?;
            signal_hook::flag::register(signal, self.0.clone())?;
        }
        Ok(())
    }

    /// There are no such signals here.
    #[cfg(not(unix))]
    pub(crate) fn listen_for_the_end(&self) -> Result<()> {
        Ok(())
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

/// Whether this process was started with hangups ignored; also where that cannot be told.
#[cfg(unix)]
fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask & 1 << (signal_hook::consts::SIGHUP - 1) != 0)
}
