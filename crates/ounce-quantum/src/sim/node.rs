//! Gates as the kernels know them.

use std::sync::Arc;

use ounce_kernels::amplitudes::PauliMask;

use crate::circuit::{Angle, Circuit, Instruction, Operation};
use crate::gate::{Gate, Kind, Standard};
use crate::matrix::{C64, Matrix};
use crate::observable::{Pauli, PauliString};

/// The most qubits that a rotation about a product of Paulis may flip. Wider ones are done in a basis in which they are diagonal.
const MAX_FLIPPED: usize = 6;
/// The most qubits of a diagonal matrix that gets a factor for each of its entries.
const MAX_DIAGONAL: usize = 10;

/// A gate, several gates that were joined into one, or part of one.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) action: Action,
    pub(super) targets: Vec<usize>,
    pub(super) controls: Vec<usize>,
}

/// What a node does to its targets.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// X on the one target.
    Flip,
    /// Exchange of the two targets.
    Exchange,
    /// `exp(-i angle/2 P)`.
    Rotation { paulis: PauliMask, angle: Angle },
    /// A diagonal matrix.
    Diagonal(Factors),
    /// Any matrix.
    Matrix(Factors),
}

/// A matrix on the targets of a node.
#[derive(Clone, Debug)]
pub(super) enum Factors {
    /// That of a change of basis.
    Fixed(Arc<Matrix>),
    /// The product of gates on the same targets, the first to act first.
    Gates(Vec<(Gate, Vec<Angle>)>),
}

impl Factors {
    /// The matrix for given angles.
    pub(super) fn matrix(&self, parameters: &[f64], inputs: &[f64]) -> Matrix {
        match self {
            Self::Fixed(matrix) => Matrix::clone(matrix),
            Self::Gates(gates) => {
                let mut matrices = gates
                    .iter()
                    .map(|(gate, angles)| gate.target_matrix(&values(angles, parameters, inputs)));
                let first = matrices.next().unwrap_or_else(|| Matrix::identity(1));
                matrices.fold(first, |product, matrix| &matrix * &product)
            }
        }
    }

    fn angles(&self) -> impl Iterator<Item = &Angle> {
        let gates = match self {
            Self::Fixed(_) => &[],
            Self::Gates(gates) => gates.as_slice(),
        };
        gates.iter().flat_map(|(_, angles)| angles)
    }
}

/// The values of angles.
pub(super) fn values(angles: &[Angle], parameters: &[f64], inputs: &[f64]) -> Vec<f64> {
    angles.iter().map(|angle| angle.value(parameters, inputs)).collect()
}

impl Node {
    /// The nodes of a gate, in the order in which they act.
    pub(super) fn of(operation: &Operation) -> Vec<Self> {
        let gate = &operation.gate;
        let (controls, targets) = operation.qubits.split_at(gate.controls());
        let node = |action| Self { action, targets: targets.to_vec(), controls: controls.to_vec() };
        let factors = || Factors::Gates(vec![(gate.clone(), operation.angles.clone())]);
        if let Some(paulis) = rotation(gate) {
            let angle = operation.angles[0].clone();
            let flipped = paulis.iter().filter(|pauli| matches!(pauli, Pauli::X | Pauli::Y)).count();
            if flipped > MAX_FLIPPED {
                return wide_rotation(&paulis, targets, controls, angle);
            }
            let paulis = mask(targets.iter().copied().zip(paulis));
            return vec![node(Action::Rotation { paulis, angle })];
        }
        let action = match gate.standard() {
            Some(Standard::X) => Action::Flip,
            Some(Standard::Swap) => Action::Exchange,
            _ if gate.is_diagonal() && targets.len() <= MAX_DIAGONAL => Action::Diagonal(factors()),
            _ => Action::Matrix(factors()),
        };
        vec![node(action)]
    }

    /// Those of all gates of a circuit; measurements, resets and barriers are passed over.
    pub(super) fn all(circuit: &Circuit) -> Vec<Self> {
        circuit.operations().flat_map(Self::of).collect()
    }

    /// Those of instructions that are gates.
    pub(super) fn of_instructions(instructions: &[Instruction]) -> Vec<Self> {
        let gates = instructions.iter().filter_map(|instruction| match instruction {
            Instruction::Gate(operation) => Some(operation),
            _ => None,
        });
        gates.flat_map(Self::of).collect()
    }

    /// Qubits whose basis states it mixes or exchanges.
    pub(super) fn mixed(&self) -> u64 {
        match &self.action {
            Action::Flip | Action::Exchange | Action::Matrix(_) => mask_of(&self.targets),
            Action::Rotation { paulis, .. } => paulis.x,
            Action::Diagonal(_) => 0,
        }
    }

    /// Qubits on which it depends without changing them.
    pub(super) fn diagonal(&self) -> u64 {
        (mask_of(&self.targets) | mask_of(&self.controls)) & !self.mixed()
    }

    /// Whether an angle depends on inputs.
    pub(super) fn depends_on_inputs(&self) -> bool {
        self.any_angle(Angle::depends_on_inputs)
    }

    /// Whether an angle depends on anything.
    pub(super) fn is_differentiable(&self) -> bool {
        self.any_angle(|angle| angle.constant().is_none())
    }

    fn any_angle(&self, is: impl Fn(&Angle) -> bool) -> bool {
        match &self.action {
            Action::Flip | Action::Exchange => false,
            Action::Rotation { angle, .. } => is(angle),
            Action::Diagonal(factors) | Action::Matrix(factors) => factors.angles().any(is),
        }
    }
}

pub(super) fn mask_of(qubits: &[usize]) -> u64 {
    qubits.iter().fold(0, |mask, &qubit| mask | 1 << qubit)
}

