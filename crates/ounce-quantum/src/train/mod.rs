//! What training takes beside a model: losses, optimizers, schedules of the learning rate.

pub mod loss;
mod optimizer;
mod schedule;

pub use optimizer::{Optimizer, OptimizerKind, OptimizerState};
pub use schedule::Schedule;
