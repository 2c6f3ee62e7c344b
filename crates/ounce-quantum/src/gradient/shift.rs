//! The parameter-shift rule: exact gradients from circuits that a device can run.
//!
//! Each occurrence of a symbol in the angle of a gate is shifted on its own, by the rule of that gate's [`Spectrum`](crate::Spectrum): two terms
//! for rotations and phases, four for controlled rotations. Occurrences are summed with their factors (QOC, section 3.1; Mitarai et al. 2018).

use crate::backend::{Backend, BackendError, Gradients, Request};
use crate::circuit::{Angle, Circuit, Instruction, Symbol};
use crate::gate::Shift;

/// One place where an angle depends on symbols.
#[derive(Clone, Debug)]
struct Occurrence {
    instruction: usize,
    angle: usize,
    terms: Vec<(Symbol, f64)>,
    rule: Vec<Shift>,
}

/// The shifted circuits that gradients of a circuit take.
#[derive(Clone, Debug)]
pub struct ShiftPlan {
    occurrences: Vec<Occurrence>,
}

/// Which gradients are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// One flag for each parameter; `None` for all. The others get a gradient of 0 and cost nothing.
    pub parameters: Option<&'a [bool]>,
    /// Whether gradients of inputs are wanted, as earlier blocks of a model need them.
    pub inputs: bool,
}

impl Wanted<'_> {
    /// All parameters, no inputs.
    pub const PARAMETERS: Self = Self { parameters: None, inputs: false };
    /// All parameters and all inputs.
    pub const ALL: Self = Self { parameters: None, inputs: true };

    fn has(&self, symbol: Symbol) -> bool {
        match symbol {
            Symbol::Parameter(index) => self.parameters.is_none_or(|wanted| wanted[index]),
            Symbol::Input(_) => self.inputs,
        }
    }
}

impl ShiftPlan {
    /// The plan of a circuit.
    pub fn new(circuit: &Circuit) -> Self {
        let gates =
            circuit.instructions().iter().enumerate().filter_map(|(index, instruction)| match instruction {
                Instruction::Gate(operation) => Some((index, operation)),
                _ => None,
            });
        let occurrences = gates.flat_map(|(instruction, operation)| {
            let dependent =
                operation.angles.iter().enumerate().filter(|(_, angle)| angle.constant().is_none());
            dependent.map(move |(index, angle)| Occurrence {
                instruction,
                angle: index,
                terms: angle.terms().to_vec(),
                rule: operation.gate.spectrum(index).shift_rule(),
            })
        });
        Self { occurrences: occurrences.collect() }
    }

    /// Circuits that a gradient takes for each sample, without the unshifted one.
    pub fn circuits(&self, wanted: Wanted<'_>) -> usize {
        self.wanted(wanted).map(|occurrence| occurrence.rule.len()).sum()
    }

    fn wanted(&self, wanted: Wanted<'_>) -> impl Iterator<Item = &Occurrence> {
        self.occurrences.iter().filter(move |own| own.terms.iter().any(|&(symbol, _)| wanted.has(symbol)))
    }

    /// Gradients of `sum of cotangent * expectation`; `cotangents` has a row of one value for each observable for each sample.
    ///
    /// # Errors
    /// As [`Backend::expectations`].
    ///
    /// # Panics
    /// If the plan is that of another circuit.
    pub fn gradients(
        &self,
        backend: &mut dyn Backend,
        request: &Request<'_>,
        cotangents: &[f64],
        wanted: Wanted<'_>,
    ) -> Result<Gradients, BackendError> {
        let inputs = request.circuit.inputs();
        let width = request.observables.len();
        let mut gradients = Gradients {
            parameters: vec![0.0; request.parameters.len()],
            inputs: vec![0.0; if wanted.inputs { request.inputs.len() } else { 0 }],
        };
        for occurrence in self.wanted(wanted) {
            let mut by_sample = vec![0.0; request.samples];
            for term in &occurrence.rule {
                let circuit = request.circuit.shifted(occurrence.instruction, occurrence.angle, term.shift);
                let values = backend.expectations(&Request { circuit: &circuit, ..*request })?;
                for (sample, sum) in by_sample.iter_mut().enumerate() {
                    let row = sample * width..(sample + 1) * width;
                    let weighted = values[row.clone()]
                        .iter()
                        .zip(&cotangents[row])
                        .map(|(value, weight)| value * weight);
                    *sum += term.coefficient * weighted.sum::<f64>();
                }
            }
            for &(symbol, factor) in occurrence.terms.iter().filter(|(symbol, _)| wanted.has(*symbol)) {
                match symbol {
                    Symbol::Parameter(index) => {
                        gradients.parameters[index] += factor * by_sample.iter().sum::<f64>()
                    }
                    Symbol::Input(index) => {
                        for (sample, value) in by_sample.iter().enumerate() {
                            gradients.inputs[sample * inputs + index] += factor * value;
                        }
                    }
                }
            }
        }
        Ok(gradients)
    }
}

