//! Random layers.

use super::new_parameters;
use crate::circuit::{Circuit, CircuitError};
use crate::gate::{Gate, Standard};
use ounce_random::Pcg32;

/// Gates drawn at random, on qubits drawn at random: TorchQuantum's `RandomLayer`. The same seed gives the same layer.
#[derive(Clone, PartialEq, Debug)]
pub struct RandomLayer {
    /// Gates to draw from, with weights.
    pub gates: Vec<(Gate, f64)>,
    /// Gates that are drawn.
    pub count: usize,
    /// Seed.
    pub seed: u64,
}

impl RandomLayer {
    /// `count` of RX, RY, RZ and CNOT, each as likely.
    pub fn new(count: usize, seed: u64) -> Self {
        let rotations = [Standard::Rx, Standard::Ry, Standard::Rz].map(Gate::from);
        let gates = rotations.into_iter().chain([Gate::from(Standard::X).controlled(1)]);
        Self { gates: gates.map(|gate| (gate, 1.0)).collect(), count, seed }
    }

    /// `count` of all kinds that TorchQuantum's `RandomLayerAllTypes` draws from, but for those of any width.
    pub fn all_types(count: usize, seed: u64) -> Self {
        let names = "h sh x y z s t sx cx cz cy rx ry rz rzz swap cswap ccx p rot crx cry crz crot u1 u2 u3";
        let gates = names.split(' ').filter_map(crate::gate::by_name);
        Self { gates: gates.map(|gate| (gate, 1.0)).collect(), count, seed }
    }

    /// Adds the gates to a circuit; gates with more qubits than it has are not drawn.
    ///
    /// # Errors
    /// None but what [`Circuit::push`] may refuse.
    pub fn append_to(&self, circuit: &mut Circuit) -> Result<(), CircuitError> {
        let mut random = Pcg32::new(self.seed);
        let fits = |gate: &Gate| gate.qubits() <= circuit.qubits();
        let weights: Vec<f64> =
            self.gates.iter().map(|(gate, weight)| if fits(gate) { *weight } else { 0.0 }).collect();
        let mut order: Vec<usize> = (0..circuit.qubits()).collect();
        for _ in 0..self.count {
            let Some(index) = random.weighted(&weights) else { break };
            let gate = &self.gates[index].0;
            random.shuffle(&mut order);
            let angles = new_parameters(circuit, gate.angles());
            circuit.push(gate.clone(), &order[..gate.qubits()], angles)?;
        }
        Ok(())
    }
}
