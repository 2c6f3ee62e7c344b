//! From what a result came: checksums of a network and of pictures, which names alone do not tell from others.

use ounce_data::DataError;
use ounce_graph::ops::Op;
use ounce_graph::{Graph, Source, ValueId};
use ounce_import::ConvSite;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::learn::Part;
use crate::step::Network;

/// Checksums of what a training or a measurement was made from, in hexadecimal digits: the first 64 bits of SHA-256.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Of the network: see [`network`].
    pub network: String,
    /// Of the pictures: see [`pictures`].
    pub pictures: String,
}

/// Why a result cannot be gone on with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// It came from another network.
    #[error("it was made from another network: of checksum {found}, while this one's is {here}")]
    Network {
        /// What the result says.
        found: String,
        /// The one that there is.
        here: String,
    },
    /// It came from other pictures.
    #[error("it was made from other pictures: of checksum {found}, while these have {here}")]
    Pictures {
        /// What the result says.
        found: String,
        /// Those that there are.
        here: String,
    },
    /// It says nothing about that.
    #[error("it does not say from which network and pictures it was made")]
    Unknown,
}

impl Origin {
    /// The origin of what is made from a network, as it is before it gets its classifier, and from the pictures of some parts in this order.
    ///
    /// # Errors
    /// [`DataError`] if a picture cannot be read.
    pub fn of(network: &Network, parts: &[&Part]) -> Result<Self, DataError> {
        Ok(Self { network: self::network(network), pictures: pictures(parts)? })
    }

    /// Checks that a result may be gone on with: that what it says of its origin, `found`, is this one.
    ///
    /// # Errors
    /// [`OriginError`] if not, or if it says nothing.
    pub fn check(&self, found: Option<&Self>) -> Result<(), OriginError> {
        let found = found.ok_or(OriginError::Unknown)?;
        found.check_network(&self.network)?;
        if found.pictures == self.pictures {
            return Ok(());
        }
        Err(OriginError::Pictures { found: found.pictures.clone(), here: self.pictures.clone() })
    }

    /// Checks that it names a network of this [checksum](network).
    ///
    /// # Errors
    /// [`OriginError::Network`] if not.
    pub fn check_network(&self, here: &str) -> Result<(), OriginError> {
        if self.network == here {
            return Ok(());
        }
        Err(OriginError::Network { found: self.network.clone(), here: here.to_owned() })
    }
}

/// The checksum of pictures: of labels and bytes of their files, part by part.
///
/// # Errors
/// [`DataError`] if a picture cannot be read.
pub fn pictures(parts: &[&Part]) -> Result<String, DataError> {
    let mut sum = Sha256::new();
    for part in parts {
        sum.update((part.len() as u64).to_le_bytes());
        for file in part.files() {
            let (label, bytes) = file?;
            sum.update(label.to_le_bytes());
            sum.update((bytes.len() as u64).to_le_bytes());
            sum.update(&bytes);
        }
    }
    Ok(text(sum))
}

/// The checksum of a network: of the weights, biases, geometry and quantization of its convolutions and its classifier. The size of images is no part of it.
pub fn network(network: &Network) -> String {
    let mut sum = Sha256::new();
    for site in network.convs.iter().chain([&network.classifier]) {
        convolution(&network.graph, site, &mut sum);
    }
    text(sum)
}

fn convolution(graph: &Graph, site: &ConvSite, sum: &mut Sha256) {
    let mut tensor = |id: ValueId| {
        let value = graph.value(id);
        sum.update((value.ty.shape.len() as u64).to_le_bytes());
        value.ty.shape.iter().for_each(|extent| sum.update((*extent as u64).to_le_bytes()));
        if let Source::Parameter(data) | Source::Constant(data) = &value.source {
            sum.update(data.as_bytes());
        }
    };
    tensor(site.weight);
    tensor(site.bias);
    site.weight_scales.iter().for_each(|scale| sum.update(scale.to_le_bytes()));
    for quantization in [site.input, site.quantization] {
        sum.update(quantization.scale.to_le_bytes());
        sum.update(quantization.zero.to_le_bytes());
    }
    if let Some(Op::QuantizedConv2d(op)) = graph.producer(site.output).map(|(at, _)| &graph.nodes()[at].op) {
        let window = op.window;
        let extents = [window.stride, window.before, window.after, window.dilation];
        for extent in extents.iter().flatten().chain([&op.groups]) {
            sum.update((*extent as u64).to_le_bytes());
        }
        sum.update([op.low.to_le_bytes(), op.high.to_le_bytes()].concat());
    }
}

/// 64 bits tell things apart that nobody made to be alike.
fn text(sum: Sha256) -> String {
    sum.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
