//! Unitaries on one qubit as `exp(i gamma) u3(theta, phi, lambda)`.

use std::f64::consts::FRAC_PI_2;

use crate::circuit::Angle;
use crate::gate::Standard as G;
use crate::matrix::Matrix;

/// Theta, phi, lambda and gamma of a unitary of dimension 2.
pub(super) fn u4_of(matrix: &Matrix) -> [f64; 4] {
    let (cos, sin) = (matrix.at(0, 0).norm(), matrix.at(1, 0).norm());
    let theta = 2.0 * sin.atan2(cos);
    // Phases are those of the larger entries; where one pair vanishes, the phase is put into lambda alone.
    if sin < 1e-14 {
        let gamma = matrix.at(0, 0).arg();
        return [0.0, 0.0, matrix.at(1, 1).arg() - gamma, gamma];
    }
    if cos < 1e-14 {
        let gamma = matrix.at(1, 0).arg();
        return [theta, 0.0, (-matrix.at(0, 1)).arg() - gamma, gamma];
    }
    let gamma = matrix.at(0, 0).arg();
    let (phi, lambda) = (matrix.at(1, 0).arg() - gamma, (-matrix.at(0, 1)).arg() - gamma);
    [theta, phi, lambda, gamma]
}

/// Theta, phi, lambda and gamma of a standard gate on one qubit, linear in its angles; `None` only for gates on several.
pub(super) fn as_u4(standard: G, a: &[Angle]) -> Option<[Angle; 4]> {
    let zero = Angle::from(0.0);
    Some(match standard {
        G::Rx => [a[0].clone(), Angle::from(-FRAC_PI_2), Angle::from(FRAC_PI_2), zero],
        G::Ry => [a[0].clone(), zero.clone(), zero.clone(), zero],
        G::Rz => [zero.clone(), zero, a[0].clone(), a[0].scaled(-0.5)],
        G::P => [zero.clone(), zero.clone(), a[0].clone(), zero],
        G::U2 => [Angle::from(FRAC_PI_2), a[0].clone(), a[1].clone(), zero],
        G::U3 => [a[0].clone(), a[1].clone(), a[2].clone(), zero],
        G::U4 => [a[0].clone(), a[1].clone(), a[2].clone(), a[3].clone()],
        G::R => [a[0].clone(), a[1].plus(-FRAC_PI_2), a[1].negated().plus(FRAC_PI_2), zero],
        G::Rot => [a[1].clone(), a[2].clone(), a[0].clone(), a[0].sum(&a[2]).scaled(-0.5)],
        _ if standard.qubits() == 1 => u4_of(&standard.matrix(&[])).map(Angle::from),
        _ => return None,
    })
}
