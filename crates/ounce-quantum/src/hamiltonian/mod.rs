//! Hamiltonians of variational algorithms, and the lowest energies that they are measured by.

mod ansatz;
mod ground;
mod ising;
mod max_cut;
mod text;

pub use ansatz::variational_ansatz;
pub use ground::{GroundError, ground_energy};
pub use ising::transverse_ising;
pub use max_cut::{Graph, GraphError};
pub use text::{TextError, parse};

use crate::observable::{PauliString, PauliSum};

/// The electrons of molecular hydrogen at a distance of 0.735 angstrom in the STO-3G basis on two qubits (parity mapping, both symmetries used), as
/// Qiskit Nature gives them; in hartree, without the repulsion of the nuclei.
pub fn h2() -> PauliSum {
    let terms = [
        (-1.052_373_245_772_859, "II"),
        (0.397_937_424_843_180_45, "IZ"),
        (-0.397_937_424_843_180_45, "ZI"),
        (-0.011_280_104_256_235_38, "ZZ"),
        (0.180_931_199_784_231_56, "XX"),
    ];
    PauliSum::new(
        terms.map(|(coefficient, text)| (coefficient, PauliString::parse(text).unwrap_or_default())),
    )
}

/// The repulsion of the nuclei that belongs to [`h2`], in hartree.
pub const H2_REPULSION: f64 = 0.719_968_994_448_979_7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hydrogen_has_the_energy_of_the_literature() -> Result<(), GroundError> {
        let energy = ground_energy(&h2(), 2)? + H2_REPULSION;
        assert!((energy + 1.137_306_035_753_4).abs() < 1e-9, "{energy}");
        Ok(())
    }
}
