//! A task as its file describes it.

use std::path::PathBuf;

use crate::model::{Activation, Quantization};
use crate::train::{Options, Schedule};
use serde::{Deserialize, Serialize};

/// Everything that a training needs to know. [`crate::task`] has the tasks of the papers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Task {
    /// What the reports call it.
    pub title: String,
    /// What a classifier is trained on.
    pub data: Option<DataSpec>,
    /// What a variational algorithm looks for the lowest energy of; instead of data.
    pub hamiltonian: Option<HamiltonianSpec>,
    /// The model.
    pub model: ModelSpec,
    /// The device whose noise is trained with, trained on or evaluated with.
    pub device: Option<DeviceSpec>,
    /// How it is trained.
    #[serde(default)]
    pub train: Options,
}

/// Where samples come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// MNIST's four IDX files.
    Mnist,
    /// Fashion-MNIST's four IDX files.
    FashionMnist,
    /// Pictures in folders `train/CLASS` and `test/CLASS`, or such in a zip file: CIFAR-10.
    Pictures,
    /// Deterding's vowels, `vowel-context.data`.
    Vowel,
}

/// The samples of a classifier.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataSpec {
    /// The kind of data.
    pub source: Source,
    /// Where it lies: a folder, or the file; relative to the task's file.
    pub path: PathBuf,
    /// The range of the angles that columns of tables become; pictures have angles of their own.
    #[serde(default = "half_turn")]
    pub angles: [f64; 2],
    /// The classes, by their numbers in the data; class `i` of the model is the one that stands at place `i`.
    pub classes: Vec<usize>,
    /// Samples to train on; all but those for validation if absent.
    pub train: Option<usize>,
    /// Samples to validate with after each epoch, taken from those for training.
    #[serde(default)]
    pub validation: usize,
    /// Samples to test with; all if absent.
    pub test: Option<usize>,
    /// The seed by which samples are picked.
    #[serde(default = "one")]
    pub seed: u64,
}

fn half_turn() -> [f64; 2] {
    [-std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2]
}

fn one() -> u64 {
    1
}

/// A Hamiltonian.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", try_from = "super::hamiltonian::Fields")]
pub enum HamiltonianSpec {
    /// Molecular hydrogen on two qubits.
    H2,
    /// The transverse-field Ising chain.
    Ising {
        /// Spins.
        qubits: usize,
        /// The coupling of neighbours.
        coupling: f64,
        /// The transverse field.
        field: f64,
        /// Whether the chain is closed to a ring.
        #[serde(default)]
        periodic: bool,
    },
    /// The largest cut of a graph.
    MaxCut {
        /// Vertices.
        vertices: usize,
        /// Edges with their weights.
        edges: Vec<(usize, usize, f64)>,
    },
    /// A text file of coefficients and strings of Paulis.
    File {
        /// Relative to the task's file.
        path: PathBuf,
    },
}

/// Which measured values are normalized.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalized {
    /// None.
    #[default]
    None,
    /// Those of all blocks but the last.
    Inner,
    /// All.
    All,
}

/// How values become the outputs of the classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// One qubit a class where there are as many; for two classes the sum over the first and the second half of the qubits.
    #[default]
    Qubits,
    /// A trained matrix and bias.
    Linear,
}

/// A model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelSpec {
    /// The encoder of the first block, by name ([`crate::encoder`]); later blocks encode by RY. None for a Hamiltonian.
    pub encoder: Option<String>,
    /// The layers that are trained, by name ([`crate::layers`]): a template, `real-amplitudes` or `efficient-su2`; for a
    /// Hamiltonian also `hamiltonian`, which evolves under its terms, and `qaoa` for a cut.
    pub ansatz: String,
    /// Repetitions of the ansatz in each block.
    #[serde(default = "one_layer")]
    pub layers: usize,
    /// Blocks of encoder, ansatz and measurement.
    #[serde(default = "one_layer")]
    pub blocks: usize,
    /// Which measured values are normalized.
    #[serde(default)]
    pub normalization: Normalized,
    /// How the values between blocks are quantized.
    pub quantization: Option<Quantization>,
    /// A classical layer of so many outputs with this activation before the first encoder.
    pub dense: Option<Activation>,
    /// What follows the last block.
    #[serde(default)]
    pub head: Head,
}

fn one_layer() -> usize {
    1
}

/// How circuits are run on a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Execution {
    /// By the density matrix: exact, up to about 10 qubits.
    #[default]
    Exact,
    /// By trajectories.
    Trajectories,
    /// The errors of readout alone.
    Readout,
}

/// Who runs the circuits of a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runner {
    /// A simulation of its noise.
    #[default]
    Simulation,
    /// Whoever puts counts into a folder, a real machine for instance.
    Files,
}

/// A device, and what it is for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceSpec {
    /// Its name, of those in the folder of calibrations.
    pub name: String,
    /// Who runs circuits on it.
    #[serde(default)]
    pub backend: Runner,
    /// The folder of circuits and counts of [`Runner::Files`], relative to the task's file.
    pub path: Option<PathBuf>,
    /// How its noise is computed.
    #[serde(default)]
    pub execution: Execution,
    /// Shots of each circuit; exact expectation values if absent.
    pub shots: Option<u64>,
    /// Whether the model is trained on the device, by parameter shift, and not on a simulator.
    #[serde(default)]
    pub train: bool,
    /// Noise that is injected while training on a simulator.
    pub injection: Option<InjectionSpec>,
}

/// The injection of noise.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InjectionSpec {
    /// What the probabilities of errors are multiplied by.
    pub factor: f64,
    /// Draws of errors in each step.
    #[serde(default = "one_layer")]
    pub draws: usize,
    /// How the factor changes while training.
    #[serde(default)]
    pub schedule: Schedule,
}

impl DeviceSpec {
    /// A device to evaluate on, with exact noise and without shots.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            backend: Runner::Simulation,
            path: None,
            execution: Execution::Exact,
            shots: None,
            train: false,
            injection: None,
        }
    }
}
