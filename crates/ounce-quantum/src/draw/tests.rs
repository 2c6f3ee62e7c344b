use super::*;
use crate::circuit::{Angle, Circuit, CircuitError, Instruction, Symbol};
use crate::gate::{Gate, Standard as G, names};

fn sample() -> Result<Circuit, CircuitError> {
    let mut circuit = Circuit::new(3);
    circuit.add_bits(3);
    let theta = Angle::from(circuit.add_parameter("θ"));
    circuit.add_inputs(1);
    circuit.apply(G::H, &[0])?.cx(0, 1)?.cx(2, 0)?;
    circuit.push(G::Rx, &[1], [theta.scaled(0.5).plus(std::f64::consts::FRAC_PI_2)])?;
    circuit.push(Gate::from(G::P).controlled(2), &[2, 0, 1], [Angle::from(Symbol::Input(0)).negated()])?;
    circuit.apply(G::Swap, &[0, 2])?.push(G::Rzz, &[2, 0], [-0.25])?;
    circuit.push_instruction(Instruction::Barrier(vec![0, 1]))?;
    circuit.push_instruction(Instruction::Reset(1))?;
    circuit.push_instruction(Instruction::Measure { qubit: 0, bit: 2 })?;
    Ok(circuit)
}

#[test]
fn text_shows_gates_controls_and_lines() -> Result<(), CircuitError> {
    let drawn = text(&sample()?, None);
    for part in [
        "┤ H ├",
        "■",
        "┤ X ├",
        "┤ Rx(0.5*θ + π/2) ├",
        "┤ P(-x[0]) ├",
        "╳",
        "┤ 0 Rzz(-0.25) ├",
        "┤ |0> ├",
        "┤M 2├",
        "░",
        "┼",
        "│",
    ] {
        assert!(drawn.contains(part), "{part}\n{drawn}");
    }
    Ok(())
}

/// Characters of a line that join downwards, and of the one below it that join upwards, stand at the same places.
fn joined(drawn: &str) {
    let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
    for pair in lines.windows(2) {
        for (x, &above) in pair[0].iter().enumerate() {
            let below = pair[1].get(x).copied().unwrap_or(' ');
            if matches!(above, '│' | '┼' | '┬') {
                assert!(
                    matches!(below, '│' | '┼' | '■' | '╳' | '┴' | '┤' | '├'),
                    "{above} over {below}\n{drawn}"
                );
            }
            if matches!(above, '┌' | '┐') {
                assert!(matches!(below, '┤' | '├'), "{above} over {below}\n{drawn}");
            }
        }
    }
}

#[test]
fn lines_meet_in_every_drawing() -> Result<(), CircuitError> {
    joined(&text(&sample()?, None));
    for name in names() {
        let gate = Gate::from(name.standard).controlled(name.controls);
        let count = gate.qubits();
        let mut circuit = Circuit::new(2 * count + 1);
        let qubits: Vec<usize> = (0..count).map(|index| 2 * ((index + 1) % count.max(1)) + 1).collect();
        circuit.push(gate.clone(), &qubits, vec![0.5; gate.angles()])?;
        joined(&text(&circuit, None));
    }
    Ok(())
}

#[test]
fn wide_drawings_are_continued_within_their_width() -> Result<(), CircuitError> {
    let mut circuit = Circuit::new(2);
    for _ in 0..40 {
        circuit.apply(G::H, &[0])?.cx(0, 1)?;
    }
    let drawn = text(&circuit, Some(60));
    assert!(drawn.lines().all(|line| line.chars().count() <= 60), "{drawn}");
    assert!(drawn.matches("q0:").count() > 5 && drawn.contains('»'));
    assert_eq!(drawn.matches("┤ H ├").count(), 40);
    assert_eq!(text(&circuit, None).matches("q0:").count(), 1);
    // A width that nothing fits still shows everything.
    assert_eq!(text(&circuit, Some(1)).matches("┤ H ├").count(), 40);
    Ok(())
}

#[test]
fn gates_are_packed_into_columns() -> Result<(), CircuitError> {
    let mut circuit = Circuit::new(3);
    circuit.apply(G::H, &[0])?.apply(G::H, &[1])?.apply(G::X, &[2])?.cx(0, 2)?.apply(G::H, &[1])?;
    let sizes: Vec<usize> = columns::columns(&circuit).iter().map(Vec::len).collect();
    // The line of the CNOT crosses the wire of the last gate.
    assert_eq!(sizes, [3, 1, 1]);
    Ok(())
}

#[test]
fn pictures_are_well_formed_and_escape_names() -> Result<(), CircuitError> {
    let mut circuit = sample()?;
    let symbol = circuit.add_parameter("<a & b>");
    circuit.push(G::Ry, &[2], [symbol])?;
    for width in [None, Some(300), Some(1)] {
        let drawn = svg(&circuit, width);
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
        assert!(drawn.contains("Ry(&lt;a &amp; b&gt;)"));
        assert_eq!(drawn.matches("<text").count(), drawn.matches("</text>").count());
        assert_eq!(drawn.matches("<rect").count(), drawn.matches("class=\"box\"").count());
    }
    assert!(svg(&Circuit::new(0), None).starts_with("<svg"));
    assert_eq!(text(&Circuit::new(0), None), "");
    Ok(())
}
