//! From observables to circuits that can be measured, and from outcomes back to expectation values.

use crate::circuit::{Circuit, CircuitError, Instruction, Operation};
use crate::counts::Counts;
use crate::gate::{Gate, Standard};
use crate::observable::{Pauli, PauliString, PauliSum};

/// Qubits that are measured together, each in one basis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    basis: PauliString,
}

/// The groups of terms of some observables that can be measured together, each with its own basis on every qubit.
#[derive(Clone, PartialEq, Debug)]
pub struct MeasurementPlan {
    groups: Vec<Group>,
    /// For each observable: coefficients with the group and the string; no group for a constant.
    terms: Vec<Vec<(f64, Option<usize>, PauliString)>>,
}

/// By which gates qubits are turned into the basis of Z.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BasisChange {
    /// `h`, and `sdg` before it for Y.
    Hadamard,
    /// `sx`, and `rz` before it for X: one pulse on IBM's devices.
    SqrtX,
    /// `u2`, on older devices.
    U2,
}

impl BasisChange {
    /// The first of all ways, of few pulses first, whose gates are available.
    pub fn among(available: impl Fn(&Gate) -> bool) -> Option<Self> {
        let all = [Self::SqrtX, Self::U2, Self::Hadamard];
        let gates = |way: Self| [Pauli::X, Pauli::Y].map(|pauli| way.gates(pauli)).concat();
        all.into_iter().find(|&way| gates(way).iter().all(|&(gate, _)| available(&gate.into())))
    }

    /// The gates, with angles, after which a measurement of Z is one of `pauli`.
    fn gates(self, pauli: Pauli) -> Vec<(Standard, Vec<f64>)> {
        use std::f64::consts::{FRAC_PI_2, PI};
        match (self, pauli) {
            (_, Pauli::I | Pauli::Z) => Vec::new(),
            (Self::Hadamard, Pauli::X) => vec![(Standard::H, vec![])],
            (Self::Hadamard, Pauli::Y) => vec![(Standard::Sdg, vec![]), (Standard::H, vec![])],
            (Self::SqrtX, Pauli::X) => vec![(Standard::Rz, vec![FRAC_PI_2]), (Standard::Sx, vec![])],
            (Self::SqrtX, Pauli::Y) => vec![(Standard::Sx, vec![])],
            (Self::U2, Pauli::X) => vec![(Standard::U2, vec![0.0, PI])],
            (Self::U2, Pauli::Y) => vec![(Standard::U2, vec![0.0, FRAC_PI_2])],
        }
    }
}

impl Group {
    /// The Pauli in whose basis each qubit is measured.
    pub fn basis(&self) -> &PauliString {
        &self.basis
    }

    /// The qubits that are measured, ascending; the outcome of the i-th is bit i.
    pub fn qubits(&self) -> impl Iterator<Item = usize> + Clone {
        self.basis.factors().iter().map(|&(qubit, _)| qubit)
    }

    /// The bits that tell the qubits of a string of this group.
    pub fn bits(&self, string: &PauliString) -> Vec<usize> {
        let bit =
            |&(qubit, _): &(usize, Pauli)| self.basis.factors().partition_point(|&(own, _)| own < qubit);
        string.factors().iter().map(bit).collect()
    }

    /// The gates that turn each qubit into the basis of Z.
    pub fn change_of_basis(&self, way: BasisChange) -> impl Iterator<Item = Operation> {
        self.basis.factors().iter().flat_map(move |&(qubit, pauli)| {
            let gates = way.gates(pauli).into_iter();
            gates.map(move |(gate, angles)| {
                let angles = angles.into_iter().map(Into::into).collect();
                Operation { gate: gate.into(), qubits: vec![qubit], angles }
            })
        })
    }

    /// A circuit with the change of basis after it; measurements at its end are left out.
    ///
    /// # Errors
    /// If the circuit lacks a qubit of the group.
    pub fn turned(&self, circuit: &Circuit, way: BasisChange) -> Result<Circuit, CircuitError> {
        let mut turned = circuit.without_final_measurements();
        for operation in self.change_of_basis(way) {
            turned.push_instruction(Instruction::Gate(operation))?;
        }
        Ok(turned)
    }

