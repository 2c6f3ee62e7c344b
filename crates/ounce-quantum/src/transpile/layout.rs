//! Where the qubits of a circuit start.

use super::coupling::Graph;
use super::routing::{Order, Routed, route};
use crate::circuit::Instruction;
use ounce_random::Pcg32;

/// Steps of the search for places without swaps.
const STEPS: usize = 100_000;

/// The best of several starts: that without swaps, if there is one that is found soon, the trivial one, and random ones, each improved by routing the
/// circuit back and forth; `cost` says what a routed circuit costs. `None` if the circuit has more qubits than are connected.
pub(super) fn search(
    instructions: &[Instruction],
    qubits: usize,
    graph: &Graph,
    (trials, seed): (usize, u64),
    cost: impl Fn(&Routed) -> usize,
) -> Option<(Vec<usize>, Routed)> {
    let forward = Order::new(instructions.iter(), qubits);
    let backward = Order::new(instructions.iter().rev(), qubits);
    let mut random = Pcg32::new(seed);
    let part = graph.largest_part();
    if part.len() < qubits {
        return None;
    }
    if let Some(places) = embedding(instructions, qubits, graph, &part) {
        let routed = route(&forward, graph, &places, &mut random)?;
        return Some((places, routed));
    }
    let mut best = None;
    let mut least = usize::MAX;
    for trial in 0..trials.max(1) {
        let mut order = part.clone();
        if trial > 0 {
            random.shuffle(&mut order);
        }
        let mut places = order[..qubits].to_vec();
        for _ in 0..2 {
            places = route(&forward, graph, &places, &mut random)?.last;
            places = route(&backward, graph, &places, &mut random)?.last;
        }
        let routed = route(&forward, graph, &places, &mut random)?;
        let own = cost(&routed);
        if own < least {
            least = own;
            best = Some((places, routed));
        }
    }
    best
}

/// Places at which all pairs of the circuit are coupled, by backtracking within [`STEPS`].
fn embedding(
    instructions: &[Instruction],
    qubits: usize,
    graph: &Graph,
    part: &[usize],
) -> Option<Vec<usize>> {
    let mut partners = vec![Vec::new(); qubits];
    for instruction in instructions {
        if let Instruction::Gate(operation) = instruction
            && let [a, b] = operation.qubits[..]
        {
            partners[a].push(b);
            partners[b].push(a);
        }
    }
    for list in &mut partners {
        list.sort_unstable();
        list.dedup();
    }
    // Each qubit after one that it meets, where there is one.
    let mut order: Vec<usize> = Vec::with_capacity(qubits);
    while order.len() < qubits {
        let met = |qubit: usize| partners[qubit].iter().filter(|own| order.contains(own)).count();
        let rest = (0..qubits).filter(|qubit| !order.contains(qubit));
        order.extend(rest.max_by_key(|&qubit| (met(qubit), partners[qubit].len())));
    }
    let mut places = vec![usize::MAX; qubits];
    let mut taken = vec![false; graph.qubits()];
    // For each qubit in order, how many candidates were tried.
    let mut tried = vec![0; qubits + 1];
    let mut depth = 0;
    for _ in 0..STEPS {
        let Some(&qubit) = order.get(depth) else { return Some(places) };
        let anchor = partners[qubit].iter().find(|own| places[**own] != usize::MAX);
        let candidates = anchor.map_or(part, |own| &graph.neighbours[places[*own]]);
        match candidates.get(tried[depth]) {
            Some(&place) => {
                tried[depth] += 1;
                let fits =
                    |own: &usize| places[*own] == usize::MAX || graph.distance(places[*own], place) == 1;
                if !taken[place] && partners[qubit].iter().all(fits) {
                    places[qubit] = place;
                    taken[place] = true;
                    depth += 1;
                    tried[depth] = 0;
                }
            }
            None => {
                depth = depth.checked_sub(1)?;
                let last = order[depth];
                taken[places[last]] = false;
                places[last] = usize::MAX;
            }
        }
    }
    None
}
