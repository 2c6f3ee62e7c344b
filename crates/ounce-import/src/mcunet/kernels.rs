//! What TinyEngine's kernels compute otherwise than the simulation of MCUNetV3.

use ounce_graph::ops::{BinaryKind, QuantizedAdd};
use ounce_graph::{Custom, Gradient, GraphError, Io, Op, OpError, Operator, TensorType};

/// A sum as TinyEngine's `add_fpreq` computes it: `clamp(round(real / y_scale + y_zero))`, ties away from zero.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DeviceAdd(
    /// Scales and zero points.
    pub QuantizedAdd,
);

impl DeviceAdd {
    fn sum(&self, a: i8, b: i8) -> i8 {
        let QuantizedAdd { scales, zeros, y_scale, y_zero, .. } = self.0;
        let a = (i32::from(a) - zeros[0]) as f32 * scales[0];
        let b = (i32::from(b) - zeros[1]) as f32 * scales[1];
        // The cast saturates.
        ((a + b) / y_scale + y_zero as f32).round() as i8
    }
}

impl Operator for DeviceAdd {
    fn name(&self) -> &'static str {
        "device_add"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        self.0.infer(inputs)
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let (y, a, b) = (io.take_i8(0), io.i8(0), io.i8(1));
        y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = self.sum(*a, *b));
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        for i in 0..2 {
            if gradient.needs(i) {
                let factor = gradient.graph().scalar(self.0.scales[i] / self.0.y_scale);
                let dx = gradient.binary(BinaryKind::Mul, g, factor)?;
                gradient.add(i, dx)?;
            }
        }
        Ok(())
    }
}

impl From<DeviceAdd> for Op {
    fn from(op: DeviceAdd) -> Self {
        Custom::new(op).into()
    }
}
