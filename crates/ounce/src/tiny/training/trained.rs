//! What a training has left.

use super::folder::CHECKPOINT;
use super::trainable;
use crate::failure::{Context as _, Failure, Result};
use crate::tiny::Model;
use ounce_graph::Graph;
use ounce_tiny::learn::Checkpoint;
use ounce_tiny::origin;
use ounce_tiny::step::{Head, Network, inference};
use serde::Deserialize;
use std::path::Path;

/// A network that `ounce tiny train` has trained.
pub(crate) struct Trained {
    pub(crate) network: Network,
    /// Names of the classes, in the order of the outputs.
    pub(crate) classes: Vec<String>,
    head: Head,
}

/// What a checkpoint says about its training, as far as it matters here.
#[derive(Deserialize)]
struct Training {
    network: String,
    classes: Vec<String>,
    size: usize,
    head: String,
    seed: u64,
}

impl Trained {
    /// The network of a file with what a training, which left its checkpoint in a folder, made of it.
    pub(crate) fn open(model: &Model, folder: &Path) -> Result<Self> {
        let path = folder.join(CHECKPOINT);
        let cannot = || format!("cannot use {}", path.display());
        let checkpoint = Checkpoint::read(&path)
            .context(cannot)
            .map_err(|failure| failure.hint("give the folder that `ounce tiny train -o` wrote"))?;
        let training: Training = serde_json::from_str(&checkpoint.training).context(cannot)?;
        let name = trainable::name(model.path());
        if training.network != name {
            let cause =
                format!("{} holds a training of {}, not of {name}", folder.display(), training.network);
            return Err(Failure::new(cause));
        }
        let head = if training.head == format!("{:?}", Head::Int8) { Head::Int8 } else { Head::Float };
        let original = model.trainable(Some(training.size))?;
        if let Some(origin) = &checkpoint.origin {
            let hint = "give the file that was trained, and the --calibration that it was quantized by";
            let checked = origin.check_network(&origin::network(&original)).context(cannot);
            checked.map_err(|failure| failure.hint(hint))?;
        }
        let network = original.with_classes(training.classes.len(), training.seed).context(cannot)?;
        let network = network.with_parameters(&checkpoint.parameters).context(cannot)?;
        Ok(Self { network, classes: training.classes, head })
    }

    /// The network for inference: the output `logits` in floats.
    pub(crate) fn graph(&self) -> Result<Graph> {
        Ok(inference(&self.network, self.head)?)
    }
}
