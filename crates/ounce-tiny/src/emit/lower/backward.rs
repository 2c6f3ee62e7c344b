//! The loss and gradients that flow back.

use ounce_graph::ops::{BinaryKind, ConvTranspose2d, Op, Reduce, ReduceKind};
use ounce_graph::{Node, ValueId};

use super::conv::{Kind, extents};
use super::{EmitError, Lowering, Order, Place};
use crate::emit::program::{Access, Share, float};
use crate::runtime::scratch;

/// Why a gradient is refused.
pub(super) const GROUPED: &str =
    "convolutions with groups of several channels, or with dilation, have no gradients in the run-time";

impl Lowering<'_, '_> {
    /// Nodes that are computed along with the only one that reads them.
    pub(super) fn find_fusions(&mut self) {
        for (at, node) in self.graph.nodes().iter().enumerate() {
            let Some(reader) = self.only_reader(node.outputs[0]) else { continue };
            let reader = &self.graph.nodes()[reader];
            let fused = match (&node.op, &reader.op) {
                (Op::ApplyMask(_), Op::Binary(op)) => {
                    op.kind == BinaryKind::Mul && self.channel_factors(reader).is_some()
                }
                (Op::Conv2dWeightGradient(_), Op::QuantizedSgd(_) | Op::Crop(_)) => {
                    self.weight_update(node.outputs[0])
                }
                (Op::Crop(_), Op::QuantizedSgd(_)) => {
                    let source =
                        self.graph.producer(node.inputs[0]).map(|(at, _)| &self.graph.nodes()[at].op);
                    matches!(source, Some(Op::Conv2dWeightGradient(_)))
                        && self.only_reader(node.inputs[0]).is_some()
                }
                _ => false,
            };
            if fused {
                self.fused.insert(at);
            }
        }
    }

    /// Whether a gradient goes to an update alone, directly or cut to its first channels.
    fn weight_update(&self, gradient: ValueId) -> bool {
        let reader = |id| self.only_reader(id).map(|at| &self.graph.nodes()[at]);
        match reader(gradient).map(|node| (&node.op, node.outputs[0])) {
            Some((Op::QuantizedSgd(_), _)) => true,
            Some((Op::Crop(_), cut)) => {
                matches!(reader(cut).map(|node| &node.op), Some(Op::QuantizedSgd(_)))
            }
            _ => false,
        }
    }

    /// Channels and places of a value: those of an image, or one place of all elements.
    fn channels(&self, id: ValueId) -> [usize; 2] {
        match self.graph.shape(id) {
            [_, c, h, w] => [*c, h * w],
            shape => [shape.iter().product(), 1],
        }
    }

