//! Which values share memory, and for how long each piece is needed.

use crate::graph::{Graph, Source, ValueId};

/// Where a value lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In the arena.
    Arena {
        /// Which of [`MemoryPlan::buffers`](super::MemoryPlan::buffers).
        buffer: usize,
        /// Bytes from the arena's start.
        offset: usize,
    },
    /// In a parameter: the parameter itself, a view of it, or what replaces it in place.
    Parameter(ValueId),
    /// In a constant.
    Constant(ValueId),
}

/// A piece of the arena.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// The value that begins it.
    pub value: ValueId,
    /// That value's name.
    pub name: String,
    /// Bytes, rounded up to the alignment.
    pub bytes: usize,
    /// The first step at which it is needed.
    pub birth: usize,
    /// The last, included.
    pub death: usize,
    /// Bytes from the arena's start.
    pub offset: usize,
}

impl Buffer {
    /// Whether both are needed at the same time.
    pub fn overlaps(&self, other: &Buffer) -> bool {
        self.birth <= other.death && other.birth <= self.death
    }
}

/// For every value, the one that began its memory.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    root: Vec<ValueId>,
}

impl Storage {
    /// Every value in memory of its own.
    pub(crate) fn new(graph: &Graph) -> Self {
        Self { root: (0..graph.values().len()).map(ValueId).collect() }
    }

    /// With views and nodes that are marked in place sharing.
    pub(crate) fn of_marked(graph: &Graph) -> Self {
        let mut storage = Self::new(graph);
        for node in graph.nodes() {
            let shared = if node.op.is_view() { Some(0) } else { node.in_place };
            if let Some(input) = shared.and_then(|i| node.inputs.get(i)) {
                storage.join(node.outputs[0], storage.root(*input));
            }
        }
        storage
    }

    /// The value that began a value's memory.
    pub(crate) fn root(&self, id: ValueId) -> ValueId {
        self.root[id.0]
    }

    /// Lets a value lie where `root` lies.
    pub(crate) fn join(&mut self, id: ValueId, root: ValueId) {
        self.root[id.0] = root;
    }

    /// The pieces of the arena, none placed yet, and for every value that begins one its number.
    pub(crate) fn buffers(&mut self, graph: &Graph, alignment: usize) -> (Vec<Buffer>, Vec<Option<usize>>) {
        let values = graph.values().len();
        let mut span: Vec<Option<(usize, usize)>> = vec![None; values];
        let mut touch = |root: ValueId, at: usize| {
            let (birth, death) = span[root.0].get_or_insert((at, at));
            (*birth, *death) = ((*birth).min(at), (*death).max(at));
        };
        for (i, node) in graph.nodes().iter().enumerate() {
            node.inputs.iter().chain(&node.outputs).for_each(|id| touch(self.root(*id), i));
        }
        let end = graph.nodes().len().saturating_sub(1);
        graph.inputs().iter().for_each(|id| touch(*id, 0));
        graph.outputs().iter().for_each(|(_, id)| touch(self.root(*id), end));
        graph.updates().iter().for_each(|(_, id)| touch(self.root(*id), end));
        let mut owner = vec![None; values];
        let mut buffers = Vec::new();
        for (i, value) in graph.values().iter().enumerate() {
            let in_arena = matches!(value.source, Source::Input | Source::Node { .. });
            if let (Some((birth, death)), true) = (span[i], in_arena) {
                owner[i] = Some(buffers.len());
                let bytes = value.ty.bytes().next_multiple_of(alignment);
                let name = value.name.clone();
                buffers.push(Buffer { value: ValueId(i), name, bytes, birth, death, offset: 0 });
            }
        }
        (buffers, owner)
    }

    /// Where a value lies; the offset is still to come.
    pub(crate) fn place(&self, graph: &Graph, id: ValueId, owner: &[Option<usize>]) -> Option<Place> {
        let root = self.root(id);
        match graph.value(root).source {
            Source::Parameter(_) => Some(Place::Parameter(root)),
            Source::Constant(_) => Some(Place::Constant(root)),
            _ => owner[root.0].map(|buffer| Place::Arena { buffer, offset: 0 }),
        }
    }
}

/// The most bytes of buffers that are needed at one step.
pub(crate) fn peak(buffers: &[Buffer], steps: usize) -> usize {
    let mut change = vec![0i64; steps + 2];
    for buffer in buffers {
        change[buffer.birth] += buffer.bytes as i64;
        change[buffer.death + 1] -= buffer.bytes as i64;
    }
    let mut alive = 0;
    let peak = change.iter().map(|change| {
        alive += change;
        alive
    });
    peak.max().unwrap_or(0).max(0) as usize
}

/// The most bytes that are alive together in a marked graph.
pub(crate) fn live_peak(graph: &Graph) -> usize {
    let (buffers, _) = Storage::of_marked(graph).buffers(graph, 4);
    peak(&buffers, graph.nodes().len())
}
