//! `POST /v1/completions`

use super::answer::{Asked, Batch, Choice, UsageBody, now, reason};
use super::body::Body;
use super::error::{ApiError, Refusals};
use super::logprobs::{CompletionLogprobs, Offsets};
use super::prompt::{Encoded, Prompt, encode};
use super::sampling::SamplingFields;
use super::stream::{Pieces, respond};
use crate::client::Client;
use crate::engine::job::{Event, Task, Token};
use crate::server::State;
use axum::Json;
use axum::extract;
use axum::response::{IntoResponse, Response};
use ounce_llm::sampling::Score;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Tokens that are generated unless a request says otherwise, as in OpenAI's API.
const MAX_TOKENS: u32 = 16;
/// The most likely tokens that can be asked for.
const TOP_LOGPROBS: u32 = 20;
/// The most choices of all prompts of a request together.
const CHOICES: usize = 256;

/// The fields of a completion. Unknown fields are ignored.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
struct CompletionFields {
    /// The name of a model; `/v1/models` lists them. The first one if none is named.
    model: Option<String>,
    /// What is continued: a text, tokens, or several of either.
    prompt: Prompt,
    /// End the text after so many tokens; 0 only scores the prompt. Default 16.
    #[schema(minimum = 0)]
    max_tokens: Option<u32>,
    /// Give the prompt back before its continuation.
    echo: Option<bool>,
    /// Give the log-probabilities of tokens, with so many of the most likely ones beside each; with `echo` also of the prompt's.
    #[schema(minimum = 0, maximum = 20)]
    logprobs: Option<u32>,
}

/// A completion to be made.
#[derive(Deserialize, Serialize, ToSchema)]
pub(crate) struct CompletionRequest {
    #[serde(flatten)]
    completion: CompletionFields,
    #[serde(flatten)]
    sampling: SamplingFields,
}

/// A completion, or a piece of one.
#[derive(Serialize, ToSchema)]
pub(crate) struct CompletionResponse {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<CompletionChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
}

/// One continuation.
#[derive(Serialize, ToSchema)]
struct CompletionChoice {
    index: usize,
    text: String,
    logprobs: Option<CompletionLogprobs>,
    finish_reason: Option<&'static str>,
}

/// Continues a text.
#[utoipa::path(
    post,
    path = "/v1/completions",
    tag = "completions",
    request_body = CompletionRequest,
    responses(
        (status = 200, description = "The continuation; with `stream`, server-sent events of the same form", content(
            (CompletionResponse = "application/json"),
            (String = "text/event-stream"),
        )),
        Refusals,
    )
)]
pub(crate) async fn completions(
    extract::State(state): extract::State<Arc<State>>,
    client: Client,
    body: Body,
) -> Result<Response, ApiError> {
    let (fields, sampling) = (body.read::<CompletionFields>()?, body.read::<SamplingFields>()?);
    let served = state.served(fields.model.as_deref())?;
    let top = fields.logprobs.unwrap_or(0);
    if top > TOP_LOGPROBS {
        return Err(ApiError::field(
            "logprobs",
            format!("logprobs is {top}; it must be 0 to {TOP_LOGPROBS}"),
        ));
    }
    let echo = fields.echo.unwrap_or(false);
    let max_tokens = fields.max_tokens.unwrap_or(MAX_TOKENS);
    let logprobs = fields.logprobs.map(|top| top as usize);
    let (seed, n) = sampling.choices()?;
    let prompts = encode(&state, served, fields.prompt, "prompt").await?;
    if prompts.len() * n > CHOICES {
        let message =
            format!("{} prompts with {n} choices each exceed the {CHOICES} of a request", prompts.len());
        return Err(ApiError::field("prompt", message));
    }
    let mut generate = sampling.generate(served, &state.options, seed, Some(max_tokens), logprobs)?;
    generate.score_prompt = echo && logprobs.is_some();
    let (mut batch, mut echoes) = (Batch::default(), Vec::new());
    for Encoded { tokens, text } in prompts {
        state.check_prompt(served, &tokens, "prompt")?;
        let prompt: Arc<[u32]> = tokens.into();
        let text = text.unwrap_or_else(|| served.model.tokenizer().decode(&prompt));
        let asked = Asked { model: served.index, client: client.0, prompt: prompt.clone(), opening: 0 };
        for i in 0..n {
            let mut generate = generate.clone();
            generate.sampler.seed = seed.wrapping_add(i as u64);
            batch.add(&asked, Task::Generate(Box::new(generate)));
            echoes.push(Echo { prompt: prompt.clone(), text: text.clone(), first_choice: i == 0 });
        }
    }
    let choices = batch.submit(&state)?;
    let form = Form {
        id: crate::random::name("cmpl"),
        created: now(),
        name: served.name.clone(),
        model: served.model.clone(),
        echo,
        logprobs: logprobs.is_some(),
    };
    if sampling.stream() {
        let offsets = echoes.iter().map(|_| Offsets::new(served.model.tokenizer())).collect();
        let include_usage = sampling.include_usage();
        let usage = UsageBody::default();
        return Ok(respond(CompletionStream { form, echoes, offsets, include_usage, usage }, choices));
    }
    let mut usage = UsageBody::default();
    let mut answers = Vec::with_capacity(choices.len());
    for (index, (choice, echo)) in choices.into_iter().zip(&echoes).enumerate() {
        answers.push(form.whole(index, choice, echo, &mut usage).await?);
    }
    Ok(Json(form.response(answers, Some(usage))).into_response())
}

