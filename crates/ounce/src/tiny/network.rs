//! Networks of files, as graphs of int8 operators.

use crate::failure::{Context as _, Failure, Result};
use crate::tiny::model::{Kind, Model, read};
use crate::tiny::training::Trained;
use clap::Args;
use ounce_formats::mcunet::{Parameters, TrainingGraph, scales};
use ounce_formats::pickle::Checkpoint;
use ounce_graph::Graph;
use ounce_import::mcunet::{Published, import_device};
use ounce_import::{Limits, mcunet};
use std::path::PathBuf;

/// A network of a file.
#[derive(Debug, Args)]
pub(crate) struct Network {
    #[command(flatten)]
    model: Model,
    /// What `ounce tiny train` made of it: the folder that it wrote
    #[arg(long, value_name = "DIR")]
    trained: Option<PathBuf>,
    /// Parameters of a .json (full-int8-params.pkl)
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// Scales of a .json (scale.json)
    #[arg(long, value_name = "FILE")]
    scales: Option<PathBuf>,
}

impl Network {
    /// The file.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// Refuses options that are of no effect on a network of this kind.
    ///
    /// # Errors
    /// Which option, and what it is for.
    pub(crate) fn check(&self) -> Result<()> {
        self.model.check()?;
        let graph = self.model.kind()? == Kind::TrainingGraph;
        let options = [
            (
                "--parameters",
                self.parameters.is_some() && !graph,
                "is for networks in .json files",
                "other networks have their own",
            ),
            (
                "--scales",
                self.scales.is_some() && !graph,
                "is for networks in .json files",
                "other networks have their own",
            ),
            (
                "--trained",
                self.trained.is_some() && graph,
                "is for other networks than in .json files",
                "these cannot be trained by the program",
            ),
        ];
        match options.into_iter().find(|(_, useless, ..)| *useless) {
            None => Ok(()),
            Some((option, _, purpose, reason)) => {
                let cause = format!("{option} {purpose}, not for {}", self.model.path().display());
                Err(Failure::usage(cause).hint(format!("leave it out: {reason}")))
            }
        }
    }

    /// What training made of it, if that is asked for.
    pub(crate) fn trained(&self) -> Result<Option<Trained>> {
        self.trained.as_deref().map(|folder| Trained::open(&self.model, folder)).transpose()
    }

    /// The network for inference.
    pub(crate) fn graph(&self) -> Result<Graph> {
        let cannot = || format!("cannot import {}", self.model.path().display());
        let mut graph = match (self.trained()?, self.model.kind()?) {
            (Some(trained), _) => trained.graph()?,
            (None, Kind::Mcunet) => logits(self.model.graph_of_mcunet()?).context(cannot)?,
            (None, Kind::TrainingGraph) => logits(self.training_graph()?).context(cannot)?,
            (None, Kind::Tflite | Kind::Onnx) => self.model.imported()?.0,
        };
        graph.freeze_all();
        Ok(graph)
    }

    fn training_graph(&self) -> Result<mcunet::Imported> {
        let (Some(parameters), Some(factors)) = (&self.parameters, &self.scales) else {
            let cause = format!("{} has no parameters of its own", self.model.path().display());
            return Err(
                Failure::usage(cause).hint("give --parameters full-int8-params.pkl and --scales scale.json")
            );
        };
        let path = self.model.path();
        let graph =
            TrainingGraph::parse(&read(path)?).context(|| format!("cannot read {}", path.display()))?;
        let cannot = || format!("cannot read {}", parameters.display());
        let parameters = Parameters::read(&Checkpoint::open(parameters).context(cannot)?).context(cannot)?;
        let scales = scales(&read(factors)?).context(|| format!("cannot read {}", factors.display()))?;
        let published = Published { graph: &graph, parameters: &parameters, scales: &scales };
        import_device(published, false, Limits::default())
            .context(|| format!("cannot import {}", path.display()))
    }
}

/// The graph with the logits as its only output.
fn logits(imported: mcunet::Imported) -> Result<Graph, ounce_graph::GraphError> {
    let mut graph = imported.graph;
    graph.clear_outputs();
    graph.output("logits", imported.classifier.output)?;
    Ok(graph)
}
