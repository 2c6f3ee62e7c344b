//! `ounce tiny train`.

use crate::chat::Interrupt;
use crate::cli::{Threads, at_least_one};
use crate::failure::{Context as _, Failure, Result};
use crate::output::{self, note};
use crate::tiny::Model;
use crate::tiny::training::{Cache, Folder, Report, Rounding, Settings, trainable};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use ounce_tiny::learn::{self, Checkpoint, Dataset, Event, Examples, LearnError, LearnOptions, Learner};
use ounce_tiny::learn::{Part, Prepared, Selection};
use ounce_tiny::origin::Origin;
use ounce_tiny::step::{self, StepOptions, training_step};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `ounce tiny train`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    model: Model,
    /// Pictures: a folder or zip archive with a folder for each class, also below train and test; or a folder with the files of MNIST
    #[arg(long, value_name = "DIR|ZIP")]
    data: PathBuf,
    /// Classes, in the order of the outputs [default: all of the data]
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    classes: Vec<String>,
    /// What is trained: a scheme's file; full; bias:N or last:N of the last convolutions; the memory in KB of a scheme that was
    /// published for the network, such as 49
    #[arg(long, value_name = "FILE|NAME", default_value = "full")]
    scheme: String,
    /// How updated weights become integers
    #[arg(long, value_enum, default_value_t = Rounding::Stochastic)]
    rounding: Rounding,
    /// Take gradients as they are, without quantization-aware scaling
    #[arg(long)]
    no_scaling: bool,
    /// What the logits are [default: float; int8 with --rounding original]
    #[arg(long, value_enum)]
    head: Option<Head>,
    /// Which channels are trained where a scheme trains a part [default: largest; first with --rounding original]
    #[arg(long, value_enum)]
    channels: Option<Channels>,
    /// Passes over the pictures
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one())]
    epochs: usize,
    /// Epochs over which the learning rate rises
    #[arg(long, value_name = "N", default_value_t = 0)]
    warmup: usize,
    /// Learning rate of weights; it falls along half a cosine
    #[arg(long, value_name = "X", default_value_t = 0.0008)]
    rate: f32,
    /// Learning rate of biases [default: half of --rate]
    #[arg(long, value_name = "X")]
    bias_rate: Option<f32>,
    /// Pictures a step; a device takes one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one())]
    batch: usize,
    /// Of the new classifier, of the order of pictures and of stochastic rounding
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How many pictures to train on [default: all]
    #[arg(long, value_name = "N")]
    train: Option<usize>,
    /// How many pictures of the training part to set aside, and to look at after every epoch instead of the test pictures
    #[arg(long, value_name = "N", default_value_t = 0)]
    validation: usize,
    /// How many pictures to test on [default: all; a fifth where none are set apart]
    #[arg(long, value_name = "N")]
    test: Option<usize>,
    /// Show half of the pictures mirrored
    #[arg(long)]
    mirror: bool,
    /// Keep checkpoint, curves and results in this folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Keep what frozen layers give for pictures in this folder, for further trainings
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Count the convolutions from this one on as not frozen, so that trainings of several schemes share a --cache
    #[arg(long, value_name = "N", requires = "cache")]
    cut: Option<usize>,
    /// Go on with the training whose checkpoint lies in the folder
    #[arg(long, requires = "output")]
    resume: bool,
    #[command(flatten)]
    threads: Threads,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

/// What the logits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Head {
    /// Bytes, whose gradients vanish at 127
    Int8,
    /// Floats
    Float,
}

/// Which channels are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Channels {
    /// The first
    First,
    /// Those of the largest weights
    Largest,
}

