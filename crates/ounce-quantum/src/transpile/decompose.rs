//! Every gate in terms of simpler ones, exactly, global phases included, with symbolic angles kept.
//!
//! A rule writes a gate as `outer core outer^-1`, so that a control need only be put on the core. At the end of the rules stand CNOT, global phases and the
//! gates on one qubit that OpenQASM's libraries have.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::build::{controlled, cx, fixed, mcx, op, turn, undone};
use super::{controls, euler, shannon, two_qubit};
use crate::circuit::{Angle, Operation};
use crate::gate::{Gate, Kind, Standard as G};
use crate::observable::Pauli;

/// The operations, with those that `keep` does not want replaced by simpler ones until it does or there are no simpler ones.
pub fn decompose(operations: &[Operation], keep: impl Fn(&Operation) -> bool) -> Vec<Operation> {
    decompose_by(operations, |operation| if keep(operation) { None } else { simpler(operation) })
}

/// The operations, each replaced by what `rule` makes of it, until that is nothing more.
pub(super) fn decompose_by(
    operations: &[Operation],
    rule: impl Fn(&Operation) -> Option<Vec<Operation>>,
) -> Vec<Operation> {
    let mut result = Vec::with_capacity(operations.len());
    let mut stack: Vec<Operation> = operations.iter().rev().cloned().collect();
    while let Some(operation) = stack.pop() {
        match rule(&operation) {
            Some(parts) => stack.extend(parts.into_iter().rev()),
            None => result.push(operation),
        }
    }
    result
}

/// A controlled phase or RZ by way of RZZ, up to a global phase; `None` for other gates.
pub(super) fn by_rzz(operation: &Operation) -> Option<Vec<Operation>> {
    let ([control, target], 1) = (&operation.qubits[..], operation.gate.controls()) else { return None };
    let half = |sign: f64| [operation.angles[0].scaled(0.5 * sign)];
    let turns = match operation.gate.standard()? {
        G::P => vec![op(G::Rz, &[*control], &half(1.0)), op(G::Rz, &[*target], &half(1.0))],
        G::Rz => vec![op(G::Rz, &[*target], &half(1.0))],
        _ => return None,
    };
    Some(turns.into_iter().chain([op(G::Rzz, &operation.qubits, &half(-1.0))]).collect())
}

/// What a gate does in terms of simpler ones; `None` if there are none.
pub fn simpler(operation: &Operation) -> Option<Vec<Operation>> {
    let (controls, targets) = operation.qubits.split_at(operation.gate.controls());
    let angles = &operation.angles;
    let standard = operation.gate.standard();
    match (standard, controls.len()) {
        (Some(G::X), 1) | (Some(G::GlobalPhase), 0) => None,
        (Some(standard), 0) if standard.qubits() == 1 => single(standard, targets[0], angles),
        (Some(G::GlobalPhase), count) => {
            let phase = op(G::P, &controls[count - 1..], angles);
            Some(vec![controlled(phase, &controls[..count - 1])])
        }
        (Some(G::Z), 1) => {
            let h = fixed(G::H, targets);
            Some(vec![h.clone(), cx(controls[0], targets[0]), h])
        }
        (Some(G::P), _) => Some(controls::phase(controls, targets[0], &angles[0])),
        (Some(G::Rz), _) => Some(controls::rz(controls, targets[0], &angles[0])),
        (Some(G::U2 | G::U3 | G::U4 | G::Rot), 1) => {
            let [theta, phi, lambda, gamma] = euler::as_u4(standard?, angles)?;
            Some(controls::u4(controls[0], targets[0], &theta, &phi, &lambda, &gamma))
        }
        _ => {
            let (outer, core) = rule(operation.gate.kind(), targets, angles);
            let core = core.into_iter().map(|part| controlled(part, controls));
            let undone = undone(&outer);
            Some(outer.into_iter().chain(core).chain(undone).collect())
        }
    }
}

/// Gates on one qubit that no library of OpenQASM has, as `u3` and a phase.
fn single(standard: G, qubit: usize, angles: &[Angle]) -> Option<Vec<Operation>> {
    if !matches!(standard, G::R | G::Rot | G::U4 | G::SqrtH) {
        return None;
    }
    let [theta, phi, lambda, gamma] = euler::as_u4(standard, angles)?;
    Some(vec![op(G::U3, &[qubit], &[theta, phi, lambda]), op(G::GlobalPhase, &[], &[gamma])])
}

type Rule = (Vec<Operation>, Vec<Operation>);

