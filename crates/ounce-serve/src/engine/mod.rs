//! The engine: one thread that runs all models, step by step, for all who ask.

pub(crate) mod job;
mod lane;
mod queue;
mod sequence;
mod stats;

use job::Job;
use lane::Lane;
use ounce_kernels::ThreadPool;
use ounce_llm::batch::{Batch, BatchError, BatchOptions};
use ounce_llm::{KvType, Model, Stream};
pub(crate) use stats::Stats;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// Tokens of prompts that one step takes at most.
const PROMPT_TOKENS: usize = 512;

/// How texts are kept and how many.
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    /// Texts of each model that are in progress at once, at least 1.
    pub slots: usize,
    /// A request is turned away when so many answers wait for a slot, at least 1.
    pub queue: usize,
    /// Positions of each text; `None`: what the model was made for, at most 32,768.
    pub context: Option<usize>,
    /// How keys and values are kept.
    pub kv: KvType,
    /// How texts without end are kept.
    pub stream: Option<Stream>,
}

/// A job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// As many wait as may.
    #[error("as many requests are waiting as this server allows; try again later")]
    Full,
    /// The engine has ended.
    #[error("the server is shutting down")]
    Ended,
}

/// The way to the engine. The engine finishes what it was given and ends when the last handle is gone.
#[derive(Clone)]
pub(crate) struct Handle {
    jobs: mpsc::Sender<Job>,
    stats: Arc<Stats>,
    queue: usize,
    /// Dropped by the engine when it ends, however it ends.
    alive: Weak<()>,
}

impl Handle {
    /// Whether the engine has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.alive.strong_count() == 0
    }

    /// Puts the jobs of one request in line, all of them or none. A request that finds room in the line brings all its jobs, however many.
    pub(crate) fn submit(&self, jobs: Vec<Job>) -> Result<(), Refused> {
        let Some(client) = jobs.first().map(|job| job.client) else { return Ok(()) };
        if !self.stats.enqueue(client, jobs.len(), self.queue) {
            return Err(Refused::Full);
        }
        let mut ended = false;
        for job in jobs {
            if self.jobs.send(job).is_err() {
                self.stats.unqueue(client);
                ended = true;
            }
        }
        if ended { Err(Refused::Ended) } else { Ok(()) }
    }
}

/// Starts the engine.
///
/// # Errors
/// What [`Batch::new`] refuses; a thread that cannot be had.
pub(crate) fn start(
    models: &[Arc<Model>],
    pool: ThreadPool,
    options: EngineOptions,
) -> Result<(Handle, JoinHandle<()>), StartError> {
    let EngineOptions { slots, queue, context, kv, stream } = options;
    let lanes = models
        .iter()
        .map(|model| {
            let options =
                BatchOptions { texts: slots, step_tokens: slots + PROMPT_TOKENS, context, kv, stream };
            let batch = Batch::new(model.clone(), options);
            batch.map(|batch| Lane::new(batch, stream))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let stats = Arc::new(Stats::new());
    let (sender, receiver) = mpsc::channel();
    let of_engine = stats.clone();
    let life = Arc::new(());
    let alive = Arc::downgrade(&life);
    let thread = std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            let _life = life;
            run(lanes, pool, &receiver, &of_engine);
        })
        .map_err(StartError::Thread)?;
    Ok((Handle { jobs: sender, stats, queue, alive }, thread))
}

/// The engine cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A model does not allow these options.
    #[error(transparent)]
    Model(#[from] BatchError),
    /// The system gives no thread.
    #[error("no thread can be started")]
    Thread(#[source] std::io::Error),
}

fn run(mut lanes: Vec<Lane>, mut pool: ThreadPool, jobs: &Receiver<Job>, stats: &Stats) {
    let mut open = true;
    loop {
        if lanes.iter().all(Lane::is_idle) {
            stats.running(0);
            match jobs.recv() {
                Ok(job) => lanes[job.model].push(job),
                Err(_) => return,
            }
        }
        while open {
            match jobs.try_recv() {
                Ok(job) => lanes[job.model].push(job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => open = false,
            }
        }
        for lane in &mut lanes {
            lane.admit(&mut pool, stats);
        }
        let busy = lanes.iter().filter(|lane| lane.active() > 0).count();
        for lane in &mut lanes {
            lane.step(&mut pool, stats, busy <= 1);
        }
        stats.running(lanes.iter().map(Lane::active).sum());
    }
}
