//! From the nodes of a graph to calls of the run-time.

mod arithmetic;
mod backward;
mod call;
mod conv;
mod layout;
mod lookup;
mod pool;
mod tflite;
mod update;

use std::collections::{BTreeSet, HashMap, HashSet};

use ounce_graph::ops::Op;
use ounce_graph::{Custom, DType, Data, Graph, Node, Source, ValueId};
use ounce_import::mcunet::DeviceAdd;
use ounce_import::tflite::kernels::{FixedAdd, FixedAveragePool, FixedMean};

use self::call::Call;
use super::EmitError;
use super::interface::Argument;
use super::program::{Function, Given, Slot, Statement, Tables, identifier, int, list};

/// Where a value lies.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// In the arena.
    Slot(Slot),
    /// A number by value, or an array: an expression of C.
    Text(String),
}

/// How an image lies in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// As in the graph, the last axis running fastest.
    RowMajor,
    /// Channels fastest: the graph's `[1, C, H, W]` as HWC.
    ChannelsLast,
}

/// What all functions of a program share.
pub(crate) struct Shared<'a> {
    /// Begins every name that the linker sees.
    pub(crate) prefix: &'a str,
    /// Names of parameters that some function updates.
    pub(crate) updated: &'a HashSet<String>,
    pub(crate) tables: Tables,
    /// Parameters in RAM that are declared.
    pub(crate) states: Vec<Argument>,
    /// What of the kernels is needed, see [`FEATURES`](crate::runtime::FEATURES).
    pub(crate) features: BTreeSet<&'static str>,
}

/// A function in the making.
struct Lowering<'a, 'b> {
    graph: &'a Graph,
    shared: &'a mut Shared<'b>,
    name: &'a str,
    node: Option<&'a Node>,
    readers: Vec<Vec<usize>>,
    places: HashMap<ValueId, (Place, Order)>,
    /// Images that were brought from one order to the other.
    transposed: HashMap<ValueId, Slot>,
    /// Nodes that a later one computes along with itself.
    fused: HashSet<usize>,
    /// Parameters that have their new value.
    renewed: HashSet<ValueId>,
    slots: Vec<usize>,
    statements: Vec<Statement>,
}

/// Compiles a graph to a function.
pub(crate) fn lower(graph: &Graph, name: &str, shared: &mut Shared<'_>) -> Result<Function, EmitError> {
    let mut readers = vec![Vec::new(); graph.values().len()];
    for (at, node) in graph.nodes().iter().enumerate() {
        node.inputs.iter().for_each(|id| readers[id.index()].push(at));
    }
    let mut lowering = Lowering {
        graph,
        shared,
        name,
        node: None,
        readers,
        places: HashMap::new(),
        transposed: HashMap::new(),
        fused: HashSet::new(),
        renewed: HashSet::new(),
        slots: Vec::new(),
        statements: Vec::new(),
    };
    let inputs = lowering.inputs()?;
    lowering.find_fusions();
    lowering.find_lookups();
    for (at, node) in graph.nodes().iter().enumerate() {
        if !lowering.fused.contains(&at) {
            lowering.node = Some(node);
            lowering.lower_node(node)?;
        }
    }
    lowering.node = None;
    lowering.check_updates()?;
    let outputs = lowering.outputs()?;
    let Lowering { statements, slots, .. } = lowering;
    Ok(Function { name: name.to_owned(), inputs, outputs, statements, slots })
}

