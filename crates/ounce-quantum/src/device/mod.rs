//! Quantum devices: what IBM's configuration and calibration files say of one.
//!
//! [`Device::read`] takes the two JSON files of a device, in the format in which `qiskit-ibm-runtime` ships snapshots of retired and running devices and
//! IBM's service gives them to users; [`find()`] finds the pairs of files in a folder.

mod error;
mod find;
mod ibm;
mod summary;
mod units;

pub use error::DeviceError;
pub use find::{DeviceFiles, find};
pub use summary::Summary;

use std::path::Path;

use crate::circuit::Operation;
use crate::gate::{Gate, by_name};

/// The most bytes of a configuration or calibration file; IBM's largest has less than 1 MB.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// The most qubits of a device.
pub const MAX_QUBITS: usize = 10_000;
/// The most calibrated gates, couplings and other entries of one list.
pub const MAX_ENTRIES: usize = 1_000_000;

/// How a qubit is read out.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Readout {
    /// The probability of a wrong outcome, the same for both states, where it was measured.
    pub error: Option<f64>,
    /// The probability of reading 1 after 0 was prepared, where it was measured.
    pub one_given_zero: Option<f64>,
    /// The probability of reading 0 after 1 was prepared, where it was measured.
    pub zero_given_one: Option<f64>,
    /// How long it takes, in seconds.
    pub length: Option<f64>,
}

/// What the calibration says of a qubit.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Qubit {
    /// The relaxation time T1, in seconds.
    pub t1: Option<f64>,
    /// The dephasing time T2, in seconds.
    pub t2: Option<f64>,
    /// The frequency, in hertz.
    pub frequency: Option<f64>,
    /// How it is read out.
    pub readout: Readout,
    /// Whether it works, as far as the calibration says.
    pub operational: bool,
}

/// What the calibration says of a gate on certain qubits.
#[derive(Clone, PartialEq, Debug)]
pub struct CalibratedGate {
    /// The device's name of the gate, such as `cx`.
    pub name: String,
    /// Its qubits, controls first.
    pub qubits: Vec<usize>,
    /// The error `1 - F` of the average gate fidelity `F`.
    pub error: Option<f64>,
    /// How long it takes, in seconds.
    pub length: Option<f64>,
    /// Whether it works, as far as the calibration says.
    pub operational: bool,
}

/// A quantum device at the time of a calibration.
#[derive(Clone, PartialEq, Debug)]
pub struct Device {
    name: String,
    version: String,
    date: Option<String>,
    processor: Option<String>,
    quantum_volume: Option<u64>,
    max_shots: Option<u64>,
    max_circuits: Option<u64>,
    qubits: Vec<Qubit>,
    gates: Vec<CalibratedGate>,
    basis: Vec<String>,
    coupling: Option<Vec<(usize, usize)>>,
}

impl Device {
    /// Reads a device from its configuration (`conf_NAME.json`) and its calibration (`props_NAME.json`).
    ///
    /// # Errors
    /// If a file cannot be read, is no JSON, or says what cannot be.
    pub fn read(configuration: &Path, properties: &Path) -> Result<Self, DeviceError> {
        let [conf, props] = [ibm::read(configuration)?, ibm::read(properties)?];
        Self::from_json((&conf, configuration), (&props, properties))
    }

    /// The device of the texts of both files; their paths are for errors.
    ///
    /// # Errors
    /// As [`Device::read`].
    pub fn from_json(configuration: (&str, &Path), properties: (&str, &Path)) -> Result<Self, DeviceError> {
        ibm::device(configuration, properties)
    }

    /// The name, such as `ibmq_santiago`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version of the device.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// When the calibration was last changed, as the file writes it (ISO 8601).
    pub fn date(&self) -> Option<&str> {
        self.date.as_deref()
    }

    /// Family and revision of the processor, such as `Falcon 5.11`.
    pub fn processor(&self) -> Option<&str> {
        self.processor.as_deref()
    }

    /// The quantum volume.
    pub fn quantum_volume(&self) -> Option<u64> {
        self.quantum_volume
    }

    /// The most shots of one circuit.
    pub fn max_shots(&self) -> Option<u64> {
        self.max_shots
    }

    /// The most circuits of one job.
    pub fn max_circuits(&self) -> Option<u64> {
        self.max_circuits
    }

    /// The qubits.
    pub fn qubits(&self) -> &[Qubit] {
        &self.qubits
    }

    /// The calibrated gates, in the order of the file; a gate on certain qubits stands at most once.
    pub fn gates(&self) -> &[CalibratedGate] {
        &self.gates
    }

    /// The names of the gates that the device executes, `id`, `reset` and what else is not a rotation included.
    pub fn basis(&self) -> &[String] {
        &self.basis
    }

    /// The pairs (first qubit, second qubit) on which gates of two qubits are executed, ascending, without repetition; `None` if any pair will do.
    pub fn coupling(&self) -> Option<&[(usize, usize)]> {
        self.coupling.as_deref()
    }

    /// Whether there is a gate of two qubits on this pair, in this order.
    pub fn couples(&self, first: usize, second: usize) -> bool {
        let within = first < self.qubits.len() && second < self.qubits.len() && first != second;
        within && self.coupling.as_ref().is_none_or(|pairs| pairs.binary_search(&(first, second)).is_ok())
    }

    /// The device's name of a gate, if it is in the basis; `u1` for the phase gate of older devices.
    pub fn basis_name(&self, gate: &Gate) -> Option<&str> {
        self.basis.iter().find(|name| by_name(name).as_ref() == Some(gate)).map(String::as_str)
    }

    /// Why the device cannot execute an operation; `None` if it can.
    pub fn objection(&self, operation: &Operation) -> Option<Objection> {
        if let Some(&qubit) = operation.qubits.iter().find(|&&qubit| qubit >= self.qubits.len()) {
            return Some(Objection::Qubit { qubit, qubits: self.qubits.len() });
        }
        if operation.gate.qubits() == 0 {
            return None;
        }
        if self.basis_name(&operation.gate).is_none() {
            return Some(Objection::Basis);
        }
        match operation.qubits[..] {
            [first, second] if !self.couples(first, second) => Some(Objection::Coupling { first, second }),
            _ => None,
        }
    }
}

/// Why a device cannot execute an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Objection {
    /// There is no such qubit.
    #[error("the device has {qubits} qubits, there is no qubit {qubit}")]
    Qubit {
        /// The qubit.
        qubit: usize,
        /// Qubits of the device.
        qubits: usize,
    },
    /// The gate is not among those that it executes.
    #[error("the gate is not in the device's basis")]
    Basis,
    /// The qubits are not coupled in this order.
    #[error("qubits {first} and {second} are not coupled in this order")]
    Coupling {
        /// The first qubit.
        first: usize,
        /// The second qubit.
        second: usize,
    },
}

#[cfg(test)]
mod tests;
