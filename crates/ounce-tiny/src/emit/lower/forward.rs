//! Inference.

use ounce_graph::ops::{
    ConvShape, Crop, Dequantize, Quantize, QuantizedAdd, QuantizedConv2d, QuantizedDense, Requantize,
    Softmax, Window,
};
use ounce_graph::{DType, Node, ValueId};

use super::{EmitError, Lowering};
use crate::emit::program::float;
use crate::runtime::scratch;

/// The kinds of convolution that have kernels of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Pointwise,
    Depthwise,
    General,
}

/// `ounce_conv` of a convolution.
pub(super) fn extents(shape: &ConvShape) -> String {
    let (image, places, kernel) = (shape.image, shape.places, shape.kernel);
    let (stride, before) = (shape.window.stride, shape.window.before);
    [
        image[0],
        image[1],
        shape.channels,
        places[0],
        places[1],
        shape.outputs,
        kernel[0],
        kernel[1],
        stride[0],
        stride[1],
        before[0],
        before[1],
    ]
    .map(|x| x.to_string())
    .join(", ")
}

impl Lowering<'_, '_> {
    /// The extents of a convolution of image and weight, and its kind.
    pub(super) fn conv_shape(
        &self,
        x: &[usize],
        w: &[usize],
        groups: usize,
        window: Window,
    ) -> Result<(ConvShape, Kind), EmitError> {
        let groups = groups.max(1);
        let shape = ConvShape::of(x, w, groups, window).map_err(|error| self.refuse(&error.to_string()))?;
        if shape.batch != 1 {
            return Err(self.refuse("devices take one image at a time: make the batch 1"));
        }
        if window.dilation != [1, 1] {
            return Err(self.refuse("the run-time has no dilated convolution"));
        }
        let kind = if groups == 1 {
            let plain = shape.kernel == [1, 1] && window == Window::default();
            if plain { Kind::Pointwise } else { Kind::General }
        } else if groups == shape.channels && shape.outputs == shape.channels {
            Kind::Depthwise
        } else {
            return Err(self.refuse(
                "the run-time has convolutions with one group, or with one channel a group and result",
            ));
        };
        Ok((shape, kind))
    }

    /// The requantization of a convolution as a struct.
    fn requantize(&mut self, op: &QuantizedConv2d, outputs: usize) -> String {
        let spread = |i: usize, count: usize| if count == 1 { 0 } else { i };
        let (rounding, tables) = match &op.requantize {
            Requantize::Float(factors) | Requantize::FloatTruncated(factors) => {
                let all: Vec<f32> = (0..outputs).map(|i| factors[spread(i, factors.len())]).collect();
                let name = self.floats("scale", &all);
                let truncated = matches!(op.requantize, Requantize::FloatTruncated(_));
                let rounding = if truncated { "OUNCE_TRUNCATE" } else { "OUNCE_NEAREST" };
                (rounding, format!("{name}, NULL, NULL"))
            }
            Requantize::Fixed(factors) => {
                let all = (0..outputs).map(|i| factors[spread(i, factors.len())]);
                let multiplier = self.ints("multiplier", all.clone().map(|f| f.multiplier));
                let shift = self.ints("shift", all.map(|f| f.shift));
                ("OUNCE_FIXED_POINT", format!("NULL, {multiplier}, {shift}"))
            }
        };
        let values = format!("{rounding}, {tables}, {}, {}, {}", op.y_zero, op.low, op.high);
        self.structure("ounce_requantize", "requantize", &values)
    }

