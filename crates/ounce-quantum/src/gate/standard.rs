//! The standard unitaries: one row of a table each.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::sync::Arc;

use super::Kind;
use super::spectrum::Spectrum::{self, Axis, Global, PartialRotation, Phase, Rotation};
use crate::circuit::Angle;
use crate::matrix::{C64, Matrix};

/// The standard unitaries, without controls. Matrices have the first qubit as the most significant bit; angles are in radians.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Standard {
    /// The identity.
    I,
    /// Pauli X.
    X,
    /// Pauli Y.
    Y,
    /// Pauli Z.
    Z,
    /// Hadamard.
    H,
    /// TorchQuantum's `sh`, there called the square root of Hadamard: RY(pi/4), two of which make of 0 and 1 what Hadamard does up to a sign.
    SqrtH,
    /// `diag(1, i)`.
    S,
    /// Inverse of [`Standard::S`].
    Sdg,
    /// `diag(1, exp(i pi/4))`.
    T,
    /// Inverse of [`Standard::T`].
    Tdg,
    /// The square root of X with eigenvalues 1 and i.
    Sx,
    /// Inverse of [`Standard::Sx`].
    Sxdg,
    /// `exp(-i angle/2 X)`.
    Rx,
    /// `exp(-i angle/2 Y)`.
    Ry,
    /// `exp(-i angle/2 Z)`.
    Rz,
    /// `diag(1, exp(i angle))`: `p`, `u1`.
    P,
    /// `u2(phi, lambda)`.
    U2,
    /// `u3(theta, phi, lambda)`.
    U3,
    /// `exp(i gamma) u3(theta, phi, lambda)`, with `gamma` last: what `cu` of OpenQASM controls.
    U4,
    /// `r(theta, phi)`: rotation by theta about the axis `cos(phi) X + sin(phi) Y`.
    R,
    /// PennyLane's and TorchQuantum's `rot(phi, theta, omega)`: `RZ(omega) RY(theta) RZ(phi)`.
    Rot,
    /// `exp(i gamma)`, on no qubit.
    GlobalPhase,
    /// Exchange of two qubits.
    Swap,
    /// The square root of the exchange.
    SqrtSwap,
    /// Exchange with a phase i.
    ISwap,
    /// Two CNOTs, first with the first qubit as control.
    Dcx,
    /// Echoed cross resonance, `(IX - XY)/sqrt 2` of the first and second qubit.
    Ecr,
    /// `exp(-i angle/2 XX)`.
    Rxx,
    /// `exp(-i angle/2 YY)`.
    Ryy,
    /// `exp(-i angle/2 ZZ)`.
    Rzz,
    /// `exp(-i angle/2 ZX)`, Z on the first qubit.
    Rzx,
    /// Qiskit's `xx_minus_yy(theta, beta)`.
    XxMinusYy,
    /// Qiskit's `xx_plus_yy(theta, beta)`.
    XxPlusYy,
    /// A Givens rotation between 01 and 10.
    SingleExcitation,
    /// Margolus' gate: Toffoli up to phases.
    Rccx,
    /// X with three controls up to phases.
    Rc3x,
}

/// What the table knows of a unitary.
struct Row {
    standard: Standard,
    qubits: usize,
    spectra: &'static [Spectrum],
    diagonal: bool,
    inverse: Inverse,
    matrix: fn(&[f64]) -> Matrix,
}

/// How a unitary is undone.
enum Inverse {
    Itself,
    By(Standard),
    /// The same with all angles negated.
    Negated,
    /// The same with other angles.
    Angles(fn(&[Angle]) -> Vec<Angle>),
    /// By its adjoint as a matrix; only for unitaries without angles.
    Matrix,
}

