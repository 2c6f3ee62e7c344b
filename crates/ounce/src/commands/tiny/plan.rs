//! `ounce tiny plan`.

use crate::chat::Interrupt;
use crate::failure::{Context as _, Result};
use crate::output;
use crate::tiny::plan::{Analysis, LayerRow, Need, Report, Search, Training};
use crate::tiny::training::trainable;
use crate::tiny::{Limits, Model};
use clap::Args;
use ounce_tiny::contribution::Prediction;
use ounce_tiny::plan::Planner;
use ounce_tiny::scheme::Scheme;
use ounce_tiny::step::{Channels, StepOptions};
use std::path::{Path, PathBuf};

/// Arguments of `ounce tiny plan`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    model: Model,
    /// Classes of a new classifier [default: those of the --contributions, or else of the network]
    #[arg(long, value_name = "N", value_parser = crate::cli::up_to_a_million())]
    classes: Option<usize>,
    #[command(flatten)]
    limits: Limits,
    /// What is trained: a scheme's file; full; bias:N or last:N of the last convolutions; the memory in KB of a scheme that was
    /// published for the network, such as 49 [default: all that were published, or of other networks biases and weights of the last 1, 2, 4, ... convolutions]
    #[arg(long = "scheme", value_name = "FILE|NAME")]
    schemes: Vec<String>,
    /// List the convolutions too
    #[arg(long)]
    layers: bool,
    /// Draw the arena over time, of the last scheme or else of inference
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    analysis: Analysis,
    #[command(flatten)]
    search: Search,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(path) = &arguments.svg {
        output::check_writable(path)?;
    }
    let model = arguments.model.path();
    let network = arguments.model.trainable(None)?;
    let name = trainable::name(model);
    let cannot = || format!("cannot plan {}", model.display());
    let mut interrupt = Interrupt::default();
    if arguments.analysis.measures() || arguments.search.is_asked_for() {
        interrupt = Interrupt::listen()?;
        interrupt.listen_for_the_end()?;
    }
    let found = arguments.analysis.contributions(model, &network, &interrupt)?;
    let of_data = found.as_ref().map(|found| found.setting.classes.len());
    let network = match arguments.classes.or(of_data) {
        Some(classes) => network.with_classes(classes, 0).context(cannot)?,
        None => network,
    };
    let options = StepOptions { channels: Channels::First, ..StepOptions::default() };
    let planner = Planner::new(network, options).context(cannot)?;
    let convs = planner.layers().len();
    let image = planner.layers().first().map_or([0; 3], |layer| layer.input);
    let prediction = found.as_ref().map(Prediction::of).transpose().context(cannot)?;
    let named = |text: &String| Ok((text.clone(), trainable::scheme(text, model, convs)?));
    let mut schemes: Vec<(String, Scheme)> = match &arguments.schemes[..] {
        [] => usual(model, &planner),
        texts => texts.iter().map(named).collect::<Result<_>>()?,
    };
    let budget = arguments.limits.budget();
    let searched = arguments.search.run(&planner, found.as_ref(), &budget, &interrupt)?;
    schemes.extend(searched.iter().map(|searched| ("searched".to_owned(), searched.scheme.clone())));
    let inference = planner.inference().context(cannot)?;
    let mut drawn = inference.arenas.last().cloned();
    let mut trainings = Vec::new();
    for (name, scheme) in schemes {
        let (mut training, arena) = Training::plan(&planner, name, scheme, &budget).context(cannot)?;
        training.predicted_accuracy = prediction.as_ref().map(|known| known.accuracy(&training.scheme));
        trainings.push(training);
        drawn = arena.or(drawn);
    }
    if let (Some(path), Some(arena)) = (&arguments.svg, drawn) {
        output::write(path, &arena.picture.svg())?;
    }
    let report = Report {
        network: name,
        size: [image[1], image[2]],
        macs: planner.graph().cost().macs,
        inference: Need::of(&inference, &budget),
        convolutions: convs,
        schemes: trainings,
        search: searched,
        layers: planner.layers().iter().enumerate().map(|(at, layer)| LayerRow::of(at, layer)).collect(),
    };
    if let (Some(path), Some(found), Some(training)) =
        (arguments.search.output(), &found, report.schemes.last().filter(|_| report.search.is_some()))
    {
        output::write(path, &arguments.search.file(&report, training, &found.setting, &budget))?;
    }
    if arguments.json { output::print_json(&report) } else { output::print(&report.text(arguments.layers)) }
}

/// The schemes that are planned where none is named: those that were published, or the last convolutions of other networks, twice as many from one to the next, as far as gradients reach.
fn usual(model: &Path, planner: &Planner) -> Vec<(String, Scheme)> {
    let published = trainable::published(model);
    if !published.is_empty() {
        return published.iter().map(|found| (found.budget.to_string(), found.scheme())).collect();
    }
    let convs = planner.layers().len();
    let counts =
        || (0..usize::BITS).map(|power| 1 << power).take_while(|count| *count < convs).chain([convs]);
    let biases = counts().map(|count| (format!("bias:{count}"), Scheme::bias_only(count)));
    let weights = counts().map(|count| (format!("last:{count}"), Scheme::last(convs, count)));
    let mut schemes = Vec::new();
    for (name, scheme) in biases.chain(weights).filter(|(_, scheme)| scheme.biases > 0) {
        match planner.check(&scheme) {
            Ok(()) => schemes.push((name, scheme)),
            Err(error) => output::note(format_args!("{name} is left out: {error}")),
        }
    }
    schemes
}
