//! `ounce tiny simulate`.

use crate::failure::{Context as _, Failure, Result};
use crate::output;
use crate::tiny::parity::Sample;
use crate::tiny::pictures::Pictures;
use crate::tiny::rehearse::{Device, Learning};
use crate::tiny::{Limits, Network, parity};
use clap::{Args, ValueEnum};
use ounce_graph::Graph;
use ounce_tiny::simulate::Target;
use std::path::PathBuf;

/// Arguments of `ounce tiny simulate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    network: Network,
    /// The processor
    #[arg(long, value_enum, default_value_t = Processor::M7)]
    target: Processor,
    #[command(flatten)]
    limits: Limits,
    /// Pictures that it is given in place of noise: a folder, a zip archive or a folder in one (`cifar10.zip/test`) with a folder for
    /// each class, also below train and test; or a folder with the files of MNIST
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many images it is given
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = crate::cli::up_to_a_million())]
    images: usize,
    #[command(flatten)]
    learning: Learning,
    /// Where the noise begins, or which pictures are drawn; of a new classifier and of stochastic rounding
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

/// A processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Processor {
    /// Cortex-M4 with floating point
    M4,
    /// Cortex-M7 with single-precision floating point
    M7,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    arguments.network.check()?;
    let target = match arguments.target {
        Processor::M4 => Target::CortexM4,
        Processor::M7 => Target::CortexM7,
    };
    let folder = tempfile::tempdir().context(|| "cannot make a temporary folder".to_owned())?;
    let budget = arguments.limits.budget();
    if let (Some(scheme), Some(data)) = (&arguments.learning.scheme, &arguments.data) {
        let pictures = (data.as_path(), arguments.images, arguments.seed);
        let device = Device { target, budget, folder: folder.path() };
        return arguments.learning.rehearse(scheme, &arguments.network, pictures, &device, arguments.json);
    }
    let graph = arguments.network.graph()?;
    let samples = samples(arguments, &graph)?;
    let report = parity::compare(&graph, target, &budget, &samples, folder.path())
        .map_err(|error| Failure::from_error(&*error))?;
    if arguments.json {
        return output::print_json(&report);
    }
    output::print(&format!(
        "instructions  {:>11} an inference at most, {} on average\nSRAM          {:>11} bytes, of them stack {} (at most {} in use), reading and writing of files {}\nflash         {:>11} bytes\nresults       {} of {} are those of this machine bit for bit\n",
        report.instructions,
        report.mean_instructions,
        report.sram_bytes,
        report.stack_bytes,
        report.stack_peak_bytes,
        report.driver_sram_bytes,
        report.flash_bytes,
        report.equal,
        report.images
    ))?;
    if let Some(right) = report.right {
        let share = 100.0 * right as f64 / report.images.max(1) as f64;
        output::print(&format!("accuracy      {share:>10.2} %, {right} of {} pictures\n", report.images))?;
    }
    if report.equal == report.images {
        return Ok(());
    }
    Err(Failure::new("results differ between the simulated device and this machine"))
}

/// What the network is given: pictures, or noise.
fn samples(arguments: &Arguments, graph: &Graph) -> Result<Vec<Sample>> {
    let Some(data) = &arguments.data else {
        return parity::noise(graph, arguments.images, arguments.seed)
            .map_err(|error| Failure::from_error(&*error));
    };
    let [input] = graph.inputs() else {
        return Err(Failure::new("the network takes more than one picture").hint("leave --data out"));
    };
    let classes = arguments.network.trained()?.map(|trained| trained.classes);
    let pictures = Pictures::for_tests(data)?;
    let chosen = pictures.choose(classes.as_deref(), graph.ty(*input), arguments.images, arguments.seed)?;
    let outputs = graph.outputs().first().map_or(0, |(_, id)| graph.ty(*id).elements());
    if let Some((_, class)) = chosen.iter().find(|(_, class)| *class >= outputs) {
        let cause = format!("a picture is of class {class}, counted from 0, but the network tells {outputs}");
        return Err(Failure::new(cause).hint("give pictures of the classes that it was trained for"));
    }
    Ok(chosen.into_iter().map(|(image, class)| Sample { values: vec![image], class: Some(class) }).collect())
}
