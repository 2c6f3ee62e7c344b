//! Training on this machine exactly as a device trains: weights and biases are integers at every step.
//!
//! What lies before the first trained convolution gives the same for a picture in every epoch, so it is computed once: [`Prepared`] cuts the network, [`Examples`] holds what the frozen part
//! gives. Several trainings may share them. A [`Learner`] takes steps and evaluates; [`learn`] is the loop around it.
//!
//! Results follow from the seed, and do not depend on the number of threads.

mod checkpoint;
mod course;
mod dataset;
mod examples;
mod learner;

use ounce_data::DataError;
use ounce_formats::mcunet::Network as Mcunet;
use ounce_graph::{Graph, GraphError, TensorType};
use ounce_import::mcunet::{McunetError, Options, import};

pub use self::checkpoint::{Checkpoint, CheckpointError};
pub use self::course::{Epoch, Event, LearnOptions, learn};
pub use self::dataset::{Dataset, DatasetError, Part, Selection};
pub use self::examples::Examples;
pub use self::learner::{Evaluation, Learner};
use crate::pictures::NoPicture;
use crate::step::{Network, StepError};

/// Why a training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LearnError {
    /// The network could not be imported.
    #[error(transparent)]
    Import(#[from] McunetError),
    /// The step could not be built.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The graph refused.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A picture could not be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network takes no pictures.
    #[error(transparent)]
    Picture(#[from] NoPicture),
    /// Examples that the network does not take.
    #[error("the examples do not fit the network: {0}")]
    Examples(String),
    /// A checkpoint of something else.
    #[error("the checkpoint is of another training: {0}")]
    Checkpoint(String),
    /// The caller did not want to wait.
    #[error("stopped")]
    Stopped,
}

/// A network cut before the first convolution that is trained.
#[derive(Clone, PartialEq, Debug)]
pub struct Prepared {
    /// The frozen part, for one image at a time. Without nodes if nothing is frozen.
    pub frozen: Graph,
    /// The rest, for `batch` images at a time.
    pub network: Network,
    /// What the whole network takes: one image.
    pub image: TensorType,
}

impl Prepared {
    /// Imports a network for images of `size` (`None` for the size that it was made for) and cuts it before convolution `first`.
    ///
    /// # Errors
    /// If the image is too small or too large, or there is no such convolution.
    pub fn new(
        network: &Mcunet,
        size: Option<usize>,
        first: usize,
        batch: usize,
    ) -> Result<Self, LearnError> {
        let options = |batch| Options { batch, size, save_masks: true, ..Options::default() };
        let single = import(network, &options(1))?;
        let image = single.graph.inputs().first().map(|id| single.graph.ty(*id).clone());
        let image = image.ok_or(McunetError::Size)?;
        let (frozen, single) = Network::from(single).split(first)?;
        let network = match batch {
            1 => single,
            _ => Network::from(import(network, &options(batch))?).split(first)?.1,
        };
        Ok(Self { frozen, network, image })
    }
}
