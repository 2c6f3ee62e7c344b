//! The graph: operators over values, in the order in which they run.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{GraphError, OpError};
use crate::operator::Cost;
use crate::ops::Op;
use crate::tensor::Tensor;
use crate::types::TensorType;

/// A value of a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ValueId(pub(crate) usize);

impl ValueId {
    /// The place of the value in [`Graph::values`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    /// The caller gives it for every run.
    Input,
    /// It is kept from run to run and may be updated; at first it is this.
    Parameter(Arc<Tensor>),
    /// It never changes.
    Constant(Arc<Tensor>),
    /// A node computes it.
    Node {
        /// The place of the node in [`Graph::nodes`].
        node: usize,
        /// Which of its outputs.
        output: usize,
    },
}

/// A value: a name, a type and where it comes from.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// Unique among inputs and parameters.
    pub name: String,
    /// Element type and shape.
    pub ty: TensorType,
    /// Where it comes from.
    pub source: Source,
}

/// One use of an operator.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// For messages.
    pub name: String,
    /// The operator with its attributes.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// What it computes.
    pub outputs: Vec<ValueId>,
    /// The input whose memory output 0 takes. Set by [`passes::in_place`](crate::passes::in_place).
    pub in_place: Option<usize>,
}

/// Pure operators over values of static shape. The nodes stand in the order in which they run.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Graph {
    values: Vec<Value>,
    nodes: Vec<Node>,
    inputs: Vec<ValueId>,
    outputs: Vec<(String, ValueId)>,
    updates: Vec<(ValueId, ValueId)>,
    names: HashMap<String, ValueId>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// All values.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// A value.
    ///
    /// # Panics
    /// If the value is of another, larger graph.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// The type of a value.
    ///
    /// # Panics
    /// If the value is of another, larger graph.
    pub fn ty(&self, id: ValueId) -> &TensorType {
        &self.values[id.0].ty
    }

    /// The shape of a value.
    ///
    /// # Panics
    /// If the value is of another, larger graph.
    pub fn shape(&self, id: ValueId) -> &[usize] {
        &self.values[id.0].ty.shape
    }

    /// The nodes, in the order in which they run.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What the caller gives for every run.
    pub fn inputs(&self) -> &[ValueId] {
        &self.inputs
    }

    /// What a run gives, by name.
    pub fn outputs(&self) -> &[(String, ValueId)] {
        &self.outputs
    }

    /// Parameters and the values that replace them after every run.
    pub fn updates(&self) -> &[(ValueId, ValueId)] {
        &self.updates
    }

    /// All parameters.
    pub fn parameters(&self) -> impl Iterator<Item = (ValueId, &str, &Arc<Tensor>)> {
        self.values.iter().enumerate().filter_map(|(i, value)| match &value.source {
            Source::Parameter(data) => Some((ValueId(i), value.name.as_str(), data)),
            _ => None,
        })
    }

    /// The input or parameter of a name.
    pub fn named(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    /// The constant that a value is, if it is one.
    pub fn constant_data(&self, id: ValueId) -> Option<&Arc<Tensor>> {
        if let Source::Constant(data) = &self.values[id.0].source { Some(data) } else { None }
    }

    /// The node that computes a value, if one does, and which of its outputs it is.
    pub fn producer(&self, id: ValueId) -> Option<(usize, usize)> {
        if let Source::Node { node, output } = self.values[id.0].source { Some((node, output)) } else { None }
    }

    /// The cost of one run, over all nodes.
    pub fn cost(&self) -> Cost {
        self.nodes.iter().map(|node| self.node_cost(node)).fold(Cost::default(), |a, b| a + b)
    }

    /// The cost of one node of this graph. A view costs nothing.
    pub fn node_cost(&self, node: &Node) -> Cost {
        if node.op.is_view() {
            return Cost::default();
        }
        node.op.cost(&self.types(&node.inputs), &self.types(&node.outputs))
    }

    /// The types of several values.
    pub fn types(&self, ids: &[ValueId]) -> Vec<TensorType> {
        ids.iter().map(|id| self.ty(*id).clone()).collect()
    }

    /// Declares an input.
    ///
    /// # Errors
    /// If the name is taken or the type too large.
    pub fn input(&mut self, name: &str, ty: TensorType) -> Result<ValueId, GraphError> {
        self.check_name(name)?;
        self.check_size("input", &ty)?;
        let id = self.push_value(name.to_owned(), ty, Source::Input);
        self.inputs.push(id);
        self.names.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Declares a parameter with its first value.
    ///
    /// # Errors
    /// If the name is taken.
    pub fn parameter(&mut self, name: &str, data: impl Into<Arc<Tensor>>) -> Result<ValueId, GraphError> {
        self.check_name(name)?;
        let data = data.into();
        let id = self.push_value(name.to_owned(), data.ty().clone(), Source::Parameter(data));
        self.names.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Adds a constant.
    pub fn constant(&mut self, data: impl Into<Arc<Tensor>>) -> ValueId {
        let data = data.into();
        let name = format!("constant_{}", self.values.len());
        self.push_value(name, data.ty().clone(), Source::Constant(data))
    }

    /// Adds a constant float without axes.
    pub fn scalar(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    /// Appends a node and returns its outputs.
    ///
    /// # Errors
    /// If a value is not of this graph or the operator does not fit its inputs.
    pub fn apply_all(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<Vec<ValueId>, GraphError> {
        let op = op.into();
        let name = format!("{}_{}", op.name(), self.nodes.len());
        self.append(name, op, inputs)
    }

    /// Appends a node and returns its first output.
    ///
    /// # Errors
    /// As [`Graph::apply_all`].
    pub fn apply(&mut self, op: impl Into<Op>, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        Ok(self.apply_all(op, inputs)?[0])
    }

    /// As [`Graph::apply_all`], with a name.
    ///
    /// # Errors
    /// As [`Graph::apply_all`].
    pub fn append(&mut self, name: String, op: Op, inputs: &[ValueId]) -> Result<Vec<ValueId>, GraphError> {
        for id in inputs {
            self.check_value(*id)?;
        }
        let failed = |error| GraphError::Operator { node: name.clone(), operator: op.name(), error };
        let types = op.infer(&self.types(inputs)).map_err(failed)?;
        if let Some(ty) = types.iter().find(|ty| !ty.fits()) {
            return Err(failed(OpError::TooLarge(ty.clone())));
        }
        let node = self.nodes.len();
        let outputs: Vec<ValueId> = types
            .into_iter()
            .enumerate()
            .map(|(output, ty)| {
                let value = if output == 0 { name.clone() } else { format!("{name}.{output}") };
                self.push_value(value, ty, Source::Node { node, output })
            })
            .collect();
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), outputs: outputs.clone(), in_place: None });
        Ok(outputs)
    }

    /// Gives a value to the caller after every run.
    ///
    /// # Errors
    /// If another output has the name or the value is not of this graph.
    pub fn output(&mut self, name: &str, value: ValueId) -> Result<(), GraphError> {
        self.check_value(value)?;
        if self.outputs.iter().any(|(known, _)| known == name) {
            return Err(GraphError::DuplicateName(name.to_owned()));
        }
        self.outputs.push((name.to_owned(), value));
        Ok(())
    }

    /// Takes all outputs back, for instance those that training alone needs.
    pub fn clear_outputs(&mut self) {
        self.outputs.clear();
    }

    /// Replaces a parameter by a value after every run.
    ///
    /// # Errors
    /// If it is no parameter, has an update already, or the value has another type.
    pub fn update(&mut self, parameter: ValueId, value: ValueId) -> Result<(), GraphError> {
        self.check_value(parameter)?;
        self.check_value(value)?;
        let target = self.value(parameter);
        let refuse =
            |reason: &str| Err(GraphError::Update { name: target.name.clone(), reason: reason.to_owned() });
        if !matches!(target.source, Source::Parameter(_)) {
            return refuse("it is not a parameter");
        }
        if self.updates.iter().any(|(known, _)| *known == parameter) {
            return refuse("it has an update already");
        }
        if target.ty != *self.ty(value) {
            return refuse(&format!("it is {}, the new value {}", target.ty, self.ty(value)));
        }
        if !matches!(self.value(value).source, Source::Node { .. }) {
            return refuse("the new value must be computed by a node");
        }
        self.updates.push((parameter, value));
        Ok(())
    }

    /// Replaces the first value of a parameter.
    ///
    /// # Errors
    /// If no parameter has the name or the data has another type.
    pub fn set_parameter(&mut self, name: &str, data: impl Into<Arc<Tensor>>) -> Result<(), GraphError> {
        let data = data.into();
        let id = self.named(name).filter(|id| matches!(self.value(*id).source, Source::Parameter(_)));
        let Some(id) = id else {
            let known = self.parameters().map(|(_, name, _)| name).collect::<Vec<_>>().join(", ");
            return Err(GraphError::UnknownName { kind: "parameter", name: name.to_owned(), known });
        };
        let value = &mut self.values[id.0];
        if value.ty != *data.ty() {
            let (expected, found) = (value.ty.clone(), data.ty().clone());
            return Err(GraphError::DataType { name: name.to_owned(), expected, found });
        }
        value.source = Source::Parameter(data);
        Ok(())
    }

    /// Makes a parameter a constant with its first value, for instance before constants are folded for inference.
    ///
    /// # Errors
    /// If it is no parameter or has an update.
    pub fn freeze(&mut self, parameter: ValueId) -> Result<(), GraphError> {
        self.check_value(parameter)?;
        let refuse = |name: &str, reason: &str| {
            Err(GraphError::Update { name: name.to_owned(), reason: reason.to_owned() })
        };
        let updated = self.updates.iter().any(|(known, _)| *known == parameter);
        let value = &mut self.values[parameter.0];
        match &value.source {
            Source::Parameter(_) if updated => {
                refuse(&value.name, "it has an update, so it cannot be frozen")
            }
            Source::Parameter(data) => {
                value.source = Source::Constant(Arc::clone(data));
                Ok(())
            }
            _ => refuse(&value.name, "only a parameter can be frozen"),
        }
    }

    /// Makes every parameter without an update a constant.
    pub fn freeze_all(&mut self) {
        let updated: HashSet<usize> = self.updates.iter().map(|(parameter, _)| parameter.0).collect();
        for (i, value) in self.values.iter_mut().enumerate() {
            if let Source::Parameter(data) = &value.source
                && !updated.contains(&i)
            {
                value.source = Source::Constant(Arc::clone(data));
            }
        }
    }

    /// Marks an input of a node as overwritten.
    pub(crate) fn set_in_place(&mut self, node: usize, input: Option<usize>) {
        self.nodes[node].in_place = input;
    }

    fn push_value(&mut self, name: String, ty: TensorType, source: Source) -> ValueId {
        self.values.push(Value { name, ty, source });
        ValueId(self.values.len() - 1)
    }

    fn check_value(&self, id: ValueId) -> Result<(), GraphError> {
        if id.0 < self.values.len() { Ok(()) } else { Err(GraphError::UnknownValue(id.0, self.values.len())) }
    }

    fn check_name(&self, name: &str) -> Result<(), GraphError> {
        if self.names.contains_key(name) { Err(GraphError::DuplicateName(name.to_owned())) } else { Ok(()) }
    }

    fn check_size(&self, operator: &'static str, ty: &TensorType) -> Result<(), GraphError> {
        if ty.fits() {
            return Ok(());
        }
        let error = OpError::TooLarge(ty.clone());
        Err(GraphError::Operator { node: operator.to_owned(), operator, error })
    }
}

impl std::fmt::Display for Graph {
    /// One line for every input, parameter, node, output and update.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |id: &ValueId| self.value(*id).name.as_str();
        let list = |ids: &[ValueId]| ids.iter().map(named).collect::<Vec<_>>().join(", ");
        for id in &self.inputs {
            writeln!(f, "input {}: {}", named(id), self.ty(*id))?;
        }
        for (id, name, _) in self.parameters() {
            writeln!(f, "parameter {name}: {}", self.ty(id))?;
        }
        for node in &self.nodes {
            let types =
                self.types(&node.outputs).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            write!(f, "{} = {}({}): {types}", list(&node.outputs), node.op.name(), list(&node.inputs))?;
            match node.in_place.and_then(|i| node.inputs.get(i)) {
                Some(input) => writeln!(f, ", in place of {}", named(input))?,
                None => writeln!(f)?,
            }
        }
        for (name, id) in &self.outputs {
            writeln!(f, "output {name} = {}", named(id))?;
        }
        for (parameter, id) in &self.updates {
            writeln!(f, "update {} = {}", named(parameter), named(id))?;
        }
        Ok(())
    }
}
