//! Runs a graph on a planned arena. A run allocates nothing.

use std::collections::HashMap;

use ounce_kernels::{Buffer, Team, ThreadPool};

use super::carve::{Gaps, Location, Region};
use super::reference::check_type;
use crate::error::GraphError;
use crate::graph::{Graph, Node, Source, ValueId};
use crate::io::Io;
use crate::ops::Op;
use crate::plan::{MemoryPlan, Place};
use crate::tensor::{Slice, SliceMut, Tensor};
use crate::types::TensorType;

/// The most inputs of a node.
pub const MAX_INPUTS: usize = 16;
/// The most outputs of a node.
pub const MAX_OUTPUTS: usize = 4;

/// A graph with its memory, ready to run.
#[derive(Debug)]
pub struct Executor {
    steps: Vec<Step>,
    arena: Buffer<u64>,
    parameters: Buffer<u64>,
    constants: Buffer<u64>,
    scratch: Buffer<f32>,
    /// Parameters that are not updated in place: what is copied to where after a run.
    copies: Vec<(Location, Location)>,
    named: [HashMap<String, (TensorType, Location)>; 3],
}

/// What a name is of.
#[derive(Clone, Copy)]
enum Kind {
    Input,
    Output,
    Parameter,
}

impl Kind {
    fn name(self) -> &'static str {
        ["input", "output", "parameter"][self as usize]
    }
}

#[derive(Debug)]
struct Step {
    op: Op,
    inputs: Vec<Location>,
    outputs: Vec<Location>,
    /// Outputs in ascending order of offset.
    order: Vec<usize>,
    input_types: Vec<TensorType>,
    output_types: Vec<TensorType>,
}

fn words(bytes: usize) -> Buffer<u64> {
    Buffer::zeroed(bytes.div_ceil(8))
}

impl Executor {
    /// Prepares a graph. Parameters start from their first values.
    ///
    /// # Errors
    /// If the plan is not one of this graph, or a node has too many inputs.
    pub fn new(graph: &Graph, plan: &MemoryPlan) -> Result<Self, GraphError> {
        let layout = Layout::new(graph, plan)?;
        let mut executor = Self {
            steps: Vec::with_capacity(graph.nodes().len()),
            arena: words(plan.arena_bytes),
            parameters: words(layout.parameter_bytes),
            constants: words(layout.constant_bytes),
            scratch: Buffer::zeroed(0),
            copies: Vec::new(),
            named: Default::default(),
        };
        let mut scratch = 0;
        let computes =
            |node: &&Node| !node.op.is_view() && node.outputs.iter().any(|id| graph.ty(*id).elements() > 0);
        for node in graph.nodes().iter().filter(computes) {
            let step = layout.step(node)?;
            scratch = scratch.max(step.op.scratch(&step.input_types, &step.output_types));
            executor.steps.push(step);
        }
        executor.scratch = Buffer::zeroed(scratch);
        for (i, value) in graph.values().iter().enumerate() {
            let id = ValueId(i);
            let (memory, data) = match &value.source {
                Source::Parameter(data) => (&mut executor.parameters, data),
                Source::Constant(data) => (&mut executor.constants, data),
                _ => continue,
            };
            let location = layout.location(id)?;
            let memory: &mut [u8] = bytemuck::cast_slice_mut(memory);
            memory[location.offset..location.offset + location.bytes].copy_from_slice(data.as_bytes());
        }
        for (parameter, value) in graph.updates() {
            let (to, from) = (layout.location(*parameter)?, layout.location(*value)?);
            if from != to {
                executor.copies.push((from, to));
            }
        }
        let inputs = graph.inputs().iter().map(|id| (Kind::Input, graph.value(*id).name.as_str(), *id));
        let outputs = graph.outputs().iter().map(|(name, id)| (Kind::Output, name.as_str(), *id));
        let parameters = graph.parameters().map(|(id, name, _)| (Kind::Parameter, name, id));
        for (kind, name, id) in inputs.chain(outputs).chain(parameters) {
            let entry = (graph.ty(id).clone(), layout.location(id)?);
            executor.named[kind as usize].insert(name.to_owned(), entry);
        }
        Ok(executor)
    }

    /// Gives an input for the next run. Its memory may be reused during a run, so every run needs all inputs again.
    ///
    /// # Errors
    /// If there is no such input or the data has another type.
    pub fn set_input(&mut self, name: &str, data: &Tensor) -> Result<(), GraphError> {
        self.write(Kind::Input, name, data)
    }

