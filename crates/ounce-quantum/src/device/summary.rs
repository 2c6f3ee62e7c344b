//! A device in a few numbers.

use serde::Serialize;

use super::Device;

/// A device in a few numbers, as tables show it. Means are over what was measured; `None` if nothing was.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// The name.
    pub name: String,
    /// Qubits.
    pub qubits: usize,
    /// The quantum volume.
    pub quantum_volume: Option<u64>,
    /// Family and revision of the processor.
    pub processor: Option<String>,
    /// The names of the gates that it executes.
    pub basis: Vec<String>,
    /// Pairs of qubits with a gate of two qubits, counted once for both orders.
    pub couplings: usize,
    /// Mean T1 in microseconds.
    pub t1_us: Option<f64>,
    /// Mean T2 in microseconds.
    pub t2_us: Option<f64>,
    /// The gate of one qubit with the largest mean error among those that take time, such as `sx`.
    pub single_gate: Option<String>,
    /// Its mean error.
    pub single_error: Option<f64>,
    /// The gate of two qubits with the most couplings, such as `cx`.
    pub double_gate: Option<String>,
    /// Its mean error, gates that do not work (error 1) left out.
    pub double_error: Option<f64>,
    /// Mean error of reading a qubit out.
    pub readout_error: Option<f64>,
    /// When the calibration was last changed.
    pub date: Option<String>,
}

impl Device {
    /// The device in a few numbers.
    pub fn summary(&self) -> Summary {
        let qubits = || self.qubits().iter();
        let single = self.mean_errors(1).into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let double = self.mean_errors(2).into_iter().max_by_key(|gate| gate.2);
        let mut pairs: Vec<_> =
            self.coupling().unwrap_or_default().iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        Summary {
            name: self.name().into(),
            qubits: self.qubits().len(),
            quantum_volume: self.quantum_volume(),
            processor: self.processor().map(Into::into),
            basis: self.basis().to_vec(),
            couplings: pairs.len(),
            t1_us: mean(qubits().filter_map(|qubit| qubit.t1)).map(|seconds| seconds * 1e6),
            t2_us: mean(qubits().filter_map(|qubit| qubit.t2)).map(|seconds| seconds * 1e6),
            single_error: single.as_ref().map(|gate| gate.1),
            single_gate: single.map(|gate| gate.0),
            double_error: double.as_ref().map(|gate| gate.1),
            double_gate: double.map(|gate| gate.0),
            readout_error: mean(qubits().filter_map(|qubit| qubit.readout.error)),
            date: self.date().map(Into::into),
        }
    }

    /// Name, mean error and number of each gate of so many qubits that takes time and works.
    fn mean_errors(&self, qubits: usize) -> Vec<(String, f64, usize)> {
        let mut sums: Vec<(String, f64, usize)> = Vec::new();
        for gate in self.gates().iter().filter(|gate| gate.qubits.len() == qubits && gate.length != Some(0.0))
        {
            let Some(error) = gate.error.filter(|&error| error < 1.0) else { continue };
            match sums.iter_mut().find(|(name, ..)| *name == gate.name) {
                Some((_, sum, count)) => (*sum, *count) = (*sum + error, *count + 1),
                None => sums.push((gate.name.clone(), error, 1)),
            }
        }
        sums.into_iter().map(|(name, sum, count)| (name, sum / count as f64, count)).collect()
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}
