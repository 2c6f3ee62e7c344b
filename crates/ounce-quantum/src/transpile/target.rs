//! What a device can run.

use crate::circuit::Operation;
use crate::gate::{Gate, Standard as G, by_name};

/// Why gates or couplings are no target.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TargetError {
    /// A name that is not that of a gate.
    #[error("{0:?} in the basis is not the name of a gate; remove it")]
    Unknown(String),
    /// Gates on single qubits that do not make all others.
    #[error(
        "the basis {0} has no set of gates on one qubit that makes all others; add rz with sx, rx or ry, or u3"
    )]
    Single(String),
    /// No gate on two qubits that makes a CNOT.
    #[error("the basis {0} has no gate on two qubits that CNOTs can be made of; add cx, cz, ecr, rzz or rxx")]
    Entangling(String),
    /// A coupling of qubits that are not there.
    #[error("qubits {first} and {second} are coupled, but the device has {qubits}; correct the pair")]
    Coupling {
        /// First qubit.
        first: usize,
        /// Second qubit.
        second: usize,
        /// Qubits of the device.
        qubits: usize,
    },
}

/// How turns about X are made; turns about Z there are always.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turns {
    /// By `sx` alone, with what is between them.
    Sx,
    /// By `rx`.
    Rx,
    /// By `ry`.
    Ry,
    /// All at once by `u3` or `u`.
    U3,
}

/// The gates of a device and the pairs of qubits that it can apply those on two to.
#[derive(Clone, PartialEq, Debug)]
pub struct Target {
    pub(super) qubits: usize,
    pub(super) basis: Vec<Gate>,
    pub(super) turns: Turns,
    /// RZ, or P where there is none.
    pub(super) z: G,
    /// The gate that CNOTs are made of.
    pub(super) entangling: Gate,
    /// Pairs, in the order in which gates can be applied; all, if there is no list.
    pub(super) coupling: Option<Vec<(usize, usize)>>,
}

/// What devices list among their gates that are none.
const NO_GATES: [&str; 9] =
    ["measure", "reset", "delay", "barrier", "if_else", "for_loop", "while_loop", "switch_case", "id"];

impl Target {
    /// A device of `qubits` qubits with the gates of these names, on all pairs of qubits.
    ///
    /// # Errors
    /// If a name is unknown, or not every circuit can be made of these gates.
    pub fn new<'n>(qubits: usize, basis: impl IntoIterator<Item = &'n str>) -> Result<Self, TargetError> {
        let names: Vec<&str> = basis.into_iter().collect();
        let gates = names.iter().filter(|name| !NO_GATES.contains(name));
        let gates = gates.map(|name| by_name(name).ok_or_else(|| TargetError::Unknown((*name).to_owned())));
        let basis = gates.collect::<Result<Vec<_>, _>>()?;
        let has = |gate: G| basis.contains(&gate.into());
        let z = if has(G::Rz) { G::Rz } else { G::P };
        let turns = match has(z) {
            true if has(G::Rx) => Turns::Rx,
            true if has(G::Sx) => Turns::Sx,
            true if has(G::Ry) => Turns::Ry,
            _ if has(G::U3) => Turns::U3,
            _ => return Err(TargetError::Single(names.join(", "))),
        };
        let controlled = |gate: G| Gate::from(gate).controlled(1);
        let choices = [controlled(G::X), controlled(G::Z), G::Ecr.into(), G::Rzz.into(), G::Rxx.into()];
        let entangling = choices.into_iter().find(|gate| basis.contains(gate));
        let entangling = entangling.ok_or_else(|| TargetError::Entangling(names.join(", ")))?;
        Ok(Self { qubits, basis, turns, z, entangling, coupling: None })
    }

    /// The device with gates on two qubits only on these pairs, in this order where the order matters.
    ///
    /// # Errors
    /// If a pair names a qubit that is not there, or one twice.
    pub fn coupled(self, pairs: impl IntoIterator<Item = (usize, usize)>) -> Result<Self, TargetError> {
        let qubits = self.qubits;
        let checked = pairs.into_iter().map(|(first, second)| {
            match first < qubits && second < qubits && first != second {
                true => Ok((first, second)),
                false => Err(TargetError::Coupling { first, second, qubits }),
            }
        });
        Ok(Self { coupling: Some(checked.collect::<Result<_, _>>()?), ..self })
    }

    /// Qubits of the device.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    pub(super) fn has(&self, gate: &Gate) -> bool {
        self.basis.contains(gate)
    }

    /// Whether a gate can be applied in this order.
    pub(super) fn directed(&self, first: usize, second: usize) -> bool {
        self.coupling.as_ref().is_none_or(|pairs| pairs.contains(&(first, second)))
    }

    /// Whether the device runs a gate on two or more qubits as it is.
    pub(super) fn runs(&self, operation: &Operation) -> bool {
        let pair = match operation.qubits[..] {
            [first, second] => symmetric(&operation.gate) || self.directed(first, second),
            _ => self.coupling.is_none(),
        };
        pair && self.has(&operation.gate)
    }
}

/// Whether all qubits of a gate play the same part.
pub(super) fn symmetric(gate: &Gate) -> bool {
    matches!(
        (gate.standard(), gate.controls()),
        (Some(G::Z | G::P | G::S | G::Sdg | G::T | G::Tdg), _)
            | (Some(G::Swap | G::ISwap | G::SqrtSwap | G::Rxx | G::Ryy | G::Rzz), 0)
    )
}