    /// The memory of an input, to be filled for the next run.
    ///
    /// # Errors
    /// If there is no such input.
    pub fn input_slice_mut(&mut self, name: &str) -> Result<SliceMut<'_>, GraphError> {
        let (_, location) = self.find(Kind::Input, name)?;
        let location = *location;
        Ok(location.write(self.memory_mut(location.region)))
    }

    /// Replaces a parameter.
    ///
    /// # Errors
    /// If there is no such parameter or the data has another type.
    pub fn set_parameter(&mut self, name: &str, data: &Tensor) -> Result<(), GraphError> {
        self.write(Kind::Parameter, name, data)
    }

    /// What the last run gave. An output that is a parameter itself is its value after the run.
    ///
    /// # Errors
    /// If there is no such output.
    pub fn output(&self, name: &str) -> Result<Tensor, GraphError> {
        self.tensor(Kind::Output, name)
    }

    /// What the last run gave, where it lies.
    ///
    /// # Errors
    /// If there is no such output.
    pub fn output_slice(&self, name: &str) -> Result<Slice<'_>, GraphError> {
        let (_, location) = self.find(Kind::Output, name)?;
        Ok(location.read(self.memory(location.region)))
    }

    /// A parameter's present value.
    ///
    /// # Errors
    /// If there is no such parameter.
    pub fn parameter(&self, name: &str) -> Result<Tensor, GraphError> {
        self.tensor(Kind::Parameter, name)
    }

    /// The names of all parameters, sorted.
    pub fn parameter_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.named[Kind::Parameter as usize].keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Runs all nodes on the threads of a pool, then replaces the parameters that have updates.
    pub fn run(&mut self, pool: &mut ThreadPool) {
        pool.region(|team| (0..self.steps.len()).for_each(|step| self.run_step(team, step)));
        for (from, to) in &self.copies {
            let parameters: &mut [u8] = bytemuck::cast_slice_mut(&mut self.parameters);
            let range = from.offset..from.offset + from.bytes;
            match from.region {
                Region::Arena => {
                    let arena: &[u8] = bytemuck::cast_slice(&self.arena);
                    parameters[to.offset..to.offset + to.bytes].copy_from_slice(&arena[range]);
                }
                Region::Parameters => parameters.copy_within(range, to.offset),
                Region::Constants => {
                    let constants: &[u8] = bytemuck::cast_slice(&self.constants);
                    parameters[to.offset..to.offset + to.bytes].copy_from_slice(&constants[range]);
                }
            }
        }
    }

    /// The nodes that a run executes, views and empty results left out: each with its operator.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = &Op> {
        self.steps.iter().map(|step| &step.op)
    }

    /// Runs as [`Executor::run`] does, telling `observe` after each of [`Executor::steps`], for measuring.
    pub fn run_observed(&mut self, pool: &mut ThreadPool, mut observe: impl FnMut(usize)) {
        pool.region(|team| {
            for step in 0..self.steps.len() {
                self.run_step(team, step);
                observe(step);
            }
        });
    }

    fn run_step(&mut self, team: &mut Team<'_>, step: usize) {
        let step = &self.steps[step];
        let mut outputs = [const { SliceMut::Taken }; MAX_OUTPUTS];
        let outputs = &mut outputs[..step.outputs.len()];
        let located = || step.order.iter().map(|o| (*o, step.outputs[*o]));
        let arena = bytemuck::cast_slice_mut(&mut self.arena);
        let arena: Gaps<'_, { MAX_OUTPUTS + 1 }> = Gaps::carve(arena, Region::Arena, located(), outputs);
        let parameters = bytemuck::cast_slice_mut(&mut self.parameters);
        let parameters: Gaps<'_, { MAX_OUTPUTS + 1 }> =
            Gaps::carve(parameters, Region::Parameters, located(), outputs);
        let mut inputs = [Slice::Overwritten; MAX_INPUTS];
        for (slice, location) in inputs.iter_mut().zip(&step.inputs) {
            *slice = match location.region {
                Region::Arena => arena.read(location),
                Region::Parameters => parameters.read(location),
                Region::Constants => location.read(bytemuck::cast_slice(&self.constants)),
            };
        }
        let inputs = &inputs[..step.inputs.len()];
        let mut io = Io::new(inputs, &step.input_types, outputs, &step.output_types);
        step.op.execute(team, &mut self.scratch, &mut io);
    }

    fn memory(&self, region: Region) -> &[u8] {
        bytemuck::cast_slice(match region {
            Region::Arena => &self.arena,
            Region::Parameters => &self.parameters,
            Region::Constants => &self.constants,
        })
    }

    fn memory_mut(&mut self, region: Region) -> &mut [u8] {
        bytemuck::cast_slice_mut(match region {
            Region::Arena => &mut self.arena,
            Region::Parameters => &mut self.parameters,
            Region::Constants => &mut self.constants,
        })
    }

    fn find(&self, kind: Kind, name: &str) -> Result<&(TensorType, Location), GraphError> {
        let named = &self.named[kind as usize];
        named.get(name).ok_or_else(|| {
            let mut known: Vec<&str> = named.keys().map(String::as_str).collect();
            known.sort_unstable();
            GraphError::UnknownName { kind: kind.name(), name: name.to_owned(), known: known.join(", ") }
        })
    }

    fn tensor(&self, kind: Kind, name: &str) -> Result<Tensor, GraphError> {
        let (ty, location) = self.find(kind, name)?;
        let memory = self.memory(location.region);
        Tensor::from_bytes(ty, &memory[location.offset..location.offset + location.bytes])
    }

    fn write(&mut self, kind: Kind, name: &str, data: &Tensor) -> Result<(), GraphError> {
        let (ty, location) = self.find(kind, name)?;
        check_type(name, ty, data)?;
        let location = *location;
        let memory = self.memory_mut(location.region);
        memory[location.offset..location.offset + location.bytes].copy_from_slice(data.as_bytes());
        Ok(())
    }
}