    /// If a node multiplies a value with a constant for each channel: the value and the factors.
    fn channel_factors(&self, node: &Node) -> Option<(ValueId, Vec<f32>)> {
        for (x, factors) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
            let Some(data) = self.graph.constant_data(factors) else { continue };
            let channels = self.channels(x)[0];
            let shape = self.graph.shape(factors);
            let along = if shape.len() == 4 { shape[1] } else { shape.iter().product() };
            let values = data.as_f32()?;
            let same = self.graph.shape(node.outputs[0]) == self.graph.shape(x);
            if values.len() > 1 && values.len() == channels && along == channels && same {
                return Some((x, values.to_vec()));
            }
        }
        None
    }

    /// The label: an input of one number.
    fn label(&mut self, id: ValueId) -> Result<String, EmitError> {
        match self.place(id)?.0 {
            Place::Text(text) => Ok(text),
            Place::Slot(_) => Err(self.refuse("the label must be an input of one number")),
        }
    }

    pub(super) fn cross_entropy(&mut self, node: &Node) -> Result<(), EmitError> {
        let [1, classes] = self.graph.shape(node.inputs[0])[..] else {
            return Err(self.refuse("devices take one image at a time: make the batch 1"));
        };
        let (x, label) = (self.computed(node.inputs[0])?, self.label(node.inputs[1])?);
        let y = self.output(node.outputs[0]);
        let mut call = self.call("ounce_cross_entropy");
        let (x, y) = (call.operand(x, Access::Read), call.operand(y, Access::Write));
        let statement = call.statement();
        statement.scratch = 4 * classes;
        // As in the graph, a label that is no class does not count.
        statement.text = format!(
            "*(float *){y} = (({label} < 0) || ({label} >= {classes})) ? 0.0f : ounce_cross_entropy({classes}, {x}, {label}, $s$);"
        );
        self.push(call);
        Ok(())
    }

    pub(super) fn cross_entropy_gradient(&mut self, node: &Node) -> Result<(), EmitError> {
        let [1, classes] = self.graph.shape(node.inputs[0])[..] else {
            return Err(self.refuse("devices take one image at a time: make the batch 1"));
        };
        if self.single(node.inputs[2]) != Some(1.0) {
            return Err(self.refuse("the loss must be the cross entropy itself, not a multiple or a sum"));
        }
        let (x, label) = (self.computed(node.inputs[0])?, self.label(node.inputs[1])?);
        let g = self.output(node.outputs[0]);
        let mut call = self.call("").share(x, g);
        let (x, g) = (call.operand(x, Access::Read), call.operand(g, Access::Write));
        call.statement().text = format!(
            "if (({label} < 0) || ({label} >= {classes})) {{\n        (void)memset({g}, 0, {}U);\n    }} else {{\n        \
             (void)ounce_cross_entropy({classes}, {x}, {label}, {g});\n    }}",
            4 * classes
        );
        self.push(call);
        Ok(())
    }

    pub(super) fn apply_mask(&mut self, node: &Node) -> Result<(), EmitError> {
        self.mask_scale(node.inputs[0], Some(node.inputs[1]), None, node.outputs[0])
    }

    /// `y` is the gradient `g`, masked and scaled.
    fn mask_scale(
        &mut self,
        g: ValueId,
        mask: Option<ValueId>,
        factors: Option<&[f32]>,
        y: ValueId,
    ) -> Result<(), EmitError> {
        let [channels, pixels] = self.channels(g);
        // As masks lie.
        let g = self.image(g)?;
        let scale = factors.map_or_else(|| "NULL".to_owned(), |factors| self.floats("scale", factors));
        let mask = mask.map(|mask| self.computed(mask)).transpose()?;
        let bytes = self.graph.ty(y).bytes();
        let y = self.output(y);
        let call = self.call("ounce_gradient_mask_scale").int(pixels).int(channels);
        let call = if let Some(mask) = mask { call.read(mask) } else { call.text("NULL") };
        self.push(call.text(scale).update(g, y, bytes));
        Ok(())
    }

    pub(super) fn binary(&mut self, node: &Node, kind: BinaryKind) -> Result<(), EmitError> {
        let output = node.outputs[0];
        let count = self.graph.ty(output).elements();
        if kind == BinaryKind::Mul {
            if let Some((x, factors)) = self.channel_factors(node) {
                if let Some((mask, _)) = self.graph.producer(x)
                    && self.fused.contains(&mask)
                {
                    let mask = &self.graph.nodes()[mask];
                    return self.mask_scale(mask.inputs[0], Some(mask.inputs[1]), Some(&factors), output);
                }
                return self.mask_scale(x, None, Some(&factors), output);
            }
            for (x, factor) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] {
                if let Some(factor) = self.single(factor)
                    && self.graph.ty(x).elements() == count
                {
                    let order = self.place(x)?.1;
                    let x = self.computed(x)?;
                    let y = self.output_in(output, order);
                    let call = self.call("ounce_gradient_scale").count(count).read(x).text(float(factor));
                    self.push(call.write(y).share(x, y));
                    return Ok(());
                }
            }
        }
        if kind == BinaryKind::Div
            && let Some(divisor) = self.single(node.inputs[1])
            && self.graph.ty(node.inputs[0]).elements() == count
        {
            let (x, y) = self.alike(node)?;
            let call = self.call("ounce_gradient_scale").count(count).read(x).text(float(1.0 / divisor));
            self.push(call.write(y).share(x, y));
            return Ok(());
        }
        let alike = |i: usize| self.graph.shape(node.inputs[i]) == self.graph.shape(output);
        if kind == BinaryKind::Add && alike(0) && alike(1) {
            let order = self.place(node.inputs[0])?.1;
            let (a, b) = (self.in_order(node.inputs[0], order)?, self.in_order(node.inputs[1], order)?);
            let y = self.output_in(output, order);
            let mut call = self.call("ounce_gradient_add");
            let (a_text, b_text) = (call.operand(a, Access::Read), call.operand(b, Access::Read));
            let y_text = call.operand(y, Access::Write);
            let statement = call.statement();
            statement.text = format!("ounce_gradient_add({count}U, {b_text}, {y_text});");
            statement.shares.push(Share { read: a, write: y, text: None });
            let other = format!("ounce_gradient_add({count}U, {a_text}, {y_text});");
            statement.shares.push(Share { read: b, write: y, text: Some(other) });
            statement.copy = Some((a, y, 4 * count));
            self.push(call);
            return Ok(());
        }
        Err(self.refuse(
            "the run-time multiplies gradients with constants and adds gradients of equal shape, no more",
        ))
    }

    /// The gradient of a mean, spread over what it was made of: all places of an image, or one axis and those beside it.
    pub(super) fn expand(&mut self, node: &Node, shape: &[usize]) -> Result<(), EmitError> {
        let from = self.graph.shape(node.inputs[0]).to_vec();
        if let (&[1, c, h, w], &[1, channels, 1, 1]) = (shape, &from[..])
            && c == channels
        {
            let x = self.computed(node.inputs[0])?;
            let y = self.output(node.outputs[0]);
            let call = self.call("ounce_mean_gradient").int(h * w).int(c).read(x).text(float(1.0));
            self.push(call.write(y));
            return Ok(());
        }
        let differ: Vec<usize> =
            (0..shape.len()).filter(|axis| from.get(*axis) != Some(&shape[*axis])).collect();
        let (Some(first), Some(last)) = (differ.first(), differ.last()) else {
            return Err(self.refuse("it spreads nothing"));
        };
        if from.len() != shape.len() || from[*first..=*last].iter().any(|extent| *extent != 1) {
            return Err(self.refuse("a value can be spread along one axis, or axes side by side"));
        }
        let product = |extents: &[usize]| extents.iter().product::<usize>();
        let (outer, count) = (product(&shape[..*first]), product(&shape[*first..=*last]));
        let inner = product(&shape[*last + 1..]);
        let x = self.in_order(node.inputs[0], Order::RowMajor)?;
        let y = self.output_in(node.outputs[0], Order::RowMajor);
        let bytes = self.graph.ty(node.outputs[0]).dtype.bytes(inner);
        let mut call = self.call("");
        let (x, y) = (call.operand(x, Access::Read), call.operand(y, Access::Write));
        call.statement().text = format!(
            "for (size_t outer = 0U; outer < {outer}U; outer++) {{\n        \
             ounce_copy_blocks({count}, {bytes}U, &((const uint8_t *){x})[outer * {bytes}U], 0U, &((uint8_t *){y})[outer * {}U], {bytes}U);\n    }}",
            count * bytes
        );
        self.push(call);
        Ok(())
    }

    pub(super) fn bias_gradient(&mut self, node: &Node, op: &Reduce) -> Result<(), EmitError> {
        let image = self.graph.shape(node.inputs[0]).len() == 4;
        if op.kind != ReduceKind::Sum || op.axes != [0, 2, 3] || !image {
            return Err(self.refuse("the run-time sums gradients over all places of an image, no more"));
        }
        let [channels, pixels] = self.channels(node.inputs[0]);
        let g = self.image(node.inputs[0])?;
        let y = self.output(node.outputs[0]);
        self.push(self.call("ounce_bias_gradient").int(pixels).int(channels).read(g).write(y));
        Ok(())
    }

    pub(super) fn input_gradient(&mut self, node: &Node, op: &ConvTranspose2d) -> Result<(), EmitError> {
        if node.inputs.len() > 2 {
            return Err(self.refuse("as a layer of its own it has no kernel: only as a gradient"));
        }
        let image = self.graph.shape(node.outputs[0]);
        let (g, w) = (node.inputs[0], node.inputs[1]);
        let (shape, kind) = self.conv_shape(image, self.graph.shape(w), op.groups, op.window)?;
        if shape.places[..] != self.graph.shape(g)[2..] {
            return Err(self.refuse("its extents are not those of a convolution's gradient"));
        }
        let (from, weight) = (self.image(g)?, self.parameter(w)?);
        let gx = self.output(node.outputs[0]);
        let call = match kind {
            Kind::Pointwise => {
                let call = self.call("ounce_pointwise_input_gradient").int(shape.places_len());
                call.int(shape.channels).int(shape.outputs).read(from).text(weight).write(gx)
            }
            Kind::Grouped => return Err(self.refuse(GROUPED)),
            Kind::General => {
                let conv = self.structure("ounce_conv", "conv", &extents(&shape));
                let call = self.call("ounce_conv_input_gradient").text(format!("&{conv}"));
                call.read(from).text(weight).write(gx)
            }
            Kind::Depthwise => {
                let conv = self.structure("ounce_conv", "conv", &extents(&shape));
                let call = self.call("ounce_depthwise_input_gradient").text(format!("&{conv}"));
                let bytes = scratch::depthwise_gradient(shape.places, shape.kernel);
                let call = call.read(from).text(weight).write(gx).scratch(bytes);
                let alike = shape.window.stride == [1, 1] && shape.places == shape.image;
                if alike { call.share(from, gx) } else { call }
            }
        };
        self.push(call);
        Ok(())
    }
}
