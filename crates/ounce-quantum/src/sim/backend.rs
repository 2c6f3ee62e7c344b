//! The simulator as a backend: exact expectation values or estimates from shots, and exact gradients.

use ounce_kernels::ThreadPool;
use ounce_kernels::amplitudes::{Layout, Real};
use ounce_random::Pcg32;

use super::Initial;
use super::adjoint;
use super::batch::Batch;
use super::bind::Values;
use super::node::{Node, fused};
use super::observe::Terms;
use super::shots::estimates;
use super::state::{Blocked, StateVector, check_size, tile_size, write_amplitudes};
use crate::backend::{Backend, BackendError, Differentiate, Gradients, Request};
use crate::circuit::{Instruction, Symbol};

/// Circuits of more qubits are simulated one sample at a time: the states of a group of samples would leave the cache.
const MAX_BATCH_QUBITS: usize = 14;

/// Circuits of up to so many qubits go as a batch however few the samples are.
const SMALL_QUBITS: usize = 8;

/// Turns expectation values into the derivatives of a loss with respect to them.
type Cotangents<'a> = &'a mut dyn FnMut(&[f64]) -> Vec<f64>;

/// The name in errors.
const NAME: &str = "the simulator";

/// A simulator of state vectors in single (`f32`) or double (`f64`) precision.
#[derive(Debug)]
pub struct SimulatorBackend<T> {
    pool: ThreadPool,
    limit: u128,
    shots: Option<Shots>,
    runs: u64,
    precision: std::marker::PhantomData<T>,
}

/// Expectation values are estimated from this many measurements of each group of terms.
#[derive(Clone, Debug)]
struct Shots {
    count: u64,
    random: Pcg32,
}

impl<T: Real> SimulatorBackend<T> {
    /// A simulator on the threads of a pool whose states take at most `limit` bytes.
    pub fn new(pool: ThreadPool, limit: u128) -> Self {
        Self { pool, limit, shots: None, runs: 0, precision: std::marker::PhantomData }
    }

    /// Estimates expectation values from `shots` measurements, drawn from `seed`, as a device would. Gradients stay exact but for the estimates that are returned with them.
    pub fn with_shots(mut self, shots: u64, seed: u64) -> Self {
        self.shots = Some(Shots { count: shots.max(1), random: Pcg32::new(seed) });
        self
    }

    /// Expectation values of circuits that begin with another state than all zeros.
    ///
    /// # Errors
    /// If the state is too large, is not one, or the circuit measures or resets.
    pub fn expectations_from(
        &mut self,
        request: &Request<'_>,
        initial: &Initial<'_>,
    ) -> Result<Vec<f64>, BackendError> {
        let (values, _) = self.evaluate(request, initial, None)?;
        Ok(values)
    }

    /// As [`Differentiate::gradients`] for circuits that begin with another state.
    ///
    /// # Errors
    /// As [`SimulatorBackend::expectations_from`], and if `cotangents` returns another number of values than it was given.
    pub fn gradients_from(
        &mut self,
        request: &Request<'_>,
        initial: &Initial<'_>,
        cotangents: &mut dyn FnMut(&[f64]) -> Vec<f64>,
    ) -> Result<(Vec<f64>, Gradients), BackendError> {
        let (values, gradients) = self.evaluate(request, initial, Some(cotangents))?;
        Ok((values, gradients.unwrap_or_else(|| no_gradients(request))))
    }

    fn evaluate(
        &mut self,
        request: &Request<'_>,
        initial: &Initial<'_>,
        cotangents: Option<Cotangents<'_>>,
    ) -> Result<(Vec<f64>, Option<Gradients>), BackendError> {
        self.check(request, initial, cotangents.is_some())?;
        self.runs += request.samples as u64;
        if let Some(shots) = &mut self.shots {
            let estimates =
                estimates::<T>(&mut self.pool, request, initial, shots.count, &mut shots.random, self.limit)?;
            let Some(cotangents) = cotangents else { return Ok((estimates, None)) };
            let weights = checked(cotangents(&estimates), estimates.len())?;
            let (_, gradients) = self.exact(request, initial, Some(&mut |_| weights.clone()))?;
            return Ok((estimates, gradients));
        }
        self.exact(request, initial, cotangents)
    }

    fn check(
        &self,
        request: &Request<'_>,
        initial: &Initial<'_>,
        gradients: bool,
    ) -> Result<(), BackendError> {
        let circuit = request.circuit;
        initial.check(circuit.qubits(), request.samples)?;
        check_size::<T>(circuit.qubits(), if gradients { 2 } else { 1 }, self.limit)?;
        let measures = |instruction: &&Instruction| {
            matches!(instruction, Instruction::Measure { .. } | Instruction::Reset(_))
        };
        match circuit.instructions().iter().find(measures) {
            None => Ok(()),
            Some(instruction) => Err(BackendError::Unsupported {
                backend: NAME,
                instruction: format!("{instruction:?} before an expectation value"),
                remedy: "leave measurements out: observables are measured at the end; or count outcomes with sim::counts",
            }),
        }
    }

