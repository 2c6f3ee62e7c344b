//! Configurations of compressed-tensors, as llm-compressor writes them.

use super::fields::{Fields, shortened};
use super::{Pattern, QuantizationConfig, transform};
use crate::quantized::{Activations, LinearFormat, LinearScheme, QuantizedError};

/// Reads `config_groups`, `format`, `ignore` and `transform_config`. `kv_cache_scheme` and `output_activations` are passed over: without them a model is
/// run more exactly than it was meant to be.
pub(super) fn read(fields: &Fields<'_>) -> Result<QuantizationConfig, QuantizedError> {
    refuse_sparsity(fields)?;
    let configured = fields.object("config_groups")?;
    let configured = fields.need("config_groups", "an object", configured)?;
    let global_format = fields.string("format")?;
    let mut regexes = 0;
    let mut groups = Vec::new();
    for name in configured.keys() {
        let Some(group) = configured.object(name)? else { continue };
        let targets = patterns(&group.strings("targets")?, &mut regexes)?;
        let format = group.string("format")?.or(global_format);
        groups.push((targets, scheme(&group, format)?));
    }
    let ignored = patterns(&fields.strings("ignore")?, &mut regexes)?;
    let rotated = transform::read(fields, &mut regexes)?;
    Ok(QuantizationConfig { method: "compressed-tensors", groups, ignored, rotated })
}

/// Sparsity is stored beside the quantization.
fn refuse_sparsity(fields: &Fields<'_>) -> Result<(), QuantizedError> {
    if let Some(sparsity) = fields.object("sparsity_config")? {
        match sparsity.string("format")? {
            None | Some("dense") => {}
            Some(other) => {
                return Err(QuantizedError::Unsupported {
                    what: format!("the sparse format \"{}\"", shortened(other)),
                    advice: "models with dense weights can be read",
                });
            }
        }
    }
    Ok(())
}

/// Names, patterns after `re:`, and classes. Of those only `Linear` is of interest here.
pub(super) fn patterns(texts: &[&str], regexes: &mut usize) -> Result<Vec<Pattern>, QuantizedError> {
    let pattern = |&text: &&str| match text.strip_prefix("re:") {
        Some(regex) => {
            *regexes += 1;
            if *regexes > super::MAX_PATTERNS {
                return Err(super::too_many_patterns());
            }
            Pattern::regex(regex)
        }
        None if text == "Linear" => Ok(Pattern::All),
        None => Ok(Pattern::Name(text.to_owned())),
    };
    texts.iter().map(pattern).collect()
}

/// The scheme of a group; `None` if its weights are not quantized.
fn scheme(group: &Fields<'_>, format: Option<&str>) -> Result<Option<LinearScheme>, QuantizedError> {
    let Some(weights) = group.object("weights")? else { return Ok(None) };
    let format = match format {
        Some("pack-quantized") => LinearFormat::PackQuantized,
        Some("int-quantized" | "naive-quantized") => LinearFormat::IntQuantized,
        other => {
            return Err(QuantizedError::Unsupported {
                what: format!("compressed-tensors of the format \"{}\"", shortened(other.unwrap_or("none"))),
                advice: "pack-quantized and int-quantized can be read",
            });
        }
    };
    integers(&weights, "weights")?;
    let bits = weights.bits("num_bits")?.unwrap_or(8);
    if bits == 0 || bits > 8 {
        return Err(weights.expected("num_bits", "1 to 8", weights.get("num_bits")));
    }
    let size = weights.group("group_size")?;
    let group_size = match weights.string("strategy")? {
        Some("group") => {
            let size = size.flatten();
            Some(weights.need("group_size", "a positive number, since the strategy is \"group\"", size)?)
        }
        Some("channel" | "tensor") => None,
        None => size.flatten(),
        Some(other) => {
            return Err(QuantizedError::Unsupported {
                what: format!("weights with the strategy \"{}\"", shortened(other)),
                advice: "group, channel and tensor can be read",
            });
        }
    };
    Ok(Some(LinearScheme {
        format,
        bits,
        group: group_size,
        symmetric: weights.bool("symmetric")?.unwrap_or(true),
        activations: activations(group)?,
    }))
}

fn activations(group: &Fields<'_>) -> Result<Activations, QuantizedError> {
    let Some(inputs) = group.object("input_activations")? else { return Ok(Activations::Float) };
    integers(&inputs, "activations")?;
    let unsupported = |what: String| {
        Err(QuantizedError::Unsupported {
            what,
            advice: "symmetric int8 activations, per token or with one fixed scale, can be run",
        })
    };
    let bits = inputs.bits("num_bits")?.unwrap_or(8);
    if bits != 8 {
        return unsupported(format!("activations of {bits} bits"));
    }
    if inputs.bool("symmetric")? == Some(false) {
        return unsupported("activations with zero points".to_owned());
    }
    let dynamic = inputs.bool("dynamic")?.unwrap_or(false);
    match (inputs.string("strategy")?.unwrap_or("tensor"), dynamic) {
        // A scale per token is finer than one for all tokens.
        ("token" | "tensor", true) => Ok(Activations::Int8PerToken),
        ("tensor", false) => Ok(Activations::Int8PerTensor),
        (other, _) => unsupported(format!("activations with the strategy \"{}\"", shortened(other))),
    }
}

fn integers(quantized: &Fields<'_>, what: &str) -> Result<(), QuantizedError> {
    match quantized.string("type")? {
        None | Some("int") => Ok(()),
        Some(other) => Err(QuantizedError::Unsupported {
            what: format!("{what} of the type \"{}\"", shortened(other)),
            advice: "integers can be read, not 4- or 8-bit floats",
        }),
    }
}
