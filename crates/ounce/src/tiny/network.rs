//! Networks of files, as graphs of int8 operators.

use crate::failure::{Context as _, Failure, Result};
use crate::tiny::pictures::Pictures;
use crate::tiny::training::Trained;
use clap::Args;
use ounce_formats::mcunet::{Network as Mcunet, Parameters, TrainingGraph, scales};
use ounce_formats::pickle::Checkpoint;
use ounce_formats::tflite::Model;
use ounce_graph::{Graph, Op, Tensor};
use ounce_import::mcunet::{Published, import_device};
use ounce_import::quantize::{self, Quantized};
use ounce_import::{Limits, mcunet, onnx, tflite};
use ounce_kernels::ThreadPool;
use std::path::{Path, PathBuf};

/// How many pictures a network is quantized by.
const CALIBRATION_PICTURES: usize = 32;

/// A network of a file.
#[derive(Debug, Args)]
pub(crate) struct Network {
    /// A network: of MCUNetV3 (.pkl), TensorFlow Lite (.tflite), ONNX (.onnx), or TinyEngine's training graph (.json)
    #[arg(value_name = "MODEL.pkl|.tflite|.onnx|.json")]
    model: PathBuf,
    /// Height and width of images of a .pkl [default: what it was made for]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// What `ounce tiny train` made of a .pkl: the folder that it wrote
    #[arg(long, value_name = "DIR")]
    trained: Option<PathBuf>,
    /// Pictures by which an .onnx in floats is quantized: a folder, a zip archive or a folder in one with a folder for each class, also
    /// below train and test; or a folder with the files of MNIST
    #[arg(long, value_name = "DIR")]
    calibration: Option<PathBuf>,
    /// Parameters of a .json (full-int8-params.pkl)
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// Scales of a .json (scale.json)
    #[arg(long, value_name = "FILE")]
    scales: Option<PathBuf>,
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).context(|| format!("cannot read {}", path.display()))
}

