//! Pooling and joining of bytes.

use ounce_graph::ops::{
    Dequantize, Pad, Pool2d, PoolKind, Quantize, QuantizedGlobalAvgPool, QuantizedPool2d, Reshape, Window,
};
use ounce_graph::{DType, Node, ValueId};

use super::convert::{Converter, per_tensor};
use super::{Quantization, QuantizeError};

impl Converter<'_> {
    /// The mean over height and width of an image that is bytes already, or a function of bytes.
    pub(super) fn global_mean(&mut self, node: &Node) -> Result<bool, QuantizeError> {
        let Some((x, quantization)) = self.near_bytes(node.inputs[0])? else { return Ok(false) };
        let mut y = self.new.graph.append(node.name.clone(), QuantizedGlobalAvgPool.into(), &[x])?[0];
        let shape = self.old.shape(node.outputs[0]);
        if self.new.graph.shape(y) != shape {
            y = self.new.graph.apply(Reshape { shape: shape.to_vec() }, &[y])?;
        }
        self.forms[node.outputs[0].index()].bytes = Some((y, quantization));
        Ok(true)
    }

    /// A maximum or mean over windows of an image that is bytes already, or a function of bytes. Padding that a mean counts is put around the image.
    pub(super) fn pool(&mut self, node: &Node, pool: &Pool2d) -> Result<bool, QuantizeError> {
        let Some((mut x, quantization)) = self.near_bytes(node.inputs[0])? else { return Ok(false) };
        let (mut kind, mut window) = (pool.kind, pool.window);
        if kind == PoolKind::Average {
            let Window { before, after, .. } = window;
            if before != [0, 0] || after != [0, 0] {
                let (before, after) = ([0, 0, before[0], before[1]], [0, 0, after[0], after[1]]);
                let value = quantization.zero as f32;
                let pad = Pad { before: before.to_vec(), after: after.to_vec(), between: vec![0; 4], value };
                x = self.new.graph.apply(pad, &[x])?;
            }
            (kind, window) = (PoolKind::AverageInside, Window { before: [0, 0], after: [0, 0], ..window });
        }
        let op = QuantizedPool2d { kind, kernel: pool.kernel, window };
        let y = self.new.graph.append(node.name.clone(), op.into(), &[x])?[0];
        self.forms[node.outputs[0].index()].bytes = Some((y, quantization));
        Ok(true)
    }

    /// Joins inputs of which one is bytes already, each brought to the scale of the result.
    pub(super) fn concat(&mut self, node: &Node) -> Result<bool, QuantizeError> {
        let any = node.inputs.iter().any(|id| self.forms[id.index()].bytes.is_some());
        let (Some(result), true) = (self.quantization(node.outputs[0]), any) else { return Ok(false) };
        if node.inputs.iter().any(|id| self.quantization(*id).is_none()) {
            return Ok(false);
        }
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for id in &node.inputs {
            let Some((x, quantization)) = self.bytes(*id)? else { return Ok(false) };
            inputs.push(self.rescaled(x, quantization, result)?);
        }
        let y = self.new.graph.append(node.name.clone(), node.op.clone(), &inputs)?[0];
        self.forms[node.outputs[0].index()].bytes = Some((y, result));
        Ok(true)
    }

    /// Bytes of another scale and zero point.
    fn rescaled(
        &mut self,
        x: ValueId,
        from: Quantization,
        to: Quantization,
    ) -> Result<ValueId, QuantizeError> {
        if from == to {
            return Ok(x);
        }
        let floats = self.new.graph.apply(Dequantize { scaling: per_tensor(from) }, &[x])?;
        Ok(self.new.graph.apply(Quantize { scaling: per_tensor(to), to: DType::I8 }, &[floats])?)
    }
}
