//! What a training was, and what it gave.

use crate::failure::Result;
use ounce_tiny::learn::{Epoch, Evaluation};
use ounce_tiny::scheme::Scheme;
use serde::Serialize;
use std::fmt::Write as _;

/// What a training is.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) network: String,
    /// What tells its weights before the training from others.
    pub(crate) weights: String,
    pub(crate) data: String,
    pub(crate) classes: Vec<String>,
    /// Height and width of images.
    pub(crate) size: usize,
    pub(crate) scheme: Scheme,
    /// What the scheme takes beyond inference, by the original's formula.
    pub(crate) extra_kib: f64,
    pub(crate) rounding: String,
    pub(crate) scaling: bool,
    pub(crate) head: String,
    pub(crate) channels: String,
    pub(crate) epochs: usize,
    pub(crate) warmup: usize,
    pub(crate) rate: f32,
    pub(crate) bias_rate: f32,
    pub(crate) batch: usize,
    pub(crate) seed: u64,
    pub(crate) mirror: bool,
    /// Pictures that are trained on.
    pub(crate) train: usize,
    /// Pictures that are set aside.
    pub(crate) validation: usize,
    /// Pictures that are tested on.
    pub(crate) test: usize,
}

impl Settings {
    /// All of it as one text, by which a checkpoint knows its training.
    pub(crate) fn text(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }

    /// What curves are called.
    pub(crate) fn title(&self) -> String {
        format!(
            "{} on {}, {:.1} KB, {}{}",
            self.network,
            self.data,
            self.extra_kib,
            self.rounding,
            if self.scaling { "" } else { ", no scaling" }
        )
    }
}

/// The results of a training, as `result.json` and `--json` have them.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) settings: Settings,
    /// What came of every epoch; held out are validation pictures where there are any, or else the test pictures.
    #[serde(rename = "history")]
    pub(crate) epochs: Vec<Epoch>,
    /// How good the network is at the end.
    #[serde(rename = "result")]
    pub(crate) test: Option<Evaluation>,
    /// Steps that were taken now.
    pub(crate) steps: u64,
    /// Of this machine.
    pub(crate) ms_per_step: f64,
}

impl Report {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let settings = &self.settings;
        let mut text = format!("{}\n", settings.title());
        let trained = settings.scheme.weights.len();
        let _ = writeln!(
            text,
            "trained      biases of the last {} convolutions, weights of {trained}, the classifier for {} classes",
            settings.scheme.biases,
            settings.classes.len()
        );
        let _ = writeln!(
            text,
            "steps        {} of {} pictures, {:.2} ms each",
            self.steps, settings.batch, self.ms_per_step
        );
        if let Some(epoch) = self.epochs.last() {
            let _ = writeln!(text, "last epoch   loss {:.4}", epoch.loss);
            if let Some(Evaluation { loss, accuracy }) = epoch.test.filter(|_| settings.validation > 0) {
                let _ = writeln!(text, "validation   loss {loss:.4}  accuracy {:.2} %", 100.0 * accuracy);
            }
        }
        if let Some(Evaluation { loss, accuracy }) = self.test {
            let _ = writeln!(text, "test         loss {loss:.4}  accuracy {:.2} %", 100.0 * accuracy);
        }
        text
    }
}
