//! From the description of a task to a model.

use super::spec::{HamiltonianSpec, Head, ModelSpec, Normalized, Task};
use crate::circuit::{Angle, Circuit, CircuitError, Symbol};
use crate::encoder::{Encoder, encoder_names};
use crate::gate::Standard;
use crate::hamiltonian::{self, Graph, GraphError, TextError};
use crate::layers::{Pattern, Template, TwoLocal, template_names};
use crate::model::{CircuitLayer, Layer, Linear, Model, ModelError, Normalization};
use crate::observable::PauliSum;

/// Why a description makes no model.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A name that is not known.
    #[error("{what} {name:?} is not known; there are: {known}")]
    Unknown {
        /// Encoder or ansatz.
        what: &'static str,
        /// The name.
        name: String,
        /// Those that are known.
        known: String,
    },
    /// Parts that do not fit.
    #[error("{0}")]
    Mismatch(String),
    /// The layers do not fit.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A gate does not fit.
    #[error(transparent)]
    Circuit(#[from] CircuitError),
    /// The edges make no graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The text is no Hamiltonian.
    #[error("{file}: {error}")]
    Text {
        /// The file.
        file: String,
        /// What is wrong.
        error: TextError,
    },
    /// There are no samples.
    #[error(transparent)]
    Samples(#[from] super::data::SamplesError),
    /// A file cannot be read.
    #[error("cannot read {file}: {error}")]
    File {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
}

/// A Hamiltonian and what it is on.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    /// Its terms.
    pub hamiltonian: PauliSum,
    /// Qubits.
    pub qubits: usize,
    /// The graph, if it is a cut.
    pub graph: Option<Graph>,
    /// What is added to each energy, such as the repulsion of nuclei.
    pub constant: f64,
}

impl HamiltonianSpec {
    /// The Hamiltonian; files are looked for in `folder`.
    ///
    /// # Errors
    /// If a file cannot be read, or it or the edges make no Hamiltonian.
    pub fn build(&self, folder: &std::path::Path) -> Result<Problem, BuildError> {
        let problem = |hamiltonian, qubits| Problem { hamiltonian, qubits, graph: None, constant: 0.0 };
        Ok(match self {
            Self::H2 => Problem { constant: hamiltonian::H2_REPULSION, ..problem(hamiltonian::h2(), 2) },
            &Self::Ising { qubits, coupling, field, periodic } => {
                problem(hamiltonian::transverse_ising(qubits, coupling, field, periodic), qubits)
            }
            Self::MaxCut { vertices, edges } => {
                let graph = Graph::new(*vertices, edges.clone())?;
                Problem { graph: Some(graph.clone()), ..problem(graph.hamiltonian(), *vertices) }
            }
            Self::File { path } => {
                let file = folder.join(path);
                let name = || file.display().to_string();
                let text = std::fs::read_to_string(&file)
                    .map_err(|error| BuildError::File { file: name(), error })?;
                let (sum, qubits) =
                    hamiltonian::parse(&text).map_err(|error| BuildError::Text { file: name(), error })?;
                problem(sum, qubits)
            }
        })
    }
}

impl Task {
    /// Values that a sample must have.
    pub(super) fn sample_values(&self) -> Result<usize, BuildError> {
        Ok(self.encoder()?.inputs())
    }

    fn encoder(&self) -> Result<Encoder, BuildError> {
        let name = self.model.encoder.as_deref().ok_or_else(|| mismatch("a classifier needs an encoder"))?;
        Encoder::named(name).ok_or_else(|| unknown("encoder", name, encoder_names()))
    }

    /// The model of a classifier of samples of `inputs` values.
    ///
    /// # Errors
    /// If a name is not known or parts do not fit each other.
    pub fn classifier(&self, inputs: usize, classes: usize) -> Result<Model, BuildError> {
        let spec = &self.model;
        let encoder = self.encoder()?;
        let mut layers = Vec::new();
        if let Some(activation) = spec.dense {
            layers.push(Layer::Linear(Linear { inputs, outputs: encoder.inputs() }));
            layers.push(Layer::Activation(activation));
        } else if inputs != encoder.inputs() {
            return Err(mismatch(format!(
                "the encoder takes {} values, a sample has {inputs}",
                encoder.inputs()
            )));
        }
        for block in 0..spec.blocks.max(1) {
            let last = block + 1 == spec.blocks.max(1);
            let mut circuit = match block {
                0 => encoder.circuit()?,
                _ => ry_encoder(encoder.qubits())?,
            };
            append_ansatz(&mut circuit, spec, &[])?;
            layers.push(Layer::Circuit(CircuitLayer::measured_in_z(circuit)));
            if spec.normalization == Normalized::All || (spec.normalization == Normalized::Inner && !last) {
                layers.push(Layer::Normalization(Normalization::default()));
            }
            match spec.quantization {
                Some(quantization) if !last => layers.push(Layer::Quantization(quantization)),
                _ => {}
            }
        }
        let qubits = encoder.qubits();
        match spec.head {
            Head::Linear => layers.push(Layer::Linear(Linear { inputs: qubits, outputs: classes })),
            Head::Qubits if classes == qubits => {}
            Head::Qubits if classes == 2 && qubits > 2 => {
                layers.push(Layer::Sum(vec![(0..qubits / 2).collect(), (qubits / 2..qubits).collect()]));
            }
            Head::Qubits if classes < qubits => {
                layers.push(Layer::Sum((0..classes).map(|qubit| vec![qubit]).collect()))
            }
            Head::Qubits => {
                return Err(mismatch(format!(
                    "{classes} classes on {qubits} qubits; take a wider encoder or `head = \"linear\"`"
                )));
            }
        }
        Ok(Model::new(inputs, layers)?)
    }

    /// The model that prepares the state of a variational algorithm.
    ///
    /// # Errors
    /// If the ansatz is not known or not for this problem.
    pub fn variational(&self, problem: &Problem) -> Result<Model, BuildError> {
        let circuit = match (self.model.ansatz.as_str(), &problem.graph) {
            ("qaoa", Some(graph)) => graph.qaoa(self.model.layers)?,
            ("qaoa", None) => return Err(mismatch("the ansatz qaoa is for cuts; take another")),
            ("hamiltonian", _) => {
                hamiltonian::variational_ansatz(&problem.hamiltonian, problem.qubits, self.model.layers)?
            }
            _ => {
                let mut circuit = Circuit::new(problem.qubits);
                let others: &[_] =
                    if problem.graph.is_some() { &["hamiltonian", "qaoa"] } else { &["hamiltonian"] };
                append_ansatz(&mut circuit, &self.model, others)?;
                circuit
            }
        };
        let observables = vec![problem.hamiltonian.clone()];
        Ok(Model::new(0, vec![Layer::Circuit(CircuitLayer { circuit, observables })])?)
    }
}

fn mismatch(reason: impl Into<String>) -> BuildError {
    BuildError::Mismatch(reason.into())
}

fn unknown(what: &'static str, name: &str, known: impl Iterator<Item = &'static str>) -> BuildError {
    BuildError::Unknown { what, name: name.to_owned(), known: known.collect::<Vec<_>>().join(", ") }
}

/// One value a qubit.
fn ry_encoder(qubits: usize) -> Result<Circuit, CircuitError> {
    let mut circuit = Circuit::new(qubits);
    let first = circuit.add_inputs(qubits);
    for qubit in 0..qubits {
        circuit.push(Standard::Ry, &[qubit], [Angle::from(Symbol::Input(first + qubit))])?;
    }
    Ok(circuit)
}

/// Adds the ansatz to a circuit. `others` are those that are not added here but could have been named.
fn append_ansatz(circuit: &mut Circuit, spec: &ModelSpec, others: &[&'static str]) -> Result<(), BuildError> {
    const TWO_LOCAL: [&str; 3] = ["real-amplitudes", "efficient-su2", "excitation-preserving"];
    let name = spec.ansatz.as_str();
    match name {
        "real-amplitudes" => {
            TwoLocal::real_amplitudes(Pattern::ReverseLinear, spec.layers).append_to(circuit)?
        }
        "efficient-su2" => TwoLocal::efficient_su2(Pattern::ReverseLinear, spec.layers).append_to(circuit)?,
        "excitation-preserving" => {
            TwoLocal::excitation_preserving(Pattern::Dense, spec.layers).append_to(circuit)?
        }
        _ => Template::named(name)
            .ok_or_else(|| {
                unknown("ansatz", name, template_names().chain(TWO_LOCAL).chain(others.iter().copied()))
            })?
            .append_to(circuit, spec.layers)?,
    }
    Ok(())
}
