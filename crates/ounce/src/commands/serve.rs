//! `ounce serve`: an OpenAI-compatible server.

use super::pull::Hub;
use crate::catalogue;
use crate::cli::{Threads, at_least_one};
use crate::failure::{Context as _, Failure, Result};
use crate::output::note;
use crate::stream::Kept;
use crate::{load, resolve};
use clap::Args;
use ounce_kernels::ThreadPool;
use ounce_serve::{EngineOptions, NamedModel, Options, Server};
use std::io::{ErrorKind, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Arguments of `ounce serve`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The models, as NAME=MODEL or MODEL; one that has not been fetched yet is fetched first
    #[arg(value_name = "MODEL", default_value = catalogue::DEFAULT)]
    models: Vec<String>,
    /// Address to listen on; 0.0.0.0 lets other machines in, for which --api-key is wise
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0: any that is free
    #[arg(long, value_name = "N", default_value_t = 8080)]
    port: u16,
    /// Requests of each model that are answered at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one())]
    slots: usize,
    /// Turn requests away when so many answers wait for a slot
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one())]
    queue: usize,
    #[command(flatten)]
    kept: Kept,
    /// Tokens that an answer has at most, also if a request asks for more
    #[arg(long, value_name = "N", default_value_t = 32_768, value_parser = at_least_one())]
    max_tokens: usize,
    /// Largest request, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    body_limit: u16,
    /// Answer only requests with this key; may be given several times. The variable OUNCE_API_KEY is read too
    #[arg(long, value_name = "KEY")]
    api_key: Vec<String>,
    /// Let pages from this origin ask, like `https://example.org`; `*` lets all; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    cors: Vec<String>,
    /// Do not log requests
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    threads: Threads,
    #[command(flatten)]
    hub: Hub,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let level = if arguments.quiet { "warn" } else { "info" };
    let filter = EnvFilter::try_from_env("OUNCE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();

    let stream = arguments.kept.stream();
    let mut api_keys = arguments.api_key.clone();
    api_keys.extend(std::env::var("OUNCE_API_KEY").ok().filter(|key| !key.is_empty()));
    if api_keys.iter().any(String::is_empty) {
        return Err(Failure::usage("--api-key is empty, so that nobody could ask"));
    }
    let options = Options {
        engine: EngineOptions {
            slots: arguments.slots,
            queue: arguments.queue,
            context: arguments.kept.ctx,
            kv: arguments.kept.kv.into(),
            stream,
        },
        max_tokens: arguments.max_tokens,
        body_limit: usize::from(arguments.body_limit) << 20,
        api_keys,
        cors: arguments.cors.clone(),
    };
    let mut pool = ThreadPool::new(arguments.threads.get());
    let mut models: Vec<NamedModel> = Vec::new();
    for given in &arguments.models {
        let (name, model) = named(given);
        let path = resolve::resolve_or_fetch(model, arguments.hub.endpoint().as_deref())?;
        let name = name.map_or_else(|| name_of(model, &path), str::to_owned);
        if models.iter().any(|other| other.name == name) {
            let failure = Failure::usage(format!("two models would be called {name}"));
            return Err(failure.hint(format!("name one of them: ounce serve OTHER-NAME={model}")));
        }
        models.push(NamedModel { name, model: Arc::new(load::model(&path, &mut pool)?) });
    }
    for NamedModel { name, model } in &models {
        if model.chat_template().is_none() {
            note(format_args!(
                "{name} has no chat template: it continues the messages of a chat as one text, and is not told of tools"
            ));
        }
    }
    let names: Vec<String> = models.iter().map(|named| named.name.clone()).collect();
    let server = Server::new(models, pool, options).map_err(Failure::from)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context(|| "no threads can be started")?;
    runtime.block_on(async {
        let address = (arguments.host.as_str(), arguments.port);
        let listener = TcpListener::bind(address).await.map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::AddrInUse | ErrorKind::PermissionDenied => "choose another --port",
                _ => "--host must be an address or a name of this machine",
            };
            Failure::new(format!("cannot listen on {}:{}: {error}", address.0, address.1)).hint(hint)
        })?;
        let address = listener.local_addr()?;
        note(format_args!(
            "{} on http://{address}  (chat page, /v1, /openapi.json, /metrics)",
            names.join(", ")
        ));
        server.run(listener, stopped()).await;
        Ok(())
    })
}

/// A name that is given with a model. A path that holds `=` and is there is no name.
fn named(given: &str) -> (Option<&str>, &str) {
    match given.split_once('=') {
        Some((name, model)) if !name.is_empty() && !Path::new(given).exists() => (Some(name), model),
        _ => (None, given),
    }
}

/// What a model is called that is given without a name.
fn name_of(model: &str, path: &Path) -> String {
    if Path::new(model).exists() {
        let whole = resolve::display_name(path);
        return whole.strip_suffix(".gguf").unwrap_or(&whole).to_owned();
    }
    model.to_owned()
}

/// Waits until the program is asked to end. The first time, what was begun is finished; the second time it is not.
async fn stopped() {
    asked().await;
    note("finishing what was begun; once more to stop at once");
    tokio::spawn(async {
        asked().await;
        std::process::exit(130);
    });
}

/// Ctrl-C, or the signal of service managers.
async fn asked() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
