//! Clifford gates: unitaries that take products of Paulis to products of Paulis.

use crate::matrix::{C64, Matrix};
use crate::observable::Pauli;

/// The most qubits of a gate that is recognized by its matrix.
pub(super) const MAX_QUBITS: usize = 4;
/// How far entries may be off: rotations by multiples of pi/2 that were written with 9 digits still count.
const TOLERANCE: f64 = 1e-8;

/// A product of Paulis on the qubits of a gate, bit `j` being that of the gate's j-th qubit, and its sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Image {
    pub(super) x: u8,
    pub(super) z: u8,
    pub(super) negative: bool,
}

/// What a gate makes of X and Z on each of its qubits: `U P U^+`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Clifford {
    pub(super) images: Vec<[Image; 2]>,
}

impl Clifford {
    /// The Clifford gate of a matrix on at most [`MAX_QUBITS`] qubits, if it is one.
    pub(super) fn of(matrix: &Matrix) -> Option<Self> {
        let qubits = matrix.dim().trailing_zeros() as usize;
        if qubits > MAX_QUBITS {
            return None;
        }
        let adjoint = matrix.adjoint();
        let image = |qubit: usize, pauli: Pauli| {
            let single = |at: usize| if at == qubit { pauli.matrix() } else { Matrix::identity(2) };
            let product = (0..qubits).fold(Matrix::identity(1), |product, at| product.kron(&single(at)));
            pauli_of(&(&(matrix * &product) * &adjoint), qubits)
        };
        let images = (0..qubits).map(|qubit| Some([image(qubit, Pauli::X)?, image(qubit, Pauli::Z)?]));
        Some(Self { images: images.collect::<Option<_>>()? })
    }
}

/// The product of Paulis that a matrix is, up to its sign. An entry's index has the first qubit as its most significant bit.
fn pauli_of(matrix: &Matrix, qubits: usize) -> Option<Image> {
    let dim = matrix.dim();
    let x = (0..dim).find(|&row| matrix.at(row, 0).norm() > 0.5)?;
    // Column c has one entry, in row c ^ x: sign * i^(number of Y) * (-1)^(bits of c under Z).
    let first = matrix.at(x, 0);
    let has_z = |bit: usize| (matrix.at((1 << bit) ^ x, 1 << bit) / first).re < 0.0;
    let z: usize = (0..qubits).filter(|&bit| has_z(bit)).map(|bit| 1 << bit).sum();
    let phase = C64::i().powu((x & z).count_ones());
    let negative = (first / phase).re < 0.0;
    let expected = |row: usize, column: usize| {
        if row != column ^ x {
            return C64::default();
        }
        let odd = (column & z).count_ones() % 2 == 1;
        if odd != negative { -phase } else { phase }
    };
    let predicted = Matrix::from_fn(dim, expected);
    // Bit `qubits - 1 - j` of an index is the gate's j-th qubit.
    let reversed =
        |bits: usize| (0..qubits).map(|j| (bits >> (qubits - 1 - j) & 1) << j).sum::<usize>() as u8;
    (matrix.distance(&predicted) < TOLERANCE).then(|| Image { x: reversed(x), z: reversed(z), negative })
}

/// How many quarter turns an angle is, 0 to 3, if it is a multiple of pi/2.
pub(super) fn quarter_turns(angle: f64) -> Option<u8> {
    let turns = angle / std::f64::consts::FRAC_PI_2;
    let whole = turns.round();
    ((turns - whole).abs() < TOLERANCE).then(|| whole.rem_euclid(4.0) as u8)
}