impl Standard {
    fn row(self) -> &'static Row {
        // The test `rows_stand_in_the_order_of_the_enum` holds the order.
        &ROWS[self as usize]
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.standard)
    }

    /// Qubits that it acts on.
    pub fn qubits(self) -> usize {
        self.row().qubits
    }

    /// Angles that it takes.
    pub fn angles(self) -> usize {
        self.row().spectra.len()
    }

    /// How it depends on each angle, without controls.
    pub fn spectra(self) -> &'static [Spectrum] {
        self.row().spectra
    }

    /// Whether its matrix is diagonal for all angles.
    pub fn is_diagonal(self) -> bool {
        self.row().diagonal
    }

    /// Its matrix.
    ///
    /// # Panics
    /// If there are fewer angles than [`Standard::angles`] says.
    pub fn matrix(self, angles: &[f64]) -> Matrix {
        (self.row().matrix)(angles)
    }

    /// What undoes it, with its angles.
    pub(super) fn inverse(self, angles: &[Angle]) -> (Kind, Vec<Angle>) {
        let standard = |standard, angles| (Kind::Standard(standard), angles);
        match self.row().inverse {
            Inverse::Itself => standard(self, angles.to_vec()),
            Inverse::By(other) => standard(other, angles.to_vec()),
            Inverse::Negated => standard(self, angles.iter().map(Angle::negated).collect()),
            Inverse::Angles(other) => standard(self, other(angles)),
            Inverse::Matrix => (Kind::Unitary(Arc::new(self.matrix(&[]).adjoint())), Vec::new()),
        }
    }
}

const fn row(
    standard: Standard,
    qubits: usize,
    spectra: &'static [Spectrum],
    inverse: Inverse,
    matrix: fn(&[f64]) -> Matrix,
) -> Row {
    Row { standard, qubits, spectra, diagonal: false, inverse, matrix }
}

const fn diagonal(row: Row) -> Row {
    Row { diagonal: true, ..row }
}

use Inverse::{Angles, By, Itself, Negated};
use Standard as G;

