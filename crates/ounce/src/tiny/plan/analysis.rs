//! Contributions: read, measured and kept.

use super::figure;
use crate::chat::Interrupt;
use crate::cli::{Threads, at_least_one};
use crate::failure::{Context as _, Failure, Result};
use crate::output;
use crate::tiny::training::trainable;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use ounce_tiny::contribution::{self, Contributions, Grid, Point, Setting};
use ounce_tiny::learn::{Dataset, LearnError, Selection};
use ounce_tiny::origin::{self, Origin};
use ounce_tiny::scheme::TrainedWeight;
use ounce_tiny::step::Network;
use std::path::{Path, PathBuf};

/// What training each part of a network contributes to its accuracy.
#[derive(Debug, Args)]
#[command(next_help_heading = "Contributions of parts of the network to the accuracy")]
pub(crate) struct Analysis {
    /// Their file: read, or with --data measured; a measurement goes on where it stopped
    #[arg(long, value_name = "FILE")]
    contributions: Option<PathBuf>,
    /// Pictures to measure them on: a folder or zip archive with a folder for each class, also below train and test; or a folder with
    /// the files of MNIST
    #[arg(long, value_name = "DIR|ZIP", requires = "contributions")]
    data: Option<PathBuf>,
    /// Draw them
    #[arg(long, value_name = "FILE", requires = "contributions")]
    figure: Option<PathBuf>,
    /// How many pictures to train on
    #[arg(long, value_name = "N", requires = "data", default_value_t = 2000, value_parser = at_least_one())]
    train: usize,
    /// How many other pictures of the training part to measure on
    #[arg(long, value_name = "N", requires = "data", default_value_t = 2000, value_parser = at_least_one())]
    validation: usize,
    /// Passes over the pictures
    #[arg(long, value_name = "N", requires = "data", default_value_t = 2, value_parser = at_least_one())]
    epochs: usize,
    /// Pictures a step
    #[arg(long, value_name = "N", requires = "data", default_value_t = 8, value_parser = at_least_one())]
    batch: usize,
    /// Learning rate of weights; it falls along half a cosine
    #[arg(long, value_name = "X", requires = "data", default_value_t = 0.025)]
    rate: f32,
    /// Learning rate of biases [default: half of --rate]
    #[arg(long, value_name = "X", requires = "data")]
    bias_rate: Option<f32>,
    /// Biases of how many convolutions are trained along with weights; weights before them are not tried [default: four sevenths of all]
    #[arg(long, value_name = "N", requires = "data")]
    base: Option<usize>,
    /// How often everything is measured
    #[arg(long, value_name = "N", requires = "data", default_value_t = 1, value_parser = at_least_one())]
    seeds: usize,
    /// The first seed
    #[arg(long, value_name = "N", requires = "data", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    threads: Threads,
}

impl Analysis {
    /// Whether there is something to measure.
    pub(crate) fn measures(&self) -> bool {
        self.data.is_some()
    }

    /// The contributions, measured as far as they are missing; `None` if none are asked for.
    pub(crate) fn contributions(
        &self,
        model: &Path,
        network: &Network,
        interrupt: &Interrupt,
    ) -> Result<Option<Contributions>> {
        if self.data.is_none() && self.threads.are_given() {
            return Err(Failure::usage("--threads is for measuring contributions")
                .hint("give --data, or leave it out"));
        }
        let Some(path) = &self.contributions else { return Ok(None) };
        let convs = network.conv_count();
        if let Some(figure) = &self.figure {
            output::check_writable(figure)?;
        }
        let known = if path.exists() { Some(read(path, convs)?) } else { None };
        if let Some(found) = &known {
            let checked = found.check_network(&origin::network(network));
            checked.context(|| format!("cannot use {}", path.display()))?;
        }
        let found = match (&self.data, known) {
            (Some(data), known) => self.measure(path, data, known, (model, network), interrupt)?,
            (None, Some(known)) => known,
            (None, None) => {
                let cause = format!("there is no {}", path.display());
                return Err(Failure::new(cause).hint("give --data to measure contributions"));
            }
        };
        if let Some(figure) = &self.figure {
            output::write(figure, &figure::svg(&found))?;
        }
        Ok(Some(found))
    }

    fn measure(
        &self,
        path: &Path,
        data: &Path,
        known: Option<Contributions>,
        (model, network): (&Path, &Network),
        interrupt: &Interrupt,
    ) -> Result<Contributions> {
        let convs = network.conv_count();
        let size = network.image()?.shape.last().copied().unwrap_or(0);
        output::check_writable(path)?;
        let (train, validation) = (Some(self.train), self.validation);
        let selection = Selection { train, validation, ..Selection::default() };
        let set = Dataset::open(data, &selection).map_err(|error| {
            Failure::from_error(&error).hint("a data set is a folder per class with its pictures in it")
        })?;
        let [rate, bias_rate] = trainable::rates(self.rate, self.bias_rate)?;
        let setting = Setting {
            network: trainable::name(model),
            data: trainable::name(data),
            size,
            classes: set.classes.clone(),
            train: self.train,
            validation,
            epochs: self.epochs,
            batch: self.batch,
            rate,
            bias_rate,
            seed: self.seed,
        };
        let base = self.base.unwrap_or_else(|| Grid::base(convs));
        if base > convs {
            return Err(Failure::usage(format!("--base {base}, but the network has {convs} convolutions")));
        }
        let here = Origin::of(network, &[&set.train, &set.validation])?;
        let mut found = match known {
            None => Contributions { origin: Some(here), ..Contributions::new(setting.clone(), convs, base) },
            Some(known) if known.setting != setting || known.base != base => {
                return Err(Failure::new(format!("{} was measured with other settings", path.display()))
                    .hint("give the settings that it names, leave --data out, or give another file"));
            }
            Some(known) => {
                let checked = here.check(known.origin.as_ref());
                checked.context(|| format!("cannot go on with {}", path.display())).map_err(|failure| {
                    failure.hint("leave --data out to use it as it is, or give another file")
                })?;
                known
            }
        };
        let missing = Grid::standard(convs, base).missing(&found, self.seeds);
        let bar = ProgressBar::new(missing.len() as u64);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} trainings  {msg}  {eta} left")?);
        let mut analysis = contribution::Analysis::new(network, &set, &setting, self.threads.get());
        for (point, seed) in missing {
            bar.set_message(describe(point));
            let scheme = found.scheme(point);
            let accuracy =
                analysis.accuracy(&scheme, seed, &|| !interrupt.pressed()).map_err(|error| match error {
                    LearnError::Stopped => Failure::new("stopped before all contributions were measured")
                        .hint("the same command goes on from here"),
                    error => Failure::from_error(&error),
                })?;
            found.record(point, accuracy);
            output::write(path, &found.to_text())?;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(found)
    }
}

fn describe(point: Point) -> String {
    match point {
        Point::Biases(biases) => format!("biases of the last {biases}"),
        Point::Weights(TrainedWeight { conv, share }) => {
            format!("weights of {conv}, {share} of the channels")
        }
    }
}

fn read(path: &Path, convs: usize) -> Result<Contributions> {
    let cannot = || format!("cannot read {}", path.display());
    let text = std::fs::read_to_string(path).context(cannot)?;
    let found = Contributions::parse(&text).context(cannot)?;
    found.check(convs).context(cannot)?;
    Ok(found)
}
