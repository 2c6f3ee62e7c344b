//! Copying a graph node by node into a new one, which is how passes change graphs.

use crate::error::GraphError;
use crate::graph::{Graph, Node, Source, ValueId};
use crate::ops::Op;

/// A graph under construction from an old one: which new value stands for each old one.
#[derive(Debug)]
pub struct Rewrite<'a> {
    old: &'a Graph,
    /// The new graph.
    pub graph: Graph,
    map: Vec<Option<ValueId>>,
}

impl<'a> Rewrite<'a> {
    /// Begins with nothing: inputs, parameters and constants come when they are used, unless others stand for them by then.
    pub fn bare(old: &'a Graph) -> Self {
        Self { old, graph: Graph::new(), map: vec![None; old.values().len()] }
    }

    /// Begins with all inputs, all parameters, and no node. Constants come when they are used.
    pub(crate) fn new(old: &'a Graph) -> Result<Self, GraphError> {
        Self::keeping(old, |_| true)
    }

    /// As [`Rewrite::new`], with those parameters only that `keep` says.
    pub(crate) fn keeping(old: &'a Graph, keep: impl Fn(ValueId) -> bool) -> Result<Self, GraphError> {
        let mut rewrite = Self::bare(old);
        for (i, value) in old.values().iter().enumerate() {
            let kept = match &value.source {
                Source::Input => true,
                Source::Parameter(_) => keep(ValueId(i)),
                _ => false,
            };
            if kept {
                rewrite.get(ValueId(i))?;
            }
        }
        Ok(rewrite)
    }

    /// The new value for an old one, whose node has been copied or replaced.
    ///
    /// # Errors
    /// If it has not, or a name is taken.
    pub fn get(&mut self, old: ValueId) -> Result<ValueId, GraphError> {
        if let Some(new) = self.map[old.0] {
            return Ok(new);
        }
        let value = self.old.value(old);
        let new = match &value.source {
            Source::Constant(data) => self.graph.constant(data.clone()),
            Source::Input => self.graph.input(&value.name, value.ty.clone())?,
            Source::Parameter(data) => self.graph.parameter(&value.name, data.clone())?,
            Source::Node { .. } => return Err(GraphError::UnknownValue(old.0, self.map.len())),
        };
        self.map[old.0] = Some(new);
        Ok(new)
    }

    /// Whether there is a new value for an old one, or could be.
    pub(crate) fn has(&self, old: ValueId) -> bool {
        self.map[old.0].is_some() || matches!(self.old.value(old).source, Source::Constant(_))
    }

    /// Lets `new` stand for `old` from now on.
    pub fn set(&mut self, old: ValueId, new: ValueId) {
        self.map[old.0] = Some(new);
    }

    /// Copies a node of the old graph.
    ///
    /// # Errors
    /// As [`Graph::append`].
    pub fn copy(&mut self, node: &Node) -> Result<(), GraphError> {
        self.copy_as(node, node.op.clone(), &node.inputs)
    }

    /// Puts another operator with other (old) inputs in a node's place.
    ///
    /// # Errors
    /// As [`Graph::append`].
    pub fn copy_as(&mut self, node: &Node, op: Op, inputs: &[ValueId]) -> Result<(), GraphError> {
        let inputs = inputs.iter().map(|id| self.get(*id)).collect::<Result<Vec<_>, _>>()?;
        let outputs = self.graph.append(node.name.clone(), op, &inputs)?;
        for (old, new) in node.outputs.iter().zip(outputs) {
            self.set(*old, new);
        }
        Ok(())
    }

    /// The new graph, with the outputs and updates of the old one.
    ///
    /// # Errors
    /// If one of them was left out.
    pub fn finish(mut self) -> Result<Graph, GraphError> {
        let old = self.old;
        for (name, value) in old.outputs() {
            let value = self.get(*value)?;
            self.graph.output(name, value)?;
        }
        for (parameter, value) in old.updates() {
            let (parameter, value) = (self.get(*parameter)?, self.get(*value)?);
            self.graph.update(parameter, value)?;
        }
        Ok(self.graph)
    }
}
