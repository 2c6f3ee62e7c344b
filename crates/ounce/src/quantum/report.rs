//! What a training gave.

use super::trainer::Trainer;
use crate::failure::Result;
use ounce_quantum::task::{Prepared, Problem, Task};
use ounce_quantum::train::{Checkpoint, Epoch, Evaluation};
use serde::Serialize;
use std::fmt::Write as _;

/// The results of a training, as `result.json` and `--json` have them.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    title: String,
    seed: u64,
    parameters: usize,
    epochs: usize,
    /// Circuits run for training.
    runs: u64,
    /// Of the last epoch.
    train: Option<Evaluation>,
    validation: Option<Evaluation>,
    /// On the simulator, without noise.
    test: Option<Evaluation>,
    /// With the noise of the device.
    test_on_device: Option<Evaluation>,
    device: Option<String>,
    energy: Option<Energy>,
}

/// The energy that a variational algorithm reached.
#[derive(Debug, Serialize)]
struct Energy {
    /// Constant included.
    reached: f64,
    /// The same state prepared on the device.
    on_device: Option<f64>,
    /// The lowest eigenvalue, where it can be computed.
    exact: Option<f64>,
    /// The largest cut, for a graph.
    largest_cut: Option<f64>,
}

/// One line on an epoch.
pub(crate) fn line(epoch: &Epoch, problem: Option<&Problem>) -> String {
    if let Some(problem) = problem {
        return format!("energy {:.6}", epoch.loss + problem.constant);
    }
    let own = format!("loss {:.4}, {:.1} % right", epoch.loss, 100.0 * epoch.accuracy);
    match epoch.validation {
        Some(validation) => {
            format!("{own}; validation {:.4}, {:.1} %", validation.loss, 100.0 * validation.accuracy)
        }
        None => own,
    }
}

impl Report {
    /// Evaluates the trained model without noise.
    pub(crate) fn new(task: &Task, prepared: &Prepared, end: &Checkpoint, trainer: &Trainer) -> Result<Self> {
        let energy = match &prepared.problem {
            Some(problem) => Some(Energy {
                reached: trainer.without_noise(prepared, end, &prepared.samples)?.loss + problem.constant,
                on_device: None,
                exact: problem.exact(),
                largest_cut: problem.graph.as_ref().and_then(|graph| graph.max_cut().ok()),
            }),
            None => None,
        };
        let last = end.history.last();
        Ok(Self {
            title: task.title.clone(),
            seed: task.train.seed,
            parameters: end.parameters.len(),
            epochs: end.history.len(),
            runs: end.runs,
            train: last.map(|epoch| Evaluation { loss: epoch.loss, accuracy: epoch.accuracy }),
            validation: last.and_then(|epoch| epoch.validation),
            test: prepared
                .test
                .as_ref()
                .map(|test| trainer.without_noise(prepared, end, test))
                .transpose()?,
            test_on_device: None,
            device: task.device.as_ref().map(|device| device.name.clone()),
            energy,
        })
    }

    /// Evaluates it on the device of the task, if it has one.
    pub(crate) fn add_device(
        &mut self,
        prepared: &Prepared,
        end: &Checkpoint,
        trainer: &Trainer,
    ) -> Result<()> {
        if let Some(test) = &prepared.test {
            self.test_on_device = trainer.on_device(prepared, end, test)?;
        }
        if let (Some(problem), Some(energy)) = (&prepared.problem, &mut self.energy) {
            let found = trainer.on_device(prepared, end, &prepared.samples)?;
            energy.on_device = found.map(|found| found.loss + problem.constant);
        }
        Ok(())
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{}\n{} parameters, {} epochs, {} circuits run\n",
            self.title, self.parameters, self.epochs, self.runs
        );
        if let Some(energy) = &self.energy {
            let _ = writeln!(text, "energy       {:.6}", energy.reached);
            if let Some(on_device) = energy.on_device {
                let _ = writeln!(text, "on device    {on_device:.6}");
            }
            if let Some(exact) = energy.exact {
                let _ =
                    writeln!(text, "exact        {exact:.6}  (difference {:.2e})", energy.reached - exact);
            }
            if let Some(cut) = energy.largest_cut {
                let _ = writeln!(text, "largest cut  {cut}");
            }
            return text;
        }
        let device = self.device.as_ref().map(|name| format!("test, {name}")).unwrap_or_default();
        let rows = [
            ("training", self.train),
            ("validation", self.validation),
            ("test", self.test),
            (device.as_str(), self.test_on_device),
        ];
        for (name, evaluation) in rows {
            if let Some(Evaluation { loss, accuracy }) = evaluation {
                let _ = writeln!(text, "{name:<18}  loss {loss:.4}  accuracy {:.2} %", 100.0 * accuracy);
            }
        }
        text
    }
}
