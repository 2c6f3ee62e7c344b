//! Activation-aware weight quantization (Lin et al., 2023): channels whose inputs are large matter most, so their weights are scaled
//! up before rounding, and the scale is taken out of what comes before; then ranges are clipped where that lowers the error.
//!
//! Source: `awq/quantize/{auto_scale,auto_clip}.py` of the AWQ repository, and AutoAWQ for the scaling that also looks at weights.

mod clip;
mod scale;

pub use clip::{Clipping, clip};
pub use scale::{Candidate, Found, Scaled, Search, scaled_error, search};
