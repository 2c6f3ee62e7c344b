//! Nodes with the values of their angles as steps of programs: forward, and backward with what gradients take.

use ounce_kernels::amplitudes::{Overlap, PauliMask, Program, Real};

use super::node::{Action, Factors, Node, parts, values};
use crate::circuit::{Angle, Symbol};
use crate::gate::{Gate, Standard};
use crate::matrix::{C64, Matrix};

/// What angles are computed from: the parameters, and the inputs of each sample in turn.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) parameters: &'a [f64],
    /// Rows of `width` inputs, one for each sample; at least one row.
    pub(super) inputs: &'a [f64],
    pub(super) width: usize,
}

impl<'a> Values<'a> {
    /// Those of one sample.
    pub(super) fn single(parameters: &'a [f64], inputs: &'a [f64]) -> Self {
        Self { parameters, inputs, width: inputs.len() }
    }

    /// The inputs of a sample; of the last one for lanes beyond it.
    fn row(&self, sample: usize) -> &'a [f64] {
        let last = self.inputs.len().checked_div(self.width).unwrap_or(1).saturating_sub(1);
        let start = sample.min(last) * self.width;
        &self.inputs[start..start + self.width]
    }
}

/// Something for each lane, or the same for all.
struct ByLane<V>(Vec<V>);

impl<V> ByLane<V> {
    fn new(lanes: usize, varying: bool, of: impl FnMut(usize) -> V) -> Self {
        Self((0..if varying { lanes } else { 1 }).map(of).collect())
    }

    fn of(&self, lane: usize) -> &V {
        if self.0.len() == 1 { &self.0[0] } else { &self.0[lane] }
    }
}

impl Node {
    /// Adds the node to a program.
    pub(super) fn push<T: Real>(&self, program: &mut Program<T>, values: Values<'_>) {
        self.push_either(program, values, false);
    }

    /// Adds what undoes the node to a program.
    pub(super) fn push_inverse<T: Real>(&self, program: &mut Program<T>, values: Values<'_>) {
        self.push_either(program, values, true);
    }

    fn push_either<T: Real>(&self, program: &mut Program<T>, values: Values<'_>, inverse: bool) {
        let (targets, controls) = (&self.targets, &self.controls);
        let lanes = program.layout().width();
        let varying = self.depends_on_inputs() && lanes > 1;
        let matrices = |factors: &Factors| {
            ByLane::new(lanes, varying, |lane| {
                let matrix = factors.matrix(values.parameters, values.row(lane));
                if inverse { matrix.adjoint() } else { matrix }
            })
        };
        match &self.action {
            Action::Flip => program.flip_qubit(targets[0], controls),
            Action::Exchange => program.exchange(targets[0], targets[1], controls),
            Action::Rotation { paulis, angle } => {
                let cos_sin = ByLane::new(lanes, varying, |lane| {
                    let (sin, cos) = (0.5 * angle.value(values.parameters, values.row(lane))).sin_cos();
                    (cos, if inverse { -sin } else { sin })
                });
                if paulis.x == 0 && paulis.z.count_ones() <= 2 {
                    let qubits: Vec<usize> = (0..64).filter(|qubit| paulis.z >> qubit & 1 == 1).collect();
                    program.diagonal(&qubits, controls, |index, lane| {
                        let &(cos, sin) = cos_sin.of(lane);
                        [cos, if index.count_ones() % 2 == 0 { -sin } else { sin }]
                    });
                } else {
                    program.pauli_rotation(*paulis, controls, |lane| *cos_sin.of(lane));
                }
            }
            Action::Diagonal(factors) => {
                let matrices = matrices(factors);
                program.diagonal(targets, controls, |index, lane| parts(matrices.of(lane).at(index, index)));
            }
            Action::Matrix(factors) => {
                let matrices = matrices(factors);
                program.matrix(targets, controls, varying, |row, column, lane| {
                    parts(matrices.of(lane).at(row, column))
                });
            }
        }
    }

