use super::*;
use crate::circuit::{Angle, Circuit, Instruction, Operation, Symbol};
use crate::gate::{Gate, Standard, names};
use crate::matrix::{C64, Matrix};
use crate::observable::Pauli;
use crate::sim::reference;
use proptest::prelude::*;

fn infidelity(a: &[C64], b: &[C64]) -> f64 {
    let overlap: C64 = a.iter().zip(b).map(|(a, b)| a.conj() * b).sum();
    if a.len() == b.len() { (1.0 - overlap.norm()).abs() } else { 1.0 }
}

fn names_of(text: &str) -> Vec<(String, Vec<usize>)> {
    let circuit = read(text).unwrap_or_else(|error| panic!("{error}"));
    circuit.operations().map(|own| (own.gate.name(), own.qubits.clone())).collect()
}

fn angle_of(text: &str) -> Angle {
    let circuit = read(text).unwrap_or_else(|error| panic!("{error}"));
    circuit.operations().next().map(|own| own.angles[0].clone()).unwrap_or_default()
}

#[test]
fn registers_are_broadcast() {
    let text = "OPENQASM 2.0; include \"qelib1.inc\"; qreg a[2]; qreg b[2]; qreg c[1]; cx a, b; h b; cx a[0], b; cx a[1],c[0];";
    let pairs: Vec<Vec<usize>> = names_of(text).into_iter().map(|(_, qubits)| qubits).collect();
    assert_eq!(pairs, [vec![0, 2], vec![1, 3], vec![2], vec![3], vec![0, 2], vec![0, 3], vec![1, 4]]);
}

#[test]
fn indices_are_numbers_ranges_and_sets() {
    let text = "qubit[5] q; const int n = 2; x q[n+1]; x q[-1]; x q[1:3]; x q[0:2:4]; x q[4:-2:0]; x q[{0, 3}]; x q[3:];";
    let qubits: Vec<usize> = names_of(text).into_iter().map(|(_, qubits)| qubits[0]).collect();
    assert_eq!(qubits, [3, 4, 1, 2, 3, 0, 2, 4, 4, 2, 0, 0, 3, 3, 4]);
}

#[test]
fn expressions_have_the_usual_order_and_functions() {
    let value = |expression: &str| {
        angle_of(&format!("OPENQASM 2.0; qreg q[1]; rx({expression}) q[0];")).constant().unwrap_or(f64::NAN)
    };
    let pi = std::f64::consts::PI;
    for (expression, expected) in [
        ("1+2*3", 7.0),
        ("-2^2", -4.0),
        ("2^3^2", 512.0),
        ("2^-1", 0.5),
        ("(1+2)*3/2", 4.5),
        ("8/4/2", 1.0),
        ("1 - 2 - 3", -4.0),
        ("--1", 1.0),
        ("pi/2", pi / 2.0),
        ("sin(pi/2)+cos(0)*sqrt(4)", 3.0),
        ("ln(exp(2))", 2.0),
        (".5e1", 5.0),
        ("1e-3", 1e-3),
        ("2.", 2.0),
    ] {
        assert!((value(expression) - expected).abs() < 1e-12, "{expression}: {}", value(expression));
    }
    let three =
        angle_of("qubit q; rz(2**3 + τ - tau + 0x1F + 0b11 + 1_000 + pow(2, 3) + mod(7, 4)) q;").constant();
    assert_eq!(three, Some(8.0 + 31.0 + 3.0 + 1000.0 + 8.0 + 3.0));
}