/// One row a unitary, in the order of [`Standard`].
static ROWS: &[Row] = &[
    diagonal(row(G::I, 1, &[], Itself, |_| Matrix::identity(2))),
    row(G::X, 1, &[], Itself, |_| dense(&[ZERO, ONE, ONE, ZERO])),
    row(G::Y, 1, &[], Itself, |_| dense(&[ZERO, -I, I, ZERO])),
    diagonal(row(G::Z, 1, &[], Itself, |_| phases(&[ONE, -ONE]))),
    row(G::H, 1, &[], Itself, |_| dense(&[ONE, ONE, ONE, -ONE]).scaled(re(FRAC_1_SQRT_2))),
    row(G::SqrtH, 1, &[], Inverse::Matrix, |_| u3(PI / 4.0, 0.0, 0.0)),
    diagonal(row(G::S, 1, &[], By(G::Sdg), |_| phases(&[ONE, I]))),
    diagonal(row(G::Sdg, 1, &[], By(G::S), |_| phases(&[ONE, -I]))),
    diagonal(row(G::T, 1, &[], By(G::Tdg), |_| phases(&[ONE, cis(PI / 4.0)]))),
    diagonal(row(G::Tdg, 1, &[], By(G::T), |_| phases(&[ONE, cis(-PI / 4.0)]))),
    row(G::Sx, 1, &[], By(G::Sxdg), |_| sx()),
    row(G::Sxdg, 1, &[], By(G::Sx), |_| sx().adjoint()),
    row(G::Rx, 1, &[Rotation], Negated, |a| u3(a[0], -PI / 2.0, PI / 2.0)),
    row(G::Ry, 1, &[Rotation], Negated, |a| u3(a[0], 0.0, 0.0)),
    diagonal(row(G::Rz, 1, &[Rotation], Negated, |a| phases(&[cis(-a[0] / 2.0), cis(a[0] / 2.0)]))),
    diagonal(row(G::P, 1, &[Phase], Negated, |a| phases(&[ONE, cis(a[0])]))),
    row(
        G::U2,
        1,
        &[Phase, Phase],
        Angles(|a| vec![a[1].negated().plus(-PI), a[0].negated().plus(PI)]),
        |a| u3(PI / 2.0, a[0], a[1]),
    ),
    row(
        G::U3,
        1,
        &[Rotation, Phase, Phase],
        Angles(|a| vec![a[0].negated(), a[2].negated(), a[1].negated()]),
        |a| u3(a[0], a[1], a[2]),
    ),
    row(
        G::U4,
        1,
        &[Rotation, Phase, Phase, Global],
        Angles(|a| vec![a[0].negated(), a[2].negated(), a[1].negated(), a[3].negated()]),
        |a| u3(a[0], a[1], a[2]).scaled(cis(a[3])),
    ),
    row(G::R, 1, &[Rotation, Axis], Angles(negate_first), |a| u3(a[0], a[1] - PI / 2.0, PI / 2.0 - a[1])),
    row(
        G::Rot,
        1,
        &[Rotation, Rotation, Rotation],
        Angles(|a| vec![a[2].negated(), a[1].negated(), a[0].negated()]),
        |a| u3(a[1], a[2], a[0]).scaled(cis(-(a[0] + a[2]) / 2.0)),
    ),
    diagonal(row(G::GlobalPhase, 0, &[Global], Negated, |a| phases(&[cis(a[0])]))),
    row(G::Swap, 2, &[], Itself, |_| middle(ZERO, ONE, ONE, ZERO, ONE, ONE)),
    row(G::SqrtSwap, 2, &[], Inverse::Matrix, |_| {
        let (plus, minus) = (C64::new(0.5, 0.5), C64::new(0.5, -0.5));
        middle(plus, minus, minus, plus, ONE, ONE)
    }),
    row(G::ISwap, 2, &[], Inverse::Matrix, |_| middle(ZERO, I, I, ZERO, ONE, ONE)),
    row(G::Dcx, 2, &[], Inverse::Matrix, |_| permutation(&[0, 3, 1, 2])),
    row(G::Ecr, 2, &[], Itself, |_| {
        dense(&[ZERO, ZERO, ONE, I, ZERO, ZERO, I, ONE, ONE, -I, ZERO, ZERO, -I, ONE, ZERO, ZERO])
            .scaled(re(FRAC_1_SQRT_2))
    }),
    row(G::Rxx, 2, &[Rotation], Negated, |a| {
        let (sin, cos) = half(a[0]);
        crossed([cos, cos], [-I * sin, -I * sin])
    }),
    row(G::Ryy, 2, &[Rotation], Negated, |a| {
        let (sin, cos) = half(a[0]);
        crossed([cos, cos], [I * sin, -I * sin])
    }),
    diagonal(row(G::Rzz, 2, &[Rotation], Negated, |a| {
        let (minus, plus) = (cis(-a[0] / 2.0), cis(a[0] / 2.0));
        phases(&[minus, plus, plus, minus])
    })),
    row(G::Rzx, 2, &[Rotation], Negated, |a| {
        let (sin, cos) = half(a[0]);
        let (plus, minus) = (I * sin, -I * sin);
        dense(&[cos, minus, ZERO, ZERO, minus, cos, ZERO, ZERO, ZERO, ZERO, cos, plus, ZERO, ZERO, plus, cos])
    }),
    row(G::XxMinusYy, 2, &[PartialRotation, Axis], Angles(negate_first), |a| {
        let (sin, cos) = half(a[0]);
        let mut entries = vec![ZERO; 16];
        (entries[0], entries[3]) = (cos, -I * sin * cis(-a[1]));
        (entries[12], entries[15]) = (-I * sin * cis(a[1]), cos);
        (entries[5], entries[10]) = (ONE, ONE);
        dense(&entries)
    }),
    row(G::XxPlusYy, 2, &[PartialRotation, Axis], Angles(negate_first), |a| {
        let (sin, cos) = half(a[0]);
        middle(cos, -I * sin * cis(a[1]), -I * sin * cis(-a[1]), cos, ONE, ONE)
    }),
    row(G::SingleExcitation, 2, &[PartialRotation], Negated, |a| {
        let (sin, cos) = half(a[0]);
        middle(cos, -sin, sin, cos, ONE, ONE)
    }),
    row(G::Rccx, 3, &[], Itself, |_| {
        let mut entries = Matrix::identity(8).entries().to_vec();
        (entries[5 * 8 + 5], entries[6 * 8 + 6], entries[7 * 8 + 7]) = (-ONE, ZERO, ZERO);
        (entries[6 * 8 + 7], entries[7 * 8 + 6]) = (-I, I);
        dense(&entries)
    }),
    row(G::Rc3x, 4, &[], Inverse::Matrix, |_| {
        let mut entries = Matrix::identity(16).entries().to_vec();
        (entries[12 * 16 + 12], entries[13 * 16 + 13]) = (I, -I);
        (entries[14 * 16 + 14], entries[15 * 16 + 15]) = (ZERO, ZERO);
        (entries[14 * 16 + 15], entries[15 * 16 + 14]) = (ONE, -ONE);
        dense(&entries)
    }),
];

