//! The folder of a training: checkpoint, curves, results.

use super::report::Report;
use crate::chart::{Chart, Line, Scale};
use crate::failure::{Context as _, Failure, Result};
use crate::output;
use ounce_quantum::task::Task;
use ounce_quantum::train::{Checkpoint, Epoch, Evaluation};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A folder in which everything is written whole or not at all.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder, or takes the one of a training that is resumed.
    pub(crate) fn open(path: &Path, resume: bool) -> Result<Self> {
        output::training_folder(path, "checkpoint.json", &["task.json"], resume)?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The checkpoint that lies in it.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint> {
        let path = self.path("checkpoint.json");
        let text = std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).context(|| format!("{} is damaged", path.display()))
    }

    /// Refuses to go on with another task than the one that was begun, but for its number of epochs; keeps the task of one that begins.
    pub(crate) fn begin(&self, task: &Task, resume: bool) -> Result<()> {
        let path = self.path("task.json");
        if !resume {
            return output::write(&path, &serde_json::to_string(task)?);
        }
        let text = std::fs::read_to_string(&path).context(|| format!("cannot read {}", path.display()))?;
        let mut begun: Task =
            serde_json::from_str(&text).context(|| format!("{} is damaged", path.display()))?;
        begun.train.epochs = task.train.epochs;
        if begun == *task {
            return Ok(());
        }
        Err(Failure::new(format!("{} holds the training of another task", self.0.display()))
            .hint("only the number of epochs may change; give another folder"))
    }

    /// Writes the checkpoint and the curves up to it.
    pub(crate) fn keep(&self, title: &str, checkpoint: &Checkpoint) -> Result<()> {
        output::write(&self.path("checkpoint.json"), &serde_json::to_string(checkpoint)?)?;
        output::write(&self.path("epochs.csv"), &csv(&checkpoint.history))?;
        output::write(
            &self.path("loss.svg"),
            &curves(title, &checkpoint.history, "loss", |e| e.loss, |v| v.loss),
        )?;
        if checkpoint.history.iter().any(|epoch| epoch.accuracy > 0.0) {
            let svg = curves(title, &checkpoint.history, "accuracy", |e| e.accuracy, |v| v.accuracy);
            output::write(&self.path("accuracy.svg"), &svg)?;
        }
        Ok(())
    }

    /// Writes the results.
    pub(crate) fn keep_report(&self, report: &Report) -> Result<()> {
        output::write(&self.path("result.json"), &format!("{}\n", serde_json::to_string_pretty(report)?))
    }
}

fn csv(history: &[Epoch]) -> String {
    let mut text = String::from("epoch,rate,loss,accuracy,validation_loss,validation_accuracy,runs\n");
    for epoch in history {
        let validation =
            epoch.validation.map_or_else(|| ",".into(), |v| format!("{:.6},{:.4}", v.loss, v.accuracy));
        let _ = writeln!(
            text,
            "{},{:.6},{:.6},{:.4},{validation},{}",
            epoch.epoch, epoch.rate, epoch.loss, epoch.accuracy, epoch.runs
        );
    }
    text
}

fn curves(
    title: &str,
    history: &[Epoch],
    what: &str,
    own: impl Fn(&Epoch) -> f64,
    validation: impl Fn(&Evaluation) -> f64,
) -> String {
    let at = |epoch: &Epoch| epoch.epoch as f64;
    let mut lines = vec![Line {
        name: "training".into(),
        color: "#1f77b4",
        points: history.iter().map(|epoch| (at(epoch), own(epoch))).collect(),
    }];
    let points: Vec<_> = history
        .iter()
        .filter_map(|epoch| Some((at(epoch), validation(epoch.validation.as_ref()?))))
        .collect();
    if !points.is_empty() {
        lines.push(Line { name: "validation".into(), color: "#d62728", points });
    }
    Chart { title, horizontal: "epoch", vertical: what, scale: Scale::Linear, lines }.svg()
}
