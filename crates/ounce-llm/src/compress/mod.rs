//! Compression of whole models: calibration layer by layer, scaling, rounding, and files for others to read.
//!
//! [`compress`] goes through the layers once. Of each, in floats, it runs the calibration text through, keeping statistics of the inputs of
//! every map (`observe.rs`); finds scales of input channels for the groups of maps that share an input (`groups.rs`), by AWQ
//! (`awq.rs`) or SmoothQuant (`smooth.rs`), and folds their inverse into what comes before; rounds the maps and hands them to
//! [`crate::export`].

mod awq;
mod block;
mod calibration;
mod error;
mod groups;
mod layer;
mod observe;
mod options;
mod pipeline;
mod plan;
mod report;
mod smooth;
mod weight;

pub use error::CompressError;
pub use options::{Activations, Alpha, CompressOptions, Inspect, Method, SEQUENCE, Target};
pub use pipeline::{OnProgress, compress};
pub use report::{CompressProgress, CompressReport, LayerReport, LinearReport, Phase, ScaleReport};
pub(crate) use weight::CompressedWeight;
