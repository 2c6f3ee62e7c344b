//! Where the slots of a function lie in the arena.

use ounce_graph::PlanOptions;
use ounce_graph::plan::{Packing, Picture, Piece, Span, first_fit, pack_groups};

use super::program::{Access, Function, Slot};

/// Offsets of a function's slots and scratch.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Of every slot.
    pub(crate) offsets: Vec<usize>,
    /// Of every statement's scratch.
    pub(crate) scratch: Vec<usize>,
    /// For every statement, which of its shares was taken.
    pub(crate) shared: Vec<Option<usize>>,
    /// Bytes of the arena.
    pub(crate) bytes: usize,
    /// The most bytes that are needed together.
    pub(crate) lower_bound: usize,
    /// What lies where, a group of spans for every piece of memory.
    groups: Vec<Vec<Span>>,
    /// Where the groups lie.
    packed: Vec<usize>,
}

impl Layout {
    /// The arena over time. Every piece is named for the node that writes it first.
    pub(crate) fn picture(&self, function: &Function) -> Picture {
        let name = |span: &Span| function.statements.get(span.birth).map_or("", |statement| &statement.node);
        let piece = |(span, offset): (&Span, &usize)| Piece {
            name: name(span).to_owned(),
            bytes: span.bytes,
            birth: span.birth,
            death: span.death,
            offset: *offset,
        };
        let placed = self.groups.iter().zip(&self.packed);
        let spans = placed.flat_map(|(group, offset)| group.iter().map(move |span| (span, offset)));
        Picture {
            pieces: spans.filter(|(span, _)| span.bytes > 0).map(piece).collect(),
            arena_bytes: self.bytes,
            lower_bound: self.lower_bound,
            steps: function.statements.len() + 1,
        }
    }

    /// The arena of a simpler packing, see [`first_fit`].
    pub(crate) fn first_fit(&self) -> usize {
        first_fit(&self.groups)
    }
}

/// First and last statement at which a slot is needed.
fn lifetimes(function: &Function) -> Vec<(usize, usize)> {
    let mut lives = vec![(usize::MAX, 0); function.slots.len()];
    let mut touch = |slot: Slot, at: usize| {
        let life = &mut lives[slot.0];
        *life = (life.0.min(at), life.1.max(at));
    };
    for (at, statement) in function.statements.iter().enumerate() {
        statement.operands.iter().for_each(|operand| touch(operand.slot, at));
    }
    let end = function.statements.len();
    function.inputs.iter().filter_map(|(_, slot)| *slot).for_each(|slot| touch(slot, 0));
    function.outputs.iter().filter_map(|(_, slot)| *slot).for_each(|slot| touch(slot, end));
    lives
}

/// Places everything. Sizes and offsets are multiples of 8.
pub(crate) fn place(function: &Function, options: &PlanOptions) -> Layout {
    let lives = lifetimes(function);
    let bytes = |slot: usize| function.slots[slot].next_multiple_of(8).max(8);
    let mut group: Vec<Option<usize>> = vec![None; function.slots.len()];
    let mut groups: Vec<Vec<Span>> = Vec::new();
    let mut shared = Vec::new();
    let join = |slot: usize, of: Option<usize>, groups: &mut Vec<Vec<Span>>| {
        let (birth, death) = lives[slot];
        let span = Span { bytes: bytes(slot), birth, death };
        let at = of.unwrap_or(groups.len());
        if at == groups.len() {
            groups.push(Vec::new());
        }
        groups[at].push(span);
        at
    };
    for input in function.inputs.iter().filter_map(|(_, slot)| *slot) {
        group[input.0] = Some(join(input.0, None, &mut groups));
    }
    for (at, statement) in function.statements.iter().enumerate() {
        let reads = |slot: Slot| {
            statement.operands.iter().filter(|o| o.slot == slot && o.access == Access::Read).count()
        };
        let taken = statement.shares.iter().position(|share| {
            lives[share.read.0].1 == at && reads(share.read) == 1 && group[share.write.0].is_none()
        });
        shared.push(taken);
        if let Some(share) = taken.and_then(|taken| statement.shares.get(taken)) {
            group[share.write.0] = Some(join(share.write.0, group[share.read.0], &mut groups));
        }
        for operand in &statement.operands {
            if group[operand.slot.0].is_none() {
                group[operand.slot.0] = Some(join(operand.slot.0, None, &mut groups));
            }
        }
    }
    let first_scratch = groups.len();
    for (at, statement) in function.statements.iter().enumerate() {
        groups.push(vec![Span { bytes: statement.scratch.next_multiple_of(8), birth: at, death: at }]);
    }
    let Packing { offsets, bytes, lower_bound } = pack_groups(&groups, options);
    Layout {
        offsets: group.iter().map(|group| group.map_or(0, |group| offsets[group])).collect(),
        scratch: offsets[first_scratch..].to_vec(),
        shared,
        bytes,
        lower_bound,
        groups,
        packed: offsets,
    }
}