/// What is given back of a prompt.
struct Echo {
    prompt: Arc<[u32]>,
    text: String,
    first_choice: bool,
}

/// What all choices of a request have in common.
struct Form {
    id: String,
    created: u64,
    name: String,
    model: Arc<ounce_llm::Model>,
    echo: bool,
    logprobs: bool,
}

impl Form {
    fn response(&self, choices: Vec<CompletionChoice>, usage: Option<UsageBody>) -> CompletionResponse {
        let (id, created, model) = (self.id.clone(), self.created, self.name.clone());
        CompletionResponse { id, object: "text_completion", created, model, choices, usage }
    }

    async fn whole(
        &self,
        index: usize,
        choice: Choice,
        echo: &Echo,
        usage: &mut UsageBody,
    ) -> Result<CompletionChoice, ApiError> {
        let whole = choice.whole().await?;
        usage.add(&whole.finished, echo.first_choice);
        let tokenizer = self.model.tokenizer();
        let mut offsets = Offsets::new(tokenizer);
        let (mut text, mut logprobs) = self.beginning(echo, &whole.prompt_scores, &mut offsets);
        text.push_str(&whole.text);
        // What reads scores alone, as evaluations do, wants one for every token that was chosen.
        whole.scores.iter().chain(&whole.end).for_each(|score| logprobs.push(tokenizer, score, &mut offsets));
        let finish_reason = Some(reason(whole.finished.reason));
        Ok(CompletionChoice { index, text, logprobs: self.logprobs.then_some(logprobs), finish_reason })
    }

    /// The prompt, if it is to be given back, with its scores.
    fn beginning(
        &self,
        echo: &Echo,
        scores: &[Score],
        offsets: &mut Offsets,
    ) -> (String, CompletionLogprobs) {
        let mut logprobs = CompletionLogprobs::default();
        if !self.echo {
            return (String::new(), logprobs);
        }
        let tokenizer = self.model.tokenizer();
        if self.logprobs {
            let first = echo.prompt[0];
            if tokenizer.is_special(first) && !echo.text.starts_with(&tokenizer.decode(&[first])) {
                offsets.skip();
            }
            logprobs.push_first(tokenizer, first, offsets);
            scores.iter().for_each(|score| logprobs.push(tokenizer, score, offsets));
        }
        (echo.text.clone(), logprobs)
    }
}

struct CompletionStream {
    form: Form,
    echoes: Vec<Echo>,
    /// Where the next token of each choice begins.
    offsets: Vec<Offsets>,
    include_usage: bool,
    usage: UsageBody,
}

impl CompletionStream {
    fn piece(&self, choice: CompletionChoice) -> CompletionResponse {
        self.form.response(vec![choice], None)
    }
}

impl Pieces for CompletionStream {
    type Piece = CompletionResponse;

    fn opening(&mut self) -> Vec<CompletionResponse> {
        if !self.form.echo || self.form.logprobs {
            // With scores the prompt comes when it has been read.
            return Vec::new();
        }
        let prompts = self.echoes.iter().enumerate().map(|(index, echo)| {
            let text = echo.text.clone();
            self.piece(CompletionChoice { index, text, logprobs: None, finish_reason: None })
        });
        prompts.collect()
    }

    fn pieces(&mut self, index: usize, event: Event) -> Result<Vec<CompletionResponse>, ApiError> {
        let choice = match event {
            Event::Prompt(scores) => {
                let (text, logprobs) =
                    self.form.beginning(&self.echoes[index], &scores, &mut self.offsets[index]);
                CompletionChoice { index, text, logprobs: Some(logprobs), finish_reason: None }
            }
            Event::Token(Token { text, score, .. }) => {
                let logprobs = score.filter(|_| self.form.logprobs).map(|score| {
                    let mut logprobs = CompletionLogprobs::default();
                    logprobs.push(self.form.model.tokenizer(), &score, &mut self.offsets[index]);
                    logprobs
                });
                CompletionChoice { index, text, logprobs, finish_reason: None }
            }
            Event::Finished(finished) => {
                self.usage.add(&finished, self.echoes[index].first_choice);
                let finish_reason = Some(reason(finished.reason));
                CompletionChoice { index, text: String::new(), logprobs: None, finish_reason }
            }
            Event::Failed(error) => return Err(error.into()),
            Event::Embedding(_) => return Ok(Vec::new()),
        };
        Ok(vec![self.piece(choice)])
    }

    fn closing(&mut self) -> Vec<CompletionResponse> {
        if self.include_usage { vec![self.form.response(Vec::new(), Some(self.usage))] } else { Vec::new() }
    }
}
