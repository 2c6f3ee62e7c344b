//! Sums, functions of single elements, conversions.

use ounce_graph::ops::{Dequantize, Quantize, QuantizedAdd, Scaling, Softmax};
use ounce_graph::{DType, Node};
use ounce_import::mcunet::DeviceAdd;

use super::{EmitError, Lowering, Order, Slot};
use crate::emit::program::{float, list};

impl Lowering<'_, '_> {
    pub(super) fn quantized_add(&mut self, node: &Node, op: &QuantizedAdd) -> Result<(), EmitError> {
        self.add(node, op, "OUNCE_NEAREST")
    }

    pub(super) fn device_add(&mut self, node: &Node, op: &DeviceAdd) -> Result<(), EmitError> {
        self.add(node, &op.0, "OUNCE_AWAY")
    }

    fn add(&mut self, node: &Node, op: &QuantizedAdd, rounding: &str) -> Result<(), EmitError> {
        let [a_scale, b_scale, y_scale] = [op.scales[0], op.scales[1], op.y_scale].map(float);
        let values = format!(
            "{rounding}, {a_scale}, {b_scale}, {y_scale}, {}, {}, {}",
            op.zeros[0], op.zeros[1], op.y_zero
        );
        let addition = self.structure("ounce_addition", "addition", &values);
        let (a, b, y) = self.sum(node)?;
        let count = self.graph.ty(node.outputs[0]).elements();
        let call = self.call("ounce_add_s8").count(count).read(a).read(b).text(format!("&{addition}"));
        let mask = self.mask(node);
        self.push(call.write(y).write_if(mask).share(a, y).share(b, y));
        Ok(())
    }

    /// A slot for the bits of what was not clamped, if they are asked for.
    pub(super) fn mask(&mut self, node: &Node) -> Option<Slot> {
        node.outputs.get(1).map(|mask| self.output(*mask))
    }

    /// The slots of two inputs and a result that lie in memory in the same order: that of images where gradients need to know it.
    pub(super) fn sum(&mut self, node: &Node) -> Result<(Slot, Slot, Slot), EmitError> {
        let is_image = self.graph.shape(node.outputs[0]).len() == 4;
        let order = if node.outputs.len() > 1 && is_image {
            Order::ChannelsLast
        } else {
            self.place(node.inputs[0])?.1
        };
        let (a, b) = (self.in_order(node.inputs[0], order)?, self.in_order(node.inputs[1], order)?);
        Ok((a, b, self.output_in(node.outputs[0], order)))
    }

    /// The slots of an input and of a result that lies in memory in the same order.
    pub(super) fn alike(&mut self, node: &Node) -> Result<(Slot, Slot), EmitError> {
        let (x, order) = (self.computed(node.inputs[0])?, self.place(node.inputs[0])?.1);
        Ok((x, self.output_in(node.outputs[0], order)))
    }

    /// The scale of a conversion, which must be one for the whole array.
    fn scale(&self, scaling: &Scaling) -> Result<f32, EmitError> {
        match scaling.scale[..] {
            [scale] => Ok(scale),
            _ => Err(self.refuse("the run-time has one scale for a whole array here")),
        }
    }

    pub(super) fn dequantize(&mut self, node: &Node, op: &Dequantize) -> Result<(), EmitError> {
        let scale = self.scale(&op.scaling)?;
        if self.graph.ty(node.inputs[0]).dtype != DType::I8 {
            return Err(self.refuse("it takes bytes here"));
        }
        let (x, y) = self.alike(node)?;
        let count = self.graph.ty(node.inputs[0]).elements();
        let call = self.call("ounce_dequantize_s8").count(count).read(x);
        self.push(call.text(op.scaling.zero_point.to_string()).text(float(scale)).write(y));
        Ok(())
    }

    pub(super) fn quantize(&mut self, node: &Node, op: &Quantize) -> Result<(), EmitError> {
        if let Some((x, table)) = self.lookup_of(node) {
            return self.lookup(node, x, &table);
        }
        let scale = self.scale(&op.scaling)?;
        if op.to != DType::I8 {
            return Err(self.refuse("it gives bytes here"));
        }
        let (x, y) = self.alike(node)?;
        let count = self.graph.ty(node.inputs[0]).elements();
        let call = self.call("ounce_quantize_s8").count(count).read(x).text(float(scale));
        self.push(call.text(op.scaling.zero_point.to_string()).write(y));
        Ok(())
    }

    /// A function of bytes by its table; what changes nothing is a view.
    fn lookup(&mut self, node: &Node, x: ounce_graph::ValueId, table: &[i8]) -> Result<(), EmitError> {
        if table.iter().zip(i8::MIN..).all(|(y, x)| *y == x) {
            let place = self.place(x)?;
            self.places.insert(node.outputs[0], place);
            return Ok(());
        }
        let (from, order) = (self.computed(x)?, self.place(x)?.1);
        let y = self.output_in(node.outputs[0], order);
        let table = self.shared.tables.constant(self.shared.prefix, "table", "int8_t", 256, &list(table));
        let count = self.graph.ty(x).elements();
        let call = self.call("ounce_lookup_s8").count(count).read(from).text(table).write(y);
        self.push(call.share(from, y));
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
        let (x, y) = self.alike(node)?;
        self.push(self.call("ounce_softmax").int(count).read(x).write(y).share(x, y));
        Ok(())
    }

    /// A clamp of bytes behind an operator whose kernel has none, in place.
    pub(super) fn clip(&mut self, y: Slot, count: usize, low: i8, high: i8) {
        if (low, high) != (i8::MIN, i8::MAX) {
            let call = self.call("ounce_clip_s8").count(count).text(low.to_string()).text(high.to_string());
            self.push(call.change(y));
        }
    }
}
