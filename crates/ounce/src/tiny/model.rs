//! Files of networks that can be trained.

use crate::failure::{Context as _, Failure, Result};
use crate::tiny::pictures::Pictures;
use clap::Args;
use ounce_formats::mcunet::Network as Mcunet;
use ounce_formats::pickle::Checkpoint;
use ounce_formats::tflite::Model as Tflite;
use ounce_graph::{Graph, Op, Tensor};
use ounce_import::quantize::{self, Quantized};
use ounce_import::{ConvSite, Limits, mcunet, onnx, tflite};
use ounce_kernels::ThreadPool;
use ounce_tiny::step::Network;
use std::path::{Path, PathBuf};

/// How many pictures a network is quantized by.
const CALIBRATION_PICTURES: usize = 32;

/// The file of a network, and how it is read.
#[derive(Debug, Args)]
pub(crate) struct Model {
    /// A network: of MCUNetV3 (.pkl), TensorFlow Lite (.tflite) or ONNX (.onnx); to infer alone, TinyEngine's training graph (.json)
    #[arg(value_name = "MODEL.pkl|.tflite|.onnx")]
    model: PathBuf,
    /// Height and width of images of a .pkl [default: what it was made for]
    #[arg(long, value_name = "N")]
    size: Option<usize>,
    /// Pictures by which an .onnx in floats is quantized: a folder, a zip archive or a folder in one with a folder for each class, also
    /// below train and test; or a folder with the files of MNIST
    #[arg(long, value_name = "DIR")]
    calibration: Option<PathBuf>,
}

/// What a file is of, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Mcunet,
    TrainingGraph,
    Tflite,
    Onnx,
}

impl Kind {
    /// What a file of this name is of.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("pkl") => Ok(Self::Mcunet),
            Some("json") => Ok(Self::TrainingGraph),
            Some("tflite") => Ok(Self::Tflite),
            Some("onnx") => Ok(Self::Onnx),
            _ => {
                let cause = format!("{} is of no known kind", path.display());
                Err(Failure::usage(cause).hint("its name must end in .pkl, .tflite, .onnx or .json"))
            }
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).context(|| format!("cannot read {}", path.display()))
}

impl Model {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.model
    }

    /// What it is of.
    pub(crate) fn kind(&self) -> Result<Kind> {
        Kind::of(&self.model)
    }

    /// Refuses options that are of no effect on a network of this kind.
    ///
    /// # Errors
    /// Which option, and what it is for.
    pub(crate) fn check(&self) -> Result<()> {
        let kind = self.kind()?;
        let options = [
            (
                "--size",
                self.size.is_some() && kind != Kind::Mcunet,
                "pkl",
                "other networks say for what images they were made",
            ),
            (
                "--calibration",
                self.calibration.is_some() && kind != Kind::Onnx,
                "onnx",
                "other networks are in bytes already",
            ),
        ];
        match options.into_iter().find(|(_, useless, ..)| *useless) {
            None => Ok(()),
            Some((option, _, of, reason)) => {
                let cause =
                    format!("{option} is for networks in .{of} files, not for {}", self.model.display());
                Err(Failure::usage(cause).hint(format!("leave it out: {reason}")))
            }
        }
    }

    /// The network to be trained, for one picture. One of MCUNetV3 takes pictures of --size, or else of `size`, or else those that it was made for.
    pub(crate) fn trainable(&self, size: Option<usize>) -> Result<Network> {
        let path = &self.model;
        self.check()?;
        let (graph, convs) = match self.kind()? {
            Kind::Mcunet => {
                let size = self.size.or(size);
                return Ok(self
                    .mcunet(&mcunet::Options { size, save_masks: true, ..Default::default() })?
                    .into());
            }
            Kind::TrainingGraph => {
                let cause = format!("{} is no network that can be trained", path.display());
                let hint =
                    "networks can whose names end in .pkl, .tflite or .onnx; of this one, train the .pkl";
                return Err(Failure::usage(cause).hint(hint));
            }
            Kind::Tflite | Kind::Onnx => self.imported()?,
        };
        Network::recognize(&graph, &convs).context(|| format!("cannot use {}", path.display()))
    }

    /// The network of MCUNetV3 for inference.
    pub(super) fn graph_of_mcunet(&self) -> Result<mcunet::Imported> {
        self.mcunet(&mcunet::Options { size: self.size, ..mcunet::Options::default() })
    }

    fn mcunet(&self, options: &mcunet::Options) -> Result<mcunet::Imported> {
        let cannot = || format!("cannot import {}", self.model.display());
        let network = Mcunet::read(&Checkpoint::open(&self.model).context(cannot)?).context(cannot)?;
        mcunet::import(&network, options).context(cannot)
    }

    /// A network of TensorFlow Lite or ONNX in bytes, and what is known of its convolutions.
    pub(super) fn imported(&self) -> Result<(Graph, Vec<ConvSite>)> {
        let path = &self.model;
        let cannot = || format!("cannot import {}", path.display());
        let bytes = read(path)?;
        if self.kind()? == Kind::Tflite {
            let imported = tflite::import(&Tflite::parse(&bytes).context(cannot)?, Limits::default());
            let imported = imported.context(cannot)?;
            return Ok((imported.graph, imported.convs));
        }
        let model = ounce_formats::onnx::Model::parse(&bytes).context(cannot)?;
        let folder = path.parent().map(Path::to_owned);
        let options = onnx::Options { batch: Some(1), folder, ..onnx::Options::default() };
        let Quantized { graph, convs, .. } =
            self.quantized(&onnx::import(&model, &options).context(cannot)?.graph)?;
        Ok((graph, convs))
    }

    /// A network of ONNX in bytes: by the quantizations that it has, or by pictures.
    fn quantized(&self, graph: &Graph) -> Result<Quantized> {
        let options = quantize::Options { bytes_outside: true, ..quantize::Options::default() };
        let cannot = || format!("cannot quantize {}", self.model.display());
        if graph.nodes().iter().any(|node| matches!(node.op, Op::Quantize(_) | Op::Dequantize(_))) {
            if self.calibration.is_some() {
                let cause = format!("{} is quantized already", self.model.display());
                return Err(Failure::usage(cause).hint("leave --calibration out"));
            }
            return quantize::fuse(graph, &options).context(cannot);
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
        quantize::quantize(graph, &samples, &options, &mut pool).context(cannot)
    }
}
