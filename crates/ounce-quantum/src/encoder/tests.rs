use super::*;
use crate::gate::Standard;
use crate::sim::reference;

#[test]
fn descriptions_end_with_the_inputs() -> Result<(), DescriptionError> {
    let encoder = Encoder::described(2, 3, "ry u1,h@1")?;
    let gates: Vec<_> =
        encoder.encodings().iter().map(|own| (own.gate.name(), own.qubits[0], own.inputs.clone())).collect();
    let expected = [("ry", 0, vec![0]), ("ry", 1, vec![1]), ("p", 1, vec![2]), ("h", 1, vec![])];
    assert_eq!(gates, expected.map(|(name, qubit, inputs)| (name.to_owned(), qubit, inputs)));
    assert!(matches!(Encoder::described(2, 5, "ry rz"), Err(DescriptionError::LeftOver { taken: 4, .. })));
    assert!(matches!(Encoder::described(2, 2, "cx"), Err(DescriptionError::Gate { .. })));
    for range in ["ry@2", "ry@1-0", "ry@x", "ry@0-99999999999999999999", "ry@"] {
        assert!(matches!(Encoder::described(2, 2, range), Err(DescriptionError::Qubits { .. })), "{range}");
    }
    Ok(())
}

#[test]
fn phase_encoders_take_one_input_a_qubit_or_as_many_as_the_gates_need() {
    assert_eq!(Encoder::phase(Standard::Rx, 3).inputs(), 3);
    let gates = [Standard::Rx, Standard::U3, Standard::U2].map(Gate::from);
    let encoder = Encoder::multi_phase(&gates, 2, None);
    let found: Vec<_> = encoder.encodings().iter().map(|own| (own.qubits[0], own.inputs.clone())).collect();
    assert_eq!(found, [(0, vec![0]), (1, vec![1, 2, 3]), (0, vec![4, 5])]);
    let encoder = Encoder::multi_phase(&gates[..2], 2, Some(&[1, 1]));
    assert_eq!(encoder.encodings().iter().map(|own| own.qubits[0]).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn amplitudes_are_the_values_with_qubit_0_most_significant() -> Result<(), amplitude::AmplitudeError> {
    let state = amplitude::state(&[3.0, 0.0, -4.0], 2)?;
    // Value 2 is 10 with qubit 0 first, so qubit 0 is 1: index 1.
    assert!((state[0].re - 0.6).abs() < 1e-15 && (state[1].re + 0.8).abs() < 1e-15);
    let magnitudes = amplitude::magnitude_state(&[1.0, -3.0], 1)?;
    assert!((magnitudes[1].norm_sqr() - 0.75).abs() < 1e-12);
    assert!(amplitude::state(&[1.0; 5], 2).is_err() && amplitude::state(&[0.0; 2], 1).is_err());
    assert!(amplitude::state(&[f64::NAN], 1).is_err() && amplitude::state(&[f64::INFINITY], 1).is_err());
    assert!((amplitude::state(&[1e-200, 1e-200], 1)?[0].re - 0.5f64.sqrt()).abs() < 1e-12);
    Ok(())
}

#[test]
fn circuits_prepare_the_states() -> Result<(), amplitude::AmplitudeError> {
    for qubits in 1..6 {
        let sample: Vec<f64> =
            (0..(1 << qubits) - qubits / 2).map(|i| (i as f64 * 1.7 + 0.4).sin()).collect();
        let expected = amplitude::state(&sample, qubits)?;
        let found = reference::run(&amplitude::circuit(&sample, qubits)?, &[], &[]);
        let distance = expected.iter().zip(&found).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max);
        assert!(distance < 1e-12, "{qubits}: {distance}");
    }
    Ok(())
}
