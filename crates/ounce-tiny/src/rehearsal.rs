//! Training as a device will do it, on a simulated one: with batch 1, within its memory, instruction by instruction.
//!
//! A program with inference and training step is emitted, built for the device and run under QEMU: it looks at pictures that were held out, learns from others one by one, and looks at the
//! former again. The same program compiled for this machine must give the same bytes, inference before training the bits of the graph's executor; losses of the executor, whose sums of floats
//! are taken in another order, are reported beside.

use std::path::Path;
use std::time::Duration;

use ounce_graph::{Executor, Graph, GraphError, PlanOptions, Tensor, passes, plan};
use ounce_kernels::ThreadPool;

use crate::emit::{Budget, EmitError, EmitOptions, Emitted, Memory, emit};
use crate::kernels::{NoKernel, entries};
use crate::scheme::Scheme;
use crate::simulate::{Build, Run, SimulateError, Sizes, Target, run_here};
use crate::step::{
    BIAS_RATE, IMAGE, LABEL, Network, RATE, STEP, StepError, StepOptions, inference, training_step,
};

/// What is rehearsed.
#[derive(Clone, Debug)]
pub struct Rehearsal<'a> {
    /// The network, with as many classes as the pictures have. It takes one image.
    pub network: &'a Network,
    /// What is trained.
    pub scheme: &'a Scheme,
    /// How.
    pub options: StepOptions,
    /// Learning rates of weights and of biases.
    pub rates: [f32; 2],
    /// The processor.
    pub target: Target,
    /// Its memory.
    pub budget: Budget,
}

/// An image and the number of its class.
#[derive(Clone, PartialEq, Debug)]
pub struct Example {
    /// As the network takes it.
    pub image: Tensor,
    /// From 0 on.
    pub label: i32,
}

/// Counts of instructions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Instructions {
    /// The mean of all calls.
    pub mean: u64,
    /// The most of all calls.
    pub most: u64,
}

impl Instructions {
    fn of(counts: &[u64]) -> Self {
        let mean = counts.iter().sum::<u64>() / counts.len().max(1) as u64;
        Self { mean, most: counts.iter().copied().max().unwrap_or(0) }
    }
}

/// What a rehearsal showed.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    /// Held-out pictures that were classified right before training.
    pub right_before: usize,
    /// Those after it.
    pub right_after: usize,
    /// The loss of every step.
    pub losses: Vec<f32>,
    /// The same of the graph's executor.
    pub executor_losses: Vec<f32>,
    /// Instructions of an inference.
    pub inference: Instructions,
    /// Instructions of a training step.
    pub step: Instructions,
    /// Memory as planned.
    pub memory: Memory,
    /// Memory as compiled, the reading of files included.
    pub sizes: Sizes,
    /// The most of the stack that was in use.
    pub stack_peak: u64,
    /// Whether all bytes are those of the same program on this machine.
    pub same_here: bool,
    /// Held-out pictures for which the logits before training are those of the graph's executor bit for bit.
    pub same_as_executor: usize,
}

/// Why a rehearsal failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RehearsalError {
    /// The step could not be built.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The graph refused.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The program could not be emitted, or does not fit.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// A gradient that the scheme needs has no kernel.
    #[error(transparent)]
    NoKernel(#[from] NoKernel),
    /// The program could not be built or run.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The program gave less than it should.
    #[error("the program ended with status {0} and gave {1} bytes fewer than expected, or something else")]
    Answers(i32, usize),
}

/// Inference and training step of a rehearsal as graphs.
struct Graphs {
    inference: Graph,
    step: Graph,
}

impl Graphs {
    fn of(network: &Network, scheme: &Scheme, options: &StepOptions) -> Result<Self, RehearsalError> {
        let inference = inference(network, options.head)?;
        Ok(Self { inference, step: training_step(network, scheme, options)? })
    }
}

/// Compiles a network that learns, and takes one image: the functions `invoke`, which gives logits, and `train_step`.
///
/// # Errors
/// If the scheme does not fit the network, or something has no kernel.
pub fn emit_training(
    network: &Network,
    scheme: &Scheme,
    step: &StepOptions,
    options: &EmitOptions,
) -> Result<Emitted, RehearsalError> {
    emitted(&Graphs::of(network, scheme, step)?, network, scheme, step, options)
}

fn emitted(
    graphs: &Graphs,
    network: &Network,
    scheme: &Scheme,
    step: &StepOptions,
    options: &EmitOptions,
) -> Result<Emitted, RehearsalError> {
    let program = emit(&entries(&graphs.inference, &graphs.step), options);
    program.map_err(|error| NoKernel::explain(error, network, scheme, step, RehearsalError::Emit))
}

