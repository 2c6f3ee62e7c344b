//! What training takes beyond inference, by the original's formula.

use ounce_graph::ops::Op;
use ounce_graph::{Graph, ValueId};
use ounce_import::ConvSite;

use super::{Scheme, TrainedWeight, trained_channels};

/// The extents of a convolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layer {
    /// Channels, rows and columns of the image.
    pub input: [usize; 3],
    /// Channels, rows and columns of the result.
    pub output: [usize; 3],
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Whether every channel is convolved by itself.
    pub depthwise: bool,
}

impl Layer {
    /// Elements of the weight.
    pub fn weights(&self) -> usize {
        let inputs = if self.depthwise { 1 } else { self.input[0] };
        self.output[0] * inputs * self.kernel[0] * self.kernel[1]
    }

    /// Products of one image.
    pub fn macs(&self) -> usize {
        self.weights() * self.output[1] * self.output[2]
    }

    /// What it takes to train its bias alone, and what to train all of its weight besides.
    pub fn extra_memory(&self) -> [ExtraMemory; 2] {
        let whole = |weights: Vec<TrainedWeight>| extra_memory(&[*self], &Scheme { biases: 1, weights });
        let bias = whole(Vec::new());
        let both = whole(vec![TrainedWeight { conv: 0, share: 1.0 }]);
        [bias, ExtraMemory { masks: 0, biases: 0, ..both }]
    }
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
        let extents = |id: ValueId| <[usize; 4]>::try_from(graph.shape(id)).ok();
        let [_, input @ ..] = extents(node.inputs[0])?;
        let [_, _, kernel @ ..] = extents(site.weight)?;
        let [_, output @ ..] = extents(site.output)?;
        let depthwise = op.groups == input[0] && input[0] == output[0];
        Some(Layer { input, output, kernel, depthwise })
    };
    convs.iter().filter_map(extents).collect()
}

/// What a scheme takes for a network of these convolutions, without its classifier.
pub fn extra_memory(layers: &[Layer], scheme: &Scheme) -> ExtraMemory {
    let first = layers.len().saturating_sub(scheme.biases);
    let mut memory = ExtraMemory::default();
    for (at, layer) in layers.iter().enumerate().skip(first) {
        memory.masks += layer.output.iter().product::<usize>() as u64;
        memory.biases += 32 * layer.output[0] as u64;
        let Some(share) = scheme.share(at) else { continue };
        let [inputs, rows, columns] = layer.input;
        let channels = trained_channels(inputs, share);
        let outputs = if layer.depthwise { 1 } else { layer.output[0] };
        memory.images += 8 * (rows * columns * channels) as u64;
        memory.weights += 8 * (outputs * channels * layer.kernel[0] * layer.kernel[1]) as u64;
    }
    memory
}
