//! A network to be trained, whole or cut.

use std::collections::BTreeMap;

use ounce_graph::{Graph, Rewrite, Source, Tensor, TensorType, ValueId, cut};
use ounce_import::ConvSite;
use ounce_import::mcunet::Imported;

use super::StepError;

/// A network to be trained: all of it, or what is left behind a cut before one of its convolutions.
///
/// Its parameters are called by the numbers of the convolutions, `conv24.weight` and `conv24.bias`, as update schemes number them, from the input; the classifier is the last.
#[derive(Clone, PartialEq, Debug)]
pub struct Network {
    /// The forward pass; clamps save their masks.
    pub graph: Graph,
    /// The number of the first convolution that is here.
    pub first: usize,
    /// The convolutions that are here, without the classifier.
    pub convs: Vec<ConvSite>,
    /// The classifier, a convolution of the features.
    pub classifier: ConvSite,
    /// What the classifier takes, `[N, C, 1, 1]` in i8.
    pub features: ValueId,
}

impl From<Imported> for Network {
    /// All of a network that was imported with masks.
    fn from(imported: Imported) -> Self {
        let Imported { graph, convs, features, classifier, .. } = imported;
        Self { graph, first: 0, convs, classifier, features }
    }
}

/// The name of the weight of a convolution.
pub(super) fn weight_name(conv: usize) -> String {
    format!("conv{conv}.weight")
}

/// The name of the bias of a convolution.
pub(super) fn bias_name(conv: usize) -> String {
    format!("conv{conv}.bias")
}

impl Network {
    /// How many convolutions the whole network has.
    pub fn conv_count(&self) -> usize {
        self.first + self.convs.len()
    }

    /// How many classes the classifier tells.
    pub fn classes(&self) -> usize {
        self.classifier.weight_scales.len()
    }

    /// The type of the image that a whole network takes.
    ///
    /// # Errors
    /// If it takes none, or more than one value.
    pub fn image(&self) -> Result<&TensorType, StepError> {
        match self.graph.inputs() {
            [image] => Ok(self.graph.ty(*image)),
            inputs => Err(StepError::Network(format!("it takes {} inputs, not one picture", inputs.len()))),
        }
    }

    /// The first convolution that a scheme trains, which must be checked: where the network can be cut for it.
    pub fn first_trained(&self, scheme: &crate::scheme::Scheme) -> usize {
        self.conv_count().saturating_sub(scheme.biases)
    }

    /// The network around a graph that was made of its own and has all its parameters by name. `classifier` tells the scales of the classifier; its values are looked up.
    pub(super) fn around(&self, graph: Graph, classifier: ConvSite) -> Result<Self, StepError> {
        Self::located(graph, self.first, self.convs.clone(), classifier)
    }

    /// A network of a graph with parameters by name. Convolutions and classifier tell scales; their values are looked up.
    pub(super) fn located(
        graph: Graph,
        first: usize,
        mut convs: Vec<ConvSite>,
        mut classifier: ConvSite,
    ) -> Result<Self, StepError> {
        let mut features = None;
        for (conv, site) in (first..).zip(convs.iter_mut().chain([&mut classifier])) {
            let named = |name: String| {
                let missing = || StepError::Network(format!("it has no parameter {name}"));
                graph.named(&name).ok_or_else(missing)
            };
            (site.weight, site.bias) = (named(weight_name(conv))?, named(bias_name(conv))?);
            let node = graph.nodes().iter().find(|node| node.inputs.get(1) == Some(&site.weight));
            let node = node.ok_or_else(|| {
                StepError::Network(format!("nothing reads the weight of convolution {conv}"))
            })?;
            site.output = node.outputs[0];
            features = Some(node.inputs[0]);
        }
        let features = features.ok_or_else(|| StepError::Network("it has no classifier".to_owned()))?;
        Ok(Self { graph, first, convs, classifier, features })
    }

    /// The network with weights and biases that training changed, under the names of its parameters. What error feedback keeps beside them (`conv24.weight.residual`) is no part of a network and
    /// passed over.
    ///
    /// # Errors
    /// If a parameter is not one of the network's, or of another type.
    pub fn with_parameters(&self, parameters: &BTreeMap<String, Tensor>) -> Result<Self, StepError> {
        let mut network = self.clone();
        for (name, value) in parameters.iter().filter(|(name, _)| !name.ends_with(".residual")) {
            network.graph.set_parameter(name, value.clone())?;
        }
        Ok(network)
    }

    /// Weights and biases of all convolutions, with their names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        let sites = self.convs.iter().chain([&self.classifier]);
        sites.flat_map(|site| [site.weight, site.bias]).filter_map(|id| match &self.graph.value(id) {
            value if let Source::Parameter(data) = &value.source => Some((value.name.as_str(), &**data)),
            _ => None,
        })
    }

    /// A copy of the graph without the classifier, to put another in its place.
    pub(super) fn without_classifier(&self) -> Result<Rewrite<'_>, StepError> {
        let mut rewrite = Rewrite::bare(&self.graph);
        for node in self.graph.nodes() {
            if !node.outputs.contains(&self.classifier.output) {
                rewrite.copy(node)?;
            }
        }
        Ok(rewrite)
    }

    /// Cuts the network before a convolution: the frozen part, which gives what the rest takes, and the rest. Whatever is trained behind the cut, the frozen part gives the same for an image.
    ///
    /// # Errors
    /// If there is no such convolution here, or names collide.
    pub fn split(&self, conv: usize) -> Result<(Graph, Network), StepError> {
        if conv < self.first || conv > self.conv_count() {
            return Err(StepError::Cut { wanted: conv, first: self.first });
        }
        let kept = &self.convs[conv - self.first..];
        let sites = kept.iter().chain([&self.classifier]);
        let parameters: Vec<ValueId> = sites.flat_map(|site| [site.weight, site.bias]).collect();
        let mut graph = self.graph.clone();
        graph.clear_outputs();
        graph.output("logits", self.classifier.output)?;
        let halves = cut(&graph, &parameters)?;
        let missing = || StepError::Network("a convolution does not lead to the logits".to_owned());
        let moved = |id: ValueId| halves.values[id.index()].ok_or_else(missing);
        let site = |site: &ConvSite| {
            let (weight, bias) = (moved(site.weight)?, moved(site.bias)?);
            Ok::<_, StepError>(ConvSite { weight, bias, output: moved(site.output)?, ..site.clone() })
        };
        let rest = Network {
            first: conv,
            convs: kept.iter().map(site).collect::<Result<_, _>>()?,
            classifier: site(&self.classifier)?,
            features: moved(self.features)?,
            graph: halves.after,
        };
        Ok((halves.before, rest))
    }
}
