//! What a training has left.

use super::folder::CHECKPOINT;
use super::trainable;
use crate::failure::{Context as _, Failure, Result};
use ounce_formats::mcunet::Network as Mcunet;
use ounce_graph::Graph;
use ounce_import::mcunet::{Options, import};
use ounce_tiny::learn::Checkpoint;
use ounce_tiny::origin;
use ounce_tiny::step::{Head, inference, with_classes, with_parameters};
use serde::Deserialize;
use std::path::Path;

/// A network that `ounce tiny train` has trained.
pub(crate) struct Trained {
    pub(crate) network: Mcunet,
    /// Names of the classes, in the order of the outputs.
    pub(crate) classes: Vec<String>,
    /// Height and width of the images that it learned from.
    pub(crate) size: usize,
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
    pub(crate) fn open(model: &Path, folder: &Path) -> Result<Self> {
        let original = trainable::read(model)?;
        let path = folder.join(CHECKPOINT);
        let cannot = || format!("cannot use {}", path.display());
        let checkpoint = Checkpoint::read(&path)
            .context(cannot)
            .map_err(|failure| failure.hint("give the folder that `ounce tiny train -o` wrote"))?;
        let training: Training = serde_json::from_str(&checkpoint.training).context(cannot)?;
        let name = trainable::name(model);
        if training.network != name {
            let cause =
                format!("{} holds a training of {}, not of {name}", folder.display(), training.network);
            return Err(Failure::new(cause));
        }
        if let Some(origin) = &checkpoint.origin {
            let here = origin::network(&trainable::imported(&original, Some(training.size))?);
            origin.check_network(&here).context(cannot)?;
        }
        let head = if training.head == format!("{:?}", Head::Int8) { Head::Int8 } else { Head::Float };
        let network = with_classes(&original, training.classes.len(), training.seed);
        let network = with_parameters(&network, &checkpoint.parameters).context(cannot)?;
        Ok(Self { network, classes: training.classes, size: training.size, head })
    }

    /// The network for inference on images of a size: the output `logits` in floats.
    pub(crate) fn graph(&self, size: Option<usize>) -> Result<Graph> {
        let options = Options { size: size.or(Some(self.size)), ..Options::default() };
        Ok(inference(&import(&self.network, &options)?.into(), self.head)?)
    }
}
