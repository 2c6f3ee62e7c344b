use super::*;
use crate::backend::ReferenceBackend;
use crate::circuit::{Angle, Circuit, Symbol};
use crate::gate::Standard;
use crate::model::{CircuitLayer, DeviceExecutor, Normalization};
use crate::observable::{PauliString, PauliSum};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Two qubits that tell points above the diagonal from those below.
fn classifier() -> Result<Model, Box<dyn std::error::Error>> {
    let mut circuit = Circuit::new(2);
    circuit.add_inputs(2);
    for layer in 0..2 {
        for qubit in 0..2 {
            circuit.push(Standard::Ry, &[qubit], [Angle::from(Symbol::Input(qubit))])?;
            let angle = circuit.add_parameter(format!("w{layer}{qubit}"));
            circuit.push(Standard::Ry, &[qubit], [angle])?;
        }
        circuit.cx(0, 1)?;
    }
    let layers = vec![
        Layer::Circuit(CircuitLayer::measured_in_z(circuit)),
        Layer::Normalization(Normalization::default()),
    ];
    Ok(Model::new(2, layers)?)
}

fn points(count: usize) -> Samples {
    let mut random = Pcg32::new(5);
    let values: Vec<f64> = (0..2 * count).map(|_| random.uniform(-1.0, 1.0)).collect();
    let labels = values.chunks(2).map(|point| usize::from(point[0] > point[1])).collect();
    Samples::new(2, values, labels).unwrap_or_default()
}

fn options() -> Options {
    Options { epochs: 6, batch: 8, rate: 0.1, seed: 3, ..Options::default() }
}

fn go_on(_: &Checkpoint) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_classifier_learns() -> Outcome {
    let mut model = classifier()?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let (samples, validation) = (points(64), points(32));
    let start = Checkpoint::new(&model, 1);
    let end = train(&mut model, &mut executor, &samples, Some(&validation), &options(), start, &mut go_on)?;
    let first = end.history.first().ok_or("no epoch")?;
    let last = end.history.last().ok_or("no epoch")?;
    assert!(last.loss < 0.8 * first.loss && last.accuracy > 0.8, "{:?}", end.history);
    let validation = last.validation.ok_or("no validation")?;
    assert!(validation.accuracy > 0.75, "{validation:?}");
    // 64 samples, each once plain and twice for each of 4 parameters.
    assert_eq!(end.runs, 6 * 64 * 9);
    Ok(())
}

#[test]
fn an_interrupted_training_ends_as_an_uninterrupted_one() -> Outcome {
    let samples = points(24);
    let pruning = Pruning::Probabilistic { accumulation: 1, pruning: 2, ratio: 0.5 };
    let options = Options { epochs: 4, pruning, ..options() };
    let mut whole = classifier()?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let start = Checkpoint::new(&whole, 1);
    let expected = train(&mut whole, &mut executor, &samples, None, &options, start.clone(), &mut go_on)?;
    let mut model = classifier()?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let mut stop = |at: &Checkpoint| {
        if at.history.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let half = train(&mut model, &mut executor, &samples, None, &options, start, &mut stop)?;
    assert_eq!(half.history.len(), 2);
    let mut model = classifier()?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let end = train(&mut model, &mut executor, &samples, None, &options, half, &mut go_on)?;
    assert_eq!(end, expected);
    Ok(())
}

#[test]
fn runs_are_limited() -> Outcome {
    let mut model = classifier()?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let start = Checkpoint::new(&model, 1);
    let options = Options { max_runs: Some(500), ..options() };
    let end = train(&mut model, &mut executor, &points(64), None, &options, start, &mut go_on)?;
    assert!((500..500 + 8 * 9).contains(&end.runs), "{}", end.runs);
    Ok(())
}

#[test]
fn an_energy_is_minimized_to_the_lowest_eigenvalue() -> Outcome {
    let mut circuit = Circuit::new(1);
    for gate in [Standard::Ry, Standard::Rz] {
        let angle = circuit.add_parameter("a");
        circuit.push(gate, &[0], [angle])?;
    }
    let string = |text| PauliString::parse(text).ok_or("no string");
    let observables = vec![PauliSum::new([(0.6, string("X")?), (-0.8, string("Z")?)])];
    let mut model = Model::new(0, vec![Layer::Circuit(CircuitLayer { circuit, observables })])?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let start = Checkpoint::new(&model, 2);
    let options = Options { objective: Objective::Energy, epochs: 200, rate: 0.1, ..Options::default() };
    let end = train(&mut model, &mut executor, &Samples::nothing(), None, &options, start, &mut go_on)?;
    assert!(
        end.history.last().is_some_and(|epoch| (epoch.loss + 1.0).abs() < 1e-3),
        "{:?}",
        end.history.last()
    );
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Outcome {
    let mut model = classifier()?;
    let mut executor = DeviceExecutor::new(ReferenceBackend::default());
    let start = Checkpoint::new(&model, 1);
    let mut attempt = |samples: &Samples, start: &Checkpoint| {
        train(&mut model, &mut executor, samples, None, &options(), start.clone(), &mut go_on)
    };
    assert!(matches!(attempt(&Samples::default(), &start), Err(TrainError::Samples { samples: 0, .. })));
    let three = Samples::new(2, vec![0.0; 2], vec![2]).unwrap_or_default();
    assert!(matches!(attempt(&three, &start), Err(TrainError::Label { label: 2, outputs: 2 })));
    let other = Checkpoint { parameters: vec![0.0; 3], ..start };
    assert!(matches!(attempt(&points(4), &other), Err(TrainError::Checkpoint { found: 3, .. })));
    Ok(())
}
