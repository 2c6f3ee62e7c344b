//! Waiting for a machine that gets its circuits from a folder.

use crate::chat::Interrupt;
use crate::output::note;
use ounce_quantum::backend::{BackendError, Gradients, Request};
use ounce_quantum::gradient::shift::Wanted;
use ounce_quantum::model::Executor;
use std::time::Duration;

/// Between two looks at the folder.
const PAUSE: Duration = Duration::from_millis(500);

/// An executor that, instead of ending, waits until the counts of its circuits are there.
pub(crate) struct Patient {
    executor: Box<dyn Executor>,
    interrupt: Interrupt,
}

impl Patient {
    /// Waits until Ctrl-C is pressed.
    pub(crate) fn new(executor: Box<dyn Executor>, interrupt: Interrupt) -> Self {
        Self { executor, interrupt }
    }

    fn retry<T>(
        &mut self,
        mut run: impl FnMut(&mut dyn Executor) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let mut told = false;
        loop {
            match run(self.executor.as_mut()) {
                Err(BackendError::Waiting { folder, missing }) if !self.interrupt.pressed() => {
                    if !told {
                        note(format_args!(
                            "waiting for the counts of {missing} circuits in {}",
                            folder.display()
                        ));
                    }
                    told = true;
                    std::thread::sleep(PAUSE);
                }
                other => return other,
            }
        }
    }
}

impl Executor for Patient {
    fn expectations(&mut self, layer: usize, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        self.retry(|executor| executor.expectations(layer, request))
    }

    fn gradients(
        &mut self,
        layer: usize,
        request: &Request<'_>,
        cotangents: &[f64],
        wanted: Wanted<'_>,
    ) -> Result<Gradients, BackendError> {
        self.retry(|executor| executor.gradients(layer, request, cotangents, wanted))
    }

    fn runs(&self) -> u64 {
        self.executor.runs()
    }

    fn begin(&mut self, step: u64) {
        self.executor.begin(step);
    }
}
