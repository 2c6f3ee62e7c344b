//! Gates: everything that is known of one, in one place.
//!
//! A [`Gate`] is a [`Standard`] unitary, a rotation about a product of Paulis or any unitary, with any number of controls before it; so `cx`, `ccx` and `c4x`
//! are one gate with 1, 2 and 4 controls. `standard` has the table of the standard unitaries, [`names`] that of all names.

mod names;
mod spectrum;
mod standard;
mod wide;

pub use names::{Name, by_name, names};
pub use spectrum::{Shift, Spectrum};
pub use standard::Standard;
pub use wide::{by_name_on, multicnot, multirz, multixcnot, qft};

use std::sync::Arc;

use crate::circuit::Angle;
use crate::matrix::{C64, Matrix};
use crate::observable::Pauli;

/// What a gate does to its targets when all of its controls are 1.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    /// One of the standard unitaries.
    Standard(Standard),
    /// `exp(-i angle/2 P)` for the product of these Paulis, one a target; `multirz` is `Z` on all.
    PauliRotation(Arc<[Pauli]>),
    /// Any unitary; its dimension is a power of two.
    Unitary(Arc<Matrix>),
}

/// A gate: a unitary with its controls, without angles and qubits.
#[derive(Clone, PartialEq, Debug)]
pub struct Gate {
    kind: Kind,
    controls: usize,
}

/// The most targets of a unitary given as a matrix.
pub const MAX_UNITARY_QUBITS: usize = 10;

impl From<Standard> for Gate {
    fn from(standard: Standard) -> Self {
        Self { kind: Kind::Standard(standard), controls: 0 }
    }
}

impl Gate {
    /// A rotation `exp(-i angle/2 P)` about a product of Paulis, one a qubit.
    pub fn pauli_rotation(paulis: impl Into<Arc<[Pauli]>>) -> Self {
        Self { kind: Kind::PauliRotation(paulis.into()), controls: 0 }
    }

    /// The gate of a matrix; `None` if it is not unitary to 1e-6, or its dimension is not a power of two from 2 to 2^[`MAX_UNITARY_QUBITS`].
    pub fn unitary(matrix: Matrix) -> Option<Self> {
        let dim = matrix.dim();
        let fits = dim.is_power_of_two() && (2..=1 << MAX_UNITARY_QUBITS).contains(&dim);
        (fits && matrix.is_unitary(1e-6)).then(|| Self { kind: Kind::Unitary(Arc::new(matrix)), controls: 0 })
    }

    /// The gate with `controls` more controls, which come before the qubits it has.
    pub fn controlled(mut self, controls: usize) -> Self {
        self.controls += controls;
        self
    }

    /// What it does to its targets.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The standard unitary it is, if it is one.
    pub fn standard(&self) -> Option<Standard> {
        match self.kind {
            Kind::Standard(standard) => Some(standard),
            _ => None,
        }
    }

    /// Qubits that only control; they come first.
    pub fn controls(&self) -> usize {
        self.controls
    }

    /// Qubits that the unitary acts on.
    pub fn targets(&self) -> usize {
        match &self.kind {
            Kind::Standard(standard) => standard.qubits(),
            Kind::PauliRotation(paulis) => paulis.len(),
            Kind::Unitary(matrix) => matrix.dim().trailing_zeros() as usize,
        }
    }

    /// All qubits: controls and targets.
    pub fn qubits(&self) -> usize {
        self.controls + self.targets()
    }

    /// Angles that it takes.
    pub fn angles(&self) -> usize {
        match &self.kind {
            Kind::Standard(standard) => standard.angles(),
            Kind::PauliRotation(_) => 1,
            Kind::Unitary(_) => 0,
        }
    }

    /// The matrix on the targets alone, of dimension 2^targets.
    ///
    /// # Panics
    /// If there are not as many angles as [`Gate::angles`] says.
    pub fn target_matrix(&self, angles: &[f64]) -> Matrix {
        assert_eq!(angles.len(), self.angles());
        match &self.kind {
            Kind::Standard(standard) => standard.matrix(angles),
            Kind::PauliRotation(paulis) => pauli_rotation(paulis, angles[0]),
            Kind::Unitary(matrix) => Matrix::clone(matrix),
        }
    }

