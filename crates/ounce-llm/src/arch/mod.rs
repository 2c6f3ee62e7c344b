//! The architectures: an architecture is a row here, which says how its configuration is read, what its tensors are called and which
//! options of the one decoder it switches on.
//!
//! To add one, write its two readers in a file of this folder, add its tensor names to `names.rs` where they differ, and add the row.

mod error;
mod falcon;
mod fields;
mod gemma3;
mod gpt_neox;
mod llama;
mod mpt;
pub(crate) mod names;
mod opt;
mod rope;
mod shape;

use crate::checkpoint::{Checkpoint, Source};
use crate::config::Config;
pub use error::ConfigError;
use fields::Fields;
use names::Names;

/// One family of models.
pub struct Architecture {
    /// Its name, shown to people.
    pub name: &'static str,
    /// Values of `general.architecture` in GGUF files that mean it.
    pub gguf: &'static [&'static str],
    /// Values of `model_type` in `config.json` that mean it.
    pub model_types: &'static [&'static str],
    from_gguf: fn(&Description) -> Result<Config, ConfigError>,
    from_hugging_face: fn(&Description) -> Result<Config, ConfigError>,
    hugging_face_names: &'static Names,
}

/// What a configuration is read from.
pub(crate) struct Description<'a> {
    /// Name of the row, for [`Config::architecture`].
    name: &'static str,
    fields: Fields<'a>,
    checkpoint: &'a Checkpoint,
}

/// Every architecture that can be run.
pub static ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "llama",
        gguf: &["llama"],
        model_types: &["llama"],
        from_gguf: llama::from_gguf,
        from_hugging_face: llama::llama,
        hugging_face_names: &names::LLAMA,
    },
    Architecture {
        name: "mistral",
        gguf: &[],
        model_types: &["mistral"],
        from_gguf: llama::from_gguf,
        from_hugging_face: llama::mistral,
        hugging_face_names: &names::LLAMA,
    },
    Architecture {
        name: "mixtral",
        gguf: &[],
        model_types: &["mixtral"],
        from_gguf: llama::from_gguf,
        from_hugging_face: llama::mixtral,
        hugging_face_names: &names::LLAMA,
    },
    Architecture {
        name: "qwen2",
        gguf: &["qwen2"],
        model_types: &["qwen2"],
        from_gguf: llama::qwen2_from_gguf,
        from_hugging_face: llama::qwen2,
        hugging_face_names: &names::LLAMA,
    },
    Architecture {
        name: "gemma3",
        gguf: &["gemma3"],
        model_types: &["gemma3_text", "gemma3"],
        from_gguf: gemma3::from_gguf,
        from_hugging_face: gemma3::from_hugging_face,
        hugging_face_names: &names::GEMMA3,
    },
    Architecture {
        name: "falcon",
        gguf: &["falcon"],
        model_types: &["falcon"],
        from_gguf: falcon::from_gguf,
        from_hugging_face: falcon::from_hugging_face,
        hugging_face_names: &names::FALCON,
    },
    Architecture {
        name: "gpt-neox",
        gguf: &["gptneox"],
        model_types: &["gpt_neox"],
        from_gguf: gpt_neox::from_gguf,
        from_hugging_face: gpt_neox::from_hugging_face,
        hugging_face_names: &names::GPT_NEOX,
    },
    Architecture {
        name: "mpt",
        gguf: &["mpt"],
        model_types: &["mpt"],
        from_gguf: mpt::from_gguf,
        from_hugging_face: mpt::from_hugging_face,
        hugging_face_names: &names::MPT,
    },
    Architecture {
        name: "opt",
        gguf: &[],
        model_types: &["opt"],
        from_gguf: opt::from_gguf,
        from_hugging_face: opt::from_hugging_face,
        hugging_face_names: &names::OPT,
    },
];

/// Shape and options of the model in `checkpoint`, without its weights.
///
/// # Errors
/// An unknown architecture, a missing or wrong field, an option that is not supported.
pub fn config(checkpoint: &Checkpoint) -> Result<Config, ConfigError> {
    describe(checkpoint).map(|(config, _)| config)
}

/// Reads the configuration of a checkpoint and finds what its tensors are called.
///
/// # Errors
/// [`ConfigError::UnknownArchitecture`] if no row fits, and the errors of that row's reader.
pub(crate) fn describe(checkpoint: &Checkpoint) -> Result<(Config, &'static Names), ConfigError> {
    let (config, names) = match checkpoint.source() {
        Source::Gguf(file) => {
            let key = "general.architecture";
            let fields = Fields::Gguf { metadata: file.metadata(), prefix: "general" };
            let found = required_text(&fields, "architecture")?;
            let row = find(key, found, |row| row.gguf)?;
            let fields = Fields::Gguf { metadata: file.metadata(), prefix: found };
            let description = Description { name: row.name, fields, checkpoint };
            ((row.from_gguf)(&description)?, &names::GGUF)
        }
        Source::Folder(folder) => {
            let object = folder.config().as_object().ok_or_else(|| ConfigError::Invalid {
                key: "config.json".into(),
                expected: "an object".into(),
                found: "something else".into(),
            })?;
            let fields = Fields::Json(object);
            let found = required_text(&fields, "model_type")?;
            let row = find("model_type", found, |row| row.model_types)?;
            if let Some(error) = checkpoint.quantization_error() {
                return Err(ConfigError::Quantization(error));
            }
            let description = Description { name: row.name, fields, checkpoint };
            ((row.from_hugging_face)(&description)?, row.hugging_face_names)
        }
    };
    config.validate()?;
    Ok((config, names))
}

fn required_text<'a>(fields: &Fields<'a>, key: &str) -> Result<&'a str, ConfigError> {
    fields.optional_text(key)?.ok_or_else(|| ConfigError::Missing { key: fields.name(key) })
}

fn find(
    key: &str,
    found: &str,
    names: fn(&Architecture) -> &'static [&'static str],
) -> Result<&'static Architecture, ConfigError> {
    ARCHITECTURES.iter().find(|row| names(row).contains(&found)).ok_or_else(|| {
        ConfigError::UnknownArchitecture {
            key: key.into(),
            found: found.chars().take(64).collect(),
            known: ARCHITECTURES.iter().flat_map(names).copied().collect::<Vec<_>>().join(", "),
        }
    })
}

/// The activation that `config.json` names.
fn activation(fields: &Fields, key: &str, default: &str) -> Result<crate::config::Activation, ConfigError> {
    use crate::config::Activation;
    match fields.optional_text(key)?.unwrap_or(default) {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu" => Ok(Activation::Gelu),
        "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::GeluTanh),
        "relu" => Ok(Activation::Relu),
        other => Err(ConfigError::unsupported(key, other, "silu, gelu, gelu_pytorch_tanh, relu")),
    }
}
