//! From MODEL on the command line to a path.

use crate::cache::Cache;
use crate::catalogue::{self, Model};
use crate::failure::{Failure, Result};
use crate::fetch::{self, HubFile};
use std::path::{Path, PathBuf};

/// What MODEL may stand for besides a path.
enum Named {
    Catalogue(Box<Model>),
    Hub(HubFile),
}

/// The path of MODEL: an existing path, or else a model of the catalogue or hub that has been fetched.
pub(crate) fn resolve(model: &str) -> Result<PathBuf> {
    if let Some(path) = existing(model) {
        return Ok(path);
    }
    let cache = Cache::locate()?;
    let (name, path) = match named(model)? {
        Named::Catalogue(model) => (model.name.clone(), cache.model(&model.name, &model.file)),
        Named::Hub(file) => (model.to_owned(), cache.model(&file.folder(), file.path())),
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(format!("{name} has not been fetched yet")).hint(format!("ounce pull {name}")))
}

/// The path of MODEL, fetched first if it is a name and not here yet.
pub(crate) fn resolve_or_fetch(model: &str, endpoint: Option<&str>) -> Result<PathBuf> {
    if let Some(path) = existing(model) {
        return Ok(path);
    }
    let cache = Cache::locate()?;
    match named(model)? {
        Named::Catalogue(model) => {
            let path = cache.model(&model.name, &model.file);
            if path.is_file() {
                return Ok(path);
            }
            fetch::accept_terms(&model, false)?;
            fetch::fetch(&cache, &model, endpoint)
        }
        Named::Hub(file) => {
            let path = cache.model(&file.folder(), file.path());
            if path.is_file() { Ok(path) } else { fetch::fetch_hub_file(&cache, &file, endpoint) }
        }
    }
}

/// Something that is there under this path, readable or not.
fn existing(model: &str) -> Option<PathBuf> {
    let path = Path::new(model);
    path.symlink_metadata().is_ok().then(|| path.to_owned())
}

fn named(model: &str) -> Result<Named> {
    let models = catalogue::models()?;
    if let Some(known) = models.iter().find(|known| known.name == model) {
        return Ok(Named::Catalogue(Box::new(known.clone())));
    }
    if let Some(file) = HubFile::parse(model) {
        return Ok(Named::Hub(file?));
    }
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    Err(Failure::new(format!("there is no file, folder or catalogue model {model:?}"))
        .hint(format!("name a GGUF file, a Hugging Face folder, or one of: {}", names.join(", "))))
}

/// A model's short name for display: the last part of its path.
pub(crate) fn display_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
