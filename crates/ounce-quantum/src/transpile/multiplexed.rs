//! Rotations whose angle depends on the state of other qubits, by Gray codes (Möttönen et al. 2004).

use super::build::{cx, op};
use crate::circuit::{Angle, Operation};
use crate::gate::Standard;

/// RY or RZ on the target by `angles[i]` where the other qubits, the most significant first, are in state i.
pub(super) fn rotation(gate: Standard, angles: &[Angle], others: &[usize], target: usize) -> Vec<Operation> {
    let count = angles.len();
    debug_assert_eq!(count, 1 << others.len());
    if angles.iter().all(|angle| angle.constant() == Some(0.0)) {
        return Vec::new();
    }
    let mut parts = Vec::with_capacity(2 * count);
    for index in 0..count {
        let gray = index ^ (index >> 1);
        let sum = angles.iter().enumerate().fold(Angle::from(0.0), |sum, (state, angle)| {
            let sign = if (state & gray).count_ones() % 2 == 1 { -1.0 } else { 1.0 };
            sum.sum(&angle.scaled(sign))
        });
        parts.push(op(gate, &[target], &[sum.scaled(1.0 / count as f64)]));
        if let Some(top) = others.len().checked_sub(1) {
            // The bit in which the next code differs; the last differs from the first in the top bit.
            let bit = ((index + 1).trailing_zeros() as usize).min(top);
            parts.push(cx(others[top - bit], target));
        }
    }
    parts
}
