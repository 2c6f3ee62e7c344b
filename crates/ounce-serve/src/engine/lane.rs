//! The texts of one model: which jobs get a slot, what each step takes, and what slots remember.

use super::job::{Event, Job, JobError};
use super::queue::Queue;
use super::sequence::{Common, Next, Sequence};
use super::stats::Stats;
use ounce_kernels::ThreadPool;
use ounce_llm::batch::{Batch, Feed, Phase, Wanted};
use ounce_llm::{Model, Stream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How long others may wait for slices of prompts.
const SLICE_TIME: f64 = 0.1;
/// The same where nobody else gets an answer: how long whoever comes next may wait.
const LONE_SLICE_TIME: f64 = 0.25;
/// The least tokens of prompts that a step takes, and of one of several prompts.
const LEAST_SLICE: usize = 8;
/// What must be gained before a prefix is copied from another slot.
const WORTH_SHARING: usize = 16;

pub(super) struct Lane {
    batch: Batch,
    /// The stream of every text, but for its sinks.
    stream: Option<Stream>,
    slots: Vec<Slot>,
    queue: Queue,
    spared: Vec<u32>,
    /// The slot whose prompt is next.
    turn: usize,
    /// Counts what happens, so that slots know when they were last used.
    clock: u64,
    /// Seconds per token of a prompt, of late.
    token_time: f64,
}

/// A place for a text, which remembers its last one.
#[derive(Default)]
struct Slot {
    /// What the batch's text has read.
    tokens: Vec<u32>,
    /// So many of these were read as part of a prompt. Others may go on from there and get, bit for bit, what they would have got by
    /// themselves.
    as_prompt: usize,
    sequence: Option<Mutex<Sequence>>,
    used: u64,
}

/// A slot for a job.
struct Place {
    slot: usize,
    /// Tokens of the prompt that the slot has read.
    kept: usize,
    /// Another slot that has read more of it.
    share: Option<(usize, usize)>,
}

impl Lane {
    pub(super) fn new(batch: Batch, stream: Option<Stream>) -> Self {
        let slots = (0..batch.texts()).map(|_| Slot::default()).collect();
        let spared = batch.model().tokenizer().structure();
        Self { batch, stream, slots, queue: Queue::default(), spared, turn: 0, clock: 0, token_time: 1e-3 }
    }

    pub(super) fn push(&mut self, job: Job) {
        self.queue.push(job);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.len() == 0 && self.active() == 0
    }

    pub(super) fn active(&self) -> usize {
        self.slots.iter().filter(|slot| slot.sequence.is_some()).count()
    }

    /// Frees what belongs to clients that have left, and gives free slots to those that wait.
    pub(super) fn admit(&mut self, pool: &mut ThreadPool, stats: &Stats) {
        self.queue.drop_departed().into_iter().for_each(|client| stats.unqueue(client));
        for slot in &mut self.slots {
            let abandoned = slot.sequence.as_mut().map(inner).filter(|sequence| sequence.is_abandoned());
            if let Some(sequence) = abandoned {
                stats.abandoned(sequence.usage());
                slot.sequence = None;
            }
        }
        while self.slots.iter().any(|slot| slot.sequence.is_none()) {
            let Some(job) = self.queue.pop() else { break };
            stats.unqueue(job.client);
            stats.waited(job.asked.elapsed());
            self.begin(pool, job);
        }
    }

    fn begin(&mut self, pool: &mut ThreadPool, job: Job) {
        let context = self.batch.context();
        let stream = match self.stream_for(job.opening) {
            Ok(stream) => stream,
            Err(error) => return refuse(&job, error),
        };
        if stream.is_none() && job.prompt.len() > context {
            return refuse(&job, JobError::PromptTooLong { prompt: job.prompt.len(), context });
        }
        let every_row = job.needs_every_row();
        let Some(place) = self.place(&job.prompt, stream, every_row) else { return };
        let Place { slot, mut kept, share } = place;
        // A text that nothing is kept of gives its memory back, so that a slot holds what its text needs, not what the longest needed.
        if self.batch.stream(slot) != stream || (kept == 0 && self.batch.position(slot) > 0) {
            if let Err(error) = self.batch.restart(slot, stream) {
                return refuse(&job, JobError::Internal(error.to_string()));
            }
            self.slots[slot].tokens.clear();
        }
        kept = self.batch.truncate(pool, slot, kept);
        if let Some((from, count)) = share {
            kept = self.batch.share(pool, from, slot, count);
        }
        self.clock += 1;
        let held = &mut self.slots[slot];
        held.tokens.clear();
        held.tokens.extend_from_slice(&job.prompt[..kept]);
        held.as_prompt = kept;
        held.used = self.clock;
        let common = Common { tokenizer: self.batch.model().tokenizer(), spared: &self.spared };
        match Sequence::new(job, &common, kept) {
            Ok(sequence) => {
                held.sequence = Some(Mutex::new(sequence));
            }
            Err((events, error)) => {
                let _ = events.send(Event::Failed(error));
            }
        }
    }

    /// The stream of a text that begins with so many tokens to be kept.
    fn stream_for(&self, opening: usize) -> Result<Option<Stream>, JobError> {
        let Some(stream) = self.stream else { return Ok(None) };
        let context = self.batch.model().config().context;
        let sinks = stream.sinks.max(opening);
        let stream = Stream { sinks, ..stream };
        if stream.capacity() > context {
            return Err(JobError::OpeningTooLong { opening, context });
        }
        Ok(Some(stream))
    }

    /// The slot where a prompt begins with the least work, without destroying what is likely to be used again.
    fn place(&self, prompt: &[u32], stream: Option<Stream>, every_row: bool) -> Option<Place> {
        let free = |slot: &usize| self.slots[*slot].sequence.is_none();
        let oldest = (0..self.slots.len()).filter(free).min_by_key(|&slot| self.slots[slot].used)?;
        let nothing = Place { slot: oldest, kept: 0, share: None };
        if every_row {
            return Some(nothing);
        }
        let in_place = (0..self.slots.len())
            .filter(|slot| free(slot) && self.batch.stream(*slot) == stream)
            .map(|slot| (self.reusable(slot, prompt), slot))
            .max_by_key(|&(kept, slot)| (kept, std::cmp::Reverse(self.slots[slot].used)))
            .filter(|&(kept, _)| kept > 0);
        // Sinks of another size are made when the place is taken.
        let alike = |slot: usize| self.batch.stream(slot) == stream;
        let shared = (0..self.slots.len())
            .filter(|&slot| alike(slot))
            .map(|slot| (self.known(slot, prompt), slot))
            .max_by_key(|(count, _)| *count)
            .filter(|&(count, _)| count >= WORTH_SHARING);
        match (in_place, shared) {
            // What would be lost is less than what is kept, or there is no better place anyway.
            (Some((kept, slot)), _) if 2 * kept >= self.slots[slot].tokens.len() || slot == oldest => {
                Some(Place { slot, kept, share: None })
            }
            (_, Some((count, from))) if from != oldest => {
                Some(Place { share: Some((from, count)), ..nothing })
            }
            (Some((kept, slot)), _) => Some(Place { slot, kept, share: None }),
            _ => Some(nothing),
        }
    }

    /// Tokens of a prompt that a slot need not read again if it goes on with it.
    ///
    /// A text that has evicted tokens is only of use where so many would have been evicted of the prompt too: else less would be seen
    /// than by a text that begins anew. What was generated is then taken as it is, since reading it again would mean reading all of it.
    fn reusable(&self, slot: usize, prompt: &[u32]) -> usize {
        let same = common_prefix(&self.slots[slot].tokens, &prompt[..prompt.len() - 1]);
        match (self.batch.evicted(slot), self.batch.stream(slot)) {
            (0, _) => same.min(self.slots[slot].as_prompt),
            (evicted, Some(stream)) if stream.evicted(same) == evicted => same,
            _ => 0,
        }
    }

    /// Tokens of a prompt that a slot has read as part of one, and has not evicted.
    fn known(&self, slot: usize, prompt: &[u32]) -> usize {
        if self.batch.evicted(slot) > 0 {
            return 0;
        }
        let Slot { tokens, as_prompt, .. } = &self.slots[slot];
        common_prefix(&tokens[..*as_prompt], &prompt[..prompt.len() - 1])
    }

    /// Runs one step, if there is anything to do.
    ///
    /// All texts that generate take part with a token each. What time is left goes to the prompts, in turn. `alone`: no other model has
    /// anything to do.
    pub(super) fn step(&mut self, pool: &mut ThreadPool, stats: &Stats, alone: bool) {
        let mut plan = Vec::with_capacity(self.slots.len());
        for (number, slot) in self.slots.iter_mut().enumerate() {
            if let Some(sequence) = &mut slot.sequence
                && let Next::Decode(token) = inner(sequence).next()
            {
                plan.push(Planned { slot: number, phase: Phase::Decode, first: 0, tokens: vec![token] });
            }
        }
        let decoding = plan.len();
        self.plan_prompts(pool, &mut plan, alone);
        if plan.is_empty() {
            return;
        }
        let begun = Instant::now();
        let model: Arc<Model> = self.batch.model().clone();
        let common = Common { tokenizer: model.tokenizer(), spared: &self.spared };
        let feeds: Vec<Feed<'_>> =
            plan.iter().map(|planned| planned.feed(&self.slots[planned.slot])).collect();
        let slots = &self.slots;
        let result = self.batch.step(pool, &feeds, &|feed, token, output| {
            let planned = &plan[feed];
            let prompt = (planned.phase == Phase::Prefill).then_some(planned.first + token);
            if let Some(sequence) = &slots[planned.slot].sequence {
                lock(sequence).take(&common, token, prompt, output);
            }
        });
        let rows: usize = feeds.iter().map(|feed| feed.tokens.len()).sum();
        drop(feeds);
        let seconds = begun.elapsed().as_secs_f64();
        if rows > decoding {
            self.token_time = 0.7 * self.token_time + 0.3 * seconds / rows as f64;
        }
        stats.stepped(decoding, rows - decoding, seconds);
        for planned in &plan {
            let slot = &mut self.slots[planned.slot];
            let Some(sequence) = &mut slot.sequence else { continue };
            let sequence = inner(sequence);
            if let Err(error) = &result {
                sequence.fail(error.to_string());
                slot.sequence = None;
                continue;
            }
            slot.tokens.extend_from_slice(&planned.tokens);
            if planned.phase == Phase::Prefill {
                sequence.read += planned.tokens.len();
                slot.as_prompt = sequence.read;
            }
            if !sequence.deliver(self.batch.room(planned.slot) == 0) {
                stats.finished(sequence.usage(), sequence.to_first_token());
                slot.sequence = None;
            }
        }
    }

    /// Adds slices of the prompts that are being read.
    fn plan_prompts(&mut self, pool: &mut ThreadPool, plan: &mut Vec<Planned>, alone: bool) {
        let count = self.slots.len();
        let mut reading: Vec<usize> = (self.turn..self.turn + count).map(|slot| slot % count).collect();
        reading.retain(|&slot| self.is_reading(slot));
        for &slot in &reading {
            self.catch_up(pool, slot);
        }
        let waits: Vec<bool> = reading.iter().map(|&slot| self.is_led(slot, &reading)).collect();
        let mut waits = waits.into_iter();
        reading.retain(|_| !waits.next().unwrap_or(false));
        let Some(&first) = reading.first() else { return };
        let most = self.batch.step_tokens() - plan.len();
        let time = if alone && plan.is_empty() { LONE_SLICE_TIME } else { SLICE_TIME };
        let mut left = ((time / self.token_time) as usize).clamp(LEAST_SLICE, most);
        let fair = (left / reading.len()).max(LEAST_SLICE);
        self.turn = (first + 1) % count;
        for slot in reading {
            if left == 0 {
                // Whoever got nothing is first in the next step.
                self.turn = slot;
                break;
            }
            let room = self.batch.room(slot);
            let Some(sequence) = &mut self.slots[slot].sequence else { continue };
            let sequence = inner(sequence);
            let rest = &sequence.prompt[sequence.read..];
            let n = rest.len().min(left).min(fair).min(room);
            left -= n;
            let tokens = rest[..n].to_vec();
            sequence.expect(n);
            plan.push(Planned { slot, phase: Phase::Prefill, first: sequence.read, tokens });
        }
    }

    fn is_reading(&mut self, slot: usize) -> bool {
        let sequence = self.slots[slot].sequence.as_mut().map(inner);
        sequence.is_some_and(|sequence| sequence.next() == Next::Prefill)
    }

    /// The prompt of a slot and how much of it has been read, unless every row of it is asked for.
    fn skippable(&self, slot: usize) -> Option<(Arc<[u32]>, usize)> {
        let sequence = lock(self.slots[slot].sequence.as_ref()?);
        (!sequence.needs_every_row()).then(|| (sequence.prompt.clone(), sequence.read))
    }

    /// Copies what another slot has read of the same prompt in the meantime.
    fn catch_up(&mut self, pool: &mut ThreadPool, slot: usize) {
        let Some((prompt, read)) = self.skippable(slot) else { return };
        let best = (0..self.slots.len())
            .filter(|other| *other != slot)
            .map(|other| (self.known(other, &prompt).min(self.batch.shareable(other, slot)), other))
            .max_by_key(|(count, _)| *count);
        let Some((count, other)) = best.filter(|(count, _)| *count >= read + WORTH_SHARING) else { return };
        if self.leads(other, slot, &prompt, count) {
            // There will be more to copy.
            return;
        }
        let shared = self.batch.share(pool, other, slot, count);
        let held = &mut self.slots[slot];
        held.tokens.clear();
        held.tokens.extend_from_slice(&prompt[..shared]);
        held.as_prompt = shared;
        if let Some(sequence) = &mut held.sequence {
            inner(sequence).skip_to(shared);
        }
    }

    /// Whether a slot waits for another one of `reading` to read what both have in common.
    fn is_led(&self, slot: usize, reading: &[usize]) -> bool {
        let Some((prompt, read)) = self.skippable(slot) else { return false };
        reading.iter().any(|&other| self.leads(other, slot, &prompt, read))
    }

    /// Whether slot `other` is reading what `slot`, whose prompt is given and read up to `read`, will be able to copy: it is further on, or as
    /// far and came first. So of those that have something in common one goes ahead and none waits in a circle.
    fn leads(&self, other: usize, slot: usize, prompt: &[u32], read: usize) -> bool {
        let Some(sequence) = self.slots[other].sequence.as_ref().filter(|_| other != slot) else {
            return false;
        };
        let sequence = lock(sequence);
        if sequence.next() != Next::Prefill || self.batch.evicted(other) > 0 || self.batch.evicted(slot) > 0 {
            return false;
        }
        let same = common_prefix(&sequence.prompt, &prompt[..prompt.len() - 1]);
        let ahead = (sequence.read, std::cmp::Reverse(self.slots[other].used))
            > (self.batch.position(slot), std::cmp::Reverse(self.slots[slot].used));
        let alike = self.batch.stream(other) == self.batch.stream(slot);
        // A text that streams evicts what it has read of a long prompt before all of it can be copied.
        let kept = self.batch.stream(other).map_or(usize::MAX, |stream| stream.capacity());
        ahead && alike && same >= read + WORTH_SHARING && same > sequence.read && same <= kept
    }
}

/// What a slot adds to a step.
struct Planned {
    slot: usize,
    phase: Phase,
    /// Index of the first token in the prompt.
    first: usize,
    tokens: Vec<u32>,
}

impl Planned {
    fn feed(&self, slot: &Slot) -> Feed<'_> {
        let wanted = match (&slot.sequence, self.phase) {
            (Some(sequence), Phase::Prefill) => {
                let sequence = lock(sequence);
                if sequence.is_embedding() {
                    Wanted::Hidden
                } else if sequence.needs_every_row() {
                    Wanted::Every
                } else if self.first + self.tokens.len() == sequence.prompt.len() {
                    Wanted::Last
                } else {
                    Wanted::Nothing
                }
            }
            _ => Wanted::Last,
        };
        Feed { text: self.slot, tokens: &self.tokens, phase: self.phase, wanted }
    }
}

fn refuse(job: &Job, error: JobError) {
    let _ = job.events.send(Event::Failed(error));
}

fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn inner(sequence: &mut Mutex<Sequence>) -> &mut Sequence {
    sequence.get_mut().unwrap_or_else(PoisonError::into_inner)
}

fn lock(sequence: &Mutex<Sequence>) -> std::sync::MutexGuard<'_, Sequence> {
    sequence.lock().unwrap_or_else(PoisonError::into_inner)
}
