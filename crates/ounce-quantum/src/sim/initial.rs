//! States that circuits begin with.

use super::state::check_amplitudes;
use crate::backend::BackendError;
use crate::matrix::C64;

/// The state that a circuit begins with.
#[derive(Clone, Copy, Debug)]
pub enum Initial<'a> {
    /// All qubits are 0.
    Zero,
    /// Amplitudes: those of one state for all samples, or those of each sample's state in turn, as amplitude encoding has them.
    Amplitudes(&'a [C64]),
}

impl<'a> Initial<'a> {
    /// The amplitudes of a sample, `len` of them.
    pub(super) fn of(&self, sample: usize, len: usize) -> &'a [C64] {
        match self {
            Self::Zero => &[],
            Self::Amplitudes(all) if all.len() == len => all,
            Self::Amplitudes(all) => &all[sample * len..(sample + 1) * len],
        }
    }

    /// Refuses what is not a state of `qubits` qubits for each of `samples`.
    pub(super) fn check(&self, qubits: usize, samples: usize) -> Result<(), BackendError> {
        let Self::Amplitudes(all) = self else { return Ok(()) };
        let len =
            u32::try_from(qubits).ok().and_then(|qubits| 1usize.checked_shl(qubits)).unwrap_or(usize::MAX);
        let expected = len.saturating_mul(samples);
        if all.len() != len && all.len() != expected {
            return Err(BackendError::Length { what: "amplitudes", expected, found: all.len() });
        }
        all.chunks(len).try_for_each(check_amplitudes)
    }
}
