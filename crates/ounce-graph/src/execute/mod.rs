//! Running graphs: the reference, and the executor on a planned arena.

mod carve;
mod executor;
pub(crate) mod reference;

pub use executor::{Executor, MAX_INPUTS, MAX_OUTPUTS};
pub use reference::{Evaluation, evaluate};
