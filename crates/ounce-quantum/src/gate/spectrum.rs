//! How a gate depends on an angle, and the shift rule that follows.

use std::f64::consts::PI;

/// The frequencies in which an angle enters the amplitudes of a gate, and so expectation values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spectrum {
    /// Amplitudes of frequency -1/2 and 1/2: rotations. Expectation values have frequency 1.
    Rotation,
    /// Frequencies 0 and 1: phases. Expectation values have frequency 1.
    Phase,
    /// Frequencies -1/2, 0 and 1/2: controlled rotations. Expectation values have frequencies 1/2 and 1.
    PartialRotation,
    /// Frequencies -1, 0 and 1: the axis of a rotation. Expectation values have frequencies 1 and 2.
    Axis,
    /// A phase of the whole state, which no expectation value depends on.
    Global,
}

/// One term of a shift rule: the derivative is the sum of `coefficient * f(angle + shift)`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shift {
    /// What the value is multiplied by.
    pub coefficient: f64,
    /// What is added to the angle, in radians.
    pub shift: f64,
}

impl Spectrum {
    /// The frequency of the terms of an amplitude that are not constant.
    pub fn amplitude_frequency(self) -> f64 {
        match self {
            Self::Rotation | Self::PartialRotation => 0.5,
            Self::Phase | Self::Axis | Self::Global => 1.0,
        }
    }

    /// The spectrum once the gate has a control.
    pub fn controlled(self) -> Self {
        match self {
            Self::Rotation | Self::PartialRotation => Self::PartialRotation,
            Self::Phase | Self::Global => Self::Phase,
            Self::Axis => Self::Axis,
        }
    }

    /// The exact parameter-shift rule: 2 terms for one frequency, 4 for two, none for a global phase. For frequencies `w, 2w, .. Rw` its
    /// terms are those of Wierichs et al., "General parameter-shift rules for quantum gradients" (2021), eq. 20; for `R = 2` it is the
    /// four-term rule of controlled rotations.
    pub fn shift_rule(self) -> Vec<Shift> {
        let (count, base) = match self {
            Self::Rotation | Self::Phase => (1, 1.0),
            Self::PartialRotation => (2, 0.5),
            Self::Axis => (2, 1.0),
            Self::Global => return Vec::new(),
        };
        let terms = f64::from(count);
        (1..=2 * count)
            .map(|index| {
                let angle = f64::from(2 * index - 1) * PI / (2.0 * terms);
                let sign = if index % 2 == 1 { 1.0 } else { -1.0 };
                let coefficient = sign * base / (4.0 * terms * (angle / 2.0).sin().powi(2));
                // The nearer of two equal shifts.
                let shift = if angle > PI { angle - 2.0 * PI } else { angle };
                Shift { coefficient, shift: shift / base }
            })
            .collect()
    }
}
