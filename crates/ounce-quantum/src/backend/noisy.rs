//! A model of a noisy device as a backend.

use super::{Backend, BackendError, Request};
use crate::circuit::{Circuit, Instruction};
use crate::counts::Counts;
use crate::device::Device;
use crate::measurement::{BasisChange, Group, MeasurementPlan, sampled_measurements};
use crate::noise::{NoiseModel, NoiseOptions, Program};
use crate::observable::PauliSum;
use crate::sim::density::{self, DensityMatrix};
use crate::sim::state_bytes;
use crate::sim::trajectory::{self, Trajectory};

/// How noise is taken into account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Execution {
    /// Exactly, by the density matrix: 16 * 4^n bytes.
    Exact,
    /// By the mean of so many trajectories (at least 1): 16 * 2^n bytes. With shots, the shots are shared out among them.
    Trajectories(u32),
    /// Gates are perfect and any gate will do; qubits are read out with errors.
    ReadoutOnly,
}

/// How a device is simulated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoisyOptions {
    /// Which noise there is.
    pub noise: NoiseOptions,
    /// How it is taken into account.
    pub execution: Execution,
    /// Shots of each circuit; `None` for exact probabilities.
    pub shots: Option<u64>,
    /// The seed of shots and trajectories. Every circuit that is run has its own numbers.
    pub seed: u64,
    /// Bytes that a state may take.
    pub memory: u128,
}

impl Default for NoisyOptions {
    fn default() -> Self {
        let noise = NoiseOptions::default();
        Self { noise, execution: Execution::Exact, shots: None, seed: 0, memory: 4 << 30 }
    }
}

/// Simulates a device with its noise. Qubits of circuits are those of the device; only those that something happens to are simulated. Observables other
/// than products of Z are measured by a change of basis, which has the noise of its gates.
#[derive(Clone, Debug)]
pub struct NoisyBackend {
    device: Device,
    model: NoiseModel,
    options: NoisyOptions,
    way: BasisChange,
    runs: u64,
    /// The number of the next stream of random numbers.
    stream: u64,
}

const REMEDY: &str = "transpile the circuit for the device first";

