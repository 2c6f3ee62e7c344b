//! Reading of rotary position embeddings.

use super::{ConfigError, Description, Fields};
use crate::config::{Rope, RopeScaling};

/// From GGUF: `rope.*` and the tensor `rope_freqs.weight`.
pub(super) fn from_gguf(description: &Description, head_dim: usize) -> Result<Rope, ConfigError> {
    let fields = &description.fields;
    let rotary_dim = fields.size_or("rope.dimension_count", head_dim)?;
    let base = fields.number_or("rope.freq_base", 10_000.0)?;
    let scaling = match fields.optional_text("rope.scaling.type")? {
        None | Some("none") => match fields.optional_number("rope.scale_linear")? {
            None => RopeScaling::None,
            Some(factor) => RopeScaling::Linear(factor),
        },
        Some("linear") => RopeScaling::Linear(fields.number("rope.scaling.factor")?),
        Some(other) => {
            return Err(ConfigError::unsupported(&fields.name("rope.scaling.type"), other, "none, linear"));
        }
    };
    let scaling = match description.checkpoint.small_vector("rope_freqs.weight")? {
        None => scaling,
        Some(divisors) if scaling == RopeScaling::None => RopeScaling::Divisors(divisors),
        Some(_) => {
            return Err(ConfigError::unsupported(
                "rope_freqs.weight",
                "together with linear scaling",
                "one of the two",
            ));
        }
    };
    Ok(Rope { base, rotary_dim, scaling })
}

/// From `config.json`: `rope_parameters` (transformers 5), or `rope_theta` and `rope_scaling` (earlier). `kind` selects the entry of
/// `rope_parameters` where it has one per kind of layer.
pub(super) fn from_hugging_face(
    fields: &Fields,
    head_dim: usize,
    default_base: f64,
    kind: Option<&str>,
) -> Result<Rope, ConfigError> {
    let parameters = match (fields.object("rope_parameters")?, kind) {
        (Some(all), Some(kind)) => Some(all.object(kind)?.unwrap_or(all)),
        (all, _) => all,
    };
    let scaling = match &parameters {
        Some(Fields::Json(object)) => Some(Fields::Json(object)),
        _ => fields.object("rope_scaling")?,
    };
    let mut base = fields.number_or("rope_theta", default_base)?;
    let mut fraction = fields.number_or("partial_rotary_factor", 1.0)?;
    if let Some(parameters) = &parameters {
        base = parameters.number_or("rope_theta", base)?;
        fraction = parameters.number_or("partial_rotary_factor", fraction)?;
    }
    let rotary_dim = (head_dim as f64 * fraction) as usize;
    let scaling = match scaling {
        None => RopeScaling::None,
        Some(scaling) => read_scaling(&scaling)?,
    };
    Ok(Rope { base, rotary_dim, scaling })
}

fn read_scaling(fields: &Fields) -> Result<RopeScaling, ConfigError> {
    let kind = match fields.optional_text("rope_type")? {
        None => fields.optional_text("type")?,
        kind => kind,
    };
    match kind.unwrap_or("default") {
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear(fields.number("factor")?)),
        "llama3" => Ok(RopeScaling::Llama3 {
            factor: fields.number("factor")?,
            low_freq_factor: fields.number("low_freq_factor")?,
            high_freq_factor: fields.number("high_freq_factor")?,
            original_context: fields.number("original_max_position_embeddings")?,
        }),
        other => Err(ConfigError::unsupported("rope_type", other, "default, linear, llama3")),
    }
}
