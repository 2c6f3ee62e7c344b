//! The answers of the engine to one request, gathered or as they come.

use super::error::ApiError;
use crate::engine::job::{Event, Finished, Job, JobError, Task, Token};
use crate::server::State;
use ounce_llm::generate::FinishReason;
use ounce_llm::sampling::Score;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use utoipa::ToSchema;

/// What a request wants of the engine, but for its tasks.
pub(crate) struct Asked {
    pub(crate) model: usize,
    pub(crate) client: u64,
    pub(crate) prompt: Arc<[u32]>,
    pub(crate) opening: usize,
}

/// The events of one choice; dropping it gives the choice up.
pub(crate) struct Choice {
    events: UnboundedReceiver<Event>,
}

/// All that came of a choice.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) text: String,
    pub(crate) prompt_scores: Vec<Score>,
    pub(crate) scores: Vec<Score>,
    /// Of the token that ended the text, if one did.
    pub(crate) end: Option<Score>,
    pub(crate) finished: Finished,
}

/// What one request asks of the engine, to be put in line together.
#[derive(Default)]
pub(crate) struct Batch {
    jobs: Vec<Job>,
    choices: Vec<Choice>,
}

impl Batch {
    /// Adds a task.
    pub(crate) fn add(&mut self, asked: &Asked, task: Task) {
        let (sender, events) = unbounded_channel();
        let &Asked { model, client, ref prompt, opening } = asked;
        let prompt = prompt.clone();
        self.jobs.push(Job { model, client, prompt, opening, task, events: sender, asked: Instant::now() });
        self.choices.push(Choice { events });
    }

    /// Puts all in line.
    pub(crate) fn submit(self, state: &State) -> Result<Vec<Choice>, ApiError> {
        state.engine.submit(self.jobs)?;
        Ok(self.choices)
    }
}

impl Choice {
    /// The next event. An engine that has ended without a last one has failed.
    pub(crate) async fn next(&mut self) -> Event {
        let failed = || Event::Failed(JobError::Internal("the engine has stopped".into()));
        self.events.recv().await.unwrap_or_else(failed)
    }

    /// Waits for the whole answer.
    pub(crate) async fn whole(mut self) -> Result<Whole, ApiError> {
        let (mut text, mut prompt_scores, mut scores) = (String::new(), Vec::new(), Vec::new());
        let mut end = None;
        loop {
            match self.next().await {
                Event::Prompt(given) => prompt_scores = given,
                Event::Token(Token { text: piece, score, is_end }) => {
                    text.push_str(&piece);
                    if is_end { end = score } else { scores.extend(score) }
                }
                Event::Embedding(_) => {}
                Event::Finished(finished) => return Ok(Whole { text, prompt_scores, scores, end, finished }),
                Event::Failed(error) => return Err(error.into()),
            }
        }
    }

    /// Waits for an embedding, and the tokens of its prompt.
    pub(crate) async fn embedding(mut self) -> Result<(Vec<f32>, usize), ApiError> {
        let mut embedding = Vec::new();
        loop {
            match self.next().await {
                Event::Embedding(given) => embedding = given,
                Event::Finished(finished) => return Ok((embedding, finished.usage.prompt)),
                Event::Failed(error) => return Err(error.into()),
                Event::Prompt(_) | Event::Token(_) => {}
            }
        }
    }
}

/// OpenAI's name of a reason.
pub(crate) fn reason(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::Length | FinishReason::Context => "length",
        FinishReason::Stop | FinishReason::Cancelled => "stop",
    }
}

/// Tokens of a request.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct UsageBody {
    pub(crate) prompt_tokens: usize,
    pub(crate) completion_tokens: usize,
    pub(crate) total_tokens: usize,
    pub(crate) prompt_tokens_details: PromptTokensDetails,
}

/// Tokens of the prompt that cost nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct PromptTokensDetails {
    pub(crate) cached_tokens: usize,
}

impl UsageBody {
    /// Of one prompt with some choices. The prompt counts once.
    pub(crate) fn add(&mut self, finished: &Finished, first_choice: bool) {
        if first_choice {
            self.prompt_tokens += finished.usage.prompt;
            self.prompt_tokens_details.cached_tokens += finished.usage.cached;
        }
        self.completion_tokens += finished.usage.generated;
        self.total_tokens = self.prompt_tokens + self.completion_tokens;
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs())
}
