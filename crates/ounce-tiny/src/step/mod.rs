//! One step of training as a graph: forward, the gradients that a scheme asks for, and updates of bytes in place.
//!
//! The graph takes an image, a `label` for each image, the rates `rate` (weights) and `bias_rate` (biases) and, where rounding is stochastic, the number of the
//! `step`; it gives the `loss`, the mean cross entropy over the images. A device takes one image at a time; here a batch may be larger, its gradients being averaged.

mod batch;
mod head;
mod network;
mod options;
mod recognize;
mod update;

use ounce_graph::{DType, Graph, GraphError, TensorType, ValueId, differentiate, passes};
use ounce_import::ConvSite;

pub use self::network::Network;
pub use self::options::{Channels, Head, StepOptions};
use crate::scheme::{Scheme, SchemeError};

/// The input that holds the picture, i8.
pub const IMAGE: &str = "image";
/// The input that holds the label of every image, i32.
pub const LABEL: &str = "label";
/// The input that holds the learning rate of weights, f32.
pub const RATE: &str = "rate";
/// The input that holds the learning rate of biases, f32.
pub const BIAS_RATE: &str = "bias_rate";
/// The input that holds the number of the step, i32, where rounding is stochastic.
pub const STEP: &str = "step";

/// Why a step of training cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// The scheme does not fit the network.
    #[error(transparent)]
    Scheme(#[from] SchemeError),
    /// The scheme trains what was cut off.
    #[error("the scheme trains convolution {wanted}, but the network was cut before convolution {first}")]
    Cut {
        /// The first convolution that is trained.
        wanted: usize,
        /// The first that is left.
        first: usize,
    },
    /// The graph refused.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The network takes or gives something else than images of bytes, or is no classifier.
    #[error("the network cannot be trained: {0}")]
    Network(String),
    /// Several pictures at once would be mixed.
    #[error("{node} ({operator}) does not keep {batch} pictures apart: train with one picture a step")]
    Batch {
        /// The node.
        node: String,
        /// Its operator.
        operator: &'static str,
        /// How many pictures.
        batch: usize,
    },
    /// An operator behind the first trained convolution has no gradient.
    #[error("{source}; {reach}")]
    Gradient {
        /// The operator, and why it has none.
        source: GraphError,
        /// What can be trained behind it.
        reach: Reach,
    },
}

/// How many of a network's last convolutions can be trained.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The biases of so many, so that gradients need not reach further.
    pub biases: usize,
    /// Weights and biases of so many.
    pub weights: usize,
}

impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "what lies behind it can be trained: bias:{} or last:{} at most", self.biases, self.weights)
    }
}

impl Reach {
    /// The largest schemes, of at most `biases` biases, that `works` says yes to.
    pub(crate) fn within(network: &Network, biases: usize, works: impl Fn(&Scheme) -> bool) -> Self {
        let most = biases.min(network.convs.len());
        let largest = |scheme: &dyn Fn(usize) -> Scheme| (1..=most).rev().find(|n| works(&scheme(*n)));
        let convs = network.conv_count();
        Self {
            biases: largest(&Scheme::bias_only).unwrap_or(0),
            weights: largest(&|n| Scheme::last(convs, n)).unwrap_or(0),
        }
    }
}

/// The graph of a step.
///
/// # Errors
/// If the scheme does not fit the network; [`StepError::Gradient`] if an operator behind the first trained convolution has no gradient.
pub fn training_step(network: &Network, scheme: &Scheme, options: &StepOptions) -> Result<Graph, StepError> {
    step(network, scheme, options).map_err(|error| match error {
        StepError::Graph(source @ GraphError::NotDifferentiable { .. }) => {
            let works = |scheme: &Scheme| step(network, scheme, options).is_ok();
            StepError::Gradient { source, reach: Reach::within(network, scheme.biases, works) }
        }
        error => error,
    })
}

fn step(network: &Network, scheme: &Scheme, options: &StepOptions) -> Result<Graph, StepError> {
    scheme.check(network.conv_count())?;
    let wanted = network.conv_count() - scheme.biases;
    if wanted < network.first {
        return Err(StepError::Cut { wanted, first: network.first });
    }
    let mut graph = network.graph.clone();
    graph.clear_outputs();
    let logits = head::logits(&mut graph, network, options.head)?;
    let batch = graph.shape(logits)[0];
    let label = graph.input(LABEL, TensorType::new(DType::I32, &[batch]))?;
    let loss = graph.cross_entropy(logits, label)?;
    let trained = network.convs.iter().enumerate().skip(wanted - network.first);
    let trained = trained.map(|(at, site)| (site, scheme.share(network.first + at)));
    // Of the classifier everything is trained, whatever the scheme.
    let trained: Vec<(&ConvSite, Option<f64>)> = trained.chain([(&network.classifier, Some(1.0))]).collect();
    let mut wrt = Vec::new();
    for (site, share) in &trained {
        wrt.extend(share.map(|_| site.weight));
        wrt.push(site.bias);
    }
    let result = differentiate(&graph, loss, &wrt)?;
    let mut updates = update::Updates::new(result.graph, options)?;
    let mut gradients = result.gradients.into_iter();
    let mut next = || gradients.next().ok_or(GraphError::UnknownValue(0, 0));
    for (site, share) in trained {
        if let Some(share) = share {
            updates.weight(site, next()?, share)?;
        }
        updates.bias(site, next()?)?;
    }
    let mut graph = updates.finish();
    graph.output("loss", loss)?;
    Ok(passes::dead_code(&graph)?)
}

/// The graph of inference: the output `logits`, `[N, classes]` in f32, before any softmax.
///
/// # Errors
/// If the graph refuses.
pub fn inference(network: &Network, head: Head) -> Result<Graph, StepError> {
    let mut graph = network.graph.clone();
    graph.clear_outputs();
    let logits: ValueId = head::logits(&mut graph, network, head)?;
    graph.output("logits", logits)?;
    Ok(passes::dead_code(&graph)?)
}
