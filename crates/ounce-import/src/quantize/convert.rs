//! From operators in floats to quantized ones.

use ounce_graph::ops::{
    BinaryKind, Clip, Conv2d, Dequantize, FixedScale, Pad, Quantize, QuantizedAdd, QuantizedConv2d,
    ReduceKind, Requantize, Reshape, Scaling, Window,
};
use ounce_graph::{DType, Graph, Node, Op, OpError, Source, Tensor, TensorType, ValueId};

use super::{Arithmetic, Options, Quantization, QuantizeError, Quantized};
use crate::ConvSite;

/// What stands for an old value in the new graph: floats, bytes, or both.
#[derive(Clone, Copy, Default)]
pub(super) struct Forms {
    float: Option<ValueId>,
    pub(super) bytes: Option<(ValueId, Quantization)>,
}

pub(super) struct Converter<'a> {
    pub(super) old: &'a Graph,
    /// Of every value that may become bytes, by its place.
    quantizations: &'a [Option<Quantization>],
    options: &'a Options,
    pub(super) forms: Vec<Forms>,
    /// How many nodes read each value.
    readers: Vec<Vec<usize>>,
    /// Nodes that another has taken in.
    taken: Vec<bool>,
    pub(super) new: Quantized,
}

pub(super) fn per_tensor(quantization: Quantization) -> Scaling {
    Scaling::per_tensor(quantization.scale, quantization.zero)
}

impl<'a> Converter<'a> {
    pub(super) fn new(
        old: &'a Graph,
        quantizations: &'a [Option<Quantization>],
        options: &'a Options,
    ) -> Result<Self, QuantizeError> {
        let mut readers = vec![Vec::new(); old.values().len()];
        for (at, node) in old.nodes().iter().enumerate() {
            node.inputs.iter().for_each(|id| readers[id.index()].push(at));
        }
        let new = Quantized {
            graph: Graph::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            in_bytes: 0,
            in_floats: Vec::new(),
            convs: Vec::new(),
        };
        let (forms, taken) = (vec![Forms::default(); old.values().len()], vec![false; old.nodes().len()]);
        Ok(Self { old, quantizations, options, forms, readers, taken, new })
    }

    pub(super) fn run(mut self) -> Result<Quantized, QuantizeError> {
        for id in self.old.inputs() {
            let value = self.old.value(*id);
            let quantization = self.quantization(*id).filter(|_| self.options.bytes_outside);
            let forms = &mut self.forms[id.index()];
            if let Some(quantization) = quantization {
                let ty = TensorType::new(DType::I8, &value.ty.shape);
                forms.bytes = Some((self.new.graph.input(&value.name, ty)?, quantization));
                self.new.inputs.push((value.name.clone(), quantization));
            } else {
                forms.float = Some(self.new.graph.input(&value.name, value.ty.clone())?);
            }
        }
        for (at, node) in self.old.nodes().iter().enumerate() {
            if !self.taken[at] && !self.in_bytes(node)? {
                self.in_floats(node)?;
            }
        }
        for (name, id) in self.old.outputs() {
            let bytes = self.forms[id.index()].bytes;
            let value = match bytes.filter(|_| self.options.bytes_outside) {
                Some((bytes, quantization)) => {
                    self.new.outputs.push((name.clone(), quantization));
                    bytes
                }
                None => self.float(*id)?,
            };
            self.new.graph.output(name, value)?;
        }
        Ok(self.new)
    }

    pub(super) fn quantization(&self, id: ValueId) -> Option<Quantization> {
        self.quantizations[id.index()]
    }

