//! A network of MCUNet-5fps' shape (Lin et al. 2022): 42 convolutions of bytes, with random weights.

use ounce_graph::ops::*;
use ounce_graph::{DType, Graph, GraphError, Tensor, TensorType, ValueId, differentiate, passes};

/// Expansion (0: none), output channels, kernel, stride, residual.
const BLOCKS: [(usize, usize, usize, usize, bool); 14] = [
    (0, 8, 3, 1, false),
    (32, 16, 3, 2, false),
    (48, 16, 3, 1, true),
    (48, 24, 7, 2, false),
    (120, 24, 3, 1, true),
    (120, 40, 3, 2, false),
    (160, 40, 7, 1, true),
    (160, 48, 5, 1, false),
    (144, 48, 3, 1, true),
    (192, 48, 3, 1, true),
    (240, 96, 7, 2, false),
    (384, 96, 5, 1, true),
    (384, 96, 5, 1, true),
    (576, 160, 3, 1, false),
];

/// Numbers that look random.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    pub(crate) fn bytes(&mut self, count: usize, largest: i64) -> Vec<i8> {
        (0..count)
            .map(|_| (self.next() as i64).rem_euclid(2 * largest + 1).wrapping_sub(largest) as i8)
            .collect()
    }
}

/// The network: logits in bytes, and kernel, bias and factor of every convolution in order.
pub(crate) struct McuNet {
    pub(crate) graph: Graph,
    pub(crate) logits: ValueId,
    pub(crate) convs: Vec<Conv>,
}

/// Parameters of a convolution.
pub(crate) struct Conv {
    pub(crate) weight: ValueId,
    pub(crate) bias: ValueId,
}

struct Builder {
    graph: Graph,
    random: Random,
    convs: Vec<Conv>,
    save_mask: bool,
}

impl Builder {
    fn conv(
        &mut self,
        x: ValueId,
        outputs: usize,
        kernel: usize,
        stride: usize,
        depthwise: bool,
    ) -> Result<ValueId, GraphError> {
        let channels = self.graph.shape(x)[1];
        let groups = if depthwise { channels } else { 1 };
        let shape = [outputs, channels / groups, kernel, kernel];
        let fan: usize = shape[1..].iter().product();
        let i = self.convs.len();
        let weight = Tensor::i8(&shape, self.random.bytes(shape.iter().product(), 127))?;
        let bias = self.random.bytes(outputs, 100).into_iter().map(|b| i32::from(b) * 20).collect();
        let weight = self.graph.parameter(&format!("conv{i}.weight"), weight)?;
        let bias = self.graph.parameter(&format!("conv{i}.bias"), Tensor::i32(&[outputs], bias)?)?;
        let op = QuantizedConv2d {
            window: Window::square(stride, kernel / 2),
            groups,
            x_zero: 0,
            y_zero: 0,
            requantize: Requantize::Float(vec![0.02 / (fan as f32).sqrt(); outputs]),
            low: -128,
            high: 127,
            save_mask: self.save_mask,
        };
        self.convs.push(Conv { weight, bias });
        self.graph.apply(op, &[x, weight, bias])
    }
}

/// Builds the network for an image of `size` pixels a side.
pub(crate) fn mcunet(size: usize, classes: usize, save_mask: bool) -> McuNet {
    build(size, classes, save_mask).unwrap()
}

fn build(size: usize, classes: usize, save_mask: bool) -> Result<McuNet, GraphError> {
    let mut b =
        Builder { graph: Graph::new(), random: Random(0x1234_5678_9abc), convs: Vec::new(), save_mask };
    let x = b.graph.input("x", TensorType::new(DType::I8, &[1, 3, size, size]))?;
    let mut x = b.conv(x, 16, 3, 2, false)?;
    for (expansion, outputs, kernel, stride, residual) in BLOCKS {
        let mut y = x;
        if expansion > 0 {
            y = b.conv(y, expansion, 1, 1, false)?;
        }
        let channels = b.graph.shape(y)[1];
        y = b.conv(y, channels, kernel, stride, true)?;
        y = b.conv(y, outputs, 1, 1, false)?;
        if residual {
            let add =
                QuantizedAdd { scales: [1.0, 1.0], zeros: [0, 0], y_scale: 1.4, y_zero: 0, save_mask: false };
            y = b.graph.apply(add, &[x, y])?;
        }
        x = y;
    }
    let pooled = b.graph.apply(QuantizedGlobalAvgPool, &[x])?;
    let y = b.conv(pooled, classes, 1, 1, false)?;
    let logits = b.graph.flatten(y, 1)?;
    Ok(McuNet { graph: b.graph, logits, convs: b.convs })
}

/// One step of training: the biases of the last `biases` convolutions and of the head, and of some convolutions (by number) the kernel for the first `share` of the input
/// channels. Unoptimized.
pub(crate) fn training_step(net: &McuNet, biases: usize, weights: &[(usize, f64)]) -> Graph {
    build_step(net, biases, weights).unwrap()
}

fn build_step(net: &McuNet, biases: usize, weights: &[(usize, f64)]) -> Result<Graph, GraphError> {
    let mut graph = net.graph.clone();
    let labels = graph.input("labels", TensorType::new(DType::I32, &[1]))?;
    let logits = graph.apply(Dequantize { scaling: Scaling::per_tensor(0.1, 0) }, &[net.logits])?;
    let loss = graph.cross_entropy(logits, labels)?;
    let head = net.convs.len() - 1;
    let mut wrt: Vec<(ValueId, f64)> = (head - biases..=head).map(|i| (net.convs[i].bias, 1.0)).collect();
    wrt.push((net.convs[head].weight, 1.0));
    wrt.extend(weights.iter().map(|(i, share)| (net.convs[*i].weight, *share)));
    let ids: Vec<ValueId> = wrt.iter().map(|(id, _)| *id).collect();
    let result = differentiate(&graph, loss, &ids)?;
    let mut graph = result.graph;
    let rate = graph.input("rate", TensorType::f32(&[]))?;
    for ((parameter, share), mut gradient) in wrt.into_iter().zip(result.gradients) {
        if share < 1.0 {
            let mut sizes = graph.shape(gradient).to_vec();
            // Of a depthwise kernel the channels are along the first axis.
            let axis = usize::from(sizes[1] > 1);
            sizes[axis] = (sizes[axis] as f64 * share).round() as usize;
            gradient = graph.apply(Crop::leading(&sizes), &[gradient])?;
        }
        let op = QuantizedSgd { factor: vec![1.0], rounding: Rounding::Nearest, channels: None };
        let new = graph.apply(op, &[parameter, gradient, rate])?;
        graph.update(parameter, new)?;
    }
    graph.output("loss", loss)?;
    passes::dead_code(&graph)
}
