//! What a training gave.

use crate::failure::Result;
use ounce_quantum::model::Executor;
use ounce_quantum::task::{Prepared, Problem, Task};
use ounce_quantum::train::{self, Checkpoint, Epoch, Evaluation};
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
    energy: Option<Energy>,
}

/// The energy that a variational algorithm reached.
#[derive(Debug, Serialize)]
struct Energy {
    /// Constant included.
    reached: f64,
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
    /// Evaluates the trained model.
    pub(crate) fn new(
        task: &Task,
        prepared: &Prepared,
        end: &Checkpoint,
        executor: &mut dyn Executor,
    ) -> Result<Self> {
        let objective = task.train.objective;
        let mut evaluate =
            |samples| train::evaluate(&prepared.model, executor, &end.parameters, samples, objective);
        let energy = match &prepared.problem {
            Some(problem) => Some(Energy {
                reached: evaluate(&prepared.samples)?.loss + problem.constant,
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
            test: prepared.test.as_ref().map(evaluate).transpose()?,
            energy,
        })
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{}\n{} parameters, {} epochs, {} circuits run\n",
            self.title, self.parameters, self.epochs, self.runs
        );
        if let Some(energy) = &self.energy {
            let _ = writeln!(text, "energy       {:.6}", energy.reached);
            if let Some(exact) = energy.exact {
                let _ =
                    writeln!(text, "exact        {exact:.6}  (difference {:.2e})", energy.reached - exact);
            }
            if let Some(cut) = energy.largest_cut {
                let _ = writeln!(text, "largest cut  {cut}");
            }
            return text;
        }
        let rows = [("training", self.train), ("validation", self.validation), ("test", self.test)];
        for (name, evaluation) in rows {
            if let Some(Evaluation { loss, accuracy }) = evaluation {
                let _ = writeln!(text, "{name:<11}  loss {loss:.4}  accuracy {:.2} %", 100.0 * accuracy);
            }
        }
        text
    }
}
