//! Training: losses, optimizers, schedules and the loop.

pub mod loss;
mod objective;
mod optimizer;
mod schedule;
mod trainer;

pub use objective::{Objective, Samples};
pub use optimizer::{Optimizer, OptimizerKind, OptimizerState};
pub use schedule::Schedule;
pub use trainer::{Checkpoint, Epoch, Evaluation, Options, TrainError, evaluate, train};
