//! Convolutions of bytes.

use ounce_graph::Node;
use ounce_graph::ops::{ConvShape, QuantizedConv2d, QuantizedDense, Requantize, Window};

use super::{EmitError, Lowering};
use crate::runtime::scratch;

/// The kinds of convolution that have kernels of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// One tap, one group.
    Pointwise,
    /// A group for every channel, which has one result.
    Depthwise,
    /// One group, no dilation.
    General,
    /// All others.
    Grouped,
}

/// `ounce_conv` of a convolution.
pub(super) fn extents(shape: &ConvShape) -> String {
    let ConvShape { image, channels, places, outputs, kernel, .. } = *shape;
    window_extents([image[0], image[1], channels], [places[0], places[1], outputs], kernel, &shape.window)
}

/// `ounce_conv` of whatever slides a window over an image. Extents are height, width, channels.
pub(super) fn window_extents(
    image: [usize; 3],
    output: [usize; 3],
    kernel: [usize; 2],
    window: &Window,
) -> String {
    let numbers = [&image[..], &output, &kernel, &window.stride, &window.before].concat();
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Height and width of a channel with its padding, as far as windows reach.
fn plane(shape: &ConvShape) -> [usize; 2] {
    [0, 1].map(|axis| {
        let reach = (shape.places[axis].max(1) - 1) * shape.window.stride[axis] + shape.kernel[axis];
        reach.max(shape.window.before[axis] + shape.image[axis])
    })
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
        let kind = if window.dilation != [1, 1] {
            Kind::Grouped
        } else if groups == 1 {
            let plain = shape.kernel == [1, 1] && window == Window::default();
            if plain { Kind::Pointwise } else { Kind::General }
        } else if groups == shape.channels && shape.outputs == shape.channels {
            Kind::Depthwise
        } else {
            Kind::Grouped
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
                let rounding = if truncated { "TRUNCATE" } else { "NEAREST" };
                (rounding, format!("{name}, NULL, NULL"))
            }
            Requantize::Fixed(factors) => {
                let all = (0..outputs).map(|i| factors[spread(i, factors.len())]);
                let multiplier = self.ints("multiplier", all.clone().map(|f| f.multiplier));
                let shift = self.ints("shift", all.map(|f| f.shift));
                ("FIXED_POINT", format!("NULL, {multiplier}, {shift}"))
            }
        };
        self.shared.features.insert(rounding);
        if (op.low, op.high) != (i8::MIN, i8::MAX) {
            self.shared.features.insert("BOUNDS");
        }
        let values = format!("OUNCE_{rounding}, {tables}, {}, {}, {}", op.y_zero, op.low, op.high);
        self.structure("ounce_requantize", "requantize", &values)
    }

    pub(super) fn quantized_conv(&mut self, node: &Node, op: &QuantizedConv2d) -> Result<(), EmitError> {
        let (x, w) = (node.inputs[0], node.inputs[1]);
        let mut image = self.graph.shape(x).to_vec();
        if let [rows, _, 1, 1] = image[..] {
            // Rows of a dense layer are places, one below the other.
            (image[0], image[2]) = (1, rows);
        }
        let (shape, kind) = self.conv_shape(&image, self.graph.shape(w), op.groups, op.window)?;
        let (from, weight, bias) = (self.image(x)?, self.parameter(w)?, self.parameter(node.inputs[2])?);
        let requantize = self.requantize(op, shape.outputs);
        let y = self.output(node.outputs[0]);
        let mask = self.mask(node);
        if mask.is_some() {
            self.shared.features.insert("UNCLAMPED");
        }
        let (function, bytes) = match kind {
            Kind::Pointwise => ("ounce_pointwise_s8", scratch::pointwise(shape.channels)),
            Kind::Depthwise => ("ounce_depthwise_s8", scratch::depthwise(plane(&shape), shape.kernel)),
            Kind::General => ("ounce_conv_s8", scratch::conv(shape.kernel, shape.channels)),
            Kind::Grouped => ("ounce_grouped_conv_s8", shape.group_channels() * shape.kernel_len()),
        };
        let mut call = self.call(function);
        if kind == Kind::Pointwise {
            call = call.int(shape.places_len()).int(shape.channels).int(shape.outputs);
        } else {
            let conv = self.structure("ounce_conv", "conv", &extents(&shape));
            call = call.text(format!("&{conv}"));
        }
        if kind == Kind::Grouped {
            let [height, width] = op.window.dilation;
            let values = format!("{}, {height}, {width}", op.groups.max(1));
            let grouping = self.structure("ounce_grouping", "grouping", &values);
            call = call.text(format!("&{grouping}"));
        }
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
}
