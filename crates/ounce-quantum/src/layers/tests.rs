use super::*;
use crate::gate::Standard;
use crate::sim::reference;

fn pairs(pattern: Pattern, n: usize) -> Vec<[usize; 2]> {
    pattern.qubits(n).iter().map(|pair| [pair[0], pair[1]]).collect()
}

#[test]
fn patterns_are_those_of_torchquantum_and_qiskit() {
    assert_eq!(pairs(Pattern::Chain { jump: 2 }, 4), [[0, 2], [1, 3]]);
    assert_eq!(pairs(Pattern::Ring { jump: 3 }, 4), [[0, 3], [1, 0], [2, 1], [3, 2]]);
    assert_eq!(pairs(Pattern::Dense, 3), [[0, 1], [0, 2], [1, 2]]);
    assert_eq!(pairs(Pattern::Butterfly, 5), [[0, 4], [1, 3]]);
    assert_eq!(pairs(Pattern::Pairwise, 4), [[0, 1], [2, 3], [1, 2]]);
    assert_eq!(pairs(Pattern::ReverseLinear, 3), [[1, 2], [0, 1]]);
    assert_eq!(pairs(Pattern::Circular, 3), [[2, 0], [0, 1], [1, 2]]);
    assert_eq!(pairs(Pattern::Circular, 2), [[0, 1]]);
    assert_eq!(pairs(Pattern::Around { count: 4, jump: 1 }, 3), [[0, 1], [1, 2], [2, 0], [0, 1]]);
    let front = |of, count| Pattern::Front { of: Box::new(of), count };
    assert_eq!(pairs(front(Pattern::Ring { jump: 1 }, 2), 4), [[0, 1], [1, 2]]);
    assert_eq!(front(Pattern::Each, 9).qubits(2), [[0], [1]]);
    for pattern in
        [Pattern::Ring { jump: 1 }, Pattern::Around { count: 3, jump: 7 }, Pattern::Dense, Pattern::Circular]
    {
        assert!(pattern.qubits(0).is_empty() && pattern.qubits(1).is_empty(), "{pattern:?}");
    }
}

#[test]
fn design_spaces_have_the_parameters_of_the_papers() {
    let expected =
        [("U3+CU3", 24), ("ZZ+RY", 8), ("RXYZ", 12), ("ZX+XX", 8), ("RXYZ+U1+CU3", 28), ("IBMQ basis", 12)];
    for (name, parameters) in expected {
        let found = Template::named(name).map(|template| template.parameters(4, 1));
        assert_eq!(found, Some(parameters), "{name}");
    }
    assert!(Template::named("").is_none() && Template::named("nothing").is_none());
}

#[test]
fn every_template_fits_circuits_of_three_qubits_and_more() {
    for name in template_names() {
        for qubits in 3..6 {
            let circuit = Template::named(name).and_then(|template| template.circuit(qubits, 2).ok());
            assert!(circuit.is_some_and(|circuit| circuit.operations().count() > 0), "{name}");
        }
    }
}

#[test]
fn shared_layers_have_the_parameters_of_one_gate() -> Result<(), CircuitError> {
    let mut circuit = Circuit::new(3);
    let layer = Layer::ring(Gate::from(Standard::U3).controlled(1)).shared().reversed();
    layer.append_to(&mut circuit)?;
    assert_eq!((circuit.parameters().len(), layer.parameters(3)), (3, 3));
    assert_eq!(
        circuit.operations().map(|own| own.qubits.clone()).collect::<Vec<_>>(),
        [[1, 0], [2, 1], [0, 2]]
    );
    Ok(())
}

#[test]
fn the_fourier_transform_is_its_matrix() -> Result<(), CircuitError> {
    for start in 0..8usize {
        let mut circuit = Circuit::new(3);
        for qubit in (0..3).filter(|qubit| start >> qubit & 1 == 1) {
            circuit.apply(Standard::X, &[qubit])?;
        }
        let mut by_matrix = circuit.clone();
        qft(&mut circuit, &[2, 1, 0], true)?;
        by_matrix.push::<f64>(crate::gate::qft(3).unwrap_or(Standard::I.into()), &[2, 1, 0], [])?;
        let (a, b) = (reference::run(&circuit, &[], &[]), reference::run(&by_matrix, &[], &[]));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).norm() < 1e-12), "{start}");
    }
    Ok(())
}

#[test]
fn random_layers_are_those_of_their_seed() -> Result<(), CircuitError> {
    let made = |seed| {
        let mut circuit = Circuit::new(4);
        RandomLayer::all_types(50, seed).append_to(&mut circuit)?;
        Ok(circuit)
    };
    assert_eq!(made(1)?, made(1)?);
    assert_ne!(made(1)?, made(2)?);
    let mut small = Circuit::new(1);
    RandomLayer::new(20, 3).append_to(&mut small)?;
    assert_eq!(small.operations().count(), 20);
    let mut none = Circuit::new(0);
    RandomLayer::new(20, 3).append_to(&mut none)?;
    assert_eq!(none.operations().count(), 0);
    Ok(())
}

#[test]
fn circuits_of_rotations_and_entanglement_have_qiskits_counts() -> Result<(), CircuitError> {
    let real = TwoLocal::real_amplitudes(Pattern::ReverseLinear, 3).circuit(4)?;
    assert_eq!((real.parameters().len(), real.operations().count()), (16, 25));
    let efficient = TwoLocal::efficient_su2(Pattern::Dense, 2).circuit(3)?;
    assert_eq!((efficient.parameters().len(), efficient.operations().count()), (18, 24));
    let design = TwoLocal::pauli_two_design(4, 2, 7)?;
    assert_eq!((design.parameters().len(), design.operations().count()), (12, 22));
    Ok(())
}
