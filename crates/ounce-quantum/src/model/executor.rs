//! Who runs the circuits of a model.

use std::collections::HashMap;

use crate::backend::{Backend, BackendError, Differentiate, Gradients, Request};
use crate::gradient::shift::{ShiftPlan, Wanted};

/// Runs and differentiates the circuits of a model. Layers are told apart by number, so that what a circuit needs can be kept.
pub trait Executor {
    /// Expectation values of a layer's circuit.
    ///
    /// # Errors
    /// If it cannot be run.
    fn expectations(&mut self, layer: usize, request: &Request<'_>) -> Result<Vec<f64>, BackendError>;

    /// Gradients of `sum of cotangent * expectation`; those of inputs may be empty if they are not wanted.
    ///
    /// # Errors
    /// If it cannot be run.
    fn gradients(
        &mut self,
        layer: usize,
        request: &Request<'_>,
        cotangents: &[f64],
        wanted: Wanted<'_>,
    ) -> Result<Gradients, BackendError>;

    /// Circuits run so far.
    fn runs(&self) -> u64;

    /// Says that a step of training, or an evaluation, begins: what is drawn at random once a step is drawn now.
    fn begin(&mut self, _step: u64) {}
}

/// On a simulator that differentiates.
#[derive(Clone, Debug)]
pub struct SimulatorExecutor<D>(pub D);

impl<D: Differentiate> Executor for SimulatorExecutor<D> {
    fn expectations(&mut self, _layer: usize, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        self.0.expectations(request)
    }

    fn gradients(
        &mut self,
        _layer: usize,
        request: &Request<'_>,
        cotangents: &[f64],
        _wanted: Wanted<'_>,
    ) -> Result<Gradients, BackendError> {
        Ok(self.0.gradients(request, &mut |_| cotangents.to_vec())?.1)
    }

    fn runs(&self) -> u64 {
        self.0.runs()
    }
}

/// On anything that runs circuits, by parameter shift: QOC's way to train on a device.
#[derive(Clone, Debug)]
pub struct DeviceExecutor<B> {
    backend: B,
    plans: HashMap<usize, ShiftPlan>,
}

impl<B: Backend> DeviceExecutor<B> {
    /// An executor on a backend.
    pub fn new(backend: B) -> Self {
        Self { backend, plans: HashMap::new() }
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }
}

impl<B: Backend> Executor for DeviceExecutor<B> {
    fn expectations(&mut self, _layer: usize, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        self.backend.expectations(request)
    }

    fn gradients(
        &mut self,
        layer: usize,
        request: &Request<'_>,
        cotangents: &[f64],
        wanted: Wanted<'_>,
    ) -> Result<Gradients, BackendError> {
        let plan = self.plans.entry(layer).or_insert_with(|| ShiftPlan::new(request.circuit));
        self.backend.gathered(|backend| plan.gradients(backend, request, cotangents, wanted))
    }

    fn begin(&mut self, step: u64) {
        self.backend.begin(step);
    }

    fn runs(&self) -> u64 {
        self.backend.runs()
    }
}
