//! `ounce quantum train`.

use crate::chat::Interrupt;
use crate::cli::Threads;
use crate::failure::{Context as _, Failure, Result};
use crate::output::{self, note};
use crate::quantum::devices::Devices;
use crate::quantum::trainer::{Place, Trainer};
use crate::quantum::{folder::Folder, report};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ounce_quantum::task::{DeviceSpec, Task};
use ounce_quantum::train::Checkpoint;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Arguments of `ounce quantum train`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The task, a TOML file; `tasks/quantum` has those of the papers
    #[arg(value_name = "TASK.toml")]
    task: PathBuf,
    /// Keep checkpoint, curves and results in this folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Go on with the training whose checkpoint lies in the folder
    #[arg(long, requires = "output")]
    resume: bool,
    /// Where the task's data lies [default: the folder of the task]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    devices: Devices,
    /// Another device than the task's
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Another seed than the task's
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Wait for the counts of circuits that the task hands over as files, instead of ending until they are there
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    threads: Threads,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut task = read(&arguments.task)?;
    if let Some(seed) = arguments.seed {
        task.train.seed = seed;
    }
    if let Some(name) = &arguments.device {
        let spec = task.device.take().map(|spec| DeviceSpec { name: name.clone(), ..spec });
        task.device = Some(spec.unwrap_or_else(|| DeviceSpec::named(name)));
    }
    let beside = arguments.task.parent().unwrap_or(Path::new("."));
    let prepared = task
        .prepare(arguments.data.as_deref().unwrap_or(beside))
        .context(|| arguments.task.display().to_string())?;
    let device = task.device.as_ref().map(|spec| arguments.devices.named(&spec.name)).transpose()?;
    let folder = arguments.output.as_deref().map(|path| Folder::open(path, arguments.resume)).transpose()?;
    if let Some(folder) = &folder {
        folder.begin(&task, arguments.resume)?;
    }
    let start = match folder.as_ref().filter(|_| arguments.resume) {
        Some(folder) => folder.checkpoint()?,
        None => Checkpoint::new(&prepared.model, task.train.seed),
    };
    let interrupt = Interrupt::listen()?;
    interrupt.listen_for_the_end()?;
    let wait = arguments.wait.then(|| interrupt.clone());
    let place = Place { device, folder: beside, wait, threads: arguments.threads.get() };
    let mut trainer = Trainer::new(&task, &prepared, place)?;
    let bar = ProgressBar::new(task.train.epochs as u64).with_position(start.history.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} epochs  {msg}  {eta} left")?);
    let mut failed = None;
    let mut ended = |checkpoint: &Checkpoint| {
        if let Some(epoch) = checkpoint.history.last() {
            bar.set_message(report::line(epoch, prepared.problem.as_ref()));
        }
        bar.inc(1);
        let kept = folder.as_ref().map_or(Ok(()), |folder| folder.keep(&task.title, checkpoint));
        failed = kept.err();
        if failed.is_some() || interrupt.pressed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let end = trainer.train(&prepared, start, &mut ended)?;
    bar.finish_and_clear();
    if let Some(failure) = failed {
        return Err(failure);
    }
    if interrupt.pressed() && end.history.len() < task.train.epochs {
        note(format_args!("stopped after {} of {} epochs", end.history.len(), task.train.epochs));
    }
    let mut report = report::Report::new(&task, &prepared, &end, &trainer)?;
    let keep = |report: &report::Report| folder.as_ref().map_or(Ok(()), |folder| folder.keep_report(report));
    // What the simulator says is kept even if the device fails.
    keep(&report)?;
    report.add_device(&prepared, &end, &trainer)?;
    keep(&report)?;
    if arguments.json { output::print_json(&report) } else { output::print(&report.table()) }
}

fn read(path: &Path) -> Result<Task> {
    let text =
        std::fs::read_to_string(path).context(|| format!("cannot read the task {}", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        // The message has the line, the column and the place in the text.
        Failure::new(format!("{}: {}", path.display(), error.to_string().trim_end()))
    })
}