#[test]
fn inputs_are_parameters_and_arrays_of_them_inputs() {
    let text = "input float[64] a; input angle b; input array[float[64], 2] x; qubit q; rx(2*(a - b/4) + 1 - x[1]*3) q;";
    let circuit = read(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((circuit.parameters(), circuit.inputs()), (&["a".to_owned(), "b".to_owned()][..], 2));
    let expected = [(Symbol::Parameter(0), 2.0), (Symbol::Parameter(1), -0.5), (Symbol::Input(1), -3.0)];
    let angle = angle_of(text);
    assert_eq!((angle.offset(), angle.terms()), (1.0, &expected[..]));
}

#[test]
fn definitions_are_inlined_with_their_angles() {
    let text = "OPENQASM 2.0; include \"qelib1.inc\"; gate g(a, b) p, q { rx(a/2) p; cx q, p; barrier p; } gate e q { } \
        gate k(c) p, q { g(-c, 1) q, p; u1(c) p; } qreg r[2]; k(3) r[0], r[1]; e r; id r[0];";
    assert_eq!(
        names_of(text),
        [
            ("rx".to_owned(), vec![1]),
            ("cx".to_owned(), vec![0, 1]),
            ("p".to_owned(), vec![0]),
            ("id".to_owned(), vec![0]),
        ]
    );
    assert_eq!(angle_of(text), Angle::from(-1.5));
}

#[test]
fn modifiers_nest() {
    let same = |text: &str, expected: &str| {
        let state = |text: &str| {
            // A state that no gate leaves as it is.
            let start = "qubit[4] q; h q; t q; ry(0.3) q[1]; ry(0.8) q[2]; rz(1) q[3]; h q[3]; ";
            let text = format!("{start}{text}");
            reference::run(&read(&text).unwrap_or_else(|error| panic!("{text}: {error}")), &[], &[])
        };
        assert!(infidelity(&state(text), &state(expected)) < 1e-12, "{text}");
    };
    same("ctrl @ x q[0], q[1];", "cx q[0], q[1];");
    same("negctrl @ x q[0], q[1];", "x q[0]; cx q[0], q[1]; x q[0];");
    same("ctrl(2) @ inv @ sx q[0], q[1], q[2];", "ctrl(2) @ sxdg q[0], q[1], q[2];");
    same("ctrl @ negctrl @ z q[0], q[1], q[2];", "x q[1]; ccz q[0], q[1], q[2]; x q[1];");
    same("inv @ pow(2) @ s q[0];", "z q[0];");
    same("pow(-3) @ t q[0];", "tdg q[0]; sdg q[0];");
    same("pow(1/2) @ x q[0];", "sx q[0];");
    same("ctrl @ pow(0.5) @ x q[2], q[0];", "csx q[2], q[0];");
    same("ctrl @ gphase(0.7) q[2];", "p(0.7) q[2];");
    same("ctrl(3) @ gphase(pi) q[0], q[1], q[2];", "ccz q[0], q[1], q[2];");
    same("ctrl @ U(0.3, 0.4, 0.5) q[0], q[1];", "p(0.15) q[0]; cu3(0.3, 0.4, 0.5) q[0], q[1];");
    same("ctrl @ u3(0.3, 0.4, 0.5) q[0], q[1];", "p(-0.45) q[0]; cu3(0.3, 0.4, 0.5) q[0], q[1];");
    same("ctrl @ u2(0.4, 0.5) q[0], q[1];", "ctrl @ u3(pi/2, 0.4, 0.5) q[0], q[1];");
    same(
        "gate g(a) p, r { gphase(a); cx p, r; rz(a) r; } ctrl @ inv @ g(0.4) q[0], q[1], q[2];",
        "p(-0.4) q[0]; crz(-0.4) q[0], q[2]; ccx q[0], q[1], q[2];",
    );
    same("pow(0) @ x q[0];", "");
}

#[test]
fn measurements_resets_and_barriers_are_kept() {
    let text = "OPENQASM 3; bit[2] c; qubit[2] q; barrier; barrier q[0], q; reset q; c = measure q; c[1] = measure q[0]; \
        measure q[1] -> c[0]; bit b = measure q[1];";
    let circuit = read(text).unwrap_or_else(|error| panic!("{error}"));
    let measure = |qubit, bit| Instruction::Measure { qubit, bit };
    assert_eq!(
        circuit.instructions(),
        [
            Instruction::Barrier(vec![0, 1]),
            Instruction::Barrier(vec![0, 1]),
            Instruction::Reset(0),
            Instruction::Reset(1),
            measure(0, 0),
            measure(1, 1),
            measure(0, 1),
            measure(1, 0),
            measure(1, 2),
        ]
    );
}

#[test]
fn pragmas_annotations_comments_and_device_qubits_are_understood() {
    let text = "// a\nOPENQASM 3.0; /* b\n */ #pragma x y\n@note z\ninclude 'stdgates.inc';\ncx $2, $0;";
    assert_eq!(names_of(text), [("cx".to_owned(), vec![2, 0])]);
    assert_eq!(read(text).map(|circuit| circuit.qubits()), Ok(3));
}

#[test]
fn errors_say_where_and_what_to_do() {
    for (text, line, column, part) in [
        ("", 1, 1, "no qubit"),
        ("OPENQASM 4.0;", 1, 10, "convert"),
        ("include \"other.inc\";", 1, 9, "copy the definitions"),
        ("qubit q;\nfoo q;", 2, 1, "\"foo\""),
        ("qubit q; h r;", 1, 12, "no qubit \"r\""),
        ("qubit[2] q; h q[2];", 1, 17, "from 0 to 2"),
        ("qubit[2] q; cx q[0], q[0];", 1, 13, "must differ"),
        ("qubit[2] q; qubit[3] r; cx q, r;", 1, 25, "of 2 and of 3"),
        ("qubit q; rx q;", 1, 10, "takes 1 angles, 0"),
        ("qubit q; cx q;", 1, 10, "takes 2 qubits, 1"),
        ("qubit q; qubit q;", 1, 16, "twice"),
        ("input float a; qubit q; rx(a*a) q;", 1, 28, "linear"),
        ("input float a; qubit q; rx(sin(a)) q;", 1, 28, "linear"),
        ("input float a; qubit q; rx(1/a) q;", 1, 28, "linear"),
        ("input float a; qubit[a] q;", 1, 22, "cannot depend"),
        ("qubit q; rx(1/0) q;", 1, 13, "not finite"),
        ("qubit q; rx(1 q;", 1, 15, "expected )"),
        ("qubit q; h q", 1, 13, "expected ;"),
        ("qubit q; if (true) h q;", 1, 10, "`if`"),
        ("for int i in [0:1] {}", 1, 1, "write the gates out"),
        ("OPENQASM 2.0; opaque g a;", 1, 15, "define the gate"),
        ("int x = 3;", 1, 1, "const"),
        ("qubit[99999999] q;", 1, 1, "more than 4096 qubits"),
        ("qubit[1.5] q;", 1, 7, "not a whole number"),
        ("qubit q; h q; /* x", 1, 15, "close it"),
        ("qubit q; h q; ?", 1, 15, "no meaning"),
        ("qubit q; rx(1e999) q;", 1, 13, "not a number"),
        ("gate g q { measure q; }", 1, 12, "only gates"),
        ("gate g q { h r; }", 1, 14, "no qubit"),
        ("gate g q { g q; }", 1, 12, "no gate"),
        ("gate g(a, a) q { }", 1, 11, "twice"),
        ("input float b; gate g q { rx(b) q; }", 1, 30, "cannot depend"),
        ("bit c; qubit q; c = h q;", 1, 21, "expected measure"),
        ("qubit[2] q; pow(0.5) @ cx q[0], r;", 1, 33, "no qubit"),
        ("input float a; qubit q; pow(0.5) @ rx(a) q;", 1, 29, "whole number"),
    ] {
        let error = read(text).err().unwrap_or_else(|| panic!("{text} was read"));
        let message = error.to_string();
        assert!((error.line, error.column) == (line, column) && message.contains(part), "{text}: {message}");
    }
}

#[test]
fn nothing_grows_without_bounds() {
    // Each definition calls the one before twice.
    let nested: String =
        (1..60).map(|n| format!("gate g{n} q {{ g{} q; g{} q; }}\n", n - 1, n - 1)).collect();
    for body in ["h q;", ""] {
        let text = format!("gate g0 q {{ {body} }}\n{nested}qubit q; g59 q;");
        assert!(matches!(read(&text), Err(QasmError { problem: Problem::Limit { what: "gates", .. }, .. })));
    }
    let chain: String = (1..200).map(|n| format!("gate g{n} q {{ g{} q; }}\n", n - 1)).collect();
    let chain = format!("gate g0 q {{ }}\n{chain}");
    assert!(matches!(read(&chain), Err(QasmError { problem: Problem::Limit { .. }, .. })));
    for text in [
        format!("qubit q; rx({}1{}) q;", "(".repeat(100_000), ")".repeat(100_000)),
        format!("qubit q; rx({}1) q;", "2**".repeat(100_000)),
        format!("qubit q; rx({}1) q;", "sin(".repeat(100_000)),
        format!("input array[float, 1] x; qubit q; rx({}1) q;", "x[".repeat(100_000)),
        "qubit q; pow(1e300) @ h q;".to_owned(),
        "qubit q; pow(123456789) @ h q;".to_owned(),
        "ctrl(123456789) @ gphase(1);".to_owned(),
    ] {
        assert!(
            matches!(read(&text), Err(QasmError { problem: Problem::Limit { .. }, .. })),
            "{}",
            &text[..40]
        );
    }
    let long = format!("qubit q; rx({}1) q;", "1+".repeat(200_000));
    assert_eq!(angle_of(&long), Angle::from(200_001.0));
    let few = Limits { gates: 3, qubits: 2 };
    assert!(read_with("qubit[2] q; h q; h q[0];", few).is_ok());
    assert!(read_with("qubit[2] q; h q; h q;", few).is_err());
}

/// Any gate on some of 4 qubits, with angles in two parameters and an input.
fn operation() -> impl Strategy<Value = Operation> {
    let gates: Vec<Gate> =
        names().iter().map(|name| Gate::from(name.standard).controlled(name.controls)).collect();
    let more = [
        Gate::pauli_rotation([Pauli::X, Pauli::Z, Pauli::Y]),
        Gate::pauli_rotation([Pauli::Z; 3]).controlled(1),
        Gate::from(Standard::Ecr).controlled(1),
        Gate::from(Standard::Sxdg).controlled(2),
        Gate::from(Standard::Rzx),
        Gate::from(Standard::XxPlusYy),
    ];
    let unitary = Gate::unitary(Standard::Ecr.matrix(&[])).unwrap_or(Gate::from(Standard::X));
    let all: Vec<Gate> =
        gates.into_iter().filter(|gate| gate.qubits() <= 4).chain(more).chain([unitary]).collect();
    let order = Just(vec![0usize, 1, 2, 3]).prop_shuffle();
    (
        proptest::sample::select(all),
        order,
        proptest::collection::vec((-4.0..4.0f64, 0..4usize, -2.0..2.0f64), 4),
    )
        .prop_map(|(gate, order, angles)| {
            let symbols = [Symbol::Parameter(0), Symbol::Parameter(1), Symbol::Input(0)];
            let angle = |&(offset, symbol, factor): &(f64, usize, f64)| match symbols.get(symbol) {
                Some(symbol) => Angle::from(*symbol).scaled(factor).plus(offset),
                None => Angle::from(offset),
            };
            let angles = angles[..gate.angles()].iter().map(angle).collect();
            Operation { qubits: order[..gate.qubits()].to_vec(), gate, angles }
        })
}

fn circuit_of(operations: Vec<Operation>) -> Circuit {
    let mut circuit = Circuit::new(4);
    circuit.add_bits(1);
    circuit.add_parameter("theta");
    circuit.add_parameter("x");
    circuit.add_inputs(1);
    for operation in operations {
        circuit.push_instruction(Instruction::Gate(operation)).unwrap_or_else(|error| panic!("{error}"));
    }
    for instruction in
        [Instruction::Barrier(vec![2, 0]), Instruction::Reset(1), Instruction::Measure { qubit: 3, bit: 0 }]
    {
        circuit.push_instruction(instruction).unwrap_or_else(|error| panic!("{error}"));
    }
    circuit
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_is_read_as_the_same(operations in proptest::collection::vec(operation(), 1..8)) {
        let circuit = circuit_of(operations);
        let (parameters, inputs) = ([0.3, -1.1], [0.8]);
        let expected = reference::run(&circuit, &parameters, &inputs);
        let text = write3(&circuit);
        let again = read(&text);
        prop_assert!(again.is_ok(), "{again:?} {text}");
        let again = again.unwrap_or_default();
        prop_assert_eq!((again.parameters().len(), again.inputs(), again.bits()), (2, 1, 1));
        prop_assert!(infidelity(&reference::run(&again, &parameters, &inputs), &expected) < 1e-9, "{}", text);
        prop_assert!(write2(&circuit).is_err());
        let text = write2(&circuit.bound(&parameters, &inputs)).unwrap_or_default();
        let again = read(&text);
        prop_assert!(again.is_ok(), "{again:?} {text}");
        prop_assert!(infidelity(&reference::run(&again.unwrap_or_default(), &[], &[]), &expected) < 1e-9, "{}", text);
    }
}

#[test]
fn numbers_are_read_as_they_were_written() {
    let pi = std::f64::consts::PI;
    for value in [
        0.1,
        1e-300,
        2e17,
        pi,
        pi / 2.0,
        3.0 * pi / 4.0,
        7.0 * pi / 64.0,
        1.0,
        0.0,
        f64::MIN_POSITIVE,
        5.5e20,
        1e22,
    ] {
        let text = angles::number(value);
        let read = angle_of(&format!("OPENQASM 2.0; qreg q[1]; rx({text}) q[0];"));
        assert_eq!(read, Angle::from(value), "{text}");
        if text.contains('e') {
            assert!(text.contains('.'), "{text}");
        }
    }
    assert_eq!(angles::number(3.0 * pi / 4.0), "3*pi/4");
}

#[test]
fn names_of_parameters_become_valid_and_stay_apart() {
    let mut circuit = Circuit::new(1);
    for name in ["θ[0]", "θ[1]", "x", "gate", "a", "a", "0", "", "c2rx"] {
        let symbol = circuit.add_parameter(name);
        circuit.push(Standard::Rx, &[0], [symbol]).unwrap_or_else(|error| panic!("{error}"));
    }
    let again = read(&write3(&circuit)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.operations().count(), 9);
    assert_eq!(again.parameters().len(), 9);
}

/// A file with much of the language in it.
const SAMPLE: &str = "OPENQASM 3.0;\ninclude \"stdgates.inc\";\ninput float[64] a; input array[float[64], 3] x;\nconst float k = 2*pi/3;\n\
    gate g(t) p, r { rx(t/2) p; ctrl @ inv @ sx p, r; gphase(-t); }\nqubit[3] q; bit[3] c; // registers\n\
    g(a + k - x[2]*2) q[0], q[1]; pow(2) @ g(0.5) q[1], q[2]; negctrl(2) @ U(1, 2, 3) q[0], q[1], q[2];\n\
    barrier q[0:1]; reset q; c = measure q; h q[{0, 2}]; cu(1, 2, 3, 4) q[0], q[2];\n";

#[test]
fn damaged_files_are_refused_or_read_but_never_panic() {
    assert!(read(SAMPLE).is_ok());
    let mut random = ounce_random::Pcg32::new(11);
    let pieces = [
        "(", ")", "[", "]", "{", "}", ";", ",", "@", "1e9", "-", "*", "/", "**", "q", "ctrl", "pow(3) @",
        "gate", "x[0]", "$7", "\"", "\u{7}é",
    ];
    let old = write2(
        &read("OPENQASM 2.0; qreg q[3]; creg c[3]; ccx q[0],q[1],q[2]; measure q->c;").unwrap_or_default(),
    );
    let old = old.unwrap_or_default();
    let mut read_well = 0;
    for round in 0..20_000 {
        let mut text: Vec<char> =
            if round % 2 == 0 { SAMPLE.chars().collect() } else { old.chars().collect() };
        for _ in 0..=random.below(4) {
            let at = random.below(text.len() as u32) as usize;
            let end = (at + random.below(12) as usize).min(text.len());
            match random.below(4) {
                0 => drop(text.drain(at..end)),
                1 => {
                    let piece = pieces[random.below(pieces.len() as u32) as usize];
                    text.splice(at..at, piece.chars());
                }
                2 => {
                    let copied: Vec<char> = text[at..end].to_vec();
                    let to = random.below(text.len() as u32) as usize;
                    text.splice(to..to, copied);
                }
                _ => text.truncate(at.max(1)),
            }
            if text.is_empty() {
                text.push('q');
            }
        }
        let text: String = text.into_iter().collect();
        match read_with(&text, Limits { gates: 10_000, qubits: 64 }) {
            Ok(_) => read_well += 1,
            Err(error) => assert!(error.line >= 1 && error.column >= 1 && !error.to_string().is_empty()),
        }
    }
    assert!(read_well > 100, "{read_well}");
}

#[test]
fn unitaries_are_written_by_their_parts() {
    let mut circuit = Circuit::new(3);
    let matrix = Matrix::identity(8).scaled(C64::cis(0.3));
    let gate = Gate::unitary(matrix).unwrap_or(Gate::from(Standard::X));
    circuit.push::<f64>(gate, &[2, 0, 1], []).unwrap_or_else(|error| panic!("{error}"));
    assert!(write2(&circuit).is_ok_and(|text| read(&text).is_ok()));
    assert!(read(&write3(&circuit)).is_ok());
}