    /// A circuit with the change of basis and the measurements after it. The group's bits come first, those of measurements on the way after them;
    /// measurements at its end are left out.
    ///
    /// # Errors
    /// If the circuit lacks a qubit of the group.
    pub fn measured(&self, circuit: &Circuit, way: BasisChange) -> Result<Circuit, CircuitError> {
        let turned = self.turned(circuit, way)?;
        let own = self.basis.factors().len();
        let moved = turned.instructions().iter().map(|instruction| match *instruction {
            Instruction::Measure { qubit, bit } => Instruction::Measure { qubit, bit: bit + own },
            ref other => other.clone(),
        });
        let mut measured = turned.with_instructions(moved.collect());
        measured.add_bits(own);
        for (bit, qubit) in self.qubits().enumerate() {
            measured.push_instruction(Instruction::Measure { qubit, bit })?;
        }
        Ok(measured)
    }
}

/// The qubit and the bit of every measurement of a circuit, if all come at the end: nothing happens to a qubit after it was measured, and no bit is
/// written twice.
pub fn final_measurements(circuit: &Circuit) -> Option<Vec<(usize, usize)>> {
    let mut measured: Vec<(usize, usize)> = Vec::new();
    let mut done = vec![false; circuit.qubits()];
    let mut written = vec![false; circuit.bits()];
    for instruction in circuit.instructions() {
        match instruction {
            Instruction::Gate(operation) if operation.qubits.iter().any(|&qubit| done[qubit]) => return None,
            Instruction::Reset(qubit) if done[*qubit] => return None,
            Instruction::Measure { qubit, bit } if done[*qubit] || written[*bit] => return None,
            Instruction::Measure { qubit, bit } => {
                (done[*qubit], written[*bit]) = (true, true);
                measured.push((*qubit, *bit));
            }
            _ => {}
        }
    }
    Some(measured)
}

/// The [`final_measurements`] of a circuit whose pure state before them is always the same, so that many shots can be drawn from it: `None` also if it
/// resets a qubit, which leaves one of several states.
pub fn sampled_measurements(circuit: &Circuit) -> Option<Vec<(usize, usize)>> {
    let resets = |instruction: &Instruction| matches!(instruction, Instruction::Reset(_));
    if circuit.instructions().iter().any(resets) { None } else { final_measurements(circuit) }
}

impl Circuit {
    /// The circuit without measurements of qubits to which nothing happens later.
    pub fn without_final_measurements(&self) -> Self {
        let mut used = vec![false; self.qubits()];
        let mut kept = Vec::with_capacity(self.instructions().len());
        for instruction in self.instructions().iter().rev() {
            match instruction {
                Instruction::Measure { qubit, .. } if !used[*qubit] => continue,
                Instruction::Measure { qubit, .. } | Instruction::Reset(qubit) => used[*qubit] = true,
                Instruction::Gate(operation) => operation.qubits.iter().for_each(|&qubit| used[qubit] = true),
                Instruction::Barrier(_) => {}
            }
            kept.push(instruction.clone());
        }
        kept.reverse();
        self.with_instructions(kept)
    }
}

impl MeasurementPlan {
    /// The plan of some observables: terms of all of them share groups; greedy, in order.
    pub fn new(observables: &[PauliSum]) -> Self {
        let mut plan = Self { groups: Vec::new(), terms: Vec::new() };
        for observable in observables {
            let terms = observable.terms().iter().map(|(coefficient, string)| {
                let group = (!string.factors().is_empty()).then(|| plan.group_of(string));
                (*coefficient, group, string.clone())
            });
            let terms = terms.collect();
            plan.terms.push(terms);
        }
        plan
    }

