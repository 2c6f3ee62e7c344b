use super::*;

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let mut circuit = Circuit::new(2);
    let rx = Standard::Rx;
    assert!(matches!(circuit.push(rx, &[2], [0.1]), Err(CircuitError::Qubit { qubit: 2, .. })));
    assert!(matches!(circuit.push(rx, &[0, 1], [0.1]), Err(CircuitError::Qubits { expected: 1, .. })));
    assert!(matches!(circuit.push(rx, &[0], [0.1, 0.2]), Err(CircuitError::Angles { found: 2, .. })));
    assert!(matches!(circuit.push(rx, &[0], [f64::NAN]), Err(CircuitError::NotFinite { .. })));
    assert!(matches!(circuit.push(rx, &[0], [Symbol::Input(0)]), Err(CircuitError::Symbol { .. })));
    assert!(matches!(circuit.cx(1, 1), Err(CircuitError::Repeated { qubit: 1, .. })));
    let measure = Instruction::Measure { qubit: 0, bit: 0 };
    assert!(matches!(circuit.push_instruction(measure), Err(CircuitError::Bit { .. })));
    assert!(circuit.instructions().is_empty());
}

#[test]
fn appended_circuits_bring_their_symbols() -> Result<(), CircuitError> {
    let mut block = Circuit::new(1);
    let weight = block.add_parameter("w");
    let input = block.add_inputs(1);
    block.push(
        Standard::Ry,
        &[0],
        [Angle::from(weight).sum(&Angle::from(Symbol::Input(input)).scaled(2.0))],
    )?;
    let mut circuit = Circuit::new(2);
    circuit.append(&block, &[1])?.append(&block, &[0])?;
    assert_eq!((circuit.parameters().len(), circuit.inputs()), (2, 2));
    let values: Vec<_> = circuit
        .operations()
        .map(|op| (op.qubits[0], op.angles[0].value(&[1.0, 2.0], &[10.0, 20.0])))
        .collect();
    assert_eq!(values, [(1, 21.0), (0, 42.0)]);
    let bound = circuit.bound(&[1.0, 2.0], &[10.0, 20.0]);
    assert_eq!(
        bound.operations().map(|op| op.angles[0].constant()).collect::<Vec<_>>(),
        [Some(21.0), Some(42.0)]
    );
    Ok(())
}

#[test]
fn sums_of_angles_keep_one_term_a_symbol() {
    let a = Angle::from(Symbol::Parameter(1)).sum(&Angle::from(Symbol::Parameter(0)).plus(0.5));
    assert_eq!(a.terms(), [(Symbol::Parameter(0), 1.0), (Symbol::Parameter(1), 1.0)]);
    assert_eq!(a.sum(&a.negated()), Angle::from(0.0));
}