    fn constant(&self, id: ValueId) -> Option<&'a Tensor> {
        self.old.constant_data(id).map(|data| &**data)
    }

    /// A value as floats.
    fn float(&mut self, id: ValueId) -> Result<ValueId, QuantizeError> {
        let forms = self.forms[id.index()];
        let float = match (forms.float, forms.bytes, &self.old.value(id).source) {
            (Some(float), ..) => return Ok(float),
            (None, Some((bytes, quantization)), _) => {
                self.new.graph.apply(Dequantize { scaling: per_tensor(quantization) }, &[bytes])?
            }
            (None, None, Source::Constant(data) | Source::Parameter(data)) => {
                self.new.graph.constant(data.clone())
            }
            _ => {
                let (at, values) = (id.index(), self.old.values().len());
                return Err(ounce_graph::GraphError::UnknownValue(at, values).into());
            }
        };
        self.forms[id.index()].float = Some(float);
        Ok(float)
    }

    /// A value as bytes; `None` for constants and what is no float.
    pub(super) fn bytes(&mut self, id: ValueId) -> Result<Option<(ValueId, Quantization)>, QuantizeError> {
        if let Some(bytes) = self.forms[id.index()].bytes {
            return Ok(Some(bytes));
        }
        let Some(quantization) = self.quantization(id) else { return Ok(None) };
        let float = self.float(id)?;
        let op = Quantize { scaling: per_tensor(quantization), to: DType::I8 };
        let bytes = (self.new.graph.apply(op, &[float])?, quantization);
        self.forms[id.index()].bytes = Some(bytes);
        Ok(Some(bytes))
    }

    /// The node that alone reads a value, if the value is no output.
    fn only_reader(&self, id: ValueId) -> Option<usize> {
        let is_output = self.old.outputs().iter().any(|(_, output)| *output == id);
        match self.readers[id.index()][..] {
            [reader] if !is_output => Some(reader),
            _ => None,
        }
    }

    fn in_floats(&mut self, node: &Node) -> Result<(), QuantizeError> {
        let inputs = node.inputs.iter().map(|id| self.float(*id)).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.new.graph.append(node.name.clone(), node.op.clone(), &inputs)?;
        for (old, new) in node.outputs.iter().zip(outputs) {
            self.forms[old.index()].float = Some(new);
        }
        self.new.in_floats.push((node.name.clone(), node.op.name()));
        Ok(())
    }

    /// Tries to put a node that works on bytes in the place of one, and says whether it did.
    fn in_bytes(&mut self, node: &Node) -> Result<bool, QuantizeError> {
        let done = match &node.op {
            Op::Conv2d(conv) => self.conv(node, conv)?,
            Op::MatMul(product) if !product.transpose_a => self.dense(node, product.transpose_b)?,
            Op::Binary(binary) if binary.kind == BinaryKind::Add => self.add(node)?,
            Op::Reduce(reduce) => {
                let is_pool = reduce.kind == ReduceKind::Mean
                    && reduce.axes == [2, 3]
                    && self.old.shape(node.inputs[0]).len() == 4;
                is_pool && self.global_mean(node)?
            }
            Op::Pool2d(pool) => self.pool(node, pool)?,
            Op::Concat(_) => self.concat(node)?,
            Op::Reshape(_) | Op::Transpose(_) | Op::Crop(_) | Op::Expand(_) => {
                self.moved(node, node.op.clone())?
            }
            Op::Pad(pad) if pad.value == 0.0 => match self.near_bytes(node.inputs[0])? {
                Some((_, quantization)) => {
                    self.moved(node, Pad { value: quantization.zero as f32, ..pad.clone() }.into())?
                }
                None => false,
            },
            _ => false,
        };
        self.new.in_bytes += usize::from(done);
        Ok(done)
    }

    /// A value as bytes, if it is so already, or a function of single bytes: such a function is a table on a device.
    pub(super) fn near_bytes(
        &mut self,
        id: ValueId,
    ) -> Result<Option<(ValueId, Quantization)>, QuantizeError> {
        let mut from = id;
        while self.forms[from.index()].bytes.is_none() {
            let Some((at, _)) = self.old.producer(from) else { return Ok(None) };
            let node = &self.old.nodes()[at];
            match node.op {
                Op::Unary(_) | Op::Clip(_) => from = node.inputs[0],
                _ => return Ok(None),
            }
        }
        self.bytes(id)
    }

    /// An operator that moves elements, if they are bytes already, or a function of bytes.
    fn moved(&mut self, node: &Node, op: Op) -> Result<bool, QuantizeError> {
        let Some((x, quantization)) = self.near_bytes(node.inputs[0])? else { return Ok(false) };
        let y = self.new.graph.append(node.name.clone(), op, &[x])?[0];
        self.forms[node.outputs[0].index()].bytes = Some((y, quantization));
        Ok(true)
    }

    /// The clip that alone reads a value.
    fn clip_of(&self, y: ValueId) -> Option<(usize, Clip)> {
        let at = self.only_reader(y)?;
        let Op::Clip(clip) = self.old.nodes()[at].op else { return None };
        Some((at, clip))
    }

    /// Lets bytes stand for a node's result, and marks the nodes after it that it has taken in, the last of which has that result.
    fn take(&mut self, after: &[Option<usize>], bytes: (ValueId, Quantization), y: ValueId) {
        after.iter().flatten().for_each(|at| self.taken[*at] = true);
        self.forms[y.index()].bytes = Some(bytes);
    }

    fn parameter(&mut self, node: &Node, what: &str, tensor: Tensor) -> Result<ValueId, QuantizeError> {
        let mut name = format!("{}.{what}", node.name);
        if self.new.graph.named(&name).is_some() {
            name = format!("{}.{}.{what}", node.name, self.new.graph.values().len());
        }
        Ok(self.new.graph.parameter(&name, tensor)?)
    }

    fn conv(&mut self, node: &Node, conv: &Conv2d) -> Result<bool, QuantizeError> {
        let weight = self.constant(node.inputs[1]).and_then(|w| Some((w.as_f32()?, w.shape())));
        let bias = match node.inputs.get(2) {
            Some(id) => self.constant(*id).and_then(Tensor::as_f32),
            None => Some(&[][..]),
        };
        let (Some((weight, shape)), Some(bias)) = (weight, bias) else { return Ok(false) };
        let (y, clip, taken) = self.clipped(node.outputs[0], conv.activation);
        let result = self.product(
            node,
            (weight, shape, bias),
            (node.inputs[0], None),
            (conv.window, conv.groups),
            (y, clip),
        )?;
        if let Some(bytes) = result {
            self.take(&[taken], bytes, y);
        }
        Ok(result.is_some())
    }

    /// A value after the clip that follows it, that clip or the one it has had already, and the node of the former.
    fn clipped(&self, y: ValueId, had: Option<Clip>) -> (ValueId, Option<Clip>, Option<usize>) {
        match self.clip_of(y).filter(|_| had.is_none()) {
            Some((at, clip)) => (self.old.nodes()[at].outputs[0], Some(clip), Some(at)),
            None => (y, had, None),
        }
    }

    /// A product with a constant matrix, and the bias that is added to it, as a convolution of images of one place.
    fn dense(&mut self, node: &Node, is_transposed: bool) -> Result<bool, QuantizeError> {
        let weight = self.constant(node.inputs[1]).filter(|w| w.shape().len() == 2).and_then(Tensor::as_f32);
        let Some(weight) = weight else { return Ok(false) };
        let shape = self.old.shape(node.inputs[1]);
        let (outputs, inputs) = if is_transposed { (shape[0], shape[1]) } else { (shape[1], shape[0]) };
        let rows_first: Vec<f32> = if is_transposed {
            weight.to_vec()
        } else {
            (0..outputs * inputs).map(|i| weight[i % inputs * outputs + i / inputs]).collect()
        };
        let added = self.bias_of(node.outputs[0], outputs);
        let sum = added.as_ref().map_or(node.outputs[0], |(at, _)| self.old.nodes()[*at].outputs[0]);
        let (adder, bias) = added.map_or((None, Vec::new()), |(at, bias)| (Some(at), bias));
        let (y, clip, clipper) = self.clipped(sum, None);
        let rows = self.old.ty(node.inputs[0]).elements() / inputs.max(1);
        let image = [rows, inputs, 1, 1];
        let kernel = [outputs, inputs, 1, 1];
        let slide = (Window::default(), 1);
        let result = self.product(
            node,
            (&rows_first, &kernel, &bias),
            (node.inputs[0], Some(&image)),
            slide,
            (y, clip),
        )?;
        let Some((bytes, quantization)) = result else { return Ok(false) };
        let shape = self.old.shape(y).to_vec();
        let bytes = self.new.graph.apply(Reshape { shape }, &[bytes])?;
        self.take(&[adder, clipper], (bytes, quantization), y);
        Ok(true)
    }

    /// The addition of a constant row that alone reads a value.
    fn bias_of(&self, y: ValueId, outputs: usize) -> Option<(usize, Vec<f32>)> {
        let at = self.only_reader(y)?;
        let node = &self.old.nodes()[at];
        let Op::Binary(binary) = &node.op else { return None };
        let other = node.inputs.iter().find(|id| **id != y)?;
        let bias = self.constant(*other)?;
        let is_row = bias.shape().last() == Some(&outputs) && bias.ty().elements() == outputs;
        let same = self.old.ty(node.outputs[0]) == self.old.ty(y);
        (binary.kind == BinaryKind::Add && is_row && same).then(|| Some((at, bias.as_f32()?.to_vec())))?
    }

    /// A quantized convolution of a value, seen under a shape, by weights and bias (empty for none).
    fn product(
        &mut self,
        node: &Node,
        (weight, kernel, bias): (&[f32], &[usize], &[f32]),
        (x, image): (ValueId, Option<&[usize]>),
        (window, groups): (Window, usize),
        (y, clip): (ValueId, Option<Clip>),
    ) -> Result<Option<(ValueId, Quantization)>, QuantizeError> {
        let outputs = kernel[0];
        let inner = weight.len().checked_div(outputs).filter(|inner| (1..=1 << 15).contains(inner));
        let (Some(inner), Some(result)) = (inner, self.quantization(y)) else { return Ok(None) };
        let Some((mut bytes, input)) = self.bytes(x)? else { return Ok(None) };
        if let Some(shape) = image {
            bytes = self.new.graph.apply(Reshape { shape: shape.to_vec() }, &[bytes])?;
        }
        let mut quantized = Vec::with_capacity(weight.len());
        let (mut sums, mut factors) = (Vec::with_capacity(outputs), Vec::with_capacity(outputs));
        let mut weight_scales = Vec::with_capacity(outputs);
        for (channel, row) in weight.chunks(inner).enumerate() {
            let bias = bias.get(channel).copied().unwrap_or(0.0);
            let scale = row_scale(row, bias, input.scale);
            quantized.extend(row.iter().map(|w| (w / scale).round_ties_even().clamp(-127.0, 127.0) as i8));
            sums.push(
                (f64::from(bias) / (f64::from(scale) * f64::from(input.scale))).round_ties_even() as i32
            );
            weight_scales.push(scale);
            factors.push(f64::from(scale) * f64::from(input.scale) / f64::from(result.scale));
        }
        let weight = self.parameter(node, "weight", Tensor::i8(kernel, quantized)?)?;
        let bias = self.parameter(node, "bias", Tensor::i32(&[outputs], sums)?)?;
        let requantize = match self.options.arithmetic {
            Arithmetic::Float => Requantize::Float(factors.iter().map(|factor| *factor as f32).collect()),
            Arithmetic::Fixed => {
                let factors = factors.iter().map(|factor| FixedScale::new(*factor));
                Requantize::Fixed(factors.collect::<Result<_, OpError>>()?)
            }
        };
        let (low, high) =
            clip.map_or((i8::MIN, i8::MAX), |clip| (result.byte(clip.low), result.byte(clip.high)));
        let op = QuantizedConv2d {
            window,
            groups,
            x_zero: input.zero,
            y_zero: result.zero,
            requantize,
            low,
            high: high.max(low),
            save_mask: self.options.save_masks,
        };
        let y = self.new.graph.append(node.name.clone(), op.into(), &[bytes, weight, bias])?[0];
        let (input, quantization) = (input.of_site(), result.of_site());
        self.new.convs.push(ConvSite { weight, bias, output: y, weight_scales, input, quantization });
        Ok(Some((y, result)))
    }

    /// A sum of two computed values of equal shape. A bound of 0 below is that of the bytes themselves.
    fn add(&mut self, node: &Node) -> Result<bool, QuantizeError> {
        let [a, b] = node.inputs[..] else { return Ok(false) };
        if self.old.ty(a) != self.old.ty(b)
            || self.quantization(a).is_none()
            || self.quantization(b).is_none()
        {
            return Ok(false);
        }
        // Sums of what is in floats already stay so.
        if self.forms[a.index()].bytes.is_none() && self.forms[b.index()].bytes.is_none() {
            return Ok(false);
        }
        let relu = self.clip_of(node.outputs[0]);
        let relu = relu.filter(|(_, clip)| clip.low == 0.0 && clip.high == f32::INFINITY).map(|(at, _)| at);
        let y = relu.map_or(node.outputs[0], |at| self.old.nodes()[at].outputs[0]);
        let (Some((a, left)), Some((b, right)), Some(result)) =
            (self.bytes(a)?, self.bytes(b)?, self.quantization(y))
        else {
            return Ok(false);
        };
        let op = QuantizedAdd {
            scales: [left.scale, right.scale],
            zeros: [left.zero, right.zero],
            y_scale: result.scale,
            y_zero: result.zero,
            save_mask: self.options.save_masks,
        };
        let id = self.new.graph.append(node.name.clone(), op.into(), &[a, b])?[0];
        self.take(&[relu], (id, result), y);
        Ok(true)
    }
}

/// The scale of a row of weights: its largest takes 127, and its bias no more than 30 bits.
fn row_scale(row: &[f32], bias: f32, input: f32) -> f32 {
    let largest = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let for_bias = f64::from(bias.abs()) / (f64::from(1 << 30) * f64::from(input));
    (largest / 127.0).max(for_bias as f32).max(f32::MIN_POSITIVE)
}
