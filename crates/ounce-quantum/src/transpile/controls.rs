//! Phases and rotations with controls.

use std::f64::consts::PI;

use super::build::{controlled, cx, op};
use super::decompose::mcx_borrowing;
use super::multiplexed;
use crate::circuit::{Angle, Operation};
use crate::gate::Standard as G;

/// Above this number of controls a rotation is made of Toffoli gates, of which it takes a number linear in that of the controls, instead of `2^controls` CNOTs.
const MULTIPLEXED: usize = 6;

/// `P(angle)` on the target with controls: a rotation, and what phase is missing on the controls.
pub(super) fn phase(controls: &[usize], target: usize, angle: &Angle) -> Vec<Operation> {
    let Some((&last, others)) = controls.split_last() else {
        return vec![op(G::P, &[target], std::slice::from_ref(angle))];
    };
    let rotation = controlled(op(G::Rz, &[target], std::slice::from_ref(angle)), controls);
    vec![rotation, controlled(op(G::P, &[last], &[angle.scaled(0.5)]), others)]
}

/// `RZ(angle)` on the target with controls.
pub(super) fn rz(controls: &[usize], target: usize, angle: &Angle) -> Vec<Operation> {
    if controls.len() <= MULTIPLEXED {
        let mut angles = vec![Angle::from(0.0); 1 << controls.len()];
        angles[(1 << controls.len()) - 1] = angle.clone();
        return multiplexed::rotation(G::Rz, &angles, controls, target);
    }
    // X on the target changes the sign of a rotation. With X by one half of the controls in two places and by the other half in two others, the quarters add up only if
    // both halves are 1.
    let (first, second) = controls.split_at(controls.len().div_ceil(2));
    let quarter = |sign: f64| vec![op(G::Rz, &[target], &[angle.scaled(sign * 0.25)])];
    let by_first = mcx_borrowing(first, target, second);
    let by_second = mcx_borrowing(second, target, first);
    let once = [quarter(1.0), by_second, quarter(-1.0), by_first].concat();
    [once.clone(), once].concat()
}

/// `exp(i gamma) u3(theta, phi, lambda)` with one control.
pub(super) fn u4(
    c: usize,
    t: usize,
    theta: &Angle,
    phi: &Angle,
    lambda: &Angle,
    gamma: &Angle,
) -> Vec<Operation> {
    let sum = lambda.sum(phi).scaled(0.5);
    let difference = lambda.sum(&phi.negated()).scaled(0.5);
    let zero = Angle::from(0.0);
    vec![
        op(G::P, &[c], &[gamma.sum(&sum)]),
        op(G::P, &[t], &[difference]),
        cx(c, t),
        op(G::U3, &[t], &[theta.scaled(-0.5), zero.clone(), sum.negated()]),
        cx(c, t),
        op(G::U3, &[t], &[theta.scaled(0.5), phi.clone(), zero]),
    ]
}

/// The angle brought into (-pi, pi] if it is a number.
pub(super) fn wrapped(angle: &Angle) -> Angle {
    match angle.constant() {
        Some(value) => Angle::from(value - 2.0 * PI * (value / (2.0 * PI)).round()),
        None => angle.plus(-2.0 * PI * (angle.offset() / (2.0 * PI)).round()),
    }
}