impl<'a> Lowering<'a, '_> {
    fn inputs(&mut self) -> Result<Vec<Given>, EmitError> {
        let mut arguments = Vec::new();
        for id in self.graph.inputs() {
            let value = self.graph.value(*id);
            let name = identifier(&value.name);
            let by_value = value.ty.elements() == 1 && matches!(value.ty.dtype, DType::F32 | DType::I32);
            let (place, order, slot) = if by_value {
                (Place::Text(name.clone()), Order::RowMajor, None)
            } else {
                let order = self.input_order(*id)?;
                let slot = self.slot(value.ty.bytes());
                (Place::Slot(slot), order, Some(slot))
            };
            self.places.insert(*id, (place, order));
            let (label, ty) = (value.name.clone(), value.ty.clone());
            let channels_last = order == Order::ChannelsLast;
            arguments.push((Argument { label, name, ty, channels_last, by_value }, slot));
        }
        Ok(arguments)
    }

    /// An image is HWC, unless the graph has it so itself and transposes it.
    fn input_order(&self, id: ValueId) -> Result<Order, EmitError> {
        let shape = self.graph.shape(id);
        if shape.len() != 4 {
            return Ok(Order::RowMajor);
        }
        if shape[0] != 1 {
            let reason = format!("a batch of {}: devices take one image at a time", shape[0]);
            return Err(self.value_error(id, &reason));
        }
        let transposed = self.readers[id.index()]
            .iter()
            .any(|at| matches!(&self.graph.nodes()[*at].op, Op::Transpose(op) if op.axes == [0, 3, 1, 2]));
        Ok(if transposed { Order::RowMajor } else { Order::ChannelsLast })
    }

    fn outputs(&self) -> Result<Vec<Given>, EmitError> {
        let argument = |(label, id): &(String, ValueId)| {
            let Some((Place::Slot(slot), order)) = self.places.get(id) else {
                return Err(self.value_error(*id, "an output must be computed by a node"));
            };
            let (label, name, ty) = (label.clone(), identifier(label), self.graph.ty(*id).clone());
            let channels_last = *order == Order::ChannelsLast;
            Ok((Argument { label, name, ty, channels_last, by_value: false }, Some(*slot)))
        };
        self.graph.outputs().iter().map(argument).collect()
    }

    fn lower_node(&mut self, node: &'a Node) -> Result<(), EmitError> {
        match &node.op {
            Op::QuantizedConv2d(op) => self.quantized_conv(node, op),
            Op::QuantizedDense(op) => self.quantized_dense(node, op),
            Op::QuantizedAdd(op) => self.quantized_add(node, op),
            Op::QuantizedGlobalAvgPool(_) => self.global_pool(node),
            Op::QuantizedPool2d(op) => self.quantized_pool(node, op),
            Op::Custom(op) => self.custom(node, op),
            Op::Dequantize(op) => self.dequantize(node, op),
            Op::Quantize(op) => self.quantize(node, op),
            Op::Softmax(op) => self.softmax(node, op),
            Op::Reshape(_) | Op::Transpose(_) => self.view(node),
            Op::Crop(op) => self.crop(node, op),
            Op::Concat(op) => self.concat(node, op),
            Op::Pad(op) => self.pad(node, op),
            Op::CrossEntropy(_) => self.cross_entropy(node),
            Op::CrossEntropyGradient(_) => self.cross_entropy_gradient(node),
            Op::ApplyMask(_) => self.apply_mask(node),
            Op::Binary(op) => self.binary(node, op.kind),
            Op::Expand(op) => self.expand(node, &op.shape),
            Op::Reduce(op) => self.bias_gradient(node, op),
            Op::ConvTranspose2d(op) => self.input_gradient(node, op),
            Op::Pool2dGradient(op) => self.pool_gradient(node, op),
            Op::QuantizedSgd(op) => self.sgd(node, op),
            Op::SelectChannels(op) => self.select_channels(node, op),
            _ => {
                Err(self
                    .refuse("the run-time has no such operator; quantize the network, or leave the node out"))
            }
        }
    }

    fn custom(&mut self, node: &Node, op: &Custom) -> Result<(), EmitError> {
        if let Some(op) = op.downcast_ref::<FixedAdd>() {
            self.fixed_add(node, op)
        } else if let Some(op) = op.downcast_ref::<FixedAveragePool>() {
            self.fixed_average_pool(node, op)
        } else if let Some(op) = op.downcast_ref::<FixedMean>() {
            self.fixed_mean(node, op)
        } else if let Some(op) = op.downcast_ref::<DeviceAdd>() {
            self.device_add(node, op)
        } else {
            Err(self.refuse("the run-time has no such operator: leave it out of the network"))
        }
    }

    // ---- What lowering of single operators needs ----

    fn slot(&mut self, bytes: usize) -> Slot {
        self.slots.push(bytes);
        Slot(self.slots.len() - 1)
    }

    /// A slot for an output of a node, in the order of images where it is one.
    fn output(&mut self, id: ValueId) -> Slot {
        let is_image = self.graph.shape(id).len() == 4;
        self.output_in(id, if is_image { Order::ChannelsLast } else { Order::RowMajor })
    }

    /// A slot for an output of a node in a given order.
    fn output_in(&mut self, id: ValueId, order: Order) -> Slot {
        let slot = self.slot(self.graph.ty(id).bytes());
        self.places.insert(id, (Place::Slot(slot), order));
        slot
    }

    fn place(&mut self, id: ValueId) -> Result<(Place, Order), EmitError> {
        if let Some(found) = self.places.get(&id) {
            return Ok(found.clone());
        }
        if self.renewed.contains(&id) {
            return Err(self.refuse("it reads a parameter that was updated before: let updates come last"));
        }
        Err(self.refuse(&format!(
            "{:?} is a parameter or constant, which can only be a weight",
            self.graph.value(id).name
        )))
    }

    /// The slot of a value that a node computed.
    fn computed(&mut self, id: ValueId) -> Result<Slot, EmitError> {
        match self.place(id)?.0 {
            Place::Slot(slot) => Ok(slot),
            Place::Text(_) => Err(self.refuse("an input of a single number where an array is expected")),
        }
    }

    /// The expression of a number: an input by value, or a constant.
    fn number(&mut self, id: ValueId) -> Result<String, EmitError> {
        if let Some(x) = self.single(id) {
            return Ok(super::program::float(x));
        }
        match self.places.get(&id) {
            Some((Place::Text(text), _)) => Ok(text.clone()),
            _ => Err(self.refuse("a rate must be an input of one number, or a constant")),
        }
    }

    /// A constant of one float.
    fn single(&self, id: ValueId) -> Option<f32> {
        let data = self.graph.constant_data(id)?.as_f32()?;
        if let [x] = data { Some(*x) } else { None }
    }

    /// The name in C of a weight or bias, declared at its first use.
    fn parameter(&mut self, id: ValueId) -> Result<String, EmitError> {
        let value = self.graph.value(id);
        let data = match &value.source {
            Source::Parameter(data) | Source::Constant(data) => data,
            _ => return Err(self.refuse("weights must be parameters or constants")),
        };
        if self.renewed.contains(&id) {
            return Err(self.refuse("it reads a parameter that was updated before: let updates come last"));
        }
        let (shape, tables) = (&value.ty.shape, &self.shared.tables);
        let (ty, values) = match data.data() {
            Data::I8(data) => ("int8_t", tables.values((data, shape), || list(stored_weight(data, shape)))),
            Data::I32(data) => ("int32_t", tables.values(data, || list(data.iter().map(|x| int(*x))))),
            _ => return Err(self.refuse("weights must be i8 and biases i32")),
        };
        let bytes = value.ty.bytes();
        let Shared { prefix, updated, tables, states, .. } = &mut *self.shared;
        let is_state = matches!(value.source, Source::Parameter(_)) && updated.contains(&value.name);
        if !is_state {
            return Ok(tables.constant(prefix, &identifier(&value.name), ty, bytes, &values));
        }
        if let Some(state) = states.iter().find(|state| state.label == value.name) {
            return Ok(state.name.clone());
        }
        let name = format!("{prefix}_{}", identifier(&value.name));
        tables.state(&name, ty, bytes, &values);
        let (label, ty) = (value.name.clone(), value.ty.clone());
        let channels_last = ty.shape.len() == 4;
        states.push(Argument { label, name: name.clone(), ty, channels_last, by_value: false });
        Ok(name)
    }

    /// An array of floats that never changes.
    fn floats(&mut self, what: &str, values: &[f32]) -> String {
        let bits: Vec<u32> = values.iter().map(|x| x.to_bits()).collect();
        let text = || list(values.iter().map(|x| super::program::float(*x)));
        let text = self.shared.tables.values(bits, text);
        self.shared.tables.constant(self.shared.prefix, what, "float", 4 * values.len(), &text)
    }

    /// An array of integers that never changes.
    fn ints(&mut self, what: &str, values: impl ExactSizeIterator<Item = i32>) -> String {
        let bytes = 4 * values.len();
        let values: Vec<i32> = values.collect();
        let text = self.shared.tables.values(&values, || list(values.iter().map(|x| int(*x))));
        self.shared.tables.constant(self.shared.prefix, what, "int32_t", bytes, &text)
    }

    fn structure(&mut self, ty: &str, what: &str, values: &str) -> String {
        self.shared.tables.structure(ty, what, values)
    }

    /// Begins the call of a function for the node at hand.
    fn call(&self, function: &str) -> Call {
        Call::new(self.node.map_or("", |node| &node.name), function)
    }

    fn push(&mut self, call: Call) {
        self.statements.push(call.finish());
    }

    fn refuse(&self, reason: &str) -> EmitError {
        let (node, operator) =
            self.node.map_or((String::new(), "none"), |node| (node.name.clone(), node.op.name()));
        EmitError::Unsupported { function: self.name.to_owned(), node, operator, reason: reason.to_owned() }
    }

    fn value_error(&self, id: ValueId, reason: &str) -> EmitError {
        let name = self.graph.value(id).name.clone();
        EmitError::Value { function: self.name.to_owned(), name, reason: reason.to_owned() }
    }

    /// The node that alone reads a value, if the value is no output.
    fn only_reader(&self, id: ValueId) -> Option<usize> {
        let outside = self.graph.outputs().iter().any(|(_, output)| *output == id);
        match self.readers[id.index()][..] {
            [reader] if !outside => Some(reader),
            _ => None,
        }
    }
}

/// A weight `[O, I, kh, kw]` as OHWI, which for a depthwise one is as it was.
fn stored_weight(data: &[i8], shape: &[usize]) -> Vec<i8> {
    let [o, i, h, w] = shape[..] else { return data.to_vec() };
    let places = h * w;
    let at = |k: usize| {
        let (rest, channel) = (k / i, k % i);
        (rest / places * i + channel) * places + rest % places
    };
    (0..o * i * places).map(|k| data[at(k)]).collect()
}
