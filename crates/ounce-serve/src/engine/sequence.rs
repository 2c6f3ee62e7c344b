//! A job that has a slot.

use super::job::{Event, Finished, Generate, Job, JobError, Task, Token, Usage};
use ounce_llm::batch::Output;
use ounce_llm::constrain::{Constraint, ConstraintError};
use ounce_llm::generate::{Answer, FinishReason, Piece};
use ounce_llm::sampling::{Past, Sampler, Score, score};
use ounce_llm::tokenizer::Tokenizer;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// A text in progress, from its first slice of the prompt to its last token.
pub(super) struct Sequence {
    pub(super) prompt: Arc<[u32]>,
    /// Tokens of the prompt that have been read.
    pub(super) read: usize,
    work: Work,
    events: UnboundedSender<Event>,
    begun: Instant,
    asked: Instant,
    first_token: Option<Instant>,
    usage: Usage,
}

enum Work {
    Generate(Box<Generation>),
    /// The hidden states of the slice at hand, `[tokens, hidden]`, and the sum of those before.
    Embed {
        slice: Vec<Vec<f32>>,
        sum: Vec<f64>,
    },
}

struct Generation {
    options: Generate,
    sampler: Sampler,
    answer: Answer,
    /// The sampled token that has not been read yet.
    next: Option<u32>,
    /// Of the prompt's tokens, by index; the first has none.
    prompt_scores: Vec<Option<Score>>,
    /// What the last step gave.
    sampled: Option<Result<Sampled, JobError>>,
}

/// A token that was chosen.
struct Sampled {
    piece: Piece,
    score: Option<Score>,
    is_end: bool,
}

/// What a sequence needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The prompt from [`Sequence::read`] on.
    Prefill,
    /// This token.
    Decode(u32),
}

/// What is the same for all sequences of a model.
pub(super) struct Common<'a> {
    pub(super) tokenizer: &'a Tokenizer,
    /// Tokens that are not penalised.
    pub(super) spared: &'a [u32],
}

impl Sequence {
    /// Begins a job whose first `cached` tokens have been read.
    pub(super) fn new(
        job: Job,
        common: &Common<'_>,
        cached: usize,
    ) -> Result<Self, (UnboundedSender<Event>, JobError)> {
        let Job { prompt, task, events, asked, .. } = job;
        let work = match task {
            Task::Embed => Work::Embed { slice: Vec::new(), sum: Vec::new() },
            Task::Generate(options) => {
                let sampler = match Sampler::new(options.sampler.clone()) {
                    Ok(sampler) => sampler,
                    Err(error) => return Err((events, JobError::Internal(error.to_string()))),
                };
                let mut answer = Answer::new(common.tokenizer, options.max_tokens, &options.stop);
                if options.keep_special {
                    answer = answer.with_special(common.tokenizer);
                }
                let prompt_scores = if options.score_prompt { vec![None; prompt.len()] } else { Vec::new() };
                let options = *options;
                Work::Generate(Box::new(Generation {
                    options,
                    sampler,
                    answer,
                    next: None,
                    prompt_scores,
                    sampled: None,
                }))
            }
        };
        let usage = Usage { prompt: prompt.len(), cached, ..Usage::default() };
        let begun = Instant::now();
        Ok(Self { prompt, read: cached, work, events, begun, asked, first_token: None, usage })
    }

    pub(super) fn next(&self) -> Next {
        match &self.work {
            Work::Generate(generation) => generation.next.map_or(Next::Prefill, Next::Decode),
            Work::Embed { .. } => Next::Prefill,
        }
    }

    /// Whether something is asked for of every token of the prompt, so that none can be skipped.
    pub(super) fn needs_every_row(&self) -> bool {
        match &self.work {
            Work::Generate(generation) => generation.options.score_prompt,
            Work::Embed { .. } => true,
        }
    }