    /// The matrix on all qubits, of dimension 2^qubits.
    ///
    /// # Panics
    /// As [`Gate::target_matrix`].
    pub fn matrix(&self, angles: &[f64]) -> Matrix {
        self.target_matrix(angles).controlled(self.controls, 1.0)
    }

    /// The derivative of [`Gate::target_matrix`] with respect to angle `index`. On states where a control is 0 the derivative of
    /// the whole gate is 0.
    ///
    /// An entry of the matrix is a sum of terms of frequency 0 and plus or minus some w in any one angle, so the derivative is exactly
    /// `w/2 (U(angle + pi/2w) - U(angle - pi/2w))`.
    ///
    /// # Panics
    /// As [`Gate::target_matrix`], and unless `index` is below [`Gate::angles`].
    pub fn target_derivative(&self, angles: &[f64], index: usize) -> Matrix {
        let frequency = self.target_spectrum(index).amplitude_frequency();
        let shift = std::f64::consts::FRAC_PI_2 / frequency;
        let mut angles = angles.to_vec();
        let angle = angles[index];
        angles[index] = angle + shift;
        let plus = self.target_matrix(&angles);
        angles[index] = angle - shift;
        plus.minus(&self.target_matrix(&angles)).scaled(C64::from(frequency / 2.0))
    }

    /// How expectation values depend on angle `index`, controls included.
    ///
    /// # Panics
    /// Unless `index` is below [`Gate::angles`].
    pub fn spectrum(&self, index: usize) -> Spectrum {
        let spectrum = self.target_spectrum(index);
        if self.controls == 0 { spectrum } else { spectrum.controlled() }
    }

    fn target_spectrum(&self, index: usize) -> Spectrum {
        match &self.kind {
            Kind::Standard(standard) => standard.spectra()[index],
            Kind::PauliRotation(_) => Spectrum::Rotation,
            Kind::Unitary(_) => unreachable!("a unitary has no angles"),
        }
    }

    /// The gate and the angles that undo this gate with `angles`.
    pub fn inverse(&self, angles: &[Angle]) -> (Self, Vec<Angle>) {
        let (kind, angles) = match &self.kind {
            Kind::Standard(standard) => standard.inverse(angles),
            Kind::PauliRotation(_) => (self.kind.clone(), angles.iter().map(Angle::negated).collect()),
            Kind::Unitary(matrix) => (Kind::Unitary(Arc::new(matrix.adjoint())), Vec::new()),
        };
        (Self { kind, controls: self.controls }, angles)
    }

    /// Whether the matrix is diagonal for all angles.
    pub fn is_diagonal(&self) -> bool {
        match &self.kind {
            Kind::Standard(standard) => standard.is_diagonal(),
            Kind::PauliRotation(paulis) => paulis.iter().all(|pauli| matches!(pauli, Pauli::I | Pauli::Z)),
            Kind::Unitary(matrix) => matrix.is_diagonal(),
        }
    }

    /// The name by which it is written and drawn, such as `cx`; `unitary` and `pauli` (with controls as `c`) for what has no name in the table.
    pub fn name(&self) -> String {
        let own = match &self.kind {
            Kind::Standard(standard) => match names::of(*standard, self.controls) {
                Some(name) => return name.to_owned(),
                None => names::of(*standard, 0).unwrap_or("gate"),
            },
            Kind::PauliRotation(paulis) if paulis.iter().all(|pauli| *pauli == Pauli::Z) => "multirz",
            Kind::PauliRotation(_) => "pauli",
            Kind::Unitary(_) => "unitary",
        };
        match self.controls {
            0 => own.to_owned(),
            1 => format!("c{own}"),
            controls => format!("c{controls}{own}"),
        }
    }
}

fn pauli_rotation(paulis: &[Pauli], angle: f64) -> Matrix {
    let product = paulis.iter().fold(Matrix::identity(1), |product, pauli| product.kron(&pauli.matrix()));
    let (sin, cos) = (angle / 2.0).sin_cos();
    Matrix::from_fn(product.dim(), |row, column| {
        let identity = if row == column { cos } else { 0.0 };
        C64::from(identity) - C64::i() * sin * product.at(row, column)
    })
}

#[cfg(test)]
mod tests;
