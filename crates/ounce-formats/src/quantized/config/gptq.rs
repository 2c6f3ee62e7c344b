//! Configurations of GPTQ, as AutoGPTQ and GPTQModel write them.

use super::fields::{Fields, shortened};
use super::{Pattern, QuantizationConfig};
use crate::quantized::{Activations, LinearFormat, LinearScheme, QuantizedError};

/// Reads `bits`, `group_size`, `sym`, `checkpoint_format` and the exceptions of `dynamic`. `desc_act` says nothing about the file: the order of
/// columns is in `g_idx`.
pub(super) fn read(fields: &Fields<'_>) -> Result<QuantizationConfig, QuantizedError> {
    let named = match fields.string("checkpoint_format")? {
        None => fields.string("format")?,
        named => named,
    };
    let format = match named.unwrap_or("gptq") {
        "gptq" => LinearFormat::Gptq,
        "gptq_v2" => LinearFormat::GptqV2,
        other => return Err(unsupported(format!("GPTQ of the format \"{}\"", shortened(other)))),
    };
    if fields.bool("is_marlin_format")? == Some(true) {
        return Err(unsupported("GPTQ of the format \"marlin\"".to_owned()));
    }
    let bits = fields.need("bits", "a number of bits", fields.bits("bits")?)?;
    if !matches!(bits, 2 | 3 | 4 | 8) {
        return Err(QuantizedError::Unsupported {
            what: format!("GPTQ of {bits} bits"),
            advice: "2, 3, 4 and 8 bits can be read",
        });
    }
    let group = fields.need("group_size", "a number of columns", fields.group("group_size")?)?;
    let symmetric = fields.bool("sym")?.unwrap_or(true);
    let scheme = LinearScheme { format, bits, group, symmetric, activations: Activations::Float };
    Ok(QuantizationConfig {
        method: "gptq",
        groups: vec![(vec![Pattern::All], Some(scheme))],
        ignored: exceptions(fields)?,
        rotated: Vec::new(),
    })
}

/// The modules that `dynamic` excludes: patterns after `-:`. It can also give modules schemes of their own, which is refused.
fn exceptions(fields: &Fields<'_>) -> Result<Vec<Pattern>, QuantizedError> {
    let Some(dynamic) = fields.object("dynamic")? else { return Ok(Vec::new()) };
    let exception = |key: &String| match key.strip_prefix("-:") {
        Some(pattern) => Pattern::regex(pattern),
        None => Err(QuantizedError::Unsupported {
            what: format!("a scheme of its own for the modules \"{}\"", shortened(key)),
            advice: "only modules that are not quantized (\"-:\") can be told apart",
        }),
    };
    let mut keys = dynamic.keys();
    let patterns = keys.by_ref().take(super::MAX_PATTERNS).map(exception).collect();
    if keys.next().is_some() { Err(super::too_many_patterns()) } else { patterns }
}

fn unsupported(what: String) -> QuantizedError {
    QuantizedError::Unsupported { what, advice: "gptq and gptq_v2 can be read" }
}
