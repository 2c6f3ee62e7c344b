//! Swaps that bring qubits together: SABRE (Li, Ding and Xie 2019).

use super::build::fixed;
use super::cancel::qubits_of;
use super::coupling::Graph;
use crate::circuit::{Instruction, Operation};
use crate::gate::Standard;
use ounce_random::Pcg32;

/// Gates beyond the next ones that are looked at.
const AHEAD: usize = 20;
/// Their weight against the next ones.
const AHEAD_WEIGHT: f64 = 0.5;
/// By how much a qubit that was just swapped is less liked.
const DECAY: f64 = 0.001;
/// Swaps after which that is forgotten.
const FORGET: usize = 5;

/// What must be done before what.
pub(super) struct Order<'i> {
    instructions: Vec<&'i Instruction>,
    followers: Vec<Vec<usize>>,
    waiting: Vec<usize>,
}

impl<'i> Order<'i> {
    /// The order of instructions, on `qubits` qubits.
    pub(super) fn new(instructions: impl Iterator<Item = &'i Instruction>, qubits: usize) -> Self {
        let instructions: Vec<&Instruction> = instructions.collect();
        let mut followers = vec![Vec::new(); instructions.len()];
        let mut waiting = vec![0; instructions.len()];
        let mut last: Vec<Option<usize>> = vec![None; qubits];
        let mut last_of_bit = std::collections::HashMap::new();
        for (index, instruction) in instructions.iter().enumerate() {
            let mut before: Vec<usize> =
                qubits_of(instruction).iter().filter_map(|&qubit| last[qubit].replace(index)).collect();
            if let Instruction::Measure { bit, .. } = instruction {
                before.extend(last_of_bit.insert(*bit, index));
            }
            before.sort_unstable();
            before.dedup();
            waiting[index] = before.len();
            before.into_iter().for_each(|own| followers[own].push(index));
        }
        Self { instructions, followers, waiting }
    }
}

/// A circuit on physical qubits.
pub(super) struct Routed {
    pub(super) instructions: Vec<Instruction>,
    /// Physical qubits of the circuit's qubits at the end.
    pub(super) last: Vec<usize>,
    pub(super) swaps: usize,
}

struct Router<'r, 'i> {
    order: &'r Order<'i>,
    graph: &'r Graph,
    /// Physical qubits of those of the circuit, and the other way round.
    places: Vec<usize>,
    held: Vec<Option<usize>>,
    waiting: Vec<usize>,
    front: Vec<usize>,
    decay: Vec<f64>,
    routed: Vec<Instruction>,
    /// Measurements after which nothing is done with the qubit; they come last, so that they find it where it ends.
    measurements: Vec<usize>,
    swaps: usize,
}

/// Routes instructions on at most two qubits (barriers may have more) from given places; `None` if there is no path.
pub(super) fn route(
    order: &Order<'_>,
    graph: &Graph,
    places: &[usize],
    random: &mut Pcg32,
) -> Option<Routed> {
    let mut held = vec![None; graph.qubits()];
    places.iter().enumerate().for_each(|(qubit, &place)| held[place] = Some(qubit));
    let front = (0..order.waiting.len()).filter(|&index| order.waiting[index] == 0).collect();
    let mut router = Router {
        order,
        graph,
        places: places.to_vec(),
        held,
        waiting: order.waiting.clone(),
        front,
        decay: vec![1.0; graph.qubits()],
        routed: Vec::with_capacity(order.instructions.len()),
        measurements: Vec::new(),
        swaps: 0,
    };
    // More swaps than this without a gate mean that the heuristic goes in circles.
    let patience = 3 * graph.qubits() + 10;
    let mut idle = 0;
    loop {
        if router.advance() {
            idle = 0;
            router.decay.fill(1.0);
        }
        if router.front.is_empty() {
            break;
        }
        if idle > patience {
            router.bring_first_together()?;
        } else {
            let (a, b) = router.best_swap(random)?;
            router.swap(a, b);
            idle += 1;
            if idle % FORGET == 0 {
                router.decay.fill(1.0);
            }
            router.decay[a] += DECAY;
            router.decay[b] += DECAY;
        }
    }
    router.measurements.sort_unstable();
    let measurements =
        router.measurements.iter().map(|&index| placed(order.instructions[index], &router.places));
    router.routed.extend(measurements);
    Some(Routed { instructions: router.routed, last: router.places, swaps: router.swaps })
}

impl Router<'_, '_> {
    fn pair(&self, index: usize) -> Option<[usize; 2]> {
        match self.order.instructions[index] {
            Instruction::Gate(Operation { qubits, .. }) => match qubits[..] {
                [a, b] => Some([self.places[a], self.places[b]]),
                _ => None,
            },
            _ => None,
        }
    }

