use super::*;
use crate::backend::{Backend, ReferenceBackend};
use crate::circuit::Symbol;
use crate::gate::Standard;
use crate::gradient::shift::ShiftPlan;
use crate::noise::{GateNoise, PauliChannel, ReadoutError};

/// The slow simulator, differentiating by parameter shift.
#[derive(Default)]
struct Shifting(ReferenceBackend);

impl Backend for Shifting {
    fn expectations(&mut self, request: &Request<'_>) -> Result<Vec<f64>, BackendError> {
        self.0.expectations(request)
    }

    fn runs(&self) -> u64 {
        self.0.runs()
    }
}

impl Differentiate for Shifting {
    fn gradients(
        &mut self,
        request: &Request<'_>,
        cotangents: &mut dyn FnMut(&[f64]) -> Vec<f64>,
    ) -> Result<(Vec<f64>, Gradients), BackendError> {
        let values = self.0.expectations(request)?;
        let cotangents = cotangents(&values);
        let plan = ShiftPlan::new(request.circuit);
        let gradients = plan.gradients(&mut self.0, request, &cotangents, Wanted::ALL)?;
        Ok((values, gradients))
    }
}

/// X after every RY with a probability, and a readout with errors.
fn flips(probability: f64) -> Result<NoiseModel, &'static str> {
    let channel = PauliChannel::new(1, vec![1.0 - probability, probability, 0.0, 0.0]).ok_or("no channel")?;
    let mut noise = NoiseModel::perfect(1);
    noise.insert_gate("ry", &[0], GateNoise::new(1, Some(channel), Vec::new()).ok_or("no noise")?);
    noise.set_readout(0, ReadoutError { one_given_zero: 0.02, zero_given_one: 0.06 });
    Ok(noise)
}

fn circuit() -> Result<Circuit, crate::CircuitError> {
    let mut circuit = Circuit::new(1);
    circuit.add_inputs(1);
    let weight = circuit.add_parameter("w");
    circuit.push(Standard::Ry, &[0], [Symbol::Input(0)])?.push(Standard::Ry, &[0], [weight])?;
    Ok(circuit)
}

#[test]
fn the_mean_over_many_draws_is_that_of_the_channel() -> Result<(), Box<dyn std::error::Error>> {
    let circuit = circuit()?;
    let observables = PauliSum::z_on_each(1);
    let request = Request::new(&circuit, &[0.0], &[0.0], 1, &observables)?;
    let mut executor = InjectingExecutor::new(Shifting::default(), flips(0.1)?, 2.0, 1, 9);
    let steps = 4000;
    let mut sum = 0.0;
    for step in 0..steps {
        executor.begin(step);
        sum += executor.expectations(0, &request)?[0];
    }
    // Two gates, each flipping with probability 0.2, and then the readout.
    let expected = 0.92 * 0.6f64.powi(2) + 0.04;
    assert!((sum / steps as f64 - expected).abs() < 5.0 / (steps as f64).sqrt());
    Ok(())
}

#[test]
fn forward_and_backward_of_a_step_see_the_same_errors() -> Result<(), Box<dyn std::error::Error>> {
    let circuit = circuit()?;
    let observables = PauliSum::z_on_each(1);
    let inputs = [0.3, -0.8, 1.2, 0.1];
    let cotangents = [1.0, 0.5, -2.0, 0.7];
    let mut executor = InjectingExecutor::new(Shifting::default(), flips(0.5)?, 1.0, 3, 4);
    for step in 0..20 {
        executor.begin(step);
        let request = Request::new(&circuit, &[0.4], &inputs, 4, &observables)?;
        let gradients = executor.gradients(0, &request, &cotangents, Wanted::ALL)?;
        let mut at = |weight: f64| -> Result<f64, BackendError> {
            let request = Request::new(&circuit, std::slice::from_ref(&weight), &inputs, 4, &observables)?;
            Ok(executor.expectations(0, &request)?.iter().zip(&cotangents).map(|(a, b)| a * b).sum())
        };
        let finite = (at(0.4 + 1e-5)? - at(0.4 - 1e-5)?) / 2e-5;
        assert!((finite - gradients.parameters[0]).abs() < 1e-8, "step {step}");
        assert_eq!(gradients.inputs.len(), 4);
    }
    Ok(())
}

#[test]
fn without_errors_only_the_readout_remains() -> Result<(), Box<dyn std::error::Error>> {
    let circuit = circuit()?;
    let observables = PauliSum::z_on_each(1);
    let request = Request::new(&circuit, &[0.4], &[0.3], 1, &observables)?;
    let mut executor = InjectingExecutor::new(Shifting::default(), flips(0.9)?, 0.0, 1, 4);
    let value = executor.expectations(0, &request)?[0];
    assert!((value - (0.92 * 0.7f64.cos() + 0.04)).abs() < 1e-12);
    Ok(())
}
