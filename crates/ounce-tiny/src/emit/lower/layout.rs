//! Operators that move elements: views, transposed images, padding, cutting, joining.

use ounce_graph::ops::{Concat, Crop, Op, Pad, SelectChannels, Window};
use ounce_graph::{Node, ValueId};

use super::conv::window_extents;
use super::{EmitError, Lowering, Order, Place, Slot};
use crate::emit::program::Access;

/// Whether an array lies in memory the same way with channels last.
fn small(shape: &[usize]) -> bool {
    shape.len() < 4 || shape[1] == 1 || shape[2] * shape[3] == 1
}

/// Axes of a shape in the order of memory.
fn axes(rank: usize, order: Order) -> Vec<usize> {
    if rank == 4 && order == Order::ChannelsLast { vec![0, 2, 3, 1] } else { (0..rank).collect() }
}

impl Lowering<'_, '_> {
    /// The slot of an image, channels last.
    pub(super) fn image(&mut self, id: ValueId) -> Result<Slot, EmitError> {
        let order = if self.graph.shape(id).len() == 4 { Order::ChannelsLast } else { Order::RowMajor };
        self.in_order(id, order)
    }

    /// The slot of a value in an order, transposed if it lies in the other.
    pub(super) fn in_order(&mut self, id: ValueId, order: Order) -> Result<Slot, EmitError> {
        let (slot, found) = (self.computed(id)?, self.place(id)?.1);
        let shape = self.graph.shape(id);
        if found == order || small(shape) {
            return Ok(slot);
        }
        if let Some(slot) = self.transposed.get(&id) {
            return Ok(*slot);
        }
        if shape[0] != 1 {
            return Err(self.refuse("devices take one image at a time: make the batch 1"));
        }
        let (channels, places) = (shape[1], shape[2] * shape[3]);
        let (rows, columns) =
            if found == Order::ChannelsLast { (places, channels) } else { (channels, places) };
        let y = self.transpose(id, slot, rows, columns);
        self.transposed.insert(id, y);
        Ok(y)
    }

    fn transpose(&mut self, id: ValueId, x: Slot, rows: usize, columns: usize) -> Slot {
        let ty = self.graph.ty(id);
        let y = self.slot(ty.bytes());
        let call = self.call("ounce_transpose").int(rows).int(columns).count(ty.dtype.bytes(1));
        self.push(call.read(x).write(y));
        y
    }

    /// The bytes of another value under another shape, moved if they must be.
    pub(super) fn view(&mut self, node: &Node) -> Result<(), EmitError> {
        let (x, y) = (node.inputs[0], node.outputs[0]);
        let (from, to) = (self.graph.shape(x).to_vec(), self.graph.shape(y).to_vec());
        let (place, order) = match &node.op {
            Op::Transpose(op) if op.axes == [0, 3, 1, 2] => {
                (Place::Slot(self.in_order(x, Order::RowMajor)?), Order::ChannelsLast)
            }
            Op::Transpose(op) if op.axes == [0, 2, 3, 1] => {
                (Place::Slot(self.in_order(x, Order::ChannelsLast)?), Order::RowMajor)
            }
            Op::Transpose(op) if op.axes == [1, 0] => {
                let x_slot = self.computed(x)?;
                (Place::Slot(self.transpose(x, x_slot, from[0], from[1])), Order::RowMajor)
            }
            Op::Transpose(op) if op.axes.is_sorted() => self.place(x)?,
            Op::Transpose(_) => {
                return Err(self.refuse("the run-time moves channels of images, no other axes"));
            }
            _ if from == to => self.place(x)?,
            _ => (Place::Slot(self.in_order(x, Order::RowMajor)?), Order::RowMajor),
        };
        let order = if small(&to) && to.len() == 4 { Order::ChannelsLast } else { order };
        self.places.insert(y, (place, order));
        Ok(())
    }

    /// A contiguous part of one axis, of an image for instance some channels or rows; or of its height and width at once.
    pub(super) fn crop(&mut self, node: &Node, op: &Crop) -> Result<(), EmitError> {
        let (x, order) = (self.computed(node.inputs[0])?, self.place(node.inputs[0])?.1);
        let ty = self.graph.ty(node.inputs[0]).clone();
        let axes = axes(ty.shape.len(), order);
        let cut: Vec<usize> = (0..axes.len()).filter(|i| ty.shape[axes[*i]] != op.sizes[axes[*i]]).collect();
        let product = |axes: &[usize]| axes.iter().map(|axis| ty.shape[*axis]).product::<usize>();
        let (count, along, first) = match cut[..] {
            [] => (1, 0, 0),
            [at] => (product(&axes[..at]), at, 0),
            // One block a row, from the first row on.
            [at, next] if next == at + 1 && product(&axes[..at]) == 1 => {
                (op.sizes[axes[at]], next, op.starts[axes[at]] * ty.shape[axes[next]])
            }
            _ => return Err(self.refuse("a part of one axis, or of height and width, can be cut out")),
        };
        if op.steps.iter().any(|step| *step != 1) {
            return Err(self.refuse("what is cut out can have no steps"));
        }
        let inner = product(axes.get(along + 1..).unwrap_or_default()) * ty.dtype.bytes(1);
        let axis = axes.get(along).copied().unwrap_or(0);
        let [start, kept, extent] =
            [&op.starts, &op.sizes, &ty.shape].map(|of| of.get(axis).copied().unwrap_or(0) * inner);
        let start = start + first * inner;
        let y = self.output_in(node.outputs[0], order);
        let mut call = self.call("").share(x, y);
        let (x, y) = (call.operand(x, Access::Read), call.operand(y, Access::Write));
        let from = if start == 0 { x } else { format!("&((const uint8_t *){x})[{start}]") };
        call.statement().text =
            format!("ounce_copy_blocks({count}, {kept}U, {from}, {extent}U, {y}, {kept}U);");
        self.push(call);
        Ok(())
    }

