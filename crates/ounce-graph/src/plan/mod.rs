//! The memory planner: which values share memory, how long each piece is needed, and where it lies in one arena.

mod pack;
mod storage;
mod svg;

pub use pack::{Packing, Span, first_fit, pack_groups};
pub use storage::{Buffer, Place};
pub(crate) use storage::{Storage, live_peak};
pub use svg::{Picture, Piece};

use crate::error::GraphError;
use crate::graph::{Graph, ValueId};

/// How hard to look for a small arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanOptions {
    /// Offsets and sizes are multiples of this, a power of two of at least 4.
    pub alignment: usize,
    /// Packings that the search tries. It ends earlier when the lower bound is reached.
    pub iterations: usize,
    /// Of the search.
    pub seed: u64,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self { alignment: 64, iterations: 4000, seed: 0 }
    }
}

/// Where every value of a graph lies.
#[derive(Clone, PartialEq, Debug)]
pub struct MemoryPlan {
    /// The place of every value, `None` for values that no node computes or reads.
    pub places: Vec<Option<Place>>,
    /// The pieces of the arena.
    pub buffers: Vec<Buffer>,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// The most bytes that are alive together: no packing of this graph in this order is smaller.
    pub lower_bound: usize,
    /// Bytes of parameters.
    pub parameter_bytes: usize,
    /// Bytes of constants.
    pub constant_bytes: usize,
    /// Nodes of the graph, the length of the time axis.
    pub steps: usize,
}

impl MemoryPlan {
    /// What the packing loses against the lower bound, as a fraction of it.
    pub fn gap(&self) -> f64 {
        if self.lower_bound == 0 { 0.0 } else { self.arena_bytes as f64 / self.lower_bound as f64 - 1.0 }
    }

    /// Where a value lies.
    pub fn place(&self, id: ValueId) -> Option<Place> {
        self.places.get(id.index()).copied().flatten()
    }

    /// A picture of the arena over time: steps from left to right, offsets from bottom to top, one rectangle for every buffer.
    pub fn svg(&self) -> String {
        let piece = |buffer: &Buffer| {
            let Buffer { name, bytes, birth, death, offset, .. } = buffer.clone();
            Piece { name, bytes, birth, death, offset }
        };
        Picture {
            pieces: self.buffers.iter().map(piece).collect(),
            arena_bytes: self.arena_bytes,
            lower_bound: self.lower_bound,
            steps: self.steps,
        }
        .svg()
    }
}

/// Plans the memory of a graph whose nodes run in order. Values share memory where a node is a view or marked
/// [in place](crate::passes::in_place); the rest is packed by several orders and a local search.
///
/// # Errors
/// If the alignment is not a power of two of at least 4, or sizes overflow.
pub fn plan(graph: &Graph, options: &PlanOptions) -> Result<MemoryPlan, GraphError> {
    let alignment = options.alignment;
    if !alignment.is_power_of_two() || alignment < 4 {
        return Err(GraphError::Plan(format!(
            "an alignment of {alignment} is no power of two of at least 4"
        )));
    }
    let mut storage = Storage::of_marked(graph);
    let (mut buffers, owner) = storage.buffers(graph, alignment);
    let total = buffers.iter().try_fold(0usize, |sum, buffer| sum.checked_add(buffer.bytes));
    if total.is_none_or(|total| total > isize::MAX as usize) {
        return Err(GraphError::Plan("all values together are too large to address".to_owned()));
    }
    let lower_bound = storage::peak(&buffers, graph.nodes().len());
    let span = |buffer: &Buffer| Span { bytes: buffer.bytes, birth: buffer.birth, death: buffer.death };
    let groups: Vec<Vec<Span>> = buffers.iter().map(|buffer| vec![span(buffer)]).collect();
    let (arena_bytes, offsets) = pack::pack(&groups, lower_bound, options);
    buffers.iter_mut().zip(offsets).for_each(|(buffer, offset)| buffer.offset = offset);
    let mut places = vec![None; graph.values().len()];
    for (i, place) in places.iter_mut().enumerate() {
        *place = storage.place(graph, ValueId(i), &owner).map(|place| match place {
            Place::Arena { buffer, .. } => Place::Arena { buffer, offset: buffers[buffer].offset },
            other => other,
        });
    }
    let region = |parameters: bool| {
        let values = graph.values().iter().filter(|value| match value.source {
            crate::Source::Parameter(_) => parameters,
            crate::Source::Constant(_) => !parameters,
            _ => false,
        });
        values.map(|value| value.ty.bytes()).sum()
    };
    Ok(MemoryPlan {
        places,
        buffers,
        arena_bytes,
        lower_bound,
        parameter_bytes: region(true),
        constant_bytes: region(false),
        steps: graph.nodes().len(),
    })
}