impl Arguments {
    fn step(&self) -> StepOptions {
        let mut options = self.rounding.options(self.seed);
        options.scaling = !self.no_scaling;
        match self.head {
            Some(Head::Int8) => options.head = step::Head::Int8,
            Some(Head::Float) => options.head = step::Head::Float,
            None => {}
        }
        match self.channels {
            Some(Channels::First) => options.channels = step::Channels::First,
            Some(Channels::Largest) => options.channels = step::Channels::Largest,
            None => {}
        }
        options
    }
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let [rate, bias_rate] = trainable::rates(arguments.rate, arguments.bias_rate)?;
    if arguments.warmup > arguments.epochs {
        let cause = format!("--warmup {}, but there are {} epochs", arguments.warmup, arguments.epochs);
        return Err(Failure::usage(cause).hint("give at most as many as --epochs"));
    }
    let model = arguments.model.path();
    let original = arguments.model.trainable(None)?;
    let convs = original.conv_count();
    if let Some(cut) = arguments.cut.filter(|cut| *cut > convs) {
        return Err(Failure::usage(format!("--cut {cut}, but the network has {convs} convolutions")));
    }
    let scheme = trainable::scheme(&arguments.scheme, model, convs)?;
    let cannot = || format!("cannot train {}", model.display());
    let step = arguments.step();
    // What cannot be trained is told before pictures are read.
    training_step(&original, &scheme, &step).context(cannot)?;
    let selection = Selection {
        classes: arguments.classes.clone(),
        train: arguments.train,
        validation: arguments.validation,
        test: arguments.test,
    };
    let data = Dataset::open(&arguments.data, &selection).map_err(|error| {
        Failure::from_error(&error).hint("a data set is a folder per class with its pictures in it")
    })?;
    let network = original.with_classes(data.classes.len(), arguments.seed).context(cannot)?;
    let first = arguments.cut.unwrap_or(convs).min(convs - scheme.biases);
    let prepared = Prepared::new(&network, first, arguments.batch).context(cannot)?;
    let threads = arguments.threads.get();
    let mut learner = Learner::new(&prepared.network, &scheme, &step, threads).context(cannot)?;
    let settings = Settings {
        network: trainable::name(model),
        data: trainable::name(&arguments.data),
        classes: data.classes.clone(),
        size: prepared.image.shape.last().copied().unwrap_or(0),
        extra_kib: trainable::extra_memory(&original, &scheme),
        scheme,
        rounding: format!("{:?}", arguments.rounding),
        scaling: step.scaling,
        head: format!("{:?}", step.head),
        channels: format!("{:?}", step.channels),
        epochs: arguments.epochs,
        warmup: arguments.warmup,
        rate,
        bias_rate,
        batch: arguments.batch,
        seed: arguments.seed,
        mirror: arguments.mirror,
        train: data.train.len(),
        validation: data.validation.len(),
        test: data.test.len(),
    };
    let folder = arguments.output.as_deref().map(|path| Folder::open(path, arguments.resume)).transpose()?;
    let start = match &folder {
        Some(folder) => {
            let parts = [&data.train, &data.validation, &data.test];
            let origin = Origin::of(&original, &parts)?;
            if arguments.resume {
                folder.checkpoint(&settings, &origin)?
            } else {
                Checkpoint { training: settings.text()?, origin: Some(origin), ..Checkpoint::default() }
            }
        }
        None => Checkpoint::default(),
    };
    let interrupt = Interrupt::listen()?;
    interrupt.listen_for_the_end()?;
    let cache = arguments
        .cache
        .as_deref()
        .map(|path| Cache::open(path, &prepared, &arguments.data, &data.classes))
        .transpose()?;
    let examples = |part: &Part, mirror: bool, what: &str| -> Result<Examples> {
        // Which pictures are drawn depends on how many are set aside before.
        let aside = [data.test.len(), data.validation.len()];
        let aside = &aside[..match what {
            "test" => 0,
            "validation" => 1,
            _ => 2,
        }];
        let key = format!("{what}, {} pictures after {aside:?}, mirrored {mirror}", part.len());
        if let Some(kept) = cache.as_ref().map(|cache| cache.find(&key)).transpose()?.flatten() {
            return Ok(kept);
        }
        let bar = bar(part.len() as u64, &format!("{what} pictures"))?;
        let progress = |_| {
            bar.inc(1);
            if interrupt.pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let examples = Examples::of(&prepared, part, mirror, threads, &progress);
        bar.finish_and_clear();
        let examples = examples.map_err(|error| match error {
            LearnError::Stopped => Failure::new("stopped before the training began"),
            error => Failure::from_error(&error),
        })?;
        cache.as_ref().map_or(Ok(()), |cache| cache.keep(&key, &examples))?;
        Ok(examples)
    };
    let train = examples(&data.train, arguments.mirror, "training")?;
    let test = if data.test.is_empty() { None } else { Some(examples(&data.test, false, "test")?) };
    let validation = if data.validation.is_empty() {
        None
    } else {
        Some(examples(&data.validation, false, "validation")?)
    };
    let options = LearnOptions {
        epochs: arguments.epochs,
        rate,
        bias_rate,
        warmup: arguments.warmup,
        seed: arguments.seed,
    };
    let bar = bar(0, "")?;
    let (mut failed, mut steps, began) = (None, 0u64, Instant::now());
    let mut stepping = std::time::Duration::ZERO;
    let mut last = began;
    let mut observe = |event: Event<'_>| {
        match event {
            Event::Step { done, of, loss } => {
                steps += 1;
                stepping += last.elapsed();
                if done.is_multiple_of(16) || done == of {
                    bar.set_length(of);
                    bar.set_position(done);
                    bar.set_message(format!("steps, loss {loss:.3}"));
                }
            }
            Event::Epoch(checkpoint) => {
                if let Some(epoch) = checkpoint.epochs.last()
                    && !arguments.json
                {
                    bar.suspend(|| note(trainable::line(epoch, arguments.epochs)));
                }
                let kept = folder.as_ref().map_or(Ok(()), |folder| folder.keep(&settings, checkpoint));
                failed = kept.err();
            }
        }
        last = Instant::now();
        if failed.is_some() || interrupt.pressed() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let watched = validation.as_ref().or(test.as_ref());
    let end = learn::learn(&mut learner, &train, watched, &options, start, &mut observe)?;
    bar.finish_and_clear();
    if let Some(failure) = failed {
        return Err(failure);
    }
    if end.epochs.len() < arguments.epochs {
        note(format_args!("stopped after {} of {} epochs", end.epochs.len(), arguments.epochs));
    }
    if !end.parameters.is_empty() {
        learner.restore(&end.parameters)?;
    }
    let result = test.as_ref().map(|test| learner.evaluate(test)).transpose()?;
    let report = Report {
        settings,
        epochs: end.epochs,
        test: result,
        steps,
        ms_per_step: stepping.as_secs_f64() * 1e3 / steps.max(1) as f64,
    };
    if let Some(folder) = &folder {
        folder.keep_report(&report)?;
    }
    if arguments.json { output::print_json(&report) } else { output::print(&report.table()) }
}

fn bar(length: u64, message: &str) -> Result<ProgressBar> {
    let bar = ProgressBar::new(length).with_message(message.to_owned());
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}  {eta} left")?);
    Ok(bar)
}
