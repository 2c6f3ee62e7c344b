use super::*;
use crate::circuit::Symbol;

const ANGLES: [f64; 4] = [0.37, -1.2, 2.9, 0.6];

fn angles(gate: &Gate) -> Vec<f64> {
    ANGLES[..gate.angles()].to_vec()
}

fn every_gate() -> Vec<Gate> {
    let named = names().iter().map(|name| Gate::from(name.standard).controlled(name.controls));
    let wide = [
        Gate::pauli_rotation([Pauli::X, Pauli::Y, Pauli::Z]),
        Gate::pauli_rotation([Pauli::Z; 2]).controlled(1),
    ];
    named.chain(wide).collect()
}

#[test]
fn rows_stand_in_the_order_of_the_enum() {
    for (index, standard) in Standard::all().enumerate() {
        assert_eq!(standard as usize, index);
        assert_eq!(standard.matrix(&ANGLES).dim(), 1 << standard.qubits(), "{standard:?}");
        assert!(names::of(standard, 0).is_some(), "{standard:?} has no name");
    }
}

#[test]
fn matrices_are_unitary_and_inverses_undo_them() {
    for gate in every_gate() {
        let values = angles(&gate);
        let matrix = gate.matrix(&values);
        assert!(matrix.is_unitary(1e-12), "{}", gate.name());
        assert_eq!(gate.is_diagonal(), matrix.is_diagonal(), "{}", gate.name());
        let symbols: Vec<Angle> = (0..values.len()).map(|i| Angle::from(Symbol::Parameter(i))).collect();
        let (inverse, inverse_angles) = gate.inverse(&symbols);
        let inverse_values: Vec<f64> = inverse_angles.iter().map(|angle| angle.value(&values, &[])).collect();
        let product = &inverse.matrix(&inverse_values) * &matrix;
        assert!(product.distance(&Matrix::identity(matrix.dim())) < 1e-12, "{}", gate.name());
    }
}

#[test]
fn derivatives_are_those_of_finite_differences() {
    let step = 1e-5;
    for gate in every_gate() {
        for index in 0..gate.angles() {
            let at = |shift: f64| {
                let mut values = angles(&gate);
                values[index] += shift;
                gate.target_matrix(&values)
            };
            let finite = at(step).minus(&at(-step)).scaled(C64::from(0.5 / step));
            let exact = gate.target_derivative(&angles(&gate), index);
            assert!(exact.distance(&finite) < 1e-9, "{} angle {index}", gate.name());
        }
    }
}

/// The expectation value of a fixed Hermitian matrix after the gate on a fixed state.
fn expectation(gate: &Gate, values: &[f64]) -> f64 {
    let matrix = gate.matrix(values);
    let dim = matrix.dim();
    let amplitude = |i: usize| C64::new((i as f64 * 0.7 + 0.2).sin(), (i as f64 * 1.3).cos());
    let after: Vec<C64> =
        (0..dim).map(|row| (0..dim).map(|k| matrix.at(row, k) * amplitude(k)).sum()).collect();
    let observable = |row: usize, column: usize| {
        let (low, high) = (row.min(column), row.max(column));
        let entry =
            C64::new((low * 3 + high) as f64 * 0.31, if low == high { 0.0 } else { (high + 2 * low) as f64 });
        let entry = C64::new(entry.re.cos(), if low == high { 0.0 } else { entry.im.sin() });
        if row <= column { entry } else { entry.conj() }
    };
    let values = (0..dim).flat_map(|row| (0..dim).map(move |column| (row, column)));
    values.map(|(row, column)| (after[row].conj() * observable(row, column) * after[column]).re).sum()
}

#[test]
fn shift_rules_are_exact_for_every_angle_of_every_gate() {
    let step = 1e-5;
    for gate in every_gate() {
        for index in 0..gate.angles() {
            let at = |shift: f64| {
                let mut values = angles(&gate);
                values[index] += shift;
                expectation(&gate, &values)
            };
            let finite = (at(step) - at(-step)) / (2.0 * step);
            let rule = gate.spectrum(index).shift_rule();
            let shifted: f64 = rule.iter().map(|term| term.coefficient * at(term.shift)).sum();
            assert!((shifted - finite).abs() < 1e-6, "{} angle {index}: {shifted} {finite}", gate.name());
        }
    }
}

#[test]
fn the_four_term_rule_is_that_of_the_literature() {
    let rule = Spectrum::PartialRotation.shift_rule();
    let root = 2f64.sqrt();
    let (near, far) = ((root + 1.0) / (4.0 * root), (root - 1.0) / (4.0 * root));
    let half = std::f64::consts::FRAC_PI_2;
    let expected = [(near, half), (-far, 3.0 * half), (far, -3.0 * half), (-near, -half)];
    for (term, (coefficient, shift)) in rule.iter().zip(expected) {
        assert!(
            (term.coefficient - coefficient).abs() < 1e-12 && (term.shift - shift).abs() < 1e-12,
            "{rule:?}"
        );
    }
}

#[test]
fn names_lead_to_gates_and_back() {
    assert_eq!(by_name("CNOT").map(|gate| gate.name()), Some("cx".to_owned()));
    assert_eq!(by_name("Toffoli").map(|gate| (gate.controls(), gate.targets())), Some((2, 1)));
    assert_eq!(Gate::from(Standard::Rx).controlled(2).name(), "c2rx");
    assert!(by_name("nothing").is_none());
    for (index, name) in names().iter().enumerate() {
        assert!(names()[..index].iter().all(|other| other.name != name.name), "{} is there twice", name.name);
    }
}

#[test]
fn a_matrix_is_a_gate_only_if_it_is_unitary() {
    assert!(Gate::unitary(Standard::Ecr.matrix(&[])).is_some());
    assert!(Gate::unitary(Matrix::identity(3)).is_none());
    assert!(Gate::unitary(Matrix::identity(2).scaled(C64::from(2.0))).is_none());
}