/// Places of values in the three regions.
struct Layout<'a> {
    graph: &'a Graph,
    plan: &'a MemoryPlan,
    /// Of every parameter and constant.
    offsets: Vec<usize>,
    parameter_bytes: usize,
    constant_bytes: usize,
}

impl<'a> Layout<'a> {
    fn new(graph: &'a Graph, plan: &'a MemoryPlan) -> Result<Self, GraphError> {
        let fits = plan.places.len() == graph.values().len() && plan.steps == graph.nodes().len();
        if !fits {
            return Err(GraphError::Plan("it was made for a graph of another size".to_owned()));
        }
        let mut layout =
            Self { graph, plan, offsets: vec![0; plan.places.len()], parameter_bytes: 0, constant_bytes: 0 };
        for (value, offset) in graph.values().iter().zip(&mut layout.offsets) {
            let end = match value.source {
                Source::Parameter(_) => &mut layout.parameter_bytes,
                Source::Constant(_) => &mut layout.constant_bytes,
                _ => continue,
            };
            *offset = *end;
            *end += value.ty.bytes().next_multiple_of(64);
        }
        Ok(layout)
    }

    fn location(&self, id: ValueId) -> Result<Location, GraphError> {
        let ty = self.graph.ty(id);
        let wrong = |why: &str| Err(GraphError::Plan(format!("value {:?} {why}", self.graph.value(id).name)));
        let (region, offset, room) = match self.plan.place(id) {
            Some(Place::Arena { offset, .. }) => (Region::Arena, offset, self.plan.arena_bytes),
            Some(Place::Parameter(root)) => (Region::Parameters, self.offsets[root.0], self.parameter_bytes),
            Some(Place::Constant(root)) => (Region::Constants, self.offsets[root.0], self.constant_bytes),
            None => return wrong("has no place"),
        };
        let bytes = ty.bytes();
        if offset % 4 != 0 || offset > room || bytes > room - offset {
            return wrong("does not lie inside its memory");
        }
        Ok(Location { region, offset, bytes, dtype: ty.dtype })
    }

    fn step(&self, node: &Node) -> Result<Step, GraphError> {
        for (found, limit) in [(node.inputs.len(), MAX_INPUTS), (node.outputs.len(), MAX_OUTPUTS)] {
            if found > limit {
                return Err(GraphError::TooManyInputs { node: node.name.clone(), found, limit });
            }
        }
        let locate = |ids: &[ValueId]| ids.iter().map(|id| self.location(*id)).collect::<Result<Vec<_>, _>>();
        let (inputs, outputs) = (locate(&node.inputs)?, locate(&node.outputs)?);
        for (o, output) in outputs.iter().enumerate() {
            let shared = |i: usize| o == 0 && node.in_place == Some(i) && inputs[i] == *output;
            let clash = (0..inputs.len()).any(|i| inputs[i].overlaps(output) && !shared(i))
                || outputs[..o].iter().any(|earlier| earlier.overlaps(output))
                || output.region == Region::Constants;
            if clash {
                return Err(GraphError::Plan(format!("node {:?} would overwrite what it reads", node.name)));
            }
        }
        let mut order: Vec<usize> = (0..outputs.len()).collect();
        order.sort_by_key(|o| (outputs[*o].region, outputs[*o].offset, outputs[*o].bytes));
        Ok(Step {
            op: node.op.clone(),
            inputs,
            outputs,
            order,
            input_types: self.graph.types(&node.inputs),
            output_types: self.graph.types(&node.outputs),
        })
    }
}
