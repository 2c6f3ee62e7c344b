//! Graphs whose largest cut QAOA looks for.

use crate::circuit::{Angle, Circuit, CircuitError, Symbol};
use crate::gate::Standard;
use crate::observable::{Pauli, PauliString, PauliSum};

/// A weighted undirected graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Graph {
    vertices: usize,
    edges: Vec<(usize, usize, f64)>,
}

/// Why edges make no graph.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum GraphError {
    /// An edge with a vertex that is not there.
    #[error("edge {edge} names vertex {vertex}; the graph has {vertices}")]
    Vertex {
        /// Number of the edge.
        edge: usize,
        /// The vertex.
        vertex: usize,
        /// Vertices of the graph.
        vertices: usize,
    },
    /// An edge from a vertex to itself, or without a weight.
    #[error("edge {edge} must join two vertices, with a finite weight")]
    Edge {
        /// Number of the edge.
        edge: usize,
    },
    /// More vertices than cuts can be tried of.
    #[error("the largest cut of {vertices} vertices cannot be found by trying all; at most 24 can")]
    TooLarge {
        /// Vertices of the graph.
        vertices: usize,
    },
}

impl Graph {
    /// The graph of these edges: two vertices and a weight each.
    ///
    /// # Errors
    /// If an edge is none.
    pub fn new(vertices: usize, edges: Vec<(usize, usize, f64)>) -> Result<Self, GraphError> {
        for (index, &(a, b, weight)) in edges.iter().enumerate() {
            if let Some(&vertex) = [a, b].iter().find(|&&vertex| vertex >= vertices) {
                return Err(GraphError::Vertex { edge: index, vertex, vertices });
            }
            if a == b || !weight.is_finite() {
                return Err(GraphError::Edge { edge: index });
            }
        }
        Ok(Self { vertices, edges })
    }

    /// Vertices.
    pub fn vertices(&self) -> usize {
        self.vertices
    }

    /// Edges.
    pub fn edges(&self) -> &[(usize, usize, f64)] {
        &self.edges
    }

    /// The weight of the edges between vertices whose bits differ.
    pub fn cut(&self, bits: u64) -> f64 {
        let crosses = |a: usize, b: usize| (bits >> a ^ bits >> b) & 1 == 1;
        self.edges.iter().filter(|(a, b, _)| crosses(*a, *b)).map(|(_, _, weight)| weight).sum()
    }

    /// The largest cut, found by trying all.
    ///
    /// # Errors
    /// If there are more than 24 vertices.
    pub fn max_cut(&self) -> Result<f64, GraphError> {
        if self.vertices > 24 {
            return Err(GraphError::TooLarge { vertices: self.vertices });
        }
        // The complement of a cut is the same cut.
        let cuts = 1_u64 << self.vertices.saturating_sub(1);
        Ok((0..cuts).map(|bits| self.cut(bits)).fold(0.0, f64::max))
    }

    /// The cut, negated: its lowest energy is that of the largest cut. `sum of weight/2 (Z Z - 1)`.
    pub fn hamiltonian(&self) -> PauliSum {
        let pairs = self.edges.iter().map(|&(a, b, weight)| {
            let string = PauliString::new([(a, Pauli::Z), (b, Pauli::Z)]).unwrap_or_default();
            (weight / 2.0, string)
        });
        let half: f64 = self.edges.iter().map(|(_, _, weight)| weight / 2.0).sum();
        PauliSum::new(pairs.chain([(-half, PauliString::default())]))
    }

    /// QAOA's circuit (Farhi et al., 2014): Hadamards, then `depth` times `exp(-i gamma H)` and rotations `exp(-i beta X)`; parameters are gamma and beta of
    /// each layer in turn.
    ///
    /// # Errors
    /// None for a valid graph.
    pub fn qaoa(&self, depth: usize) -> Result<Circuit, CircuitError> {
        let mut circuit = Circuit::new(self.vertices);
        for vertex in 0..self.vertices {
            circuit.apply(Standard::H, &[vertex])?;
        }
        for layer in 0..depth {
            let [gamma, beta]: [Symbol; 2] =
                ["gamma", "beta"].map(|name| circuit.add_parameter(format!("{name}{layer}")));
            for &(a, b, weight) in &self.edges {
                circuit.push(Standard::Rzz, &[a, b], [Angle::from(gamma).scaled(weight)])?;
            }
            for vertex in 0..self.vertices {
                circuit.push(Standard::Rx, &[vertex], [Angle::from(beta).scaled(2.0)])?;
            }
        }
        Ok(circuit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hamiltonian::ground_energy;
    use crate::sim::reference;

    #[test]
    fn the_lowest_energy_is_the_largest_cut() -> Result<(), Box<dyn std::error::Error>> {
        let edges = vec![(0, 1, 1.0), (1, 2, 2.0), (2, 3, 1.0), (3, 0, 0.5), (0, 2, 1.5), (3, 4, -1.0)];
        let graph = Graph::new(5, edges)?;
        let energy = ground_energy(&graph.hamiltonian(), 5)?;
        assert!((energy + graph.max_cut()?).abs() < 1e-9);
        Ok(())
    }

    /// One layer on a ring of even length reaches 3/4 of all edges at gamma = pi/4 and beta = pi/8 (Farhi et al., section IV).
    #[test]
    fn one_layer_on_a_ring_cuts_three_quarters() -> Result<(), Box<dyn std::error::Error>> {
        let graph = Graph::new(8, (0..8).map(|vertex| (vertex, (vertex + 1) % 8, 1.0)).collect())?;
        let best = std::f64::consts::PI / 8.0;
        let state = reference::run(&graph.qaoa(1)?, &[2.0 * best, -best], &[]);
        let other = reference::run(&graph.qaoa(1)?, &[2.0 * best, best], &[]);
        let energy = |state: &[crate::C64]| reference::expectation(state, &graph.hamiltonian());
        assert!(
            (energy(&state).min(energy(&other)) + 6.0).abs() < 1e-9,
            "{} {}",
            energy(&state),
            energy(&other)
        );
        Ok(())
    }

    #[test]
    fn what_is_no_edge_is_refused() {
        assert!(matches!(Graph::new(2, vec![(0, 2, 1.0)]), Err(GraphError::Vertex { vertex: 2, .. })));
        assert!(matches!(Graph::new(2, vec![(1, 1, 1.0)]), Err(GraphError::Edge { edge: 0 })));
        let large = Graph::new(30, Vec::new());
        assert!(large.is_ok_and(|graph| graph.max_cut().is_err()));
    }
}