/// The Paulis of a rotation that is one, by target.
fn rotation(gate: &Gate) -> Option<Vec<Pauli>> {
    use Pauli::{X, Y, Z};
    let paulis: &[Pauli] = match gate.kind() {
        Kind::PauliRotation(paulis) => paulis,
        Kind::Standard(Standard::Rx) => &[X],
        Kind::Standard(Standard::Ry) => &[Y],
        Kind::Standard(Standard::Rz) => &[Z],
        Kind::Standard(Standard::Rxx) => &[X, X],
        Kind::Standard(Standard::Ryy) => &[Y, Y],
        Kind::Standard(Standard::Rzz) => &[Z, Z],
        Kind::Standard(Standard::Rzx) => &[Z, X],
        _ => return None,
    };
    Some(paulis.to_vec())
}

/// The masks of Paulis on qubits.
pub(super) fn mask(factors: impl IntoIterator<Item = (usize, Pauli)>) -> PauliMask {
    factors.into_iter().fold(PauliMask::default(), |mask, (qubit, pauli)| PauliMask {
        x: mask.x | u64::from(matches!(pauli, Pauli::X | Pauli::Y)) << qubit,
        z: mask.z | u64::from(matches!(pauli, Pauli::Z | Pauli::Y)) << qubit,
    })
}

/// The masks of a product of Paulis.
pub(super) fn string_mask(string: &PauliString) -> PauliMask {
    mask(string.factors().iter().copied())
}

/// A rotation about a product of many Paulis: each X and Y is turned into Z before and back after.
fn wide_rotation(paulis: &[Pauli], targets: &[usize], controls: &[usize], angle: Angle) -> Vec<Node> {
    let h = Standard::H.matrix(&[]);
    let of_y = &h * &Standard::Sdg.matrix(&[]);
    let change = |back: bool| {
        let of = |pauli| if pauli == Pauli::X { &h } else { &of_y };
        let turned = paulis.iter().zip(targets).filter(|(pauli, _)| matches!(pauli, Pauli::X | Pauli::Y));
        let nodes = turned.map(|(&pauli, &target)| {
            let matrix = if back { of(pauli).adjoint() } else { of(pauli).clone() };
            let action = Action::Matrix(Factors::Fixed(Arc::new(matrix)));
            Node { action, targets: vec![target], controls: Vec::new() }
        });
        nodes.collect::<Vec<_>>()
    };
    let z = targets.iter().zip(paulis).filter(|(_, pauli)| **pauli != Pauli::I);
    let paulis = mask(z.map(|(&target, _)| (target, Pauli::Z)));
    let action = Action::Rotation { paulis, angle };
    let rotation = Node { action, targets: targets.to_vec(), controls: controls.to_vec() };
    [change(false), vec![rotation], change(true)].concat()
}

/// Joins gates on one qubit that follow one another into one.
pub(super) fn fused(nodes: Vec<Node>) -> Vec<Node> {
    let mut out: Vec<Option<Node>> = Vec::with_capacity(nodes.len());
    // For each qubit, the place in `out` of the last node on it, if that is a gate on it alone.
    let mut last: Vec<Option<usize>> = Vec::new();
    for node in nodes {
        let qubits = mask_of(&node.targets) | mask_of(&node.controls);
        let widest = (u64::BITS - qubits.leading_zeros()) as usize;
        if last.len() < widest {
            last.resize(widest, None);
        }
        let alone = node.controls.is_empty() && node.targets.len() == 1;
        let joined = alone.then(|| last[node.targets[0]]).flatten().and_then(|at| {
            let joined = out[at].as_ref().and_then(|before| join(before, &node))?;
            out[at] = Some(joined);
            Some(())
        });
        if joined.is_none() {
            let place = (alone && gates_of(&node).is_some()).then_some(out.len());
            (0..widest).filter(|qubit| qubits >> qubit & 1 == 1).for_each(|qubit| last[qubit] = place);
            out.push(Some(node));
        }
    }
    out.into_iter().flatten().collect()
}

fn join(before: &Node, after: &Node) -> Option<Node> {
    let gates: Vec<_> = gates_of(before)?.into_iter().chain(gates_of(after)?).collect();
    let diagonal = gates.iter().all(|(gate, _)| gate.is_diagonal());
    let factors = Factors::Gates(gates);
    let action = if diagonal { Action::Diagonal(factors) } else { Action::Matrix(factors) };
    Some(Node { action, targets: after.targets.clone(), controls: Vec::new() })
}

/// A node on one qubit as a list of gates.
fn gates_of(node: &Node) -> Option<Vec<(Gate, Vec<Angle>)>> {
    match &node.action {
        Action::Flip => Some(vec![(Standard::X.into(), Vec::new())]),
        Action::Exchange => None,
        Action::Rotation { paulis, angle } => {
            let rotation = match (paulis.x != 0, paulis.z != 0) {
                (true, true) => Standard::Ry,
                (true, false) => Standard::Rx,
                _ => Standard::Rz,
            };
            Some(vec![(rotation.into(), vec![angle.clone()])])
        }
        Action::Diagonal(Factors::Gates(gates)) | Action::Matrix(Factors::Gates(gates)) => {
            Some(gates.clone())
        }
        Action::Diagonal(Factors::Fixed(matrix)) | Action::Matrix(Factors::Fixed(matrix)) => {
            Some(vec![(Gate::unitary(Matrix::clone(matrix))?, Vec::new())])
        }
    }
}

/// A complex number as the kernels take it.
pub(super) fn parts(number: C64) -> [f64; 2] {
    [number.re, number.im]
}
