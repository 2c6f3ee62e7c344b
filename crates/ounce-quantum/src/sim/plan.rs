//! Which gates are done in which pass over memory.

use super::node::Node;

/// The gates of one pass, in an order that may differ from that of the circuit where they commute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pass {
    /// Qubits whose amplitudes a tile holds, ascending, without those in lanes.
    pub(super) tile: Vec<usize>,
    /// Numbers of nodes.
    pub(super) nodes: Vec<usize>,
}

/// How large tiles are.
#[derive(Clone, Copy, Debug)]
pub(super) struct TileSize {
    /// Qubits of the state; at least those in lanes.
    pub(super) qubits: usize,
    /// Qubits that lie in lanes.
    pub(super) lanes: usize,
    /// The lowest qubits beyond lanes that are in every tile, so that rows which follow one another in memory are moved together.
    pub(super) chunk: usize,
    /// Qubits of a tile, with those in lanes. A gate that mixes more gets a tile of its own size.
    pub(super) tile: usize,
}

/// Qubits beyond lanes that a block may mix.
const BLOCK: usize = 3;

/// Divides nodes into passes. Each pass takes, in order, every node that fits its tile and does not wait for one that does not; `mixed` gives the qubits that must
/// be in the tile for a node.
pub(super) fn passes(nodes: &[Node], size: TileSize, mixed: impl Fn(&Node) -> u64) -> Vec<Pass> {
    passes_of(nodes, (0..nodes.len()).collect(), size, mixed)
}

/// As [`passes`] for some of the nodes, given by number in the order in which they are to be done.
fn passes_of(
    nodes: &[Node],
    mut waiting: Vec<usize>,
    size: TileSize,
    mixed: impl Fn(&Node) -> u64,
) -> Vec<Pass> {
    let below = |count: usize| if count >= 64 { u64::MAX } else { (1u64 << count) - 1 };
    let all = below(size.qubits.max(size.lanes));
    let always = below((size.lanes + size.chunk).min(size.qubits.max(size.lanes)));
    let masks: Vec<(u64, u64, u64)> =
        nodes.iter().map(|node| (node.mixed(), node.diagonal(), mixed(node))).collect();
    let mut passes = Vec::new();
    while let Some(&first) = waiting.first() {
        // The first node is always taken.
        let mut held = always | masks[first].2;
        let capacity = (size.tile as u32).max(held.count_ones());
        // Qubits on which nothing, or nothing but what is diagonal, may go ahead of nodes that wait.
        let (mut blocked, mut diagonal_only) = (0u64, 0u64);
        let mut taken = Vec::new();
        let mut rest = Vec::new();
        let mut left = waiting.iter();
        for &index in left.by_ref() {
            let (mixed, diagonal, needed) = masks[index];
            let free = mixed & (blocked | diagonal_only) == 0 && diagonal & blocked == 0;
            if free && (held | needed).count_ones() <= capacity {
                held |= needed;
                taken.push(index);
            } else {
                blocked |= mixed;
                diagonal_only |= diagonal;
                rest.push(index);
                if blocked & all == all {
                    break;
                }
            }
        }
        rest.extend(left);
        // Unused places go to the lowest qubits, which makes longer runs of rows.
        for qubit in 0..size.qubits {
            if held.count_ones() < capacity {
                held |= 1 << qubit;
            }
        }
        let tile = (size.lanes..64).filter(|qubit| held >> qubit & 1 == 1).collect();
        passes.push(Pass { tile, nodes: taken });
        waiting = rest;
    }
    passes
}

impl Pass {
    /// The pass in blocks, whose tiles are the few qubits beyond lanes that a block's nodes mix: what can be done on rows while they are in registers.
    pub(super) fn blocks(&self, nodes: &[Node], size: TileSize) -> Vec<Self> {
        let small = TileSize { chunk: 0, tile: size.lanes + BLOCK, ..size };
        let mut blocks = passes_of(nodes, self.nodes.clone(), small, Node::mixed);
        for block in &mut blocks {
            let mixed = block.nodes.iter().fold(0, |mask, &node| mask | nodes[node].mixed());
            block.tile.retain(|qubit| mixed >> qubit & 1 == 1);
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Circuit, CircuitError};
    use crate::gate::Standard;

    #[test]
    fn gates_keep_their_order_unless_they_commute() -> Result<(), CircuitError> {
        let mut circuit = Circuit::new(12);
        for qubit in 0..12 {
            circuit.apply(Standard::H, &[qubit])?;
        }
        for qubit in 0..12 {
            circuit.cx(qubit, (qubit + 1) % 12)?.push(Standard::Rz, &[qubit], [0.1])?;
        }
        let nodes = Node::all(&circuit);
        let size = TileSize { qubits: 12, lanes: 2, chunk: 1, tile: 6 };
        let passes = passes(&nodes, size, Node::mixed);
        assert!(passes.len() > 1);
        let order: Vec<usize> = passes.iter().flat_map(|pass| pass.nodes.iter().copied()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..nodes.len()).collect::<Vec<_>>());
        for (at, &later) in order.iter().enumerate() {
            for &earlier in order[..at].iter().filter(|&&earlier| earlier > later) {
                let [a, b] = [&nodes[earlier], &nodes[later]];
                let meet = a.mixed() & (b.mixed() | b.diagonal()) | a.diagonal() & b.mixed();
                assert_eq!(meet, 0, "{a:?} and {b:?} do not commute");
            }
        }
        for pass in &passes {
            assert!(pass.tile.len() <= 4 && pass.tile.contains(&2));
            let held: u64 = pass.tile.iter().map(|&qubit| 1 << qubit).sum::<u64>() | 3;
            assert!(pass.nodes.iter().all(|&node| nodes[node].mixed() & !held == 0));
        }
        Ok(())
    }
}