    pub(super) fn quantized_conv(&mut self, node: &Node, op: &QuantizedConv2d) -> Result<(), EmitError> {
        let (x, w) = (node.inputs[0], node.inputs[1]);
        let (shape, kind) =
            self.conv_shape(self.graph.shape(x), self.graph.shape(w), op.groups, op.window)?;
        let (from, weight, bias) = (self.image(x)?, self.parameter(w)?, self.parameter(node.inputs[2])?);
        let requantize = self.requantize(op, shape.outputs);
        let y = self.output(node.outputs[0]);
        let mask = node.outputs.get(1).map(|mask| self.output(*mask));
        let function = match kind {
            Kind::Pointwise => "ounce_pointwise_s8",
            Kind::Depthwise => "ounce_depthwise_s8",
            Kind::General => "ounce_conv_s8",
        };
        let mut call = self.call(function);
        call = if kind == Kind::Pointwise {
            call.int(shape.places_len()).int(shape.channels).int(shape.outputs)
        } else {
            let conv = self.structure("ounce_conv", "conv", &extents(&shape));
            call.text(format!("&{conv}"))
        };
        let bytes = match kind {
            Kind::Pointwise => scratch::pointwise(shape.channels),
            Kind::Depthwise => scratch::depthwise(shape.image, shape.kernel),
            Kind::General => scratch::conv(shape.kernel, shape.channels),
        };
        call = call.read(from).text(op.x_zero.to_string()).text(weight).text(bias);
        call = call.text(format!("&{requantize}")).write(y).write_if(mask).scratch(bytes);
        let smaller = shape.places_len() <= shape.image[0] * shape.image[1];
        if kind == Kind::Pointwise || (kind == Kind::Depthwise && smaller) {
            call = call.share(from, y);
        }
        self.push(call);
        Ok(())
    }

    pub(super) fn quantized_dense(&mut self, node: &Node, op: &QuantizedDense) -> Result<(), EmitError> {
        let (x, w) = (node.inputs[0], node.inputs[1]);
        let [1, channels, ..] = self.graph.shape(x)[..] else {
            return Err(self.refuse("devices take one image at a time: make the batch 1"));
        };
        let (from, weight, bias) = (self.image(x)?, self.parameter(w)?, self.parameter(node.inputs[2])?);
        let scale = self.floats("scale", &op.scale);
        let y = self.output(node.outputs[0]);
        let call = self.call("ounce_dense_s8_f32").int(channels).int(op.scale.len()).read(from);
        self.push(call.text(op.x_zero.to_string()).text(weight).text(bias).text(scale).write(y));
        Ok(())
    }

    /// The slot of an image, which must be HWC.
    pub(super) fn image(&mut self, id: ValueId) -> Result<crate::emit::program::Slot, EmitError> {
        if self.graph.shape(id).len() == 4 && self.place(id)?.1 != super::Order::ChannelsLast {
            return Err(
                self.refuse("the image is not channels last: give it as [1, C, H, W], or transpose it")
            );
        }
        self.computed(id)
    }

    pub(super) fn quantized_add(&mut self, node: &Node, op: &QuantizedAdd) -> Result<(), EmitError> {
        let (a, b) = (self.computed(node.inputs[0])?, self.computed(node.inputs[1])?);
        if self.place(node.inputs[0])?.1 != self.place(node.inputs[1])?.1 {
            return Err(self.refuse("its inputs lie in memory in different orders"));
        }
        let [a_scale, b_scale, y_scale] = [op.scales[0], op.scales[1], op.y_scale].map(float);
        let values = format!(
            "OUNCE_NEAREST, {a_scale}, {b_scale}, {y_scale}, {}, {}, {}",
            op.zeros[0], op.zeros[1], op.y_zero
        );
        let addition = self.structure("ounce_addition", "addition", &values);
        let count = self.graph.ty(node.outputs[0]).elements();
        let y = self.output(node.outputs[0]);
        let order = self.place(node.inputs[0])?.1;
        self.places.insert(node.outputs[0], (super::Place::Slot(y), order));
        let call = self.call("ounce_add_s8").count(count).read(a).read(b).text(format!("&{addition}"));
        self.push(call.write(y).text("NULL").share(a, y).share(b, y));
        Ok(())
    }