impl Rehearsal<'_> {
    /// Rehearses with pictures to learn from, each once, and pictures that are held out. Files are made in `folder`.
    ///
    /// # Errors
    /// If the program cannot be made, does not fit, or fails.
    pub fn run(
        &self,
        train: &[Example],
        held_out: &[Example],
        folder: &Path,
    ) -> Result<Outcome, RehearsalError> {
        let graphs = Graphs::of(self.network, self.scheme, &self.options)?;
        let program = emitted(&graphs, self.network, self.scheme, &self.options, &EmitOptions::default())?;
        self.budget.check(&program.memory)?;
        let (mut requests, mut looks) = (Vec::new(), Vec::new());
        for example in held_out {
            looks.extend(program.functions[0].request(&[&example.image])?);
        }
        requests.extend(&looks);
        for (number, example) in train.iter().enumerate() {
            let values = self.step_values(example, number)?;
            let function = &program.functions[1];
            let given: Option<Vec<&Tensor>> = function
                .inputs
                .iter()
                .map(|input| values.iter().find(|(name, _)| *name == input.label).map(|(_, value)| value))
                .collect();
            let given =
                given.ok_or_else(|| StepError::Network("the step takes unknown inputs".to_owned()))?;
            requests.extend(function.request(&given)?);
        }
        requests.extend(&looks);
        let write = |path: &Path| {
            let failed = |source| RehearsalError::Io { path: path.to_owned(), source };
            std::fs::create_dir_all(path)
                .and_then(|()| std::fs::write(path.join("requests"), &requests))
                .map_err(failed)
        };
        let (board, here) = (folder.join("board"), folder.join("here"));
        write(&board)?;
        write(&here)?;
        let build =
            Build::new(self.target).ram(self.budget.sram).flash(self.budget.flash).stack(self.budget.stack);
        let image = program.add_to(build).text("main.c", program.driver()).compile(&board)?;
        self.budget.check_compiled(&image.sizes)?;
        let limit = Duration::from_secs(120 + 10 * (train.len() + 2 * held_out.len()) as u64);
        let report = Run::new().limit(limit).execute(&image, &board)?;
        let mut texts = program.files.clone();
        texts.push(("main.c".to_owned(), program.driver()));
        run_here(&texts, &here)?;
        let read = |folder: &Path| {
            let path = folder.join("answers");
            std::fs::read(&path).map_err(|source| RehearsalError::Io { path, source })
        };
        let (answers, answers_here) = (read(&board)?, read(&here)?);
        let mut left = &answers[..];
        let short =
            || RehearsalError::Answers(report.status, answers_here.len().saturating_sub(answers.len()));
        let logits = |left: &mut &[u8]| -> Result<Vec<Tensor>, RehearsalError> {
            let one = |_| Some(program.functions[0].answer(left)?.swap_remove(0));
            (0..held_out.len()).map(one).collect::<Option<_>>().ok_or_else(short)
        };
        let before = logits(&mut left)?;
        let losses: Option<Vec<f32>> = train
            .iter()
            .map(|_| program.functions[1].answer(&mut left)?.first()?.as_f32()?.first().copied())
            .collect();
        let losses = losses.ok_or_else(short)?;
        let after = logits(&mut left)?;
        let right = |logits: &[Tensor]| {
            logits
                .iter()
                .zip(held_out)
                .filter(|(logits, example)| largest(logits) == Some(example.label))
                .count()
        };
        let calls: Vec<u64> = report.spans().into_iter().step_by(2).collect();
        let (looking, rest) = calls.split_at(held_out.len().min(calls.len()));
        let stepping = &rest[..train.len().min(rest.len())];
        let (executor_losses, expected) = self.executed(&graphs, train, held_out)?;
        Ok(Outcome {
            right_before: right(&before),
            right_after: right(&after),
            losses,
            executor_losses,
            inference: Instructions::of(looking),
            step: Instructions::of(stepping),
            memory: program.memory,
            sizes: image.sizes,
            stack_peak: report.stack_peak,
            same_here: answers == answers_here,
            same_as_executor: before.iter().zip(&expected).filter(|(a, b)| a == b).count(),
        })
    }

    /// The inputs of a step by name.
    fn step_values(
        &self,
        example: &Example,
        number: usize,
    ) -> Result<Vec<(&'static str, Tensor)>, GraphError> {
        Ok(vec![
            (IMAGE, example.image.clone()),
            (LABEL, Tensor::i32(&[1], vec![example.label])?),
            (RATE, Tensor::scalar(self.rates[0])),
            (BIAS_RATE, Tensor::scalar(self.rates[1])),
            (STEP, Tensor::i32(&[], vec![number as i32])?),
        ])
    }

    /// The losses of the executor, and its logits before training.
    fn executed(
        &self,
        graphs: &Graphs,
        train: &[Example],
        held_out: &[Example],
    ) -> Result<(Vec<f32>, Vec<Tensor>), RehearsalError> {
        let mut pool = ThreadPool::new(ounce_kernels::available_threads());
        let mut inference = executor(&graphs.inference)?;
        let mut logits = Vec::with_capacity(held_out.len());
        for example in held_out {
            inference.set_input(IMAGE, &example.image)?;
            inference.run(&mut pool);
            logits.push(inference.output("logits")?);
        }
        let mut step = executor(&graphs.step)?;
        let mut losses = Vec::with_capacity(train.len());
        for (number, example) in train.iter().enumerate() {
            for (name, value) in self.step_values(example, number)? {
                if graphs.step.inputs().iter().any(|id| graphs.step.value(*id).name == name) {
                    step.set_input(name, &value)?;
                }
            }
            step.run(&mut pool);
            losses.extend(step.output("loss")?.as_f32().and_then(|loss| loss.first().copied()));
        }
        Ok((losses, logits))
    }
}

fn executor(graph: &Graph) -> Result<Executor, GraphError> {
    let graph = passes::optimize(graph)?;
    Executor::new(&graph, &plan::plan(&graph, &PlanOptions { iterations: 0, ..PlanOptions::default() })?)
}

/// The class of the first of the largest logits.
fn largest(logits: &Tensor) -> Option<i32> {
    let logits = logits.as_f32()?;
    let best = |best: usize, at: usize| if logits[at] > logits[best] { at } else { best };
    (0..logits.len()).reduce(best).map(|at| at as i32)
}
