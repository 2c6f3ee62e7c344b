use super::*;
use crate::backend::ReferenceBackend;
use crate::circuit::{Angle, Circuit, CircuitError, Symbol};
use crate::gate::{Gate, Standard};
use crate::observable::PauliSum;
use crate::train::loss::cross_entropy;

/// An encoder of `inputs` rotations and two layers of trained gates.
fn circuit(qubits: usize, inputs: usize) -> Result<Circuit, CircuitError> {
    let mut circuit = Circuit::new(qubits);
    let first = circuit.add_inputs(inputs);
    for index in 0..inputs {
        circuit.push(Standard::Ry, &[index % qubits], [Angle::from(Symbol::Input(first + index))])?;
    }
    for qubit in 0..qubits {
        let angle = circuit.add_parameter("a");
        circuit.push(Gate::from(Standard::Rx).controlled(1), &[qubit, (qubit + 1) % qubits], [angle])?;
        let angle = circuit.add_parameter("b");
        circuit.push(Standard::Ry, &[qubit], [angle])?;
    }
    Ok(circuit)
}

fn model(quantization: Option<Quantization>) -> Result<Model, Box<dyn std::error::Error>> {
    let second = CircuitLayer { circuit: circuit(2, 3)?, observables: PauliSum::z_on_each(2) };
    let mut layers = vec![
        Layer::Linear(Linear { inputs: 2, outputs: 3 }),
        Layer::Activation(Activation::Tanh),
        Layer::Circuit(CircuitLayer::measured_in_z(circuit(3, 3)?)),
        Layer::Normalization(Normalization::default()),
        Layer::Circuit(second),
        Layer::Normalization(Normalization::default()),
        Layer::Sum(vec![vec![0, 1], vec![1], vec![0]]),
    ];
    if let Some(quantization) = quantization {
        layers.insert(4, Layer::Quantization(quantization));
    }
    Ok(Model::new(2, layers)?)
}

fn numbers(count: usize, scale: f64) -> Vec<f64> {
    (0..count).map(|index| scale * (index as f64 * 1.7 + 0.3).sin()).collect()
}

#[test]
fn gradients_through_all_layers_are_those_of_differences() -> Result<(), Box<dyn std::error::Error>> {
    let model = model(None)?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let mut parameters = numbers(model.parameters(), 1.0);
    let samples = numbers(10, 0.8);
    let labels = [0, 2, 1, 1, 0];
    let trace = model.forward(&mut executor, &parameters, &samples, Mode::Batch)?;
    let loss = cross_entropy(trace.outputs(), 3, &labels);
    let gradients = model.backward(&mut executor, &parameters, &trace, &loss.derivatives, None)?;
    for index in 0..parameters.len() {
        let own = parameters[index];
        let mut at = |value: f64| -> Result<f64, ModelError> {
            parameters[index] = value;
            let trace = model.forward(&mut executor, &parameters, &samples, Mode::Batch)?;
            Ok(cross_entropy(trace.outputs(), 3, &labels).value)
        };
        let finite = (at(own + 1e-5)? - at(own - 1e-5)?) / 2e-5;
        parameters[index] = own;
        assert!((finite - gradients[index]).abs() < 1e-7, "{index}: {finite} {}", gradients[index]);
    }
    Ok(())
}

#[test]
fn parameters_that_are_not_active_are_not_shifted() -> Result<(), Box<dyn std::error::Error>> {
    let model = model(None)?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let parameters = numbers(model.parameters(), 1.0);
    let trace = model.forward(&mut executor, &parameters, &numbers(4, 0.5), Mode::Batch)?;
    let derivatives = numbers(6, 1.0);
    let mut active = vec![false; parameters.len()];
    active[parameters.len() - 1] = true;
    let before = executor.runs();
    let pruned = model.backward(&mut executor, &parameters, &trace, &derivatives, Some(&active))?;
    let saved = executor.runs() - before;
    let all = model.backward(&mut executor, &parameters, &trace, &derivatives, None)?;
    assert!(saved < executor.runs() - before - saved);
    assert_eq!(pruned.last(), all.last());
    assert!(pruned[..pruned.len() - 1].iter().all(|gradient| *gradient == 0.0));
    Ok(())
}

#[test]
fn stored_statistics_make_predictions_independent_of_the_batch() -> Result<(), Box<dyn std::error::Error>> {
    let mut model = model(Some(Quantization { levels: 5, low: -2.0, high: 2.0, weight: 0.1 }))?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let parameters = numbers(model.parameters(), 1.0);
    let samples = numbers(12, 0.8);
    let missing = model.forward(&mut executor, &parameters, &samples, Mode::Stored);
    assert!(matches!(missing, Err(ModelError::NotCalibrated { layer: 3 })));
    model.calibrate(&mut executor, &parameters, &samples)?;
    let all = model.forward(&mut executor, &parameters, &samples, Mode::Stored)?;
    let one = model.forward(&mut executor, &parameters, &samples[2..4], Mode::Stored)?;
    assert_eq!(one.outputs(), &all.outputs()[3..6]);
    assert!(all.penalty > 0.0);
    assert!(all.values(5).iter().all(|value| [-2.0, -1.0, 0.0, 1.0, 2.0].contains(value)));
    Ok(())
}

#[test]
fn layers_that_do_not_fit_are_refused() -> Result<(), CircuitError> {
    let layer = Layer::Circuit(CircuitLayer::measured_in_z(circuit(2, 4)?));
    assert!(matches!(
        Model::new(3, vec![layer.clone()]),
        Err(ModelError::Width { layer: 0, expected: 4, found: 3 })
    ));
    let groups = Layer::Sum(vec![vec![0, 2]]);
    assert!(matches!(
        Model::new(4, vec![layer, groups]),
        Err(ModelError::Width { layer: 1, expected: 3, found: 2 })
    ));
    Ok(())
}

#[test]
fn the_gradient_of_the_penalty_is_that_of_differences() {
    let quantization = Quantization { levels: 4, low: -1.0, high: 1.0, weight: 0.3 };
    let values = [0.21, -0.9, 1.7, 0.4];
    let found = quantization.backward(&values, &[0.0; 4]);
    for index in 0..values.len() {
        let at = |by: f64| {
            let mut moved = values;
            moved[index] += by;
            quantization.penalty(&moved)
        };
        assert!(((at(1e-6) - at(-1e-6)) / 2e-6 - found[index]).abs() < 1e-8);
    }
}
