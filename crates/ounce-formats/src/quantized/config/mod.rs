//! `quantization_config` of `config.json`.

mod awq;
mod compressed_tensors;
mod fields;
mod gptq;
mod pattern;
mod transform;
pub(super) mod write;

use serde_json::Value;

use self::fields::Fields;
use self::pattern::Pattern;
use self::transform::Rotated;
use super::{LinearScheme, QuantizedError};

pub use self::transform::InputRotation;
use crate::hugging_face::{Folder, read_json};

/// Bound on the number of regular expressions in a configuration; real ones have a handful.
const MAX_PATTERNS: usize = 64;

const READABLE: &str = "awq, gptq and compressed-tensors can be read";

/// What is quantized in a checkpoint, and how.
#[derive(Debug)]
pub struct QuantizationConfig {
    method: &'static str,
    /// Schemes with what they are for. The most specific pattern decides, and of equals the first.
    groups: Vec<(Vec<Pattern>, Option<LinearScheme>)>,
    /// What stays in floats whatever the groups say.
    ignored: Vec<Pattern>,
    rotated: Vec<Rotated>,
}

impl QuantizationConfig {
    /// Reads `quantization_config` of `config.json`, or the `quant_config.json` or `quantize_config.json` of older AWQ and GPTQ folders.
    /// `None` for a folder that is not quantized.
    ///
    /// # Errors
    /// Methods, versions and schemes that cannot be read, and values of the wrong type.
    pub fn parse(folder: &Folder) -> Result<Option<Self>, QuantizedError> {
        let config = folder.config();
        let texts = [Some(config), config.get("text_config"), config.get("llm_config")];
        for text in texts.into_iter().flatten() {
            for key in ["quantization_config", "compression_config"] {
                if let Some(value) = text.get(key).filter(|value| !value.is_null()) {
                    return Self::from_json(value).map(Some);
                }
            }
        }
        for name in ["quant_config.json", "quantize_config.json"] {
            if let Some(value) = read_json(&folder.path().join(name))? {
                return Self::from_json(&value).map(Some);
            }
        }
        Ok(None)
    }

    /// Reads the value of `quantization_config`, or the contents of `quant_config.json` or `quantize_config.json`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_json(value: &Value) -> Result<Self, QuantizedError> {
        let fields = Fields::root(value)?;
        // Files of their own do not name the method: AWQ's have keys that only they have.
        let method = match fields.string("quant_method")? {
            Some(method) => method,
            None if fields.get("w_bit").is_some() => "awq",
            None if fields.get("config_groups").is_some() => "compressed-tensors",
            None if fields.get("desc_act").is_some() => "gptq",
            None => return Err(fields.expected("quant_method", "the name of a method", None)),
        };
        match method {
            "awq" => awq::read(&fields),
            "gptq" => gptq::read(&fields),
            "compressed-tensors" => compressed_tensors::read(&fields),
            other => Err(QuantizedError::Unsupported {
                what: format!("the method \"{}\"", fields::shortened(other)),
                advice: READABLE,
            }),
        }
    }

    /// How the linear map `module` (such as `model.layers.0.self_attn.q_proj`) is stored; `None` if it is kept in floats.
    ///
    /// A module that has a scheme may still be a float in the file ([`QuantizedLinear::open`](super::QuantizedLinear::open) then finds
    /// nothing): AWQ and GPTQ do not list all that they leave alone, such as `lm_head`.
    pub fn scheme(&self, module: &str) -> Option<&LinearScheme> {
        if self.ignored.iter().any(|pattern| pattern.matches(module)) {
            return None;
        }
        let best = |patterns: &[Pattern]| {
            patterns.iter().filter(|pattern| pattern.matches(module)).map(Pattern::precision).max()
        };
        let candidates = self.groups.iter().filter_map(|(patterns, scheme)| Some((best(patterns)?, scheme)));
        let chosen = candidates.reduce(|best, next| if next.0 > best.0 { next } else { best });
        chosen.and_then(|(_, scheme)| scheme.as_ref())
    }

    /// How the inputs of the linear map `module` are rotated before its product; `None` if they are not.
    ///
    /// # Errors
    /// [`QuantizedError::Unsupported`] where several rotations are for one module.
    pub fn rotation(&self, module: &str) -> Result<Option<InputRotation>, QuantizedError> {
        let mut rotations = self.rotated.iter().filter(|rotated| rotated.is_for(module));
        match (rotations.next(), rotations.next()) {
            (_, Some(_)) => Err(QuantizedError::Unsupported {
                what: format!("several rotations of the inputs of \"{}\"", fields::shortened(module)),
                advice: "one rotation can be run",
            }),
            (only, None) => Ok(only.map(|rotated| rotated.rotation)),
        }
    }

    /// `awq`, `gptq` or `compressed-tensors`.
    pub fn method(&self) -> &str {
        self.method
    }
}

fn too_many_patterns() -> QuantizedError {
    QuantizedError::Unsupported {
        what: format!("more than {MAX_PATTERNS} patterns"),
        advice: "list modules by their names instead",
    }
}