fn rule(kind: &Kind, qubits: &[usize], angles: &[Angle]) -> Rule {
    match kind {
        Kind::Standard(standard) if standard.qubits() == 1 => rule_of_one(*standard, qubits[0], angles),
        Kind::Standard(standard) => rule_of_many(*standard, qubits, angles),
        Kind::PauliRotation(paulis) => pauli_rotation(paulis, qubits, &angles[0]),
        Kind::Unitary(matrix) => match qubits.len() {
            1 => {
                let [theta, phi, lambda, gamma] = euler::u4_of(matrix).map(Angle::from);
                (Vec::new(), vec![op(G::U4, qubits, &[theta, phi, lambda, gamma])])
            }
            2 => (Vec::new(), two_qubit::synthesize(matrix, qubits[0], qubits[1])),
            _ => (Vec::new(), shannon::synthesize(matrix, qubits)),
        },
    }
}

/// Gates on one qubit by way of X, P and RZ, for their controlled versions.
fn rule_of_one(standard: G, q: usize, angles: &[Angle]) -> Rule {
    let phase = |angle: f64| vec![turn(G::P, &[q], angle)];
    match standard {
        G::I => (vec![], vec![]),
        // Only with two controls and more.
        G::X => (vec![fixed(G::H, &[q])], phase(PI)),
        G::Y => (vec![fixed(G::Sdg, &[q])], vec![fixed(G::X, &[q])]),
        G::Z => (vec![], phase(PI)),
        G::H => (vec![turn(G::Ry, &[q], -FRAC_PI_4)], vec![fixed(G::Z, &[q])]),
        G::SqrtH => (vec![], vec![turn(G::Ry, &[q], FRAC_PI_4)]),
        G::S => (vec![], phase(FRAC_PI_2)),
        G::Sdg => (vec![], phase(-FRAC_PI_2)),
        G::T => (vec![], phase(FRAC_PI_4)),
        G::Tdg => (vec![], phase(-FRAC_PI_4)),
        G::Sx => (vec![fixed(G::H, &[q])], phase(FRAC_PI_2)),
        G::Sxdg => (vec![fixed(G::H, &[q])], phase(-FRAC_PI_2)),
        G::Rx => (vec![fixed(G::H, &[q])], vec![op(G::Rz, &[q], angles)]),
        G::Ry => (vec![fixed(G::Sdg, &[q]), fixed(G::H, &[q])], vec![op(G::Rz, &[q], angles)]),
        G::R => (vec![op(G::Rz, &[q], &[angles[1].negated()])], vec![op(G::Rx, &[q], &angles[..1])]),
        _ => match euler::as_u4(standard, angles) {
            Some([theta, phi, lambda, gamma]) => {
                let whole = gamma.sum(&phi.sum(&lambda).scaled(0.5));
                let turns =
                    [(G::Rz, lambda), (G::Ry, theta), (G::Rz, phi)].map(|(gate, by)| op(gate, &[q], &[by]));
                (vec![], turns.into_iter().chain([op(G::GlobalPhase, &[], &[whole])]).collect())
            }
            None => (vec![], vec![op(standard, &[q], angles)]),
        },
    }
}

/// Gates on several qubits, by rules that Qiskit and the literature use.
fn rule_of_many(standard: G, q: &[usize], angles: &[Angle]) -> Rule {
    let both = |gate: G| vec![fixed(gate, &[q[0]]), fixed(gate, &[q[1]])];
    let half = |sign: f64| angles[0].scaled(sign * 0.5);
    match standard {
        G::Swap => (vec![cx(q[1], q[0])], vec![cx(q[0], q[1])]),
        G::SqrtSwap => (vec![cx(q[1], q[0])], vec![controlled(fixed(G::Sx, &q[1..]), &q[..1])]),
        G::ISwap => {
            let core = [
                both(G::S),
                vec![fixed(G::H, &q[..1]), cx(q[0], q[1]), cx(q[1], q[0]), fixed(G::H, &q[1..])],
            ];
            (vec![], core.concat())
        }
        G::Dcx => (vec![], vec![cx(q[0], q[1]), cx(q[1], q[0])]),
        G::Ecr => {
            let before = [fixed(G::S, &q[..1]), fixed(G::Sx, &q[1..])];
            let after = [cx(q[0], q[1]), fixed(G::X, &q[..1]), turn(G::GlobalPhase, &[], -FRAC_PI_4)];
            (vec![], before.into_iter().chain(after).collect())
        }
        G::Rxx => (both(G::H), vec![op(G::Rzz, q, angles)]),
        G::Ryy => ([both(G::Sdg), both(G::H)].concat(), vec![op(G::Rzz, q, angles)]),
        G::Rzz => (vec![cx(q[0], q[1])], vec![op(G::Rz, &q[1..], angles)]),
        G::Rzx => (vec![fixed(G::H, &q[1..])], vec![op(G::Rzz, q, angles)]),
        G::XxPlusYy => exchange(q, &angles[1], [half(1.0), half(1.0)]),
        G::XxMinusYy => exchange(q, &angles[1].negated(), [half(1.0), half(-1.0)]),
        G::SingleExcitation => exchange(q, &Angle::from(-FRAC_PI_2), [half(1.0), half(1.0)]),
        G::Rccx => {
            let (t, tdg) = (fixed(G::T, &q[2..]), fixed(G::Tdg, &q[2..]));
            let flip = |control: usize| cx(q[control], q[2]);
            (vec![fixed(G::H, &q[2..])], vec![t.clone(), flip(1), tdg.clone(), flip(0), t, flip(1), tdg])
        }
        G::Rc3x => {
            let (h, t, tdg) = (fixed(G::H, &q[3..]), fixed(G::T, &q[3..]), fixed(G::Tdg, &q[3..]));
            let flip = |control: usize| cx(q[control], q[3]);
            let end = [h.clone(), t.clone(), flip(2), tdg.clone(), h];
            let middle = [flip(0), t.clone(), flip(1), tdg.clone(), flip(0), t, flip(1), tdg];
            (vec![], end.iter().chain(&middle).chain(&end).cloned().collect())
        }
        // A global phase, which acts on no qubit.
        _ => (vec![], vec![op(standard, q, angles)]),
    }
}

