//! The gates that every file has.

use crate::circuit::{Angle, Operation};
use crate::gate::{Gate, Standard, by_name};

/// A gate that is built in.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Builtin {
    Gate(Gate),
    /// `u0(gamma)`: waits, which does nothing.
    Wait,
    /// OpenQASM 3's `U`, `u2` or `u3`, with the phase that these have there.
    Phased(Phased),
}

/// A gate of OpenQASM 3 that differs from Qiskit's by a phase.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Phased {
    U,
    U2,
    U3,
}

impl Builtin {
    /// The gate of a name; those that files define come before.
    pub(super) fn find(name: &str, version: u8) -> Option<Self> {
        let gate = |gate: Standard| Some(Self::Gate(gate.into()));
        match (name, version) {
            ("U", 3) => Some(Self::Phased(Phased::U)),
            ("u2", 3) => Some(Self::Phased(Phased::U2)),
            ("u3", 3) => Some(Self::Phased(Phased::U3)),
            ("U", _) => gate(Standard::U3),
            ("u0", _) => Some(Self::Wait),
            ("c3sqrtx", _) => Some(Self::Gate(Gate::from(Standard::Sx).controlled(3))),
            ("CX", _) => Some(Self::Gate(Gate::from(Standard::X).controlled(1))),
            // `mcx` is a name of Qiskit's for any number of controls.
            ("mcx", _) => None,
            // Names are told apart by case here.
            _ if name.chars().any(char::is_uppercase) => None,
            _ => by_name(name).map(Self::Gate),
        }
    }

    pub(super) fn angles(&self) -> usize {
        match self {
            Self::Gate(gate) => gate.angles(),
            Self::Wait => 1,
            Self::Phased(Phased::U2) => 2,
            Self::Phased(_) => 3,
        }
    }

    pub(super) fn qubits(&self) -> usize {
        match self {
            Self::Gate(gate) => gate.qubits(),
            Self::Wait | Self::Phased(_) => 1,
        }
    }

    /// What it does; `controlled` says whether its phase matters.
    pub(super) fn operation(&self, qubits: Vec<usize>, angles: Vec<Angle>, controlled: bool) -> Operation {
        let (gate, angles): (Gate, Vec<Angle>) = match self {
            Self::Gate(gate) => (gate.clone(), angles),
            Self::Wait => (Standard::I.into(), Vec::new()),
            Self::Phased(Phased::U2) if !controlled => (Standard::U2.into(), angles),
            Self::Phased(_) if !controlled => (Standard::U3.into(), angles),
            Self::Phased(own) => (Standard::U4.into(), own.with_phase(angles)),
        };
        Operation { gate, qubits, angles }
    }
}

impl Phased {
    /// The angles of [`Standard::U4`]. `U` is `exp(i theta/2) u3`; `stdgates.inc` takes half the sum of all angles from the phase of `U`.
    fn with_phase(self, angles: Vec<Angle>) -> Vec<Angle> {
        let half_pi = Angle::from(std::f64::consts::FRAC_PI_2);
        let of_sum = |phi: &Angle, lambda: &Angle| phi.sum(lambda).scaled(-0.5);
        match (self, &angles[..]) {
            (Self::U2, [phi, lambda]) => vec![half_pi, phi.clone(), lambda.clone(), of_sum(phi, lambda)],
            (Self::U, [theta, phi, lambda]) => {
                vec![theta.clone(), phi.clone(), lambda.clone(), theta.scaled(0.5)]
            }
            (_, [theta, phi, lambda]) => {
                vec![theta.clone(), phi.clone(), lambda.clone(), of_sum(phi, lambda)]
            }
            _ => angles,
        }
    }
}
