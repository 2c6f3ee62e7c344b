//! What the values of a task may be.

use super::build::BuildError;
use super::spec::{Execution, HamiltonianSpec, Normalized, Runner, Task};
use crate::qoc::Pruning;
use crate::train::{OptimizerKind, Schedule};

/// Qubits of a problem, at most: as many as files of circuits may declare.
const MAX_QUBITS: usize = 4096;
/// Repetitions of an ansatz in a model, at most.
const MAX_LAYERS: usize = 10_000;
/// Epochs, and what else is counted while training, at most.
const MAX_COUNT: usize = 1 << 32;
/// Shots of a circuit, at most.
const MAX_SHOTS: u64 = 1 << 24;

/// A value and the range it must lie in.
type Range = (&'static str, f64, f64, f64);

impl Task {
    /// Refuses values that mean nothing or cannot be meant.
    ///
    /// # Errors
    /// If a value is out of its range; the error names it.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        let count = |value: usize| value as f64;
        let mut ranges: Vec<Range> = vec![
            ("model.blocks", count(self.model.blocks), 1.0, count(MAX_LAYERS)),
            ("model.layers", count(self.model.layers), 1.0, count(MAX_LAYERS)),
            (
                "model.layers * model.blocks",
                count(self.model.layers) * count(self.model.blocks),
                1.0,
                count(MAX_LAYERS),
            ),
            ("train.epochs", count(self.train.epochs), 1.0, count(MAX_COUNT)),
            ("train.batch", count(self.train.batch), 1.0, count(MAX_COUNT)),
            ("train.rate", self.train.rate, f64::MIN_POSITIVE, 1e6),
            ("train.weight-decay", self.train.weight_decay, 0.0, 1e6),
        ];
        if let Some(data) = &self.data {
            ranges.push(("data.train", count(data.train.unwrap_or(1)), 1.0, count(MAX_COUNT)));
            ranges.push(("data.angles", data.angles[0], -1e3, 1e3));
            ranges.push(("data.angles", data.angles[1], data.angles[0] + 1e-9, 1e3));
            ranges.push(("data.validation", count(data.validation), 0.0, count(MAX_COUNT)));
            ranges.push(("data.test", count(data.test.unwrap_or(1)), 1.0, count(MAX_COUNT)));
            // A single sample has no deviation to be normalized by.
            let least = if self.model.normalization == Normalized::None { 1.0 } else { 2.0 };
            ranges.push(("train.batch", count(self.train.batch), least, count(MAX_COUNT)));
        }
        match self.hamiltonian {
            Some(HamiltonianSpec::Ising { qubits, coupling, field, .. }) => ranges.extend([
                ("hamiltonian.qubits", count(qubits), 1.0, count(MAX_QUBITS)),
                ("hamiltonian.coupling", coupling, -1e9, 1e9),
                ("hamiltonian.field", field, -1e9, 1e9),
            ]),
            Some(HamiltonianSpec::MaxCut { vertices, .. }) => {
                ranges.push(("hamiltonian.vertices", count(vertices), 1.0, count(MAX_QUBITS)));
            }
            _ => {}
        }
        if let Some(quantization) = self.model.quantization {
            ranges.extend([
                ("model.quantization.levels", f64::from(quantization.levels), 2.0, 65_536.0),
                ("model.quantization.low", quantization.low, -1e9, 1e9),
                ("model.quantization.high", quantization.high, quantization.low + 1e-9, 1e9),
                ("model.quantization.weight", quantization.weight, 0.0, 1e9),
            ]);
        }
        if let Some(device) = &self.device {
            if let Runner::Files = device.backend {
                let reason = match (&device.path, device.shots, device.execution) {
                    (None, ..) => "needs `path`, the folder of circuits and counts",
                    (_, None, _) => "needs `shots`",
                    (_, _, Execution::Exact) => "",
                    _ => "has no `execution`: circuits are run elsewhere",
                };
                if !reason.is_empty() {
                    return Err(BuildError::Mismatch(format!("device.backend = \"files\" {reason}")));
                }
            }
            if device.path.is_some() && device.backend != Runner::Files {
                let reason =
                    "device.path is where circuits and counts are exchanged: it needs backend = \"files\"";
                return Err(BuildError::Mismatch(reason.to_owned()));
            }
            ranges.push(("device.shots", device.shots.unwrap_or(1) as f64, 1.0, MAX_SHOTS as f64));
            if let Some(injection) = device.injection {
                ranges.push(("device.injection.factor", injection.factor, 0.0, 1e6));
                ranges.push(("device.injection.draws", count(injection.draws), 1.0, count(MAX_COUNT)));
                schedule("device.injection.schedule", injection.schedule, &mut ranges);
            }
        }
        schedule("train.schedule", self.train.schedule, &mut ranges);
        if let OptimizerKind::Sgd { momentum } = self.train.optimizer {
            ranges.push(("train.optimizer.momentum", momentum, 0.0, 1.0));
        }
        match self.train.pruning {
            Pruning::None => {}
            Pruning::Probabilistic { accumulation, pruning, ratio }
            | Pruning::Deterministic { accumulation, pruning, ratio }
            | Pruning::Random { accumulation, pruning, ratio } => ranges.extend([
                ("train.pruning.accumulation", count(accumulation), 1.0, count(MAX_COUNT)),
                ("train.pruning.pruning", count(pruning), 0.0, count(MAX_COUNT)),
                ("train.pruning.ratio", ratio, 0.0, 1.0),
            ]),
        }
        match ranges.into_iter().find(|&(_, value, low, high)| !(low..=high).contains(&value)) {
            Some((field, value, low, high)) => {
                Err(BuildError::Mismatch(format!("{field} is {value}; it must lie between {low} and {high}")))
            }
            None => Ok(()),
        }
    }
}

fn schedule(field: &'static str, schedule: Schedule, ranges: &mut Vec<Range>) {
    match schedule {
        Schedule::Constant => {}
        Schedule::Cosine { end, warmup } => {
            ranges.extend([(field, end, 0.0, 1e6), (field, warmup, 0.0, 1.0)])
        }
        Schedule::Hill { start, end, peak } => {
            ranges.extend([(field, start, 0.0, 1e6), (field, end, 0.0, 1e6), (field, peak, 0.0, 1.0)]);
        }
    }
}
