//! What a compression did.

use serde::Serialize;

/// What a compression did to every linear map.
#[derive(Clone, Debug, Serialize)]
pub struct CompressReport {
    /// Architecture of the model.
    pub architecture: &'static str,
    /// Method, as the command line names it.
    pub method: &'static str,
    /// How weights are stored, such as `4 bits, groups of 64, zero points`, `Q4_K`, or `Q4_K (96 maps), Q5_0 (30 maps)` where a type does not fit
    /// all widths.
    pub weights: String,
    /// How inputs are stored.
    pub activations: &'static str,
    /// Bits per weight of the quantized maps, scales and zero points included.
    pub bits_per_weight: f64,
    /// Weights in quantized maps.
    pub quantized_weights: u64,
    /// Tokens of calibration text that were read.
    pub calibration_tokens: usize,
    /// Bytes written.
    pub bytes: u64,
    /// Per layer.
    pub layers: Vec<LayerReport>,
}

/// What happened to a layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// Number of the layer.
    pub layer: usize,
    /// Per linear map.
    pub linears: Vec<LinearReport>,
    /// Per group of maps that share a scale.
    pub scales: Vec<ScaleReport>,
}

/// What happened to a linear map. Errors are those of its outputs over the calibration inputs, relative to the outputs: `|y' - y|^2 / |y|^2`.
#[derive(Clone, Debug, Serialize)]
pub struct LinearReport {
    /// Which map.
    pub linear: String,
    /// Output by input features.
    pub shape: [usize; 2],
    /// How it is stored.
    pub stored: String,
    /// Relative error by rounding to nearest; absent without calibration.
    pub error_before: Option<f64>,
    /// Relative error as stored; absent without calibration.
    pub error_after: Option<f64>,
    /// Relative error of the weights by rounding to nearest.
    pub weight_error_before: f64,
    /// Whether narrower ranges were chosen.
    pub clipped: bool,
    /// Columns of a block in which inputs are rotated when the model runs, if they are.
    pub rotation: Option<usize>,
}

/// How a scale was chosen.
#[derive(Clone, Debug, Serialize)]
pub struct ScaleReport {
    /// The maps, such as `q k v`.
    pub linears: String,
    /// Where the scale was taken out, such as `attention norm`; `nothing` where there is no such place.
    pub folded_into: &'static str,
    /// What it was derived from: `identity`, `plain`, `duo`, `alpha` or `refined`.
    pub kind: &'static str,
    /// The exponent, if there is one.
    pub ratio: Option<f32>,
    /// Columns of a block in which inputs are rotated after scaling, if they are.
    pub rotation: Option<usize>,
    /// Error without and with it, as the search measured them.
    pub error_before: f64,
    /// See `error_before`.
    pub error_after: f64,
}

/// How far a compression is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompressProgress {
    /// Layers done.
    pub layers_done: usize,
    /// Layers in all.
    pub layers: usize,
    /// What is being done.
    pub phase: Phase,
    /// Share of all work done, 0 to 1, as far as it can be told.
    pub share: f64,
}

/// A phase of the work on a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Running the calibration text through the layer.
    Calibrate,
    /// Looking for scales.
    Search,
    /// Rounding and writing.
    Round,
}
