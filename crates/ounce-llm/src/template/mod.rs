//! Chat templates: a conversation as the text that the model was trained on.
//!
//! A template is a Jinja program in the model's files. It runs as in `apply_chat_template` of transformers, with bounds on its work and
//! memory, since a model file may come from anywhere.

mod environment;
mod error;
mod guard;
mod json;
mod message;
mod parts;
mod time;

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use ounce_formats::gguf::Metadata;
use serde_json::Value as Json;

pub use error::TemplateError;
pub use message::{Message, ToolCall};
pub use parts::Part;

use environment::Refusal;

/// The template of a model.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos: Option<String>,
    eos: Option<String>,
}

/// What a template gets besides the messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct RenderOptions<'a> {
    /// The text ends where the assistant's answer begins.
    pub add_generation_prompt: bool,
    /// Its variable `tools`, in the form of OpenAI's API; none if empty. Templates may ignore it: see
    /// [`ToolPrompt`](crate::tools::ToolPrompt).
    pub tools: &'a [Json],
}

const NAME: &str = "chat template";
const IM_START: &str = "<|im_start|>";

/// The form that OpenAI named ChatML, for models whose vocabulary has its tokens but whose files lack a template.
const CHAT_ML: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are the texts of the tokens that begin and end a text, which templates may write.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`], also for a template of more than 256 KiB and for a tag with more than 1000 operators, filters and attributes, which no
    /// parser that descends can take.
    pub fn parse(source: &str, bos: Option<&str>, eos: Option<&str>) -> Result<ChatTemplate, TemplateError> {
        let invalid = |error: minijinja::Error| TemplateError::Syntax {
            line: error.line().unwrap_or(1),
            problem: describe(&error),
        };
        guard::check_source(source).map_err(|(line, problem)| TemplateError::Syntax { line, problem })?;
        let mut environment = environment::new().map_err(invalid)?;
        let program = guard::bounded_assignments(&without_generation_tags(source));
        environment.add_template_owned(NAME, program).map_err(invalid)?;
        Ok(ChatTemplate {
            environment,
            source: source.to_owned(),
            bos: bos.map(str::to_owned),
            eos: eos.map(str::to_owned),
        })
    }

    /// The template in the metadata of a GGUF file; where there is none, ChatML if the vocabulary has its tokens, else nothing.
    ///
    /// # Errors
    /// If the metadata are of wrong types or the template is not valid.
    pub fn from_gguf(metadata: &Metadata) -> Result<Option<ChatTemplate>, TemplateError> {
        let tokens = metadata.strings("tokenizer.ggml.tokens")?.unwrap_or_default();
        let token = |key: &str| -> Result<Option<&str>, TemplateError> {
            let id = metadata.u64(key)?.and_then(|id| usize::try_from(id).ok());
            Ok(id.and_then(|id| tokens.get(id)).map(String::as_str))
        };
        let bos = token("tokenizer.ggml.bos_token_id")?;
        let eos = token("tokenizer.ggml.eos_token_id")?;
        match metadata.string("tokenizer.chat_template")? {
            Some(source) => ChatTemplate::parse(source, bos, eos).map(Some),
            None if tokens.iter().any(|t| t == IM_START) => ChatTemplate::parse(CHAT_ML, bos, eos).map(Some),
            None => Ok(None),
        }
    }

    /// The template of a Hugging Face folder: `chat_template.jinja`, `chat_template.json`, or the entry in `tokenizer_config.json` (of several, the one
    /// named `default`); where there is none, ChatML if the vocabulary has its tokens, else nothing.
    ///
    /// # Errors
    /// If a file cannot be read or the template is not valid.
    pub fn from_folder(folder: &Path) -> Result<Option<ChatTemplate>, TemplateError> {
        let config = read_json(folder, "tokenizer_config.json")?.unwrap_or(Json::Null);
        let token = |key: &str| config[key].as_str().or_else(|| config[key]["content"].as_str());
        let (bos, eos) = (token("bos_token"), token("eos_token"));
        let in_config = |config: &Json| {
            let template = &config["chat_template"];
            let default =
                || template.as_array()?.iter().find(|t| t["name"] == "default")?["template"].as_str();
            template.as_str().or_else(default).map(str::to_owned)
        };
        let mut source = read(folder, "chat_template.jinja")?;
        if source.is_none() {
            source = read_json(folder, "chat_template.json")?.as_ref().and_then(in_config);
        }
        match source.or_else(|| in_config(&config)) {
            Some(source) => ChatTemplate::parse(&source, bos, eos).map(Some),
            None => {
                let vocabulary = read(folder, "tokenizer.json")?.unwrap_or_default();
                vocabulary.contains(IM_START).then(|| ChatTemplate::parse(CHAT_ML, bos, eos)).transpose()
            }
        }
    }

    /// The template as it stands in the file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The conversation as text. With `add_generation_prompt` it ends where the assistant's answer begins. The text holds the model's first token if the
    /// template writes it: encode it with [`Tokenizer::encode`](crate::tokenizer::Tokenizer::encode) and
    /// [`Special::Parse`](crate::tokenizer::Special::Parse).
    ///
    /// # Errors
    /// [`TemplateError::Refused`] with the template's own words (some allow no system message, or insist on turns that alternate),
    /// [`TemplateError::Failed`], or [`TemplateError::Endless`].
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        self.render_with(messages, &RenderOptions { add_generation_prompt, tools: &[] })
    }

    /// [`render`](Self::render) with tools.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn render_with(
        &self,
        messages: &[Message],
        options: &RenderOptions<'_>,
    ) -> Result<String, TemplateError> {
        let tools = match options.tools {
            [] => Value::from(()),
            tools => Value::from(Serde(tools)),
        };
        let bytes: usize = messages.iter().map(Message::size).sum();
        let tool_bytes: usize = options.tools.iter().map(|tool| tool.to_string().len()).sum();
        let mut environment = self.environment.clone();
        // One unit pays for an instruction or for about 64 bytes. Real templates copy each message a handful of times.
        environment.set_fuel(Some(2_000_000 + 4 * (bytes + tool_bytes) as u64));
        let messages: Vec<Value> = messages.iter().map(Message::to_value).collect();
        let context = context! {
            messages => messages,
            add_generation_prompt => options.add_generation_prompt,
            bos_token => self.bos.as_deref().unwrap_or(""),
            eos_token => self.eos.as_deref().unwrap_or(""),
            tools => tools,
            documents => (),
        };
        let template = environment.get_template(NAME).map_err(failed)?;
        template.render(context).map_err(failed)
    }
}

fn failed(error: minijinja::Error) -> TemplateError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(e) = cause {
        if let Some(Refusal(message)) = e.downcast_ref() {
            return TemplateError::Refused(message.clone());
        }
        if e.downcast_ref::<minijinja::Error>().is_some_and(|e| e.kind() == ErrorKind::OutOfFuel) {
            return TemplateError::Endless;
        }
        cause = e.source();
    }
    TemplateError::Failed { line: error.line().unwrap_or(1), problem: describe(&error) }
}

fn describe(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
}

/// Templates mark what the assistant said with `{% generation %}` blocks, for training. Here they are blocks that always run.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        out.push_str(before);
        rest = tag;
        let inner = tag.trim_start_matches(['-', '+']).trim_start();
        let lead = tag.len() - inner.len();
        for (name, instead) in [("generation", "if true"), ("endgeneration", "endif")] {
            if let Some(after) = inner.strip_prefix(name)
                && after.trim_start().trim_start_matches(['-', '+']).starts_with("%}")
            {
                out.push_str(&tag[..lead]);
                out.push_str(instead);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn read(folder: &Path, name: &str) -> Result<Option<String>, TemplateError> {
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TemplateError::Io { path, source }),
    }
}

fn read_json(folder: &Path, name: &str) -> Result<Option<Json>, TemplateError> {
    let Some(text) = read(folder, name)? else { return Ok(None) };
    let parsed = serde_json::from_str(&text);
    parsed
        .map(Some)
        .map_err(|e| TemplateError::Json { path: folder.join(name), problem: format!("not JSON: {e}") })
}
