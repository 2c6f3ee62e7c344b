//! A network to be trained, whole or cut.

use ounce_graph::{Graph, ValueId, cut};
use ounce_import::mcunet::{ConvSite, Imported};

use super::StepError;

/// A network to be trained: all of it, or what is left behind a cut before one of its convolutions.
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

impl Network {
    /// How many convolutions the whole network has.
    pub fn conv_count(&self) -> usize {
        self.first + self.convs.len()
    }

    /// The first convolution that a scheme trains, which must be checked: where the network can be cut for it.
    pub fn first_trained(&self, scheme: &crate::scheme::Scheme) -> usize {
        self.conv_count().saturating_sub(scheme.biases)
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
