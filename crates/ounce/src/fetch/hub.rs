//! Files of a Hugging Face hub, downloaded with the user's own curl.

use super::place::Place;
use super::{child, progress, verify};
use crate::catalogue::{Model, is_file_name};
use crate::failure::{Context as _, Failure, Result};
use crate::output::note;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The hub that is asked where `--endpoint` and `HF_ENDPOINT` name no other.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// One file of a repository on a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HubFile {
    repository: String,
    revision: String,
    file: String,
}

impl HubFile {
    /// The file `file` at `revision` of the repository `owner/name`.
    pub(crate) fn new(repository: &str, revision: &str, file: &str) -> Result<Self> {
        let sound = repository.split('/').count() == 2
            && repository.split('/').chain(file.split('/')).chain([revision]).all(is_file_name);
        if !sound {
            return Err(Failure::new(format!("{repository}:{file} names no file of a hub"))
                .hint("write owner/repository:file.gguf"));
        }
        Ok(Self { repository: repository.into(), revision: revision.into(), file: file.into() })
    }

    /// Reads `owner/repository:file.gguf`; `None` if `text` is not of that kind.
    pub(crate) fn parse(text: &str) -> Option<Result<Self>> {
        let (repository, file) = text.split_once(':')?;
        // A drive letter is no repository.
        (repository.contains('/') && file.ends_with(".gguf")).then(|| Self::new(repository, "main", file))
    }

    /// Its folder in the cache.
    pub(crate) fn folder(&self) -> String {
        self.repository.replace('/', "--")
    }

    /// Its path in the repository, which is its path in its folder too.
    pub(crate) fn path(&self) -> &str {
        &self.file
    }

    /// The last part of its path.
    pub(crate) fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(&self.file)
    }

    /// Where it is downloaded from.
    pub(crate) fn url(&self, endpoint: Option<&str>) -> String {
        let endpoint = endpoint.unwrap_or(DEFAULT_ENDPOINT).trim_end_matches('/');
        format!("{endpoint}/{}/resolve/{}/{}", self.repository, self.revision, self.file)
    }
}

/// Downloads a file whose size and sha256 are known.
pub(super) fn fetch_known(
    place: &Place,
    file: &HubFile,
    endpoint: Option<&str>,
    model: &Model,
) -> Result<()> {
    let part = place.partial().join("hub.part");
    let have = || fs::metadata(&part).map_or(0, |metadata| metadata.len());
    if have() > model.bytes {
        let _ = fs::remove_file(&part);
    }
    if have() < model.bytes {
        download(place, &part, &file.url(endpoint), model.bytes)?;
    }
    check(&part, &model.sha256, &model.file)?;
    fs::rename(&part, place.whole()).context(|| format!("cannot move {}", part.display()))
}

/// Downloads a file of which nothing is known; gives its sha256 if the hub named it and the file has it.
pub(super) fn fetch_unknown(place: &Place, file: &HubFile, endpoint: Option<&str>) -> Result<Option<String>> {
    let part = place.partial().join("parts").join(format!("{}.part", file.path()));
    if let Some(folder) = part.parent() {
        fs::create_dir_all(folder).context(|| format!("cannot create {}", folder.display()))?;
    }
    let url = file.url(endpoint);
    let headers = download(place, &part, &url, 0).map_err(|failure| {
        failure.hint(format!(
            "check the name, or fetch {url} by other means and run `ounce chat path/to/{}`",
            file.name()
        ))
    })?;
    let expected = linked_sha256(&headers);
    if let Some(expected) = &expected {
        check(&part, expected, file.name())?;
    }
    fs::rename(&part, place.whole()).context(|| format!("cannot move {}", part.display()))?;
    Ok(expected)
}

/// Runs curl until `part` is complete; goes on where an earlier run stopped. Gives the headers of the answers.
fn download(place: &Place, part: &Path, url: &str, total: u64) -> Result<String> {
    if !child::works("curl", &["--version"]) {
        return Err(Failure::new("curl cannot be run"));
    }
    note(format_args!("fetching {url} with curl"));
    let headers = place.partial().join("headers");
    let bar = progress::bar("downloading", total);
    let resumed = part.exists();
    let mut ended = curl(place, part, &headers, url, &bar);
    if resumed && ended.as_ref().is_ok_and(|ended| !ended.status.success()) {
        // The server cannot resume, or has nothing beyond what is here.
        let _ = fs::remove_file(part);
        ended = curl(place, part, &headers, url, &bar);
    }
    bar.finish_and_clear();
    let ended = ended?;
    if !ended.status.success() {
        return Err(Failure::new(ended.last_line));
    }
    Ok(String::from_utf8_lossy(&fs::read(&headers).unwrap_or_default()).into_owned())
}

fn curl(
    place: &Place,
    part: &Path,
    headers: &Path,
    url: &str,
    bar: &indicatif::ProgressBar,
) -> Result<child::Ended> {
    let mut command = Command::new("curl");
    command
        .args(["--fail", "--location", "--silent", "--show-error", "--connect-timeout", "15"])
        .args(["--continue-at", "-"])
        .arg("--dump-header")
        .arg(headers)
        .arg("--output")
        .arg(part)
        .arg(url);
    child::run(&mut command, &place.partial().join("curl.log"), part, bar)
}

fn check(part: &Path, expected: &str, name: &str) -> Result<()> {
    let sha256 = verify::file_sha256(part, "verifying")?;
    if sha256 != expected {
        let _ = fs::remove_file(part);
        return Err(Failure::new(format!(
            "what came is not {name}: its sha256 is {sha256}, expected {expected}"
        ))
        .hint("run the command again"));
    }
    Ok(())
}

/// The sha256 that a hub gives as `X-Linked-Etag` of a large file.
fn linked_sha256(headers: &str) -> Option<String> {
    headers
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("x-linked-etag"))
        .map(|(_, value)| value.trim().trim_matches('"').to_ascii_lowercase())
        .find(|value| value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hub_files_are_read() {
        let file = HubFile::parse("owner/repo:folder/model.Q4_0.gguf").unwrap().unwrap();
        assert_eq!(
            file.url(Some("http://hub/")),
            "http://hub/owner/repo/resolve/main/folder/model.Q4_0.gguf"
        );
        assert_eq!((file.folder().as_str(), file.name()), ("owner--repo", "model.Q4_0.gguf"));
        assert_eq!(file.path(), "folder/model.Q4_0.gguf");
        assert!(HubFile::parse("smollm2-135m").is_none());
        assert!(HubFile::parse("C:\\model.gguf").is_none());
        assert!(HubFile::parse("a/../b:x.gguf").unwrap().is_err());
        assert!(HubFile::parse("a/b:../../x.gguf").unwrap().is_err());
    }

    #[test]
    fn the_linked_checksum_is_found_among_the_headers() {
        let sha = "ab".repeat(32);
        let headers = format!("HTTP/2 302\r\netag: \"x\"\r\nX-Linked-Etag: \"{sha}\"\r\n\r\nHTTP/2 200\r\n");
        assert_eq!(linked_sha256(&headers), Some(sha));
        assert_eq!(linked_sha256("x-linked-etag: \"short\"\r\n"), None);
    }
}
