//! Training on a simulated device.

use crate::failure::{Context as _, Failure, Result};
use crate::output;
use crate::tiny::Network;
use crate::tiny::training::{Rounding, trainable};
use clap::Args;
use ounce_graph::TensorType;
use ounce_tiny::emit::Budget;
use ounce_tiny::learn::{Dataset, Part, Selection};
use ounce_tiny::pictures;
use ounce_tiny::rehearsal::{Example, Outcome, Rehearsal};
use ounce_tiny::simulate::Target;
use serde::Serialize;
use std::path::Path;

/// How a device is to learn.
#[derive(Debug, Args)]
pub(crate) struct Learning {
    /// Train on the device, and look at the images before and after: a scheme's file; full; bias:N or last:N of the last
    /// convolutions; the memory in KB of a scheme that was published for the network, such as 49
    #[arg(long, value_name = "FILE|NAME", requires = "data")]
    pub(crate) scheme: Option<String>,
    /// How many pictures it learns from, one a step
    #[arg(long, value_name = "N", requires = "scheme", default_value_t = 100, value_parser = crate::cli::at_least_one())]
    steps: usize,
    /// Classes, in the order of the outputs [default: all of the data]
    #[arg(long, value_name = "NAME,..", requires = "scheme", value_delimiter = ',')]
    classes: Vec<String>,
    /// How updated weights become integers
    #[arg(long, value_enum, requires = "scheme", default_value_t = Rounding::Stochastic)]
    rounding: Rounding,
    /// Learning rate of weights
    #[arg(long, value_name = "X", requires = "scheme", default_value_t = 0.0008)]
    rate: f32,
    /// Learning rate of biases [default: half of --rate]
    #[arg(long, value_name = "X", requires = "scheme")]
    bias_rate: Option<f32>,
}

/// Where a device learns.
pub(crate) struct Device<'a> {
    pub(crate) target: Target,
    pub(crate) budget: Budget,
    pub(crate) folder: &'a Path,
}

/// What a rehearsal showed.
#[derive(Debug, Serialize)]
struct Report {
    instructions: u64,
    step_instructions: u64,
    mean_step_instructions: u64,
    sram_bytes: u64,
    /// The part of it that is not the program's, which `ounce tiny emit` counts: what reads images from files and writes results.
    driver_sram_bytes: u64,
    stack_bytes: u64,
    stack_peak_bytes: u64,
    flash_bytes: u64,
    images: usize,
    equal: usize,
    right_before: usize,
    right_after: usize,
    losses: Vec<f32>,
    executor_losses: Vec<f32>,
    same_bytes_on_this_machine: bool,
}

impl Report {
    fn of(outcome: Outcome, images: usize) -> Self {
        Self {
            instructions: outcome.inference.most,
            step_instructions: outcome.step.most,
            mean_step_instructions: outcome.step.mean,
            sram_bytes: outcome.sizes.ram(),
            driver_sram_bytes: outcome.sizes.ram().saturating_sub(outcome.memory.sram(outcome.sizes.stack)),
            stack_bytes: outcome.sizes.stack,
            stack_peak_bytes: outcome.stack_peak,
            flash_bytes: outcome.sizes.flash(),
            images,
            equal: outcome.same_as_executor,
            right_before: outcome.right_before,
            right_after: outcome.right_after,
            losses: outcome.losses,
            executor_losses: outcome.executor_losses,
            same_bytes_on_this_machine: outcome.same_here,
        }
    }

    fn text(&self) -> String {
        let tenth = (self.losses.len() / 10).max(1);
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len().max(1) as f32;
        let (first, last) =
            (mean(&self.losses[..tenth]), mean(&self.losses[self.losses.len().saturating_sub(tenth)..]));
        format!(
            "instructions  {:>11} an inference, {} a training step at most, {} on average\n\
             SRAM          {:>11} bytes, of them stack {} (at most {} in use), reading and writing of files {}\n\
             flash         {:>11} bytes\n\
             loss          {first:>11.4} over the first {tenth} of {} steps, {last:.4} over the last\n\
             accuracy      {:>11} of {} pictures before training, {} after\n\
             results       {} of {} before training are those of the executor bit for bit; all {} those of the same program on this machine\n",
            self.instructions,
            self.step_instructions,
            self.mean_step_instructions,
            self.sram_bytes,
            self.stack_bytes,
            self.stack_peak_bytes,
            self.driver_sram_bytes,
            self.flash_bytes,
            self.losses.len(),
            self.right_before,
            self.images,
            self.right_after,
            self.equal,
            self.images,
            if self.same_bytes_on_this_machine { "are" } else { "are not" },
        )
    }
}

impl Learning {
    /// Trains a network by a scheme and says what came of it.
    pub(crate) fn rehearse(
        &self,
        scheme: &str,
        file: &Network,
        (data, images, seed): (&Path, usize, u64),
        device: &Device<'_>,
        json: bool,
    ) -> Result<()> {
        let trained = file.trained()?;
        let classes = match (&trained, &self.classes[..]) {
            (Some(trained), []) => trained.classes.clone(),
            (Some(trained), named) if *named != trained.classes[..] => {
                let known = trained.classes.join(",");
                return Err(Failure::usage(format!("--trained has learned the classes {known}"))
                    .hint("leave --classes out"));
            }
            (_, named) => named.to_vec(),
        };
        let has_learned = trained.is_some();
        let original = match trained {
            Some(trained) => trained.network,
            None => file.model().trainable(None)?,
        };
        let scheme = trainable::scheme(scheme, file.model().path(), original.conv_count())?;
        let selection = Selection { classes, train: Some(self.steps), validation: 0, test: Some(images) };
        let set = Dataset::open(data, &selection).map_err(|error| Failure::from_error(&error))?;
        let network = if has_learned { original } else { original.with_classes(set.classes.len(), seed)? };
        let image = network.image()?;
        let (train, held_out) = (examples(&set.train, image)?, examples(&set.test, image)?);
        let rehearsal = Rehearsal {
            network: &network,
            scheme: &scheme,
            options: self.rounding.options(seed),
            rates: trainable::rates(self.rate, self.bias_rate)?,
            target: device.target,
            budget: device.budget,
        };
        let outcome = rehearsal.run(&train, &held_out, device.folder);
        let report = Report::of(outcome.map_err(|error| Failure::from_error(&error))?, held_out.len());
        if json {
            output::print_json(&report)?
        } else {
            output::print(&report.text())?
        };
        if report.equal == report.images && report.same_bytes_on_this_machine {
            return Ok(());
        }
        Err(Failure::new("results differ between the simulated device and this machine"))
    }
}

/// The pictures of a part as a network takes them.
fn examples(part: &Part, image: &TensorType) -> Result<Vec<Example>> {
    let example = |(index, label): (usize, i32)| {
        let cannot = || "cannot use a picture".to_owned();
        let picture = part.load(index).context(cannot)?;
        Ok(Example { image: pictures::image(&picture, image).context(cannot)?, label })
    };
    part.labels().into_iter().enumerate().map(example).collect()
}
