//! `POST /v1/chat/completions`

use super::answer::{Asked, Batch, UsageBody, Whole, now, reason};
use super::body::Body;
use super::error::{ApiError, Refusals};
use super::logprobs::{ChatLogprobs, chat_logprobs};
use super::message::ChatMessage;
use super::sampling::SamplingFields;
use super::stream::{Pieces, respond};
use super::tools::{CallBody, CallDelta, CallPiece, Calls, Form, FormFields};
use crate::client::Client;
use crate::engine::job::{Event, JobError, Task, Token};
use crate::server::{Served, State};
use axum::Json;
use axum::extract;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ounce_llm::Stream;
use ounce_llm::constrain::Constraint;
use ounce_llm::generate::{FinishReason, PromptError, chat_prompt_with, opening_tokens};
use ounce_llm::template::Message;
use ounce_llm::tokenizer::Tokenizer;
use ounce_llm::tools::markers_are_special;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The most likely tokens that can be asked for.
const TOP_LOGPROBS: u32 = 20;

/// The fields of a chat completion. Unknown fields are ignored.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
struct ChatFields {
    /// The name of a model; `/v1/models` lists them. The first one if none is named.
    model: Option<String>,
    /// The conversation so far.
    #[schema(min_items = 1)]
    messages: Vec<ChatMessage>,
    /// End the answer after so many tokens.
    #[schema(minimum = 1)]
    max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`.
    #[schema(minimum = 1)]
    max_tokens: Option<u32>,
    /// Give the log-probabilities of the answer's tokens.
    logprobs: Option<bool>,
    /// Beside each, so many of the most likely tokens; needs `logprobs`.
    #[schema(minimum = 0, maximum = 20)]
    top_logprobs: Option<u32>,
}

/// A chat completion to be made.
#[derive(Deserialize, Serialize, ToSchema)]
pub(crate) struct ChatRequest {
    #[serde(flatten)]
    chat: ChatFields,
    #[serde(flatten)]
    form: FormFields,
    #[serde(flatten)]
    sampling: SamplingFields,
}

/// A chat completion.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChatResponse {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<ChatChoice>,
    usage: UsageBody,
}

/// One answer.
#[derive(Serialize, ToSchema)]
struct ChatChoice {
    index: usize,
    message: Answered,
    logprobs: Option<ChatLogprobs>,
    finish_reason: &'static str,
}

/// What the assistant says.
#[derive(Serialize, ToSchema)]
struct Answered {
    role: &'static str,
    /// None if nothing is said beside calls.
    content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallBody>,
}

/// A piece of a chat completion.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChatChunk {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<ChunkChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
}

/// What is new in one answer.
#[derive(Serialize, ToSchema)]
struct ChunkChoice {
    index: usize,
    delta: Delta,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<&'static str>,
}

/// What is new in a message.
#[derive(Default, Serialize, ToSchema)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallDelta>,
}

/// Answers a conversation.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "chat",
    request_body = ChatRequest,
    responses(
        (status = 200, description = "The answer; with `stream`, server-sent events of `ChatChunk`", content(
            (ChatResponse = "application/json"),
            (String = "text/event-stream"),
        )),
        Refusals,
    )
)]
pub(crate) async fn chat(
    extract::State(state): extract::State<Arc<State>>,
    client: Client,
    body: Body,
) -> Result<Response, ApiError> {
    let (fields, sampling) = (body.read::<ChatFields>()?, body.read::<SamplingFields>()?);
    let form = body.read::<FormFields>()?.form()?;
    let served = state.served(fields.model.as_deref())?;
    let logprobs = fields.logprobs()?;
    let max_tokens = fields.max_completion_tokens.or(fields.max_tokens);
    if max_tokens == Some(0) {
        let field =
            if fields.max_completion_tokens.is_some() { "max_completion_tokens" } else { "max_tokens" };
        return Err(ApiError::field(field, format!("{field} is 0; it must be at least 1")));
    }
    let (seed, n) = sampling.choices()?;
    let mut generate = sampling.generate(served, &state.options, seed, max_tokens, logprobs)?;
    let messages = fields.messages.iter().enumerate().map(|(index, message)| message.to_message(index));
    let messages = messages.collect::<Result<Vec<_>, _>>()?;
    if messages.is_empty() {
        return Err(ApiError::field("messages", "messages is empty; there must be at least one"));
    }
    let calls = form.calls;
    generate.keep_special = calls && markers_are_special(served.model.tokenizer());
    let Prepared { prompt, opening, constraint } = prepare(&state, served.index, messages, form).await?;
    generate.constraint = constraint;
    state.check_prompt(served, &prompt, "messages")?;
    let asked = Asked { model: served.index, client: client.0, prompt: prompt.into(), opening };
    let mut batch = Batch::default();
    for i in 0..n {
        let mut generate = generate.clone();
        generate.sampler.seed = seed.wrapping_add(i as u64);
        batch.add(&asked, Task::Generate(Box::new(generate)));
    }
    let choices = batch.submit(&state)?;
    let head = Head { id: crate::random::name("chatcmpl"), created: now(), model: served.name.clone() };
    if sampling.stream() {
        let include_usage = sampling.include_usage();
        let stream = ChatStream {
            head,
            calls: (0..n).map(|_| Calls::new(calls)).collect(),
            include_usage,
            usage: UsageBody::default(),
            model: served.model.clone(),
            logprobs: logprobs.is_some(),
        };
        return Ok(respond(stream, choices));
    }
    let mut usage = UsageBody::default();
    let mut answers = Vec::with_capacity(n);
    for (index, choice) in choices.into_iter().enumerate() {
        let whole = choice.whole().await?;
        usage.add(&whole.finished, index == 0);
        answers.push(answer(index, whole, served, logprobs.is_some(), calls));
    }
    let Head { id, created, model } = head;
    Ok(Json(ChatResponse { id, object: "chat.completion", created, model, choices: answers, usage })
        .into_response())
}

impl ChatFields {
    fn logprobs(&self) -> Result<Option<usize>, ApiError> {
        let top = self.top_logprobs.unwrap_or(0);
        if top > TOP_LOGPROBS {
            let message = format!("top_logprobs is {top}; it must be 0 to {TOP_LOGPROBS}");
            return Err(ApiError::field("top_logprobs", message));
        }
        match self.logprobs {
            Some(true) => Ok(Some(top as usize)),
            _ if top > 0 => Err(ApiError::field("top_logprobs", "top_logprobs needs logprobs to be true")),
            _ => Ok(None),
        }
    }
}

/// The messages before the first word of the user.
fn system(messages: &[Message]) -> &[Message] {
    let end = messages.iter().take_while(|message| message.role == "system").count();
    &messages[..end]
}

/// A conversation, ready for the engine.
struct Prepared {
    prompt: Vec<u32>,
    opening: usize,
    constraint: Option<Constraint>,
}

/// Encodes a conversation and compiles the form of its answer, which takes a while if they are long.
async fn prepare(
    state: &Arc<State>,
    model: usize,
    messages: Vec<Message>,
    form: Form,
) -> Result<Prepared, ApiError> {
    let bytes = messages.iter().map(|message| message.content.len()).sum();
    state.check_bytes(&state.models[model], bytes)?;
    // So that many at once do not take all processors and memory.
    let _permit = state.preparing.acquire().await;
    let state = state.clone();
    let work = move || {
        let served = &state.models[model];
        let refused = |error: PromptError| ApiError::field("messages", error.to_string());
        let streams = state.options.engine.stream.is_some();
        let opening = match streams {
            true => opening_tokens(&served.model, system(&messages), &form.tools).map_err(refused)?,
            false => 0,
        };
        let prompt = chat_prompt_with(&served.model, &messages, &form.tools).map_err(refused)?;
        if let Some(stream) = state.options.engine.stream {
            let context = served.model.config().context;
            if (Stream { sinks: stream.sinks.max(opening), ..stream }).capacity() > context {
                return Err(JobError::OpeningTooLong { opening, context }.into());
            }
        }
        if prompt.is_empty() {
            return Err(ApiError::field("messages", "the messages say nothing"));
        }
        Ok(Prepared { prompt, opening, constraint: form.constraint(served)? })
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?
}

fn answer(index: usize, whole: Whole, served: &Served, logprobs: bool, look_for_calls: bool) -> ChatChoice {
    let mut calls = Calls::new(look_for_calls);
    let mut content = String::new();
    let mut pieces = calls.push(&whole.text);
    pieces.extend(calls.finish(whole.finished.reason));
    for piece in pieces {
        if let CallPiece::Text(text) = piece {
            content.push_str(&text);
        }
    }
    let finish_reason = finish_reason(&calls, whole.finished.reason);
    let said = !content.is_empty() || calls.found.is_empty();
    ChatChoice {
        index,
        message: Answered { role: "assistant", content: said.then_some(content), tool_calls: calls.found },
        logprobs: logprobs.then(|| chat_logprobs(served.model.tokenizer(), &whole.scores)),
        finish_reason,
    }
}

fn finish_reason(calls: &Calls, finish: FinishReason) -> &'static str {
    match reason(finish) {
        "stop" if !calls.found.is_empty() => "tool_calls",
        reason => reason,
    }
}

/// What all pieces of a completion begin with.
#[derive(Clone)]
struct Head {
    id: String,
    created: u64,
    model: String,
}

struct ChatStream {
    head: Head,
    /// Of each choice.
    calls: Vec<Calls>,
    include_usage: bool,
    usage: UsageBody,
    model: Arc<ounce_llm::Model>,
    logprobs: bool,
}

impl ChatStream {
    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<UsageBody>) -> ChatChunk {
        let Head { id, created, model } = self.head.clone();
        ChatChunk { id, object: "chat.completion.chunk", created, model, choices, usage }
    }

    fn tokenizer(&self) -> &Tokenizer {
        self.model.tokenizer()
    }
}

impl Pieces for ChatStream {
    type Piece = ChatChunk;

    fn opening(&mut self) -> Vec<ChatChunk> {
        let role = |index| {
            let delta = Delta { role: Some("assistant"), content: Some(String::new()), ..Delta::default() };
            self.chunk(vec![ChunkChoice { index, delta, logprobs: None, finish_reason: None }], None)
        };
        (0..self.calls.len()).map(role).collect()
    }

    fn pieces(&mut self, index: usize, event: Event) -> Result<Vec<ChatChunk>, ApiError> {
        let mut choices = Vec::new();
        match event {
            Event::Token(Token { text, score, is_end }) => {
                let logprobs = score
                    .filter(|_| self.logprobs && !is_end)
                    .map(|score| chat_logprobs(self.tokenizer(), &[score]));
                choices.extend(self.calls[index].push(&text).into_iter().map(|piece| delta(index, piece)));
                if logprobs.is_some() {
                    match choices.first_mut() {
                        Some(choice) => choice.logprobs = logprobs,
                        None => choices.push(ChunkChoice {
                            index,
                            delta: Delta { content: Some(String::new()), ..Delta::default() },
                            logprobs,
                            finish_reason: None,
                        }),
                    }
                }
            }
            Event::Finished(finished) => {
                self.usage.add(&finished, index == 0);
                let calls = &mut self.calls[index];
                choices.extend(calls.finish(finished.reason).into_iter().map(|piece| delta(index, piece)));
                let finish_reason = Some(finish_reason(calls, finished.reason));
                choices.push(ChunkChoice { index, delta: Delta::default(), logprobs: None, finish_reason });
            }
            Event::Failed(error) => return Err(error.into()),
            Event::Prompt(_) | Event::Embedding(_) => {}
        }
        Ok(choices.into_iter().map(|choice| self.chunk(vec![choice], None)).collect())
    }

    fn closing(&mut self) -> Vec<ChatChunk> {
        if self.include_usage { vec![self.chunk(Vec::new(), Some(self.usage))] } else { Vec::new() }
    }
}

fn delta(index: usize, piece: CallPiece) -> ChunkChoice {
    let delta = match piece {
        CallPiece::Text(text) => Delta { content: Some(text), ..Delta::default() },
        CallPiece::Call(call) => Delta { tool_calls: vec![call], ..Delta::default() },
    };
    ChunkChoice { index, delta, logprobs: None, finish_reason: None }
}
