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
use ounce_graph::{Graph, GraphError, TensorType};

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
    /// Cuts a network, which takes one image, before convolution `first`; the rest takes `batch` at once.
    ///
    /// # Errors
    /// If there is no such convolution, or images cannot be kept apart.
    pub fn new(network: &Network, first: usize, batch: usize) -> Result<Self, LearnError> {
        let image = network.image()?.clone();
        let (frozen, single) = network.split(first)?;
        let network = match batch {
            1 => single,
            _ => network.with_batch(batch)?.split(first)?.1,
        };
        Ok(Self { frozen, network, image })
    }
}
