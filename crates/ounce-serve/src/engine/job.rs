//! What the engine is asked for, and what it answers.

use ounce_llm::constrain::Constraint;
use ounce_llm::generate::FinishReason;
use ounce_llm::sampling::{SamplerOptions, Score};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// One text to be read and, unless it is only wanted as an embedding, continued.
pub(crate) struct Job {
    /// Index of the model.
    pub(crate) model: usize,
    /// Who asks; clients take turns.
    pub(crate) client: u64,
    /// Not empty, all ids in the vocabulary.
    pub(crate) prompt: Arc<[u32]>,
    /// Tokens at the beginning of the prompt that a stream keeps for ever.
    pub(crate) opening: usize,
    pub(crate) task: Task,
    /// Closed by the receiver to give the job up.
    pub(crate) events: UnboundedSender<Event>,
    pub(crate) asked: Instant,
}

pub(crate) enum Task {
    Generate(Box<Generate>),
    /// The mean of the prompt's last hidden states.
    Embed,
}

/// How a text is continued.
#[derive(Clone)]
pub(crate) struct Generate {
    pub(crate) sampler: SamplerOptions,
    /// Added to the logits of these tokens.
    pub(crate) bias: Vec<(u32, f32)>,
    pub(crate) stop: Vec<String>,
    pub(crate) max_tokens: usize,
    /// Score the sampled tokens, with so many of the most likely ones beside each.
    pub(crate) logprobs: Option<usize>,
    /// Score the tokens of the prompt too.
    pub(crate) score_prompt: bool,
    /// What the text may be.
    pub(crate) constraint: Option<Constraint>,
    /// Control tokens are text: those around calls of tools.
    pub(crate) keep_special: bool,
}

/// What happens to a job, in order; the last is [`Finished`](Event::Finished) or [`Failed`](Event::Failed).
#[derive(Debug)]
pub(crate) enum Event {
    /// The scores of the prompt's tokens but the first.
    Prompt(Vec<Score>),
    Token(Token),
    /// `[hidden]`
    Embedding(Vec<f32>),
    Finished(Finished),
    Failed(JobError),
}

/// A sampled token.
#[derive(Debug)]
pub(crate) struct Token {
    /// Text that is certain now.
    pub(crate) text: String,
    pub(crate) score: Option<Score>,
    /// Whether the token ended the text, of which it is no part.
    pub(crate) is_end: bool,
}

/// How a job ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) reason: FinishReason,
    pub(crate) usage: Usage,
}

/// What a job took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Tokens of the prompt.
    pub(crate) prompt: usize,
    /// Of these, tokens whose keys and values were there already.
    pub(crate) cached: usize,
    /// Tokens that were sampled.
    pub(crate) generated: usize,
    /// From the beginning of the work until the first token.
    pub(crate) prefill: Duration,
    /// From the first token to the last.
    pub(crate) decode: Duration,
}

/// A job cannot begin or go on.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The prompt leaves no room for an answer.
    #[error("the prompt has {prompt} tokens, but the context of this model holds {context}")]
    PromptTooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens that the context holds.
        context: usize,
    },
    /// What a stream keeps for ever leaves no window.
    #[error(
        "the system message and the marks around it take {opening} tokens, which leaves no room for a window in the {context} tokens of this model"
    )]
    OpeningTooLong {
        /// Tokens before the first word of the user.
        opening: usize,
        /// Positions of the model.
        context: usize,
    },
    /// The form of the answer cannot be kept.
    #[error("{0}")]
    Form(String),
    /// Something that the request is not to blame for.
    #[error("{0}")]
    Internal(String),
}

impl Job {
    /// Whether something is asked for of every token of the prompt.
    pub(crate) fn needs_every_row(&self) -> bool {
        match &self.task {
            Task::Generate(generate) => generate.score_prompt,
            Task::Embed => true,
        }
    }
}
