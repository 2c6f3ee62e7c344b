//! Sums with the integer arithmetic of TensorFlow Lite.

use ounce_graph::Node;
use ounce_import::tflite::kernels::FixedAdd;

use super::{EmitError, Lowering};

impl Lowering<'_, '_> {
    pub(super) fn fixed_add(&mut self, node: &Node, op: &FixedAdd) -> Result<(), EmitError> {
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
        let (a, b, y) = self.sum(node)?;
        let count = self.graph.ty(node.outputs[0]).elements();
        let call = self.call("ounce_add_fixed_s8").count(count).read(a).read(b).text(format!("&{addition}"));
        let mask = self.mask(node);
        self.push(call.write(y).write_if(mask).share(a, y).share(b, y));
        Ok(())
    }
}
