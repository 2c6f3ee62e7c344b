//! A conversation with a model.

use super::Interrupt;
use crate::failure::{Failure, Result};
use ounce_llm::cache::Stream;
use ounce_llm::generate::{Event, FinishReason, GenerateError, GenerateOptions, Generation, Generator};
use ounce_llm::generate::{PromptError, chat_prompt, opening_tokens};
use ounce_llm::sampling::{Sampler, SamplerOptions};
use ounce_llm::session::Session;
use ounce_llm::template::{ChatTemplate, Message};
use std::ops::ControlFlow;

/// What does not change during a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) sampler: SamplerOptions,
    pub(crate) generate: GenerateOptions,
    /// Whether the user can go on typing after an answer.
    pub(crate) interactive: bool,
    /// What is kept of a conversation that outgrows the window. The sinks are at least the system message and what the template writes
    /// before the first word of the user, so that the model never forgets how it should behave.
    pub(crate) stream: Option<Stream>,
}

/// What was said so far, and the model that says it.
pub(crate) struct Conversation {
    generator: Generator,
    sampler: Sampler,
    options: GenerateOptions,
    interactive: bool,
    stream: Option<Stream>,
    system: Option<String>,
    turns: Vec<Message>,
}

impl Conversation {
    /// A conversation in which nothing has been said.
    pub(crate) fn new(session: Session, settings: Settings, system: Option<String>) -> Result<Self> {
        let sampler = Sampler::new(settings.sampler).map_err(Failure::usage)?;
        let Settings { generate: options, interactive, stream, .. } = settings;
        let generator = Generator::new(session);
        let turns = Vec::new();
        let mut conversation = Self { generator, sampler, options, interactive, stream, system: None, turns };
        conversation.set_system(system)?;
        Ok(conversation)
    }

    /// The session that it runs on.
    pub(crate) fn session(&self) -> &Session {
        self.generator.session()
    }

    /// Whether the model knows turns; one that does not continues the text as it stands.
    pub(crate) fn has_turns(&self) -> bool {
        self.template().is_some()
    }

    /// Forgets what was said, but not the system message.
    pub(crate) fn reset(&mut self) {
        self.turns.clear();
        self.generator.reset();
    }

    /// Begins anew with another system message.
    pub(crate) fn set_system(&mut self, system: Option<String>) -> Result<()> {
        let before = std::mem::replace(&mut self.system, system);
        let Some(stream) = self.stream else {
            self.reset();
            return Ok(());
        };
        let restarted = self.opening().and_then(|opening| {
            let sinks = stream.sinks.max(opening);
            self.generator.restart(Some(Stream { sinks, ..stream })).map_err(|error| {
                Failure::from(error).hint(format!(
                    "choose a smaller --window; the system message and the marks around it take {opening} tokens"
                ))
            })
        });
        match restarted {
            Ok(()) => self.reset(),
            Err(_) => self.system = before,
        }
        restarted
    }

    /// Tokens before the first word of the user.
    fn opening(&self) -> Result<usize> {
        opening_tokens(self.session().model(), &self.messages_and(&[]), &[]).map_err(refused)
    }

    /// The system message, if there is one, and the turns.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.messages_and(&self.turns)
    }

    fn messages_and(&self, turns: &[Message]) -> Vec<Message> {
        self.system.iter().map(|text| message("system", text)).chain(turns.iter().cloned()).collect()
    }

    /// Says `text` and hands out the answer in pieces. When it cannot be answered, `text` counts as not said.
    pub(crate) fn say(
        &mut self,
        text: &str,
        interrupt: &Interrupt,
        show: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Generation> {
        self.turns.push(message("user", text));
        let result = self.answer(interrupt, show);
        match &result {
            Ok(generation) if !generation.text.is_empty() => {
                self.turns.push(message("assistant", &generation.text));
            }
            _ => {
                self.turns.pop();
            }
        }
        result
    }

    fn answer(
        &mut self,
        interrupt: &Interrupt,
        show: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Generation> {
        let prompt = self.prompt_of(&self.messages())?;
        let mut failure = None;
        let result = self.generator.generate(&prompt, &mut self.sampler, &self.options, &mut |event| {
            if let Event::Text(text) = event
                && !text.is_empty()
                && let Err(error) = show(text)
            {
                failure = Some(error);
                return ControlFlow::Break(());
            }
            if interrupt.pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        result.map_err(|error| match error {
            GenerateError::PromptTooLong { .. } => Failure::new(error).hint(self.how_to_make_room()),
            error => Failure::from(error),
        })
    }

    /// What can be done when the context is full.
    pub(crate) fn how_to_make_room(&self) -> String {
        let (context, most) = (self.session().context(), self.session().model().config().context);
        let forget = if self.interactive { ", forget the conversation with /reset" } else { "" };
        if context < most {
            format!("shorten the text{forget}, or start with --ctx N (up to {most})")
        } else {
            format!("shorten the text{forget}; the model takes {most} tokens")
        }
    }

    /// The tokens of a whole conversation, up to where the model's answer begins.
    fn prompt_of(&self, messages: &[Message]) -> Result<Vec<u32>> {
        chat_prompt(self.session().model(), messages).map_err(refused)
    }

    fn template(&self) -> Option<&ChatTemplate> {
        self.session().model().chat_template()
    }
}

fn refused(error: PromptError) -> Failure {
    let hint = "the model's chat template may not allow this order of messages or a system message";
    match error {
        PromptError::Template(error) => Failure::from(error).hint(hint),
        error => Failure::from(error),
    }
}

fn message(role: &str, content: &str) -> Message {
    Message::new(role, content)
}

/// What is worth saying about the end of an answer; `None` for the ordinary end.
pub(crate) fn remark(generation: &Generation, conversation: &Conversation) -> Option<String> {
    match generation.finish {
        FinishReason::Stop => None,
        FinishReason::Length => Some("stopped at --max-tokens".into()),
        FinishReason::Cancelled => Some("stopped".into()),
        FinishReason::Context => Some(format!(
            "stopped: the context of {} tokens is full; {}",
            conversation.session().context(),
            conversation.how_to_make_room()
        )),
    }
}

/// How fast an answer came, in one line.
pub(crate) fn speed(generation: &Generation) -> String {
    let t = &generation.timings;
    let rate = |n: usize, time: std::time::Duration| match time.as_secs_f64() {
        seconds if n > 0 && seconds > 0.0 => format!("{:.0} tokens/s", n as f64 / seconds),
        _ => "-".into(),
    };
    let kept = if t.kept > 0 { format!(" ({} kept)", t.kept) } else { String::new() };
    format!(
        "prompt {} tokens{kept} {} · answer {} tokens {}",
        t.prefilled,
        rate(t.prefilled, t.prefill),
        generation.tokens.len(),
        rate(t.decoded, t.decode),
    )
}