    pub(super) fn global_pool(&mut self, node: &Node) -> Result<(), EmitError> {
        let [n, c, h, w] = self.graph.shape(node.inputs[0])[..] else {
            return Err(self.refuse("it takes images"));
        };
        if n != 1 {
            return Err(self.refuse("devices take one image at a time: make the batch 1"));
        }
        let x = self.image(node.inputs[0])?;
        let window = [h, w, c, 1, 1, c, h, w, 1, 1, 0, 0].map(|x| x.to_string()).join(", ");
        let window = self.structure("ounce_conv", "conv", &window);
        let y = self.output(node.outputs[0]);
        let call = self.call("ounce_average_pool_s8").text(format!("&{window}")).text("OUNCE_NEAREST");
        self.push(call.read(x).write(y));
        Ok(())
    }

    pub(super) fn dequantize(&mut self, node: &Node, op: &Dequantize) -> Result<(), EmitError> {
        let [scale] = op.scaling.scale[..] else {
            return Err(self.refuse("the run-time has one scale for a whole array here"));
        };
        if self.graph.ty(node.inputs[0]).dtype != DType::I8 {
            return Err(self.refuse("it takes bytes here"));
        }
        let (place, order) = self.place(node.inputs[0])?;
        let super::Place::Slot(x) = place else { return Err(self.refuse("it takes an array")) };
        let count = self.graph.ty(node.inputs[0]).elements();
        let y = self.output(node.outputs[0]);
        self.places.insert(node.outputs[0], (super::Place::Slot(y), order));
        let call = self.call("ounce_dequantize_s8").count(count).read(x);
        self.push(call.text(op.scaling.zero_point.to_string()).text(float(scale)).write(y));
        Ok(())
    }

    pub(super) fn quantize(&mut self, node: &Node, op: &Quantize) -> Result<(), EmitError> {
        let [scale] = op.scaling.scale[..] else {
            return Err(self.refuse("the run-time has one scale for a whole array here"));
        };
        if op.to != DType::I8 {
            return Err(self.refuse("it gives bytes here"));
        }
        let (x, order) = (self.computed(node.inputs[0])?, self.place(node.inputs[0])?.1);
        let count = self.graph.ty(node.inputs[0]).elements();
        let y = self.output(node.outputs[0]);
        self.places.insert(node.outputs[0], (super::Place::Slot(y), order));
        let call = self.call("ounce_quantize_s8").count(count).read(x).text(float(scale));
        self.push(call.text(op.scaling.zero_point.to_string()).write(y));
        Ok(())
    }

    pub(super) fn softmax(&mut self, node: &Node, op: &Softmax) -> Result<(), EmitError> {
        let shape = self.graph.shape(node.inputs[0]);
        let count = self.graph.ty(node.inputs[0]).elements();
        if op.log || shape.get(op.axis) != Some(&count) {
            return Err(
                self.refuse("the run-time has the softmax of all numbers of an array, without logarithm")
            );
        }
        let (x, order) = (self.computed(node.inputs[0])?, self.place(node.inputs[0])?.1);
        let y = self.output(node.outputs[0]);
        self.places.insert(node.outputs[0], (super::Place::Slot(y), order));
        self.push(self.call("ounce_softmax").int(count).read(x).write(y).share(x, y));
        Ok(())
    }

    /// The first channels of an image.
    pub(super) fn leading_channels(&mut self, node: &Node, op: &Crop) -> Result<(), EmitError> {
        let (from, to) = (self.graph.shape(node.inputs[0]), self.graph.shape(node.outputs[0]));
        let leading = op.starts.iter().all(|start| *start == 0) && op.steps.iter().all(|step| *step == 1);
        let images = from.len() == 4 && from[0] == to[0] && from[2..] == to[2..];
        if !leading || !images {
            return Err(self.refuse("only the first channels of an image can be cut out"));
        }
        let element = self.graph.ty(node.inputs[0]).dtype.bytes(1);
        let (pixels, channels, kept) = (from[2] * from[3], from[1] * element, to[1] * element);
        let x = self.image(node.inputs[0])?;
        let y = self.output(node.outputs[0]);
        let call = self.call("ounce_first_channels").int(pixels).count(channels).count(kept);
        self.push(call.read(x).write(y).share(x, y));
        Ok(())
    }
}
