//! Operators with the integer arithmetic of TensorFlow Lite.

use ounce_graph::ops::Window;
use ounce_graph::{Custom, Node};
use ounce_import::tflite::kernels::{FixedAdd, FixedAveragePool};

use super::{EmitError, Lowering, Place};

impl Lowering<'_, '_> {
    pub(super) fn custom(&mut self, node: &Node, op: &Custom) -> Result<(), EmitError> {
        if let Some(op) = op.downcast_ref::<FixedAdd>() {
            self.fixed_add(node, op)
        } else if let Some(op) = op.downcast_ref::<FixedAveragePool>() {
            self.fixed_average_pool(node, op)
        } else {
            Err(self.refuse("the run-time has no such operator: leave it out of the network"))
        }
    }

    fn fixed_add(&mut self, node: &Node, op: &FixedAdd) -> Result<(), EmitError> {
        let (a, b) = (self.computed(node.inputs[0])?, self.computed(node.inputs[1])?);
        let order = self.place(node.inputs[0])?.1;
        if order != self.place(node.inputs[1])?.1 {
            return Err(self.refuse("its inputs lie in memory in different orders"));
        }
        let side = |zero: i32, scale: ounce_graph::ops::FixedScale| {
            format!("{zero}, {}, {}", scale.multiplier, scale.shift)
        };
        let values = format!(
            "{}, {}, {}, {}, {}",
            side(op.zeros[0], op.scales[0]),
            side(op.zeros[1], op.scales[1]),
            side(op.y_zero, op.y_scale),
            op.bounds.low,
            op.bounds.high
        );
        let addition = self.structure("ounce_fixed_addition", "addition", &values);
        let count = self.graph.ty(node.outputs[0]).elements();
        let y = self.output(node.outputs[0]);
        self.places.insert(node.outputs[0], (Place::Slot(y), order));
        let call = self.call("ounce_add_fixed_s8").count(count).read(a).read(b).text(format!("&{addition}"));
        self.push(call.write(y).share(a, y).share(b, y));
        Ok(())
    }

    fn fixed_average_pool(&mut self, node: &Node, op: &FixedAveragePool) -> Result<(), EmitError> {
        if (op.bounds.low, op.bounds.high) != (i8::MIN, i8::MAX) {
            return Err(self.refuse("the run-time's mean has no bounds: leave the activation out"));
        }
        let (from, to) = (self.graph.shape(node.inputs[0]), self.graph.shape(node.outputs[0]));
        let Window { stride, before, dilation, .. } = op.window;
        if from[0] != 1 || dilation != [1, 1] {
            return Err(self.refuse("the run-time takes means over windows without dilation, of one image"));
        }
        let window = [
            from[2],
            from[3],
            from[1],
            to[2],
            to[3],
            to[1],
            op.kernel[0],
            op.kernel[1],
            stride[0],
            stride[1],
            before[0],
            before[1],
        ];
        let window = window.map(|x| x.to_string()).join(", ");
        let window = self.structure("ounce_conv", "conv", &window);
        let x = self.image(node.inputs[0])?;
        let y = self.output(node.outputs[0]);
        let call = self.call("ounce_average_pool_s8").text(format!("&{window}")).text("OUNCE_FIXED_POINT");
        self.push(call.read(x).write(y));
        Ok(())
    }
}