impl Network {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.model
    }

    /// Refuses options that are of no effect on a network of this kind.
    ///
    /// # Errors
    /// Which option, and what it is for.
    pub(crate) fn check(&self) -> Result<()> {
        let kind = self.path().extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let options = [
            ("--size", self.size.is_some(), "pkl", "other networks say for what images they were made"),
            ("--trained", self.trained.is_some(), "pkl", "other networks are not trained"),
            ("--calibration", self.calibration.is_some(), "onnx", "other networks are in bytes already"),
            ("--parameters", self.parameters.is_some(), "json", "other networks have their own"),
            ("--scales", self.scales.is_some(), "json", "other networks have their own"),
        ];
        match options.into_iter().find(|(_, given, of, _)| *given && *of != kind) {
            None => Ok(()),
            Some((option, _, of, reason)) => {
                let cause =
                    format!("{option} is for networks in .{of} files, not for {}", self.path().display());
                Err(Failure::usage(cause).hint(format!("leave it out: {reason}")))
            }
        }
    }

    /// Height and width of images, if given.
    pub(crate) fn size(&self) -> Option<usize> {
        self.size
    }

    /// What training made of it, if that is asked for.
    pub(crate) fn trained(&self) -> Result<Option<Trained>> {
        self.trained.as_deref().map(|folder| Trained::open(&self.model, folder)).transpose()
    }

    /// The network for inference.
    pub(crate) fn graph(&self) -> Result<Graph> {
        let path = &self.model;
        let cannot = || format!("cannot import {}", path.display());
        if let Some(trained) = self.trained()? {
            let mut graph = trained.graph(self.size)?;
            graph.freeze_all();
            return Ok(graph);
        }
        let mut graph = match path.extension().and_then(|extension| extension.to_str()) {
            Some("pkl") => {
                let checkpoint = Checkpoint::open(path).context(cannot)?;
                let network = Mcunet::read(&checkpoint).context(cannot)?;
                let options = mcunet::Options { size: self.size, ..mcunet::Options::default() };
                logits(mcunet::import(&network, &options).context(cannot)?).context(cannot)?
            }
            Some("json") => logits(self.training_graph()?).context(cannot)?,
            Some("tflite") => {
                let bytes = read(path)?;
                let model = Model::parse(&bytes).context(cannot)?;
                tflite::import(&model, Limits::default()).context(cannot)?.graph
            }
            Some("onnx") => {
                let bytes = read(path)?;
                let model = ounce_formats::onnx::Model::parse(&bytes).context(cannot)?;
                let folder = path.parent().map(Path::to_owned);
                let options = onnx::Options { batch: Some(1), folder, ..onnx::Options::default() };
                self.quantized(&onnx::import(&model, &options).context(cannot)?.graph)?
            }
            _ => {
                let cause = format!("{} is of no known kind", path.display());
                return Err(Failure::usage(cause).hint("its name must end in .pkl, .tflite, .onnx or .json"));
            }
        };
        graph.freeze_all();
        Ok(graph)
    }

    fn training_graph(&self) -> Result<mcunet::Imported> {
        let (Some(parameters), Some(factors)) = (&self.parameters, &self.scales) else {
            let cause = format!("{} has no parameters of its own", self.model.display());
            return Err(
                Failure::usage(cause).hint("give --parameters full-int8-params.pkl and --scales scale.json")
            );
        };
        let path = &self.model;
        let graph =
            TrainingGraph::parse(&read(path)?).context(|| format!("cannot read {}", path.display()))?;
        let cannot = || format!("cannot read {}", parameters.display());
        let parameters = Parameters::read(&Checkpoint::open(parameters).context(cannot)?).context(cannot)?;
        let scales = scales(&read(factors)?).context(|| format!("cannot read {}", factors.display()))?;
        let published = Published { graph: &graph, parameters: &parameters, scales: &scales };
        import_device(published, false, Limits::default())
            .context(|| format!("cannot import {}", path.display()))
    }

    /// A network of ONNX in bytes: by the quantizations that it has, or by pictures.
    fn quantized(&self, graph: &Graph) -> Result<Graph> {
        let options = quantize::Options { bytes_outside: true, ..quantize::Options::default() };
        let cannot = || format!("cannot quantize {}", self.model.display());
        if graph.nodes().iter().any(|node| matches!(node.op, Op::Quantize(_) | Op::Dequantize(_))) {
            if self.calibration.is_some() {
                let cause = format!("{} is quantized already", self.model.display());
                return Err(Failure::usage(cause).hint("leave --calibration out"));
            }
            return Ok(quantize::fuse(graph, &options).context(cannot)?.graph);
        }
        let Some(folder) = &self.calibration else {
            let cause = format!("{} computes in floats", self.model.display());
            return Err(
                Failure::new(cause).hint("give --calibration with a folder of pictures to quantize it by")
            );
        };
        let [input] = graph.inputs() else {
            return Err(Failure::new(format!("{} takes more than one picture", self.model.display())));
        };
        let value = graph.value(*input);
        let images = Pictures::for_training(folder)?.choose(None, &value.ty, CALIBRATION_PICTURES, 0)?;
        let samples: Vec<Vec<(&str, &Tensor)>> =
            images.iter().map(|(image, _)| vec![(value.name.as_str(), image)]).collect();
        let mut pool = ThreadPool::new(ounce_kernels::available_threads());
        let Quantized { graph, .. } =
            quantize::quantize(graph, &samples, &options, &mut pool).context(cannot)?;
        Ok(graph)
    }
}

/// The graph with the logits as its only output.
fn logits(imported: mcunet::Imported) -> Result<Graph, ounce_graph::GraphError> {
    let mut graph = imported.graph;
    graph.clear_outputs();
    graph.output("logits", imported.classifier.output)?;
    Ok(graph)
}
