//! What training takes beyond inference, by the original's formula.

use ounce_graph::Graph;
use ounce_graph::ops::Op;
use ounce_import::mcunet::ConvSite;

use super::{Scheme, trained_channels};

/// The extents of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layer {
    /// Channels of the image.
    pub in_channels: usize,
    /// Elements of a channel of the image.
    pub in_places: usize,
    /// Channels of the result.
    pub out_channels: usize,
    /// Elements of a channel of the result.
    pub out_places: usize,
    /// Elements of a channel of the kernel.
    pub kernel: usize,
    /// Whether every channel is convolved by itself.
    pub depthwise: bool,
}

/// Bits that training takes beyond inference with batch 1: `nelem_saved_for_backward` of the original (`core/utils/partial_backward.py`), which the published
/// budgets are stated in. It knows nothing of lifetimes; what a device really needs is told by the plan of the training step.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ExtraMemory {
    /// Which results were clamped, a bit each.
    pub masks: u64,
    /// Images that gradients of weights need, as bytes.
    pub images: u64,
    /// Trained biases, 32 bits each.
    pub biases: u64,
    /// Trained weights, a byte each.
    pub weights: u64,
}

impl ExtraMemory {
    /// All of it, in bits.
    pub fn bits(&self) -> u64 {
        self.masks + self.images + self.biases + self.weights
    }

    /// All of it, in units of 1024 bytes.
    pub fn kib(&self) -> f64 {
        self.bits() as f64 / 8192.0
    }
}

/// The extents of convolutions in a graph, in their order.
pub fn layers(graph: &Graph, convs: &[ConvSite]) -> Vec<Layer> {
    let extents = |site: &ConvSite| {
        let (at, _) = graph.producer(site.output)?;
        let node = &graph.nodes()[at];
        let Op::QuantizedConv2d(op) = &node.op else { return None };
        let (x, w, y) = (graph.shape(node.inputs[0]), graph.shape(site.weight), graph.shape(site.output));
        Some(Layer {
            in_channels: x[1],
            in_places: x[2] * x[3],
            out_channels: y[1],
            out_places: y[2] * y[3],
            kernel: w[2] * w[3],
            depthwise: op.groups == x[1] && x[1] == y[1],
        })
    };
    convs.iter().filter_map(extents).collect()
}

/// What a scheme takes for a network of these convolutions, without its classifier.
pub fn extra_memory(layers: &[Layer], scheme: &Scheme) -> ExtraMemory {
    let first = layers.len().saturating_sub(scheme.biases);
    let mut memory = ExtraMemory::default();
    for (at, layer) in layers.iter().enumerate().skip(first) {
        memory.masks += (layer.out_channels * layer.out_places) as u64;
        memory.biases += 32 * layer.out_channels as u64;
        let Some(share) = scheme.share(at) else { continue };
        let channels = trained_channels(layer.in_channels, share);
        let rows = if layer.depthwise { 1 } else { layer.out_channels };
        memory.images += 8 * (layer.in_places * channels) as u64;
        memory.weights += 8 * (rows * channels * layer.kernel) as u64;
    }
    memory
}
