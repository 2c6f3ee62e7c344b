//! The folder of a training: checkpoint, curves, results.

use super::{Report, Settings};
use crate::chart::{Chart, Line, Scale};
use crate::failure::{Context as _, Failure, Result};
use crate::output;
use ounce_tiny::learn::{Checkpoint, Epoch, Evaluation};
use ounce_tiny::origin::Origin;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A folder in which everything is written whole or not at all.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder, or takes the one of a training that is resumed.
    pub(crate) fn open(path: &Path, resume: bool) -> Result<Self> {
        output::training_folder(path, CHECKPOINT, &[], resume)?;
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The checkpoint that lies in it, which must be of a training with these settings and of this origin.
    pub(crate) fn checkpoint(&self, settings: &Settings, origin: &Origin) -> Result<Checkpoint> {
        let path = self.path(CHECKPOINT);
        let checkpoint = Checkpoint::read(&path).context(|| format!("cannot read {}", path.display()))?;
        if checkpoint.training != settings.text()? {
            return Err(Failure::new(format!("{} holds the training with other settings", self.0.display()))
                .hint("give the settings that it was begun with, which `result.json` or its checkpoint have, or another folder"));
        }
        let checked = origin.check(checkpoint.origin.as_ref());
        checked.context(|| format!("cannot go on with {}", path.display())).map_err(|failure| {
            failure.hint("give network and pictures that it was begun with, or begin again in another folder")
        })?;
        Ok(checkpoint)
    }

    /// Writes the checkpoint and the curves up to it.
    pub(crate) fn keep(&self, settings: &Settings, checkpoint: &Checkpoint) -> Result<()> {
        let path = self.path(CHECKPOINT);
        checkpoint.write(&path).context(|| format!("cannot write {}", path.display()))?;
        output::write(&self.path("epochs.csv"), &csv(&checkpoint.epochs))?;
        let title = settings.title();
        let loss: [(&str, &Curve); 2] =
            [("training", &|epoch| Some(epoch.loss)), ("held out", &|epoch| Some(epoch.test?.loss))];
        output::write(&self.path("loss.svg"), &curves(&title, &checkpoint.epochs, "loss", &loss))?;
        if checkpoint.epochs.iter().any(|epoch| epoch.test.is_some()) {
            let accuracy: [(&str, &Curve); 1] = [("held out", &|epoch| Some(100.0 * epoch.test?.accuracy))];
            let svg = curves(&title, &checkpoint.epochs, "% right", &accuracy);
            output::write(&self.path("accuracy.svg"), &svg)?;
        }
        Ok(())
    }

    /// Writes the results.
    pub(crate) fn keep_report(&self, report: &Report) -> Result<()> {
        output::write(&self.path("result.json"), &format!("{}\n", serde_json::to_string_pretty(report)?))
    }
}

/// The file of the checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";

type Curve = dyn Fn(&Epoch) -> Option<f64>;

fn csv(epochs: &[Epoch]) -> String {
    let mut text = String::from("epoch,rate,loss,held_out_loss,held_out_accuracy\n");
    for Epoch { epoch, rate, loss, test } in epochs {
        let test = test.map_or_else(
            || ",".to_owned(),
            |Evaluation { loss, accuracy }| format!("{loss:.6},{accuracy:.4}"),
        );
        let _ = writeln!(text, "{epoch},{rate:e},{loss:.6},{test}");
    }
    text
}

fn curves(title: &str, epochs: &[Epoch], what: &str, curves: &[(&str, &Curve)]) -> String {
    let colors = ["#1f77b4", "#d62728"];
    let lines = curves.iter().zip(colors).filter_map(|((name, curve), color)| {
        let points = epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, curve(epoch)?)));
        let points: Vec<_> = points.collect();
        (!points.is_empty()).then(|| Line { name: (*name).to_owned(), color, points })
    });
    Chart { title, horizontal: "epoch", vertical: what, scale: Scale::Linear, lines: lines.collect() }.svg()
}