    fn group_of(&mut self, string: &PauliString) -> usize {
        let fits = |group: &Group| string.commutes_qubit_wise(&group.basis);
        let index = self.groups.iter().position(fits).unwrap_or_else(|| {
            self.groups.push(Group { basis: PauliString::default() });
            self.groups.len() - 1
        });
        let basis = &mut self.groups[index].basis;
        let new = string.factors().iter().filter(|&&(qubit, _)| basis.on(qubit) == Pauli::I);
        // Qubits are named once: those of the string that the basis lacks.
        let all: Vec<_> = basis.factors().iter().chain(new).copied().collect();
        *basis = PauliString::new(all).unwrap_or_default();
        index
    }

    /// What is measured together.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The expectation value of each observable, `parity(group, string)` being that of a string of a group.
    pub fn values(&self, mut parity: impl FnMut(usize, &PauliString) -> f64) -> Vec<f64> {
        let value = |terms: &Vec<(f64, Option<usize>, PauliString)>| {
            let term = |(coefficient, group, string): &(f64, Option<usize>, PauliString)| {
                coefficient * group.map_or(1.0, |group| parity(group, string))
            };
            terms.iter().map(term).sum()
        };
        self.terms.iter().map(value).collect()
    }

    /// The expectation values that follow from the counts of each group.
    pub fn from_counts(&self, counts: &[Counts]) -> Vec<f64> {
        self.values(|group, string| counts[group].parity(&self.groups[group].bits(string)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::reference;

    fn string(text: &str) -> PauliString {
        PauliString::parse(text).unwrap()
    }

    #[test]
    fn every_way_measures_what_it_says() {
        let mut circuit = Circuit::new(2);
        circuit.push(Standard::U3, &[0], [0.7, 0.4, -1.0]).unwrap().cx(0, 1).unwrap();
        circuit.push(Standard::U3, &[1], [0.2, 1.4, 0.3]).unwrap();
        let state = reference::run(&circuit, &[], &[]);
        for text in ["XI", "IY", "XY", "YX", "ZY", "XX"] {
            let expected = reference::expectation_of(&state, &string(text));
            for way in [BasisChange::Hadamard, BasisChange::SqrtX, BasisChange::U2] {
                let plan = MeasurementPlan::new(&[string(text).into()]);
                let turned = plan.groups()[0].turned(&circuit, way).unwrap();
                let zs =
                    string(text).factors().iter().map(|&(qubit, _)| (qubit, Pauli::Z)).collect::<Vec<_>>();
                let own = reference::expectation_of(
                    &reference::run(&turned, &[], &[]),
                    &PauliString::new(zs).unwrap(),
                );
                assert!((own - expected).abs() < 1e-12, "{text} {way:?}");
            }
        }
    }

    #[test]
    fn observables_share_groups() {
        let sum = PauliSum::new([(0.5, string("ZZI")), (1.5, string("III")), (2.0, string("XIX"))]);
        let plan = MeasurementPlan::new(&[sum, string("IIZ").into(), string("IXI").into()]);
        assert_eq!(plan.groups().len(), 2);
        assert_eq!(plan.groups()[0].basis(), &string("ZZZ"));
        assert_eq!(plan.groups()[1].basis(), &string("XXX"));
        assert_eq!(plan.groups()[0].bits(&string("ZIZ")), [0, 2]);
        let values = plan.values(|group, _| if group == 0 { 0.5 } else { -1.0 });
        assert_eq!(values, [0.25 + 1.5 - 2.0, 0.5, -1.0]);
        let measured = plan.groups()[1].measured(&Circuit::new(3), BasisChange::SqrtX).unwrap();
        assert_eq!((measured.bits(), measured.instructions().len()), (3, 9));
    }

    #[test]
    fn the_way_with_the_fewest_pulses_is_taken() {
        let among = |names: &[Standard]| {
            BasisChange::among(|gate| gate.standard().is_some_and(|own| names.contains(&own)))
        };
        assert_eq!(among(&[Standard::Rz, Standard::Sx]), Some(BasisChange::SqrtX));
        assert_eq!(among(&[Standard::U2, Standard::P]), Some(BasisChange::U2));
        assert_eq!(among(&[Standard::Rz]), None);
    }
}