    /// Chosen channels of an image.
    pub(super) fn select_channels(&mut self, node: &Node, op: &SelectChannels) -> Result<(), EmitError> {
        let ty = self.graph.ty(node.inputs[0]).clone();
        let &[1, channels, height, width] = &ty.shape[..] else {
            return Err(self.refuse("channels can be chosen of images, one at a time"));
        };
        if op.axis != 1 {
            return Err(self.refuse("channels can be chosen, not rows or columns"));
        }
        let selection = self.selection(&op.channels)?;
        let x = self.image(node.inputs[0])?;
        let y = self.output(node.outputs[0]);
        let call = self.call("ounce_select_channels").int(height * width).int(channels);
        let call = call.count(ty.dtype.bytes(1)).text(format!("&{selection}"));
        self.push(call.read(x).write(y).share(x, y));
        Ok(())
    }

    /// A list of channels as a struct.
    pub(super) fn selection(&mut self, channels: &[usize]) -> Result<String, EmitError> {
        if channels.iter().any(|channel| u16::try_from(*channel).is_err()) {
            return Err(self.refuse("channels beyond number 65535 cannot be chosen"));
        }
        let count = channels.len();
        let text = crate::emit::program::list(channels);
        let index = self.shared.tables.constant(self.shared.prefix, "index", "uint16_t", 2 * count, &text);
        Ok(self.structure("ounce_selection", "selection", &format!("{count}, {index}")))
    }

    /// Joins arrays.
    pub(super) fn concat(&mut self, node: &Node, op: &Concat) -> Result<(), EmitError> {
        let order = self.place(node.inputs[0])?.1;
        let ty = self.graph.ty(node.outputs[0]).clone();
        let axes = axes(ty.shape.len(), order);
        let at = axes.iter().position(|axis| *axis == op.axis).unwrap_or(0);
        let outer: usize = axes[..at].iter().map(|axis| ty.shape[*axis]).product();
        let inner = axes[at + 1..].iter().map(|axis| ty.shape[*axis]).product::<usize>() * ty.dtype.bytes(1);
        let inputs = node.inputs.iter().map(|id| self.in_order(*id, order)).collect::<Result<Vec<_>, _>>()?;
        let y = self.output_in(node.outputs[0], order);
        let row = ty.shape[op.axis] * inner;
        let mut call = self.call("");
        let to = call.operand(y, Access::Write);
        let mut first = 0;
        let mut lines = Vec::with_capacity(inputs.len());
        for (id, slot) in node.inputs.iter().zip(inputs) {
            let bytes = self.graph.shape(*id)[op.axis] * inner;
            let from = call.operand(slot, Access::Read);
            lines.push(format!(
                "ounce_copy_blocks({outer}, {bytes}U, {from}, {bytes}U, &((uint8_t *){to})[{first}], {row}U);"
            ));
            first += bytes;
        }
        call.statement().text = lines.join("\n    ");
        self.push(call);
        Ok(())
    }

    /// Puts a value around an image.
    pub(super) fn pad(&mut self, node: &Node, op: &Pad) -> Result<(), EmitError> {
        let ty = self.graph.ty(node.inputs[0]).clone();
        let (&[1, channels, height, width], &[_, _, rows, columns]) =
            (&ty.shape[..], self.graph.shape(node.outputs[0]))
        else {
            return Err(self.refuse("only images can be padded, one at a time"));
        };
        let in_planes = op.before[..2] == [0, 0] && op.after[..2] == [0, 0];
        // All bytes of a pixel get the same value, which for other elements than bytes can only be 0.
        let bytes = ty.dtype.bytes(1);
        if !in_planes || op.between.iter().any(|n| *n != 0) || (bytes > 1 && op.value != 0.0) {
            return Err(self.refuse("images are padded along height and width, floats with zeros"));
        }
        let window = Window { before: [op.before[2], op.before[3]], ..Window::default() };
        let values = window_extents([height, width, channels], [rows, columns, channels], [1, 1], &window);
        let window = self.structure("ounce_conv", "conv", &values);
        let x = self.image(node.inputs[0])?;
        let y = self.output(node.outputs[0]);
        let call = self.call("ounce_pad").text(format!("&{window}")).count(bytes);
        self.push(call.text((op.value as i8).to_string()).read(x).write(y));
        Ok(())
    }
}
