//! Compression of whole models: calibration layer by layer, scaling, rounding, and files for others to read.
#![expect(dead_code, reason = "the parts are joined by the pipeline")]

mod weight;

pub(crate) use weight::CompressedWeight;