const ZERO: C64 = C64::new(0.0, 0.0);
const ONE: C64 = C64::new(1.0, 0.0);
const I: C64 = C64::new(0.0, 1.0);

fn re(value: f64) -> C64 {
    C64::new(value, 0.0)
}

fn cis(angle: f64) -> C64 {
    C64::cis(angle)
}

/// Sine and cosine of half the angle.
fn half(angle: f64) -> (C64, C64) {
    let (sin, cos) = (angle / 2.0).sin_cos();
    (re(sin), re(cos))
}

fn negate_first(angles: &[Angle]) -> Vec<Angle> {
    vec![angles[0].negated(), angles[1].clone()]
}

/// A square matrix of all entries.
fn dense(entries: &[C64]) -> Matrix {
    let dim = entries.len().isqrt();
    Matrix::from_fn(dim, |row, column| entries[row * dim + column])
}

fn phases(entries: &[C64]) -> Matrix {
    Matrix::from_fn(entries.len(), |row, column| if row == column { entries[row] } else { ZERO })
}

/// The matrix that takes basis state `i` to `to[i]`.
fn permutation(to: &[usize]) -> Matrix {
    Matrix::from_fn(to.len(), |row, column| if to[column] == row { ONE } else { ZERO })
}

fn u3(theta: f64, phi: f64, lambda: f64) -> Matrix {
    let (sin, cos) = half(theta);
    dense(&[cos, -cis(lambda) * sin, cis(phi) * sin, cis(phi + lambda) * cos])
}

fn sx() -> Matrix {
    dense(&[C64::new(0.5, 0.5), C64::new(0.5, -0.5), C64::new(0.5, -0.5), C64::new(0.5, 0.5)])
}

/// A matrix on two qubits that mixes 01 and 10 only.
fn middle(aa: C64, ab: C64, ba: C64, bb: C64, first: C64, last: C64) -> Matrix {
    let mut entries = vec![ZERO; 16];
    (entries[0], entries[15]) = (first, last);
    (entries[5], entries[6], entries[9], entries[10]) = (aa, ab, ba, bb);
    dense(&entries)
}

/// A matrix with a diagonal (outer, inner) and an antidiagonal (outer, inner).
fn crossed(diagonal: [C64; 2], anti: [C64; 2]) -> Matrix {
    Matrix::from_fn(4, |row, column| {
        let inner = usize::from(row == 1 || row == 2);
        match (row == column, row + column == 3) {
            (true, _) => diagonal[inner],
            (_, true) => anti[inner],
            _ => ZERO,
        }
    })
}