    pub(super) fn is_embedding(&self) -> bool {
        matches!(self.work, Work::Embed { .. })
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// Counts the first `read` tokens of the prompt as read.
    pub(super) fn skip_to(&mut self, read: usize) {
        if read > self.read {
            self.usage.cached += read - self.read;
            self.read = read;
        }
    }

    /// Prepares for a slice of `tokens` tokens of the prompt.
    pub(super) fn expect(&mut self, tokens: usize) {
        if let Work::Embed { slice, .. } = &mut self.work {
            slice.resize(tokens, Vec::new());
        }
    }

    /// Takes a row that a step gave for the token at index `prompt` of the prompt, or for a sampled token. Called in no order.
    pub(super) fn take(
        &mut self,
        common: &Common<'_>,
        in_slice: usize,
        prompt: Option<usize>,
        output: Output<'_>,
    ) {
        let last = self.prompt.len() - 1;
        match (&mut self.work, output) {
            (Work::Embed { slice, .. }, Output::Hidden(row)) => slice[in_slice] = row.to_vec(),
            (Work::Generate(generation), Output::Logits(row)) => {
                if let Some(at) = prompt.filter(|&at| at < last) {
                    let top = generation.options.logprobs.unwrap_or(0);
                    generation.prompt_scores[at + 1] = Some(score(row, self.prompt[at + 1], top));
                } else {
                    generation.sampled = Some(generation.sample(common, &self.prompt, row));
                }
            }
            _ => {}
        }
    }

    /// Tells what the last step gave; whether the sequence goes on. `full`: the text has no room for another token.
    pub(super) fn deliver(&mut self, full: bool) -> bool {
        match &mut self.work {
            Work::Embed { slice, sum } => {
                for row in slice.drain(..) {
                    sum.resize(row.len(), 0.0);
                    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(x));
                }
                if self.read < self.prompt.len() {
                    return true;
                }
                let mean = sum.iter().map(|x| (x / self.prompt.len() as f64) as f32).collect();
                let _ = self.events.send(Event::Embedding(mean));
                self.finish(FinishReason::Stop)
            }
            Work::Generate(generation) => {
                let Some(result) = generation.sampled.take() else { return true };
                if self.first_token.is_none() {
                    self.first_token = Some(Instant::now());
                    if generation.options.score_prompt {
                        let scores = generation.prompt_scores.drain(..).flatten().collect();
                        let _ = self.events.send(Event::Prompt(scores));
                    }
                }
                let Sampled { mut piece, score, is_end } = match result {
                    Ok(sampled) => sampled,
                    Err(error) => {
                        let _ = self.events.send(Event::Failed(error));
                        return false;
                    }
                };
                if full && piece.finish.is_none() {
                    let rest = generation.answer.end(FinishReason::Context);
                    piece = Piece { text: piece.text + &rest.text, finish: rest.finish };
                }
                self.usage.generated = generation.answer.tokens().len();
                generation.next = generation.answer.tokens().last().copied();
                if !piece.text.is_empty() || score.is_some() {
                    let _ = self.events.send(Event::Token(Token { text: piece.text, score, is_end }));
                }
                match piece.finish {
                    Some(reason) => self.finish(reason),
                    None => true,
                }
            }
        }
    }

    /// Ends the sequence because of something that the request is not to blame for.
    pub(super) fn fail(&self, problem: String) {
        let _ = self.events.send(Event::Failed(JobError::Internal(problem)));
    }

    fn finish(&mut self, reason: FinishReason) -> bool {
        let first = self.first_token.unwrap_or_else(Instant::now);
        self.usage.prefill = first - self.begun;
        self.usage.decode = first.elapsed();
        let _ = self.events.send(Event::Finished(Finished { reason, usage: self.usage }));
        false
    }

    /// From when it was asked for until the first token, if there was one.
    pub(super) fn to_first_token(&self) -> Option<Duration> {
        self.first_token.map(|first| first - self.asked)
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }
}

impl Generation {
    /// Chooses the token that follows.
    fn sample(
        &mut self,
        common: &Common<'_>,
        prompt: &[u32],
        logits: &mut [f32],
    ) -> Result<Sampled, JobError> {
        let ended = |piece| Ok(Sampled { piece, score: None, is_end: true });
        if self.answer.is_full() {
            return ended(self.answer.end(FinishReason::Length));
        }
        if self.options.constraint.as_ref().is_some_and(Constraint::is_complete) {
            return ended(self.answer.end(FinishReason::Stop));
        }
        // Scores are of the logits as the model gave them.
        let changed = !self.options.bias.is_empty() || self.options.constraint.is_some();
        let raw = (self.options.logprobs.is_some() && changed).then(|| logits.to_vec());
        for &(token, bias) in &self.options.bias {
            logits[token as usize] += bias;
        }
        let form =
            |error: ConstraintError| JobError::Form(format!("the answer cannot keep its form: {error}"));
        if let Some(constraint) = &mut self.options.constraint {
            constraint.mask(logits).map_err(form)?;
        }
        let past = Past { prompt, generated: self.answer.tokens(), spared: common.spared };
        let token =
            self.sampler.sample(logits, past).map_err(|error| JobError::Internal(error.to_string()))?;
        let before = self.answer.tokens().len();
        let piece = self.answer.push(common.tokenizer, token);
        let is_end = self.answer.tokens().len() == before;
        if !is_end && let Some(constraint) = &mut self.options.constraint {
            constraint.accept(token).map_err(form)?;
        }
        let score = self.options.logprobs.map(|top| score(raw.as_deref().unwrap_or(logits), token, top));
        Ok(Sampled { piece, score, is_end })
    }
}
