//! The table of errors of a device.

use std::collections::HashMap;

use super::channel::GateNoise;
use super::readout::ReadoutError;
use super::relaxation::Relaxation;
use crate::device::{CalibratedGate, Device, Qubit};
use crate::gate::{Gate, by_name};

/// Which measurements of readout errors are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReadoutKind {
    /// The probabilities of reading 1 for 0 and 0 for 1; where they are missing, the symmetric one.
    #[default]
    Asymmetric,
    /// The mean error for both; what Aer takes where a calibration goes through Qiskit's `Target`.
    Symmetric,
    /// None.
    Perfect,
}

/// What a noise model holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoiseOptions {
    /// Whether gates have the errors that were measured.
    pub gate_errors: bool,
    /// Whether qubits relax while a gate takes place.
    pub thermal_relaxation: bool,
    /// How qubits are read out.
    pub readout: ReadoutKind,
}

impl Default for NoiseOptions {
    fn default() -> Self {
        Self { gate_errors: true, thermal_relaxation: true, readout: ReadoutKind::default() }
    }
}

/// The errors of a device: of every gate on every choice of qubits, and of reading out.
#[derive(Clone, PartialEq, Debug)]
pub struct NoiseModel {
    gates: Vec<GateErrors>,
    readout: Vec<ReadoutError>,
}

/// The errors of one gate.
#[derive(Clone, PartialEq, Debug)]
struct GateErrors {
    /// The device's name of the gate.
    name: String,
    /// The gate; what the device calls `reset` is none.
    gate: Option<Gate>,
    by_qubits: HashMap<Vec<usize>, GateNoise>,
}

impl NoiseModel {
    /// The model of a device.
    pub fn new(device: &Device, options: NoiseOptions) -> Self {
        let readout = device.qubits().iter().map(|qubit| readout_error(qubit, options.readout)).collect();
        let mut model = Self { gates: Vec::new(), readout };
        let works = |gate: &&CalibratedGate| {
            gate.operational && gate.qubits.iter().all(|&qubit| device.qubits()[qubit].operational)
        };
        for calibrated in device.gates().iter().filter(|gate| gate.name != "measure").filter(works) {
            if let Some(noise) = gate_noise(device, calibrated, options) {
                model.insert_gate(&calibrated.name, &calibrated.qubits, noise);
            }
        }
        model
    }

    /// The model without errors, of so many qubits.
    pub fn perfect(qubits: usize) -> Self {
        Self { gates: Vec::new(), readout: vec![ReadoutError::default(); qubits] }
    }

    /// Sets how a qubit is read out; qubits that the model lacks are passed over.
    pub fn set_readout(&mut self, qubit: usize, error: ReadoutError) {
        if let Some(own) = self.readout.get_mut(qubit) {
            *own = error;
        }
    }

    /// Sets the error of a gate, by name, on certain qubits.
    pub fn insert_gate(&mut self, name: &str, qubits: &[usize], noise: GateNoise) {
        let at = self.gates.iter().position(|errors| errors.name == name).unwrap_or_else(|| {
            self.gates.push(GateErrors { name: name.into(), gate: by_name(name), by_qubits: HashMap::new() });
            self.gates.len() - 1
        });
        self.gates[at].by_qubits.insert(qubits.to_vec(), noise);
    }

    /// The error of a gate on these qubits, if it has one.
    pub fn gate(&self, gate: &Gate, qubits: &[usize]) -> Option<&GateNoise> {
        self.gates.iter().find(|errors| errors.gate.as_ref() == Some(gate))?.by_qubits.get(qubits)
    }

    /// The error of what the device calls `name` on these qubits, if it has one; `reset` too.
    pub fn named(&self, name: &str, qubits: &[usize]) -> Option<&GateNoise> {
        self.gates.iter().find(|errors| errors.name == name)?.by_qubits.get(qubits)
    }

    /// All errors: the device's name of the gate, its qubits and its error; sorted.
    pub fn errors(&self) -> Vec<(&str, &[usize], &GateNoise)> {
        let all = self.gates.iter().flat_map(|errors| {
            let by_qubits = errors.by_qubits.iter();
            by_qubits.map(|(qubits, noise)| (errors.name.as_str(), qubits.as_slice(), noise))
        });
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|&(name, qubits, _)| (name, qubits));
        all
    }

    /// The error of reading a qubit out; none for a qubit that the device lacks.
    pub fn readout(&self, qubit: usize) -> ReadoutError {
        self.readout.get(qubit).copied().unwrap_or_default()
    }

    /// Qubits of the device.
    pub fn qubits(&self) -> usize {
        self.readout.len()
    }
}

fn readout_error(qubit: &Qubit, kind: ReadoutKind) -> ReadoutError {
    let readout = &qubit.readout;
    let symmetric = readout.error.unwrap_or(0.0);
    match (kind, readout.one_given_zero, readout.zero_given_one) {
        (ReadoutKind::Perfect, ..) => ReadoutError::default(),
        (ReadoutKind::Asymmetric, Some(one_given_zero), Some(zero_given_one)) => {
            ReadoutError { one_given_zero, zero_given_one }
        }
        _ => ReadoutError { one_given_zero: symmetric, zero_given_one: symmetric },
    }
}

fn gate_noise(device: &Device, gate: &CalibratedGate, options: NoiseOptions) -> Option<GateNoise> {
    let length = gate.length.filter(|&length| options.thermal_relaxation && length > 0.0);
    let relaxation = length.map_or_else(Vec::new, |length| {
        let relax = |&qubit: &usize| {
            let Qubit { t1, t2, .. } = device.qubits()[qubit];
            Relaxation::new(length, t1.unwrap_or(f64::INFINITY), t2.unwrap_or(f64::INFINITY))
        };
        gate.qubits.iter().map(relax).collect()
    });
    // Resets and measurements (such as `reset_2`, `measure_2`) are no gates: they take their time, and have no depolarizing error.
    let is_gate = !["reset", "measure"].iter().any(|kind| gate.name.starts_with(kind));
    let error = gate.error.filter(|_| options.gate_errors && is_gate);
    GateNoise::of_gate(gate.qubits.len(), error, relaxation)
}