    fn exact(
        &mut self,
        request: &Request<'_>,
        initial: &Initial<'_>,
        mut cotangents: Option<Cotangents<'_>>,
    ) -> Result<(Vec<f64>, Option<Gradients>), BackendError> {
        let nodes = Node::all(request.circuit);
        let terms = Terms::new(request.observables);
        if self.is_batch(request) {
            return self.pool.region(|team| {
                let batch = Batch::<T>::forward(team, request, &nodes, &terms, initial);
                let values = batch.expectations();
                let Some(cotangents) = cotangents.as_mut() else { return Ok((values, None)) };
                let weights = checked(cotangents(&values), values.len())?;
                let (parameters, inputs) = batch.backward(team, &weights);
                Ok((values, Some(Gradients { parameters, inputs })))
            });
        }
        // One sample after another. States are computed again for gradients unless there is only one sample.
        let mut values = Vec::with_capacity(request.samples * request.observables.len());
        let mut last = None;
        for sample in 0..request.samples {
            let state = self.forward(request, &nodes, initial, sample)?;
            values.extend(self.pool.region(|team| terms.expectations(team, &state)));
            last = Some(state);
        }
        let Some(cotangents) = cotangents else { return Ok((values, None)) };
        let weights = checked(cotangents(&values), values.len())?;
        let mut gradients = no_gradients(request);
        let width = request.observables.len();
        for sample in 0..request.samples {
            let mut state = match last.take() {
                Some(state) if request.samples == 1 => state,
                _ => self.forward(request, &nodes, initial, sample)?,
            };
            let inputs = request.sample(sample);
            let sample_values = Values::single(request.parameters, inputs);
            let weights = &weights[sample * width..(sample + 1) * width];
            self.pool.region(|team| {
                adjoint::backward(
                    team,
                    &nodes,
                    sample_values,
                    &terms,
                    weights,
                    &mut state,
                    |symbol, gradient| match symbol {
                        Symbol::Parameter(index) => gradients.parameters[index] += gradient,
                        Symbol::Input(index) => gradients.inputs[sample * inputs.len() + index] += gradient,
                    },
                );
            });
        }
        Ok((values, Some(gradients)))
    }

    /// Whether samples are worked on side by side. Unused lanes cost as much as used ones.
    fn is_batch(&self, request: &Request<'_>) -> bool {
        let (qubits, samples) = (request.circuit.qubits(), request.samples);
        let lanes = Layout::<T>::samples(self.pool.kernels()).lanes();
        let enough = samples > 1 && (qubits <= SMALL_QUBITS || 4 * samples >= lanes);
        enough && qubits <= MAX_BATCH_QUBITS && check_size::<T>(qubits, samples, self.limit).is_ok()
    }

    /// The state of one sample after the circuit.
    fn forward(
        &mut self,
        request: &Request<'_>,
        nodes: &[Node],
        initial: &Initial<'_>,
        sample: usize,
    ) -> Result<StateVector<T>, BackendError> {
        forward(&mut self.pool, request, nodes, initial, sample, self.limit)
    }
}

/// The state of one sample after the circuit.
pub(super) fn forward<T: Real>(
    pool: &mut ThreadPool,
    request: &Request<'_>,
    nodes: &[Node],
    initial: &Initial<'_>,
    sample: usize,
    limit: u128,
) -> Result<StateVector<T>, BackendError> {
    let qubits = request.circuit.qubits();
    let mut state = match initial {
        Initial::Zero => StateVector::<T>::zero(qubits, pool.kernels(), limit)?,
        Initial::Amplitudes(_) => {
            let mut state = StateVector::<T>::empty(qubits, pool.kernels(), limit)?;
            write_amplitudes(state.layout, &mut state.amplitudes, 0, initial.of(sample, 1 << qubits));
            state
        }
    };
    let nodes = fused(nodes.to_vec());
    let passes = Blocked::passes(&nodes, tile_size(state.layout, qubits, 1));
    let values = Values::single(request.parameters, request.sample(sample));
    pool.region(|team| state.run_passes(team, &nodes, &passes, values));
    Ok(state)
}

fn no_gradients(request: &Request<'_>) -> Gradients {
    Gradients { parameters: vec![0.0; request.parameters.len()], inputs: vec![0.0; request.inputs.len()] }
}

/// Cotangents, if there are as many as expectation values.
fn checked(cotangents: Vec<f64>, expected: usize) -> Result<Vec<f64>, BackendError> {
    let found = cotangents.len();
    if expected == found {
        Ok(cotangents)
    } else {
        Err(BackendError::Length { what: "cotangents", expected, found })
    }
}

impl<T: Real> Backend for SimulatorBackend<T> {
    fn expectations(&mut self, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        self.expectations_from(request, &Initial::Zero)
    }

    fn runs(&self) -> u64 {
        self.runs
    }
}

impl<T: Real> Differentiate for SimulatorBackend<T> {
    fn gradients(
        &mut self,
        request: &Request<'_>,
        cotangents: &mut dyn FnMut(&[f64]) -> Vec<f64>,
    ) -> Result<(Vec<f64>, Gradients), BackendError> {
        self.gradients_from(request, &Initial::Zero, cotangents)
    }
}
