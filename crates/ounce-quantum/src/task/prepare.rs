//! A task with its model and its samples.

use std::path::Path;

use super::build::{BuildError, Problem};
use super::data;
use super::spec::Task;
use crate::hamiltonian::ground_energy;
use crate::model::Model;
use crate::train::{Objective, Options, Samples};

/// A task that can be trained.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The model.
    pub model: Model,
    /// What it is trained on: one empty sample for a variational algorithm.
    pub samples: Samples,
    /// What is looked at after each epoch.
    pub validation: Option<Samples>,
    /// What is looked at in the end.
    pub test: Option<Samples>,
    /// The Hamiltonian of a variational algorithm.
    pub problem: Option<Problem>,
}

impl Task {
    /// Reads what the task needs and builds its model. Paths of the task are relative to `folder`.
    ///
    /// # Errors
    /// If a file is missing or damaged, a name unknown, or parts do not fit.
    pub fn prepare(&self, folder: &Path) -> Result<Prepared, BuildError> {
        self.check()?;
        match (&self.data, &self.hamiltonian) {
            (None, Some(hamiltonian)) => {
                let problem = hamiltonian.build(folder)?;
                let model = self.variational(&problem)?;
                let samples = Samples::nothing();
                Ok(Prepared { model, samples, validation: None, test: None, problem: Some(problem) })
            }
            (Some(spec), None) => {
                let data::Splits { train, validation, test } =
                    data::load(spec, folder, self.sample_values()?)?;
                let model = self.classifier(train.width(), spec.classes.len())?;
                let validation = Some(validation).filter(|samples| !samples.is_empty());
                Ok(Prepared { model, samples: train, validation, test: Some(test), problem: None })
            }
            _ => {
                let reason = "a task needs one of [data], for a classifier, and [hamiltonian], for the lowest energy; it has none or both";
                Err(BuildError::Mismatch(reason.into()))
            }
        }
    }
}

impl Task {
    /// How the model is trained, with the objective that follows from what the task has.
    pub fn options(&self) -> Options {
        let objective = if self.hamiltonian.is_some() { Objective::Energy } else { Objective::CrossEntropy };
        Options { objective, ..self.train.clone() }
    }
}

impl Problem {
    /// The lowest energy, constant included, where it can be computed.
    pub fn exact(&self) -> Option<f64> {
        ground_energy(&self.hamiltonian, self.qubits).ok().map(|energy| energy + self.constant)
    }
}
