//! Which physical qubits are coupled, and how far apart they are.

use std::collections::VecDeque;

/// The graph of coupled qubits, without directions.
pub(super) struct Graph {
    pub(super) neighbours: Vec<Vec<usize>>,
    /// Row by row; `u32::MAX` where there is no path.
    distances: Vec<u32>,
}

impl Graph {
    pub(super) fn new(qubits: usize, pairs: &[(usize, usize)]) -> Self {
        let mut neighbours = vec![Vec::new(); qubits];
        for &(a, b) in pairs {
            neighbours[a].push(b);
            neighbours[b].push(a);
        }
        for list in &mut neighbours {
            list.sort_unstable();
            list.dedup();
        }
        let mut distances = vec![u32::MAX; qubits * qubits];
        for start in 0..qubits {
            let row = &mut distances[start * qubits..(start + 1) * qubits];
            row[start] = 0;
            let mut queue = VecDeque::from([start]);
            while let Some(qubit) = queue.pop_front() {
                for &next in &neighbours[qubit] {
                    if row[next] == u32::MAX {
                        row[next] = row[qubit] + 1;
                        queue.push_back(next);
                    }
                }
            }
        }
        Self { neighbours, distances }
    }

    pub(super) fn qubits(&self) -> usize {
        self.neighbours.len()
    }

    pub(super) fn distance(&self, a: usize, b: usize) -> u32 {
        self.distances[a * self.qubits() + b]
    }

    /// The largest set of qubits with paths between all of them.
    pub(super) fn largest_part(&self) -> Vec<usize> {
        let part = |start: usize| -> Vec<usize> {
            (0..self.qubits()).filter(|&qubit| self.distance(start, qubit) != u32::MAX).collect()
        };
        (0..self.qubits()).map(part).max_by_key(Vec::len).unwrap_or_default()
    }
}