impl NoisyBackend {
    /// A device as a backend.
    pub fn new(device: Device, options: NoisyOptions) -> Self {
        let noise = match options.execution {
            Execution::ReadoutOnly => {
                NoiseOptions { gate_errors: false, thermal_relaxation: false, ..options.noise }
            }
            _ => options.noise,
        };
        let model = NoiseModel::new(&device, noise);
        let way =
            BasisChange::among(|gate| device.basis_name(gate).is_some()).unwrap_or(BasisChange::Hadamard);
        Self { device, model, options, way, runs: 0, stream: 0 }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Its noise.
    pub fn model(&self) -> &NoiseModel {
        &self.model
    }

    /// Refuses a circuit whose states, of the qubits that it uses or that observables are on, take more memory than is allowed: before anything is run.
    ///
    /// # Errors
    /// [`BackendError::TooLarge`].
    pub fn check_size(&self, circuit: &Circuit, observables: &[PauliSum]) -> Result<(), BackendError> {
        let qubits = circuit.used_qubits(observables.iter().flat_map(PauliSum::on_qubits)).len();
        let bytes = match self.options.execution {
            Execution::Exact => density::bytes(qubits),
            Execution::Trajectories(_) | Execution::ReadoutOnly => state_bytes::<f64>(qubits),
        };
        let limit = self.options.memory;
        if bytes > limit { Err(BackendError::TooLarge { qubits, bytes, limit }) } else { Ok(()) }
    }

    /// Runs a circuit `shots` times and counts what its measurements give; without measurements, what measuring each qubit that it uses would give.
    ///
    /// # Errors
    /// If the circuit does not fit the device or memory, or it measures before its end while it is to be simulated exactly.
    pub fn counts(
        &mut self,
        circuit: &Circuit,
        parameters: &[f64],
        inputs: &[f64],
        shots: u64,
    ) -> Result<Counts, BackendError> {
        let request = Request::new(circuit, parameters, inputs, 1, &[])?;
        self.check(circuit)?;
        let program = Program::new(circuit, request.parameters, request.inputs, &self.model, &[]);
        let stream = (self.options.seed, self.stream as usize);
        self.stream += 1;
        self.runs += 1;
        let memory = self.options.memory;
        match self.options.execution {
            Execution::Trajectories(number) => {
                let group = shots.div_ceil(u64::from(number.max(1)));
                trajectory::counts(&program, shots, group, stream, memory)
            }
            Execution::ReadoutOnly => {
                let group = if sampled_measurements(circuit).is_some() { shots } else { 1 };
                trajectory::counts(&program, shots, group, stream, memory)
            }
            Execution::Exact => {
                let (measured, bits) = program.outcomes().ok_or_else(|| BackendError::Unsupported {
                    backend: "the exact simulation of noise",
                    instruction: "a measurement before the end".into(),
                    remedy: "simulate by trajectories",
                })?;
                let state = DensityMatrix::run(&program, memory)?;
                Ok(draw_counts(&state.probabilities(), &program, &measured, bits, shots, stream))
            }
        }
    }

    fn check(&self, circuit: &Circuit) -> Result<(), BackendError> {
        if circuit.qubits() > self.device.qubits().len() {
            let instruction =
                format!("a circuit of {} qubits on {} qubits", circuit.qubits(), self.device.qubits().len());
            return Err(BackendError::Unsupported {
                backend: "the noisy device",
                instruction,
                remedy: REMEDY,
            });
        }
        if self.options.execution == Execution::ReadoutOnly {
            return Ok(());
        }
        for (position, instruction) in circuit.instructions().iter().enumerate() {
            let Instruction::Gate(operation) = instruction else { continue };
            if let Some(objection) = self.device.objection(operation) {
                let (gate, qubits) = (operation.gate.name(), &operation.qubits);
                let instruction =
                    format!("{gate} on qubits {qubits:?} (instruction {position}): {objection}");
                return Err(BackendError::Unsupported {
                    backend: "the noisy device",
                    instruction,
                    remedy: REMEDY,
                });
            }
        }
        Ok(())
    }

    /// The values of strings of a group, by the numbers within the program of the qubits they act on.
    fn measure(
        &self,
        group: &Group,
        request: &Request<'_>,
        sample: usize,
        stream: usize,
    ) -> Result<Measured, BackendError> {
        let turned = group
            .turned(request.circuit, self.way)
            .map_err(|error| BackendError::Failed(error.to_string()))?;
        let kept: Vec<usize> = group.qubits().collect();
        let program = Program::new(&turned, request.parameters, request.sample(sample), &self.model, &kept);
        let qubits = program.qubits().to_vec();
        let NoisyOptions { seed, shots, memory, .. } = self.options;
        let number = match self.options.execution {
            Execution::Trajectories(number) => number.max(1) as usize,
            _ => 1,
        };
        let measured: Vec<(usize, usize)> = (0..qubits.len()).map(|qubit| (qubit, qubit)).collect();
        if self.options.execution == Execution::Exact {
            let mut probabilities = DensityMatrix::run(&program, memory)?.probabilities();
            return Ok(match shots {
                Some(shots) => {
                    let counts =
                        draw_counts(&probabilities, &program, &measured, qubits.len(), shots, (seed, stream));
                    Measured { qubits, what: What::Counts(counts) }
                }
                None => {
                    mix(&mut probabilities, &program);
                    Measured { qubits, what: What::Probabilities(probabilities) }
                }
            });
        }
        let mut sum = Vec::new();
        let mut counts = Counts::new(qubits.len());
        for index in 0..number {
            let mut random = trajectory::generator(seed, stream, index);
            let mut probabilities = Trajectory::run(&program, &mut random, memory)?.probabilities();
            match shots {
                Some(shots) => {
                    let own = shots / number as u64 + u64::from((index as u64) < shots % number as u64);
                    let cumulative = trajectory::cumulative(probabilities.into_iter());
                    for _ in 0..own {
                        let index = trajectory::draw(&cumulative, &mut random);
                        counts
                            .add(trajectory::read(index, &measured, &program, qubits.len(), &mut random), 1);
                    }
                }
                None if sum.is_empty() => sum = probabilities,
                None => sum.iter_mut().zip(probabilities.drain(..)).for_each(|(sum, value)| *sum += value),
            }
        }
        if shots.is_some() {
            return Ok(Measured { qubits, what: What::Counts(counts) });
        }
        sum.iter_mut().for_each(|value| *value /= number as f64);
        mix(&mut sum, &program);
        Ok(Measured { qubits, what: What::Probabilities(sum) })
    }
}

/// What is known after a group was measured, of the qubits of the device named here.
struct Measured {
    qubits: Vec<usize>,
    what: What,
}

enum What {
    Counts(Counts),
    Probabilities(Vec<f64>),
}

impl Measured {
    /// The mean of -1 to the number of ones among these qubits of the device.
    fn parity(&self, qubits: impl Iterator<Item = usize>) -> f64 {
        let bits: Vec<usize> = qubits.map(|qubit| self.qubits.partition_point(|&own| own < qubit)).collect();
        match &self.what {
            What::Counts(counts) => counts.parity(&bits),
            What::Probabilities(probabilities) => {
                let mask: usize = bits.iter().map(|bit| 1 << bit).sum();
                let signed =
                    |(index, p): (usize, &f64)| if (index & mask).count_ones() % 2 == 1 { -p } else { *p };
                probabilities.iter().enumerate().map(signed).sum()
            }
        }
    }
}

fn mix(probabilities: &mut [f64], program: &Program<'_>) {
    for (qubit, error) in program.readout().iter().enumerate() {
        error.mix(probabilities, qubit);
    }
}

fn draw_counts(
    probabilities: &[f64],
    program: &Program<'_>,
    measured: &[(usize, usize)],
    bits: usize,
    shots: u64,
    (seed, stream): (u64, usize),
) -> Counts {
    let cumulative = trajectory::cumulative(probabilities.iter().copied());
    let mut random = trajectory::generator(seed, stream, 0);
    let mut counts = Counts::new(bits);
    for _ in 0..shots {
        let index = trajectory::draw(&cumulative, &mut random);
        counts.add(trajectory::read(index, measured, program, bits, &mut random), 1);
    }
    counts
}

impl Backend for NoisyBackend {
    fn expectations(&mut self, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        self.check(request.circuit)?;
        if self.options.shots == Some(0) {
            return Err(BackendError::Failed("0 shots give no estimate; take at least one".into()));
        }
        let plan = MeasurementPlan::new(request.observables);
        let mut values = Vec::with_capacity(request.samples * request.observables.len());
        for sample in 0..request.samples {
            // Each group of each circuit draws its own numbers.
            let stream = |group: usize| (self.stream as usize + sample) * plan.groups().len().max(1) + group;
            let measure = |(index, group)| self.measure(group, request, sample, stream(index));
            let measured = plan.groups().iter().enumerate().map(measure).collect::<Result<Vec<_>, _>>()?;
            values.extend(plan.values(|group, string| {
                measured[group].parity(string.factors().iter().map(|&(qubit, _)| qubit))
            }));
        }
        self.stream += request.samples as u64;
        self.runs += request.samples as u64;
        Ok(values)
    }

    fn begin(&mut self, step: u64) {
        self.stream = (step + 1) << 32;
    }

    fn runs(&self) -> u64 {
        self.runs
    }
}
