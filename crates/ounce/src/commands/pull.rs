//! `ounce pull`: fetch a model, or list what can be fetched.

use crate::cache::Cache;
use crate::catalogue::{self, Model};
use crate::failure::{Failure, Result};
use crate::fetch::{self, HubFile};
use crate::output::{self, note};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;

/// Arguments of `ounce pull`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A name from the catalogue, or OWNER/REPOSITORY:FILE.gguf of a hub; none lists the catalogue
    name: Option<String>,
    /// Accept the model's terms of use without being asked
    #[arg(long)]
    accept_license: bool,
    #[command(flatten)]
    hub: Hub,
    /// Print the list as JSON
    #[arg(long, conflicts_with = "name")]
    json: bool,
}

/// Which hub is asked.
#[derive(Debug, Args)]
pub(crate) struct Hub {
    /// Address of the Hugging Face hub or a mirror of it [default: $HF_ENDPOINT, or the public hub]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
}

impl Hub {
    pub(crate) fn endpoint(&self) -> Option<String> {
        let variable = || std::env::var("HF_ENDPOINT").ok().filter(|url| !url.is_empty());
        self.endpoint.clone().or_else(variable)
    }
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    title: &'a str,
    licence: &'a str,
    bytes: u64,
    sha256: &'a str,
    /// Where it lies, if it has been fetched.
    path: Option<String>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let cache = Cache::locate()?;
    let models = catalogue::models()?;
    let Some(name) = &arguments.name else { return list(&cache, &models, arguments.json) };
    let endpoint = arguments.hub.endpoint();
    let path = if let Some(model) = models.iter().find(|model| model.name == *name) {
        fetch::accept_terms(model, arguments.accept_license)?;
        fetch::fetch(&cache, model, endpoint.as_deref())?
    } else if let Some(file) = HubFile::parse(name) {
        fetch::fetch_hub_file(&cache, &file?, endpoint.as_deref())?
    } else {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        return Err(Failure::new(format!("the catalogue has no model {name:?}")).hint(format!(
            "it has: {}; a hub's file is named OWNER/REPOSITORY:FILE.gguf",
            names.join(", ")
        )));
    };
    output::print(&format!("{}\n", path.display()))
}

fn list(cache: &Cache, models: &[Model], json: bool) -> Result<()> {
    let rows: Vec<Row<'_>> = models
        .iter()
        .map(|model| {
            let path = cache.model(&model.name, &model.file);
            Row {
                name: &model.name,
                title: &model.title,
                licence: &model.licence,
                bytes: model.bytes,
                sha256: &model.sha256,
                path: path.is_file().then(|| path.display().to_string()),
            }
        })
        .collect();
    if json {
        return output::print_json(&rows);
    }
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in &rows {
        let state = row.path.as_deref().unwrap_or("not fetched");
        let _ = writeln!(
            text,
            "{:width$}  {} · {} · {}",
            row.name,
            row.title,
            output::bytes(row.bytes),
            row.licence
        );
        let _ = writeln!(text, "{:width$}  {state}", "");
    }
    note(format_args!("cache: {}", cache.root().display()));
    output::print(&text)
}