/// `exp(-i (a XX + b YY)/2)` for `angles` a and b, with a phase `-beta` around it on the first qubit: CNOTs make XX and ZZ of X and Z, a turn
/// about X makes YY of ZZ.
fn exchange(q: &[usize], beta: &Angle, [a, b]: [Angle; 2]) -> Rule {
    let quarter = |qubit: usize| turn(G::Rx, &[qubit], -FRAC_PI_2);
    let outer =
        vec![op(G::P, &q[..1], std::slice::from_ref(beta)), quarter(q[0]), quarter(q[1]), cx(q[0], q[1])];
    (outer, vec![op(G::Rx, &q[..1], &[a]), op(G::Rz, &q[1..], &[b])])
}

/// Each Pauli is turned to Z, CNOTs gather the parity in the last qubit.
fn pauli_rotation(paulis: &[Pauli], qubits: &[usize], angle: &Angle) -> Rule {
    let acted: Vec<(usize, Pauli)> =
        qubits.iter().copied().zip(paulis.iter().copied()).filter(|(_, pauli)| *pauli != Pauli::I).collect();
    let Some(&(last, _)) = acted.last() else {
        return (vec![], vec![op(G::GlobalPhase, &[], &[angle.scaled(-0.5)])]);
    };
    let mut outer = Vec::new();
    for &(qubit, pauli) in &acted {
        match pauli {
            Pauli::X => outer.push(fixed(G::H, &[qubit])),
            Pauli::Y => outer.extend([fixed(G::Sdg, &[qubit]), fixed(G::H, &[qubit])]),
            Pauli::I | Pauli::Z => {}
        }
    }
    outer.extend(acted.windows(2).map(|pair| cx(pair[0].0, pair[1].0)));
    (outer, vec![op(G::Rz, &[last], std::slice::from_ref(angle))])
}

/// Whether it is a CNOT.
pub(super) fn is_cx(gate: &Gate) -> bool {
    gate.standard() == Some(G::X) && gate.controls() == 1
}

/// X with many controls by Toffoli gates, with the help of qubits whose state does not matter and is kept (Barenco et al. 1995, lemma 7.2).
/// There must be at least two fewer of these than controls.
pub(super) fn mcx_borrowing(controls: &[usize], target: usize, borrowed: &[usize]) -> Vec<Operation> {
    let count = controls.len();
    if count <= 2 {
        return vec![mcx(&[controls, &[target]].concat())];
    }
    let helper = |index: usize| borrowed[index];
    let onto = |index: usize| if index == count - 2 { target } else { helper(index) };
    let rung = |index: usize| mcx(&[controls[index + 1], helper(index - 1), onto(index)]);
    let down: Vec<Operation> = (1..count - 1).rev().map(rung).collect();
    let bottom = mcx(&[controls[0], controls[1], helper(0)]);
    let inner = |steps: &[Operation]| -> Vec<Operation> {
        steps.iter().cloned().chain([bottom.clone()]).chain(steps.iter().rev().cloned()).collect()
    };
    [inner(&down), inner(&down[1..])].concat()
}
