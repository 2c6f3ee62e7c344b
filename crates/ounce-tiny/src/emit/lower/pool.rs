//! Means and maxima.

use ounce_graph::ops::{Pool2dGradient, PoolKind, QuantizedPool2d, Window};
use ounce_graph::{DType, Node};
use ounce_import::tflite::kernels::{FixedAveragePool, FixedMean};

use super::conv::window_extents;
use super::{EmitError, Lowering, Order};

impl Lowering<'_, '_> {
    pub(super) fn global_pool(&mut self, node: &Node) -> Result<(), EmitError> {
        let kernel = match self.graph.shape(node.inputs[0]) {
            [_, _, height, width] => [*height, *width],
            _ => return Err(self.refuse("it takes images")),
        };
        self.window(node, kernel, Window::default(), "ounce_average_pool_s8", Some("OUNCE_NEAREST"))
    }

    pub(super) fn quantized_pool(&mut self, node: &Node, op: &QuantizedPool2d) -> Result<(), EmitError> {
        match op.kind {
            PoolKind::Max => self.window(node, op.kernel, op.window, "ounce_max_pool_s8", None),
            PoolKind::Average | PoolKind::AverageInside => {
                self.window(node, op.kernel, op.window, "ounce_average_pool_s8", Some("OUNCE_NEAREST"))
            }
        }
    }

    pub(super) fn fixed_average_pool(&mut self, node: &Node, op: &FixedAveragePool) -> Result<(), EmitError> {
        self.window(node, op.kernel, op.window, "ounce_average_pool_s8", Some("OUNCE_FIXED_POINT"))?;
        let y = self.computed(node.outputs[0])?;
        let count = self.graph.ty(node.outputs[0]).elements();
        self.clip(y, count, op.bounds.low, op.bounds.high);
        Ok(())
    }

    /// A call of a pooling function.
    fn window(
        &mut self,
        node: &Node,
        kernel: [usize; 2],
        window: Window,
        function: &str,
        rounding: Option<&str>,
    ) -> Result<(), EmitError> {
        let (&[n, channels, height, width], &[_, _, rows, columns]) =
            (self.graph.shape(node.inputs[0]), self.graph.shape(node.outputs[0]))
        else {
            return Err(self.refuse("it takes images"));
        };
        if n != 1 {
            return Err(self.refuse("devices take one image at a time: make the batch 1"));
        }
        let window =
            self.window_structure([height, width, channels], [rows, columns, channels], kernel, window)?;
        let x = self.image(node.inputs[0])?;
        let y = self.output(node.outputs[0]);
        let mut call = self.call(function).text(format!("&{window}"));
        if let Some(rounding) = rounding {
            call = call.text(rounding);
        }
        self.push(call.read(x).write(y));
        Ok(())
    }

    fn window_structure(
        &mut self,
        image: [usize; 3],
        output: [usize; 3],
        kernel: [usize; 2],
        window: Window,
    ) -> Result<String, EmitError> {
        if window.dilation != [1, 1] {
            return Err(self.refuse("the run-time pools over windows without dilation"));
        }
        Ok(self.structure("ounce_conv", "conv", &window_extents(image, output, kernel, &window)))
    }

    pub(super) fn pool_gradient(&mut self, node: &Node, op: &Pool2dGradient) -> Result<(), EmitError> {
        let Pool2dGradient { pool, image: [height, width] } = *op;
        let &[1, channels, rows, columns] = self.graph.shape(node.inputs[0]) else {
            return Err(self.refuse("devices take one image at a time: make the batch 1"));
        };
        let of_bytes = node.inputs.get(1).is_none_or(|x| self.graph.ty(*x).dtype == DType::I8);
        if pool.kind == PoolKind::Average || !of_bytes {
            return Err(self.refuse(
                "the run-time has gradients of maxima of bytes, and of means of what lies inside an image",
            ));
        }
        let image = [height, width, channels];
        let window = self.window_structure(image, [rows, columns, channels], pool.kernel, pool.window)?;
        let g = self.image(node.inputs[0])?;
        let x = node.inputs.get(1).map(|x| self.image(*x)).transpose()?;
        let y = self.output(node.outputs[0]);
        let call = match x {
            Some(x) => self.call("ounce_max_pool_gradient").text(format!("&{window}")).read(x),
            None => self.call("ounce_average_pool_gradient").text(format!("&{window}")),
        };
        self.push(call.read(g).write(y));
        Ok(())
    }

    pub(super) fn fixed_mean(&mut self, node: &Node, op: &FixedMean) -> Result<(), EmitError> {
        let shape = self.graph.shape(node.inputs[0]).to_vec();
        let count: usize = shape[shape.len() - op.axes..].iter().product();
        let outputs = self.graph.ty(node.outputs[0]).elements();
        let is_image =
            shape.len() == 4 && op.axes == 2 && self.place(node.inputs[0])?.1 == Order::ChannelsLast;
        // Of an image, the elements of one channel lie a pixel apart; else rows lie one behind the other.
        let (x, step, distance) = if is_image {
            (self.computed(node.inputs[0])?, 1, outputs)
        } else {
            (self.in_order(node.inputs[0], Order::RowMajor)?, count, 1)
        };
        let values = format!("{}, {}, {}, {}", op.x_zero, op.y_zero, op.scale.multiplier, op.scale.shift);
        let mean = self.structure("ounce_fixed_mean", "mean", &values);
        let y = self.output(node.outputs[0]);
        let call = self.call("ounce_mean_fixed_s8").int(outputs).count(step).int(count).count(distance);
        self.push(call.text(format!("&{mean}")).read(x).write(y));
        Ok(())
    }
}
