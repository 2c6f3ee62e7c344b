//! Training: optimizers as nodes of the graph, learning rates, the loop, checkpoints.

mod checkpoint;
mod optimizer;
mod schedule;
mod trainer;

pub use checkpoint::Checkpoint;
pub use optimizer::{LEARNING_RATE, Optimizer, STEP, training_graph};
pub use schedule::Schedule;
pub use trainer::{Progress, Trainer};