    /// Adds the overlaps that the gradient with respect to the node's angles takes, with the states after the node.
    pub(super) fn push_overlap<T: Real>(&self, program: &mut Program<T>) -> Option<Overlap> {
        if !self.is_differentiable() {
            return None;
        }
        Some(match &self.action {
            Action::Flip | Action::Exchange => return None,
            Action::Rotation { paulis, .. } => program.pauli_overlap(*paulis, &self.controls),
            Action::Diagonal(factors) if phase(factors).is_some() => {
                // The projector onto the states where all qubits are 1.
                let qubits = [self.controls.as_slice(), &self.targets].concat();
                program.pauli_overlap(PauliMask::default(), &qubits)
            }
            Action::Diagonal(_) | Action::Matrix(_) if self.targets.is_empty() => {
                program.pauli_overlap(PauliMask::default(), &self.controls)
            }
            Action::Diagonal(_) | Action::Matrix(_) => program.matrix_overlap(&self.targets, &self.controls),
        })
    }

    /// Qubits that must be in the tile for [`Node::push_overlap`].
    pub(super) fn overlapped(&self) -> u64 {
        match &self.action {
            Action::Diagonal(factors) if self.is_differentiable() && phase(factors).is_none() => {
                super::node::mask_of(&self.targets)
            }
            _ => self.mixed(),
        }
    }

    /// Adds the gradient with respect to each angle, of the sample in `lane`, to what `add` says.
    pub(super) fn add_gradients(
        &self,
        overlap: &Overlap,
        sums: &[f64],
        lane: usize,
        values: Values<'_>,
        add: &mut impl FnMut(Symbol, f64),
    ) {
        let mut add_angle = |angle: &Angle, gradient: f64| {
            angle.terms().iter().for_each(|&(symbol, factor)| add(symbol, factor * gradient));
        };
        match &self.action {
            Action::Flip | Action::Exchange => {}
            // The derivative of exp(-i angle/2 P) is -i/2 P times itself.
            Action::Rotation { angle, .. } => add_angle(angle, overlap.pauli(sums, lane)),
            Action::Diagonal(factors) | Action::Matrix(factors) => {
                // That of exp(i angle) is i times itself.
                if !overlap.is_matrix() {
                    if let Some(angle) = phase(factors).or_else(|| factors_angle(factors)) {
                        add_angle(angle, -2.0 * overlap.pauli(sums, lane));
                    }
                    return;
                }
                let overlaps = overlap.matrix(sums, lane);
                let Factors::Gates(gates) = factors else { return };
                let [(gate, angles)] = gates.as_slice() else { return };
                let at = self::values(angles, values.parameters, values.row(lane));
                let undo = gate.target_matrix(&at).adjoint();
                for (index, angle) in
                    angles.iter().enumerate().filter(|(_, angle)| angle.constant().is_none())
                {
                    add_angle(angle, gradient(&(&gate.target_derivative(&at, index) * &undo), &overlaps));
                }
            }
        }
    }
}

/// Twice the real part of the sum of products of entries.
fn gradient(derivative: &Matrix, overlaps: &[[f64; 2]]) -> f64 {
    let products = derivative.entries().iter().zip(overlaps).map(|(d, o)| (d * C64::new(o[0], o[1])).re);
    2.0 * products.sum::<f64>()
}

/// The angle of `diag(1, exp(i angle))`.
fn phase(factors: &Factors) -> Option<&Angle> {
    match factors {
        Factors::Gates(gates) => match gates.as_slice() {
            [(gate, angles)] if is(gate, Standard::P) => angles.first(),
            _ => None,
        },
        Factors::Fixed(_) => None,
    }
}

/// The angle of a phase on no qubit.
fn factors_angle(factors: &Factors) -> Option<&Angle> {
    match factors {
        Factors::Gates(gates) => gates.first().and_then(|(_, angles)| angles.first()),
        Factors::Fixed(_) => None,
    }
}

fn is(gate: &Gate, standard: Standard) -> bool {
    gate.standard() == Some(standard)
}
