//! `ounce chat`: talk to a model, or ask it one thing.

use super::pull::Hub;
use crate::cache::Cache;
use crate::catalogue;
use crate::chat::{Conversation, Interrupt, Repl, Settings, remark, speed};
use crate::cli::{Sampling, Threads};
use crate::failure::{Context as _, Failure, Result};
use crate::output::note;
use crate::stream::Kept;
use crate::{load, output, resolve};
use clap::Args;
use ounce_llm::generate::{FinishReason, GenerateOptions};
use ounce_llm::session::SessionOptions;
use std::io::{IsTerminal as _, Read as _, stdin};

/// Arguments of `ounce chat`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The model; a name that has not been fetched yet is fetched first
    #[arg(default_value = catalogue::DEFAULT)]
    model: String,
    /// Answer this once and exit; the answer alone goes to standard output
    #[arg(short, long, value_name = "TEXT")]
    prompt: Option<String>,
    /// System message: how the model should behave
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// End an answer after so many tokens [default: as many as fit]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// End an answer before this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    #[command(flatten)]
    kept: Kept,
    #[command(flatten)]
    threads: Threads,
    #[command(flatten)]
    hub: Hub,
    /// Do not show how fast answers came
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    sampling: Sampling,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let sampler = arguments.sampling.options()?;
    let question = question(arguments)?;
    let stream = arguments.kept.stream();
    let settings = Settings {
        sampler,
        generate: GenerateOptions { max_tokens: arguments.max_tokens, stop: arguments.stop.clone() },
        interactive: question.is_none(),
        stream,
    };
    let path = resolve::resolve_or_fetch(&arguments.model, arguments.hub.endpoint().as_deref())?;
    let options = SessionOptions { context: arguments.kept.ctx, kv: arguments.kept.kv.into(), stream };
    let session = load::session(&path, arguments.threads.get(), options)?;
    if let Some(error) = session.model().chat_template_error() {
        note(format_args!(
            "warning: {}, so the model continues the text as it stands instead of answering",
            Failure::from_error(error)
        ));
    }
    let mut conversation = Conversation::new(session, settings, arguments.system.clone())?;
    let interrupt = Interrupt::listen()?;
    if let Some(question) = question {
        return once(&mut conversation, &question, &interrupt, arguments.quiet);
    }
    note(format_args!("{}  (/help lists commands)", resolve::display_name(&path)));
    if !conversation.has_turns() {
        note("This model has no chat template: it continues what you type.");
    }
    // A machine without a home keeps no history.
    let history = Cache::locate().ok().map(|cache| cache.history());
    Repl::new(conversation, interrupt, !arguments.quiet).run(history)
}

/// What is asked once: `-p`, or all of standard input where that is no terminal.
fn question(arguments: &Arguments) -> Result<Option<String>> {
    if arguments.prompt.is_some() {
        return Ok(arguments.prompt.clone());
    }
    if stdin().is_terminal() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    stdin().lock().read_to_end(&mut bytes).context(|| "cannot read standard input")?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::new("standard input is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    if text.trim().is_empty() {
        return Err(Failure::new("standard input holds no text").hint("ounce chat -p \"a question\""));
    }
    Ok(Some(text.to_owned()))
}

fn once(conversation: &mut Conversation, question: &str, interrupt: &Interrupt, quiet: bool) -> Result<()> {
    let generation = conversation.say(question, interrupt, &mut |piece| output::print(piece))?;
    if !generation.text.ends_with('\n') {
        output::print("\n")?;
    }
    if let Some(remark) = remark(&generation, conversation) {
        note(format_args!("[{remark}]"));
    }
    if !quiet {
        note(format_args!("[{}]", speed(&generation)));
    }
    if generation.finish == FinishReason::Cancelled {
        return Err(Failure::new("interrupted"));
    }
    Ok(())
}