    /// Does all that can be done; whether that was anything on two qubits.
    fn advance(&mut self) -> bool {
        let mut moved = false;
        let mut blocked = Vec::new();
        while let Some(index) = self.front.pop() {
            let pair = self.pair(index);
            if pair.is_some_and(|[a, b]| self.graph.distance(a, b) != 1) {
                blocked.push(index);
                continue;
            }
            let last = self.order.followers[index].is_empty();
            if last && matches!(self.order.instructions[index], Instruction::Measure { .. }) {
                self.measurements.push(index);
                continue;
            }
            moved |= pair.is_some();
            self.routed.push(placed(self.order.instructions[index], &self.places));
            for &next in &self.order.followers[index] {
                self.waiting[next] -= 1;
                if self.waiting[next] == 0 {
                    self.front.push(next);
                }
            }
        }
        blocked.sort_unstable();
        self.front = blocked;
        moved
    }

    /// The next gates on two qubits after those that are blocked.
    fn ahead(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut queue: std::collections::VecDeque<usize> = self.front.iter().copied().collect();
        let mut seen = std::collections::HashSet::new();
        while let Some(index) = queue.pop_front() {
            for &next in &self.order.followers[index] {
                if found.len() >= AHEAD || seen.len() > 10 * AHEAD {
                    return found;
                }
                if seen.insert(next) {
                    if self.pair(next).is_some() {
                        found.push(next);
                    }
                    queue.push_back(next);
                }
            }
        }
        found
    }

    fn best_swap(&self, random: &mut Pcg32) -> Option<(usize, usize)> {
        let pairs = |list: &[usize]| -> Vec<[usize; 2]> {
            list.iter().filter_map(|&index| self.pair(index)).collect()
        };
        let (front, ahead) = (pairs(&self.front), pairs(&self.ahead()));
        if front.iter().any(|&[a, b]| self.graph.distance(a, b) == u32::MAX) {
            return None;
        }
        let cost = |pairs: &[[usize; 2]], a: usize, b: usize| -> f64 {
            let after = |place: usize| {
                if place == a {
                    b
                } else if place == b {
                    a
                } else {
                    place
                }
            };
            let sum: f64 =
                pairs.iter().map(|&[p, q]| f64::from(self.graph.distance(after(p), after(q)))).sum();
            sum / pairs.len().max(1) as f64
        };
        let mut best: Vec<(usize, usize)> = Vec::new();
        let mut least = f64::INFINITY;
        let mut places: Vec<usize> = front.iter().flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        for &a in &places {
            for &b in &self.graph.neighbours[a] {
                let score = (cost(&front, a, b) + AHEAD_WEIGHT * cost(&ahead, a, b))
                    * self.decay[a].max(self.decay[b]);
                if score < least - 1e-12 {
                    least = score;
                    best.clear();
                }
                if score <= least + 1e-12 {
                    best.push((a, b));
                }
            }
        }
        best.get(random.below(best.len() as u32) as usize).copied()
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.held.swap(a, b);
        for place in [a, b] {
            if let Some(qubit) = self.held[place] {
                self.places[qubit] = place;
            }
        }
        self.routed.push(Instruction::Gate(fixed(Standard::Swap, &[a, b])));
        self.swaps += 1;
    }

    /// Swaps along a shortest path, without regard to other gates.
    fn bring_first_together(&mut self) -> Option<()> {
        let [mut a, b] = self.front.iter().find_map(|&index| self.pair(index))?;
        while self.graph.distance(a, b) > 1 {
            let nearer = |next: &&usize| self.graph.distance(**next, b) < self.graph.distance(a, b);
            let next = *self.graph.neighbours[a].iter().find(nearer)?;
            self.swap(a, next);
            a = next;
        }
        Some(())
    }
}

/// The instruction with each qubit replaced by its place.
pub(super) fn placed(instruction: &Instruction, places: &[usize]) -> Instruction {
    let moved = |qubits: &[usize]| qubits.iter().map(|&qubit| places[qubit]).collect();
    match instruction {
        Instruction::Gate(operation) => {
            Instruction::Gate(Operation { qubits: moved(&operation.qubits), ..operation.clone() })
        }
        Instruction::Measure { qubit, bit } => Instruction::Measure { qubit: places[*qubit], bit: *bit },
        Instruction::Reset(qubit) => Instruction::Reset(places[*qubit]),
        Instruction::Barrier(qubits) => Instruction::Barrier(moved(qubits)),
    }
}