impl Circuit {
    /// The circuit with `shift` added to one angle of one gate.
    fn shifted(&self, instruction: usize, angle: usize, shift: f64) -> Self {
        let mut circuit = self.clone();
        if let Instruction::Gate(operation) = &mut circuit.instructions_mut()[instruction] {
            operation.angles[angle] = Angle::plus(&operation.angles[angle], shift);
        }
        circuit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::ReferenceBackend;
    use crate::gate::{Gate, Standard};
    use crate::gradient::finite;
    use crate::observable::{PauliString, PauliSum};

    /// A circuit that has every spectrum, a shared parameter, factors and inputs.
    fn circuit() -> Result<Circuit, crate::CircuitError> {
        let mut circuit = Circuit::new(3);
        let [a, b, c] = ["a", "b", "c"].map(|name| Angle::from(circuit.add_parameter(name)));
        circuit.add_inputs(2);
        let [x, y] = [0, 1].map(|index| Angle::from(Symbol::Input(index)));
        circuit.apply(Standard::H, &[0])?.push(Standard::Ry, &[1], [a.scaled(2.0).plus(0.3)])?;
        circuit.push(Gate::from(Standard::Rx).controlled(1), &[0, 2], [b.sum(&x)])?;
        circuit.push(Standard::U3, &[1], [x.clone(), a.clone(), y.scaled(-0.5)])?.cx(1, 2)?;
        circuit.push(Gate::from(Standard::P).controlled(1), &[2, 0], [c.clone()])?;
        circuit.push(Standard::XxPlusYy, &[0, 1], [c, b])?.push(Standard::R, &[2], [y, a])?;
        Ok(circuit)
    }

    #[test]
    fn gradients_are_those_of_finite_differences() -> Result<(), Box<dyn std::error::Error>> {
        let circuit = circuit()?;
        let string = |text| PauliString::parse(text).ok_or("a string of Paulis");
        let observables =
            [PauliSum::from(string("ZIX")?), PauliSum::new([(0.5, string("IZI")?), (2.0, string("YYI")?)])];
        let request = Request::new(&circuit, &[0.4, -0.9, 1.7], &[0.2, 0.5, -1.1, 2.0], 2, &observables)?;
        let cotangents = [0.7, -1.3, 0.4, 0.9];
        let mut backend = ReferenceBackend::default();
        let finite = finite::gradients(&mut backend, &request, &cotangents, 1e-5)?;
        let plan = ShiftPlan::new(&circuit);
        let before = backend.runs();
        let shifted = plan.gradients(&mut backend, &request, &cotangents, Wanted::ALL)?;
        assert_eq!(backend.runs() - before, 2 * plan.circuits(Wanted::ALL) as u64);
        let pairs = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-8);
        assert!(pairs(&finite.parameters, &shifted.parameters), "{finite:?} {shifted:?}");
        assert!(pairs(&finite.inputs, &shifted.inputs), "{finite:?} {shifted:?}");
        let some = Wanted { parameters: Some(&[false, true, false]), inputs: false };
        let pruned = plan.gradients(&mut backend, &request, &cotangents, some)?;
        assert_eq!(pruned.parameters, [0.0, shifted.parameters[1], 0.0]);
        assert!(plan.circuits(some) < plan.circuits(Wanted::PARAMETERS));
        Ok(())
    }
}
