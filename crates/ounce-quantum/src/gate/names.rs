//! The names of gates: Ounce's, TorchQuantum's, those of OpenQASM's standard libraries and of Qiskit.

use super::{Gate, Standard as G, standard::Standard};

/// A name of a standard unitary with a number of controls.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// In lower case.
    pub name: &'static str,
    /// The unitary.
    pub standard: Standard,
    /// Its controls.
    pub controls: usize,
}

const fn name(name: &'static str, standard: Standard, controls: usize) -> Name {
    Name { name, standard, controls }
}

/// All names; of several for one gate, the first is what Ounce writes.
pub fn names() -> &'static [Name] {
    NAMES
}

/// The gate of a name, in any case of letters; `multirz` and other gates of any width have no entry.
pub fn by_name(name: &str) -> Option<Gate> {
    let entry = NAMES.iter().find(|entry| entry.name.eq_ignore_ascii_case(name))?;
    Some(Gate::from(entry.standard).controlled(entry.controls))
}

/// The first name of a unitary with so many controls.
pub(super) fn of(standard: Standard, controls: usize) -> Option<&'static str> {
    NAMES
        .iter()
        .find(|entry| entry.standard == standard && entry.controls == controls)
        .map(|entry| entry.name)
}

static NAMES: &[Name] = &[
    name("id", G::I, 0),
    name("i", G::I, 0),
    name("x", G::X, 0),
    name("paulix", G::X, 0),
    name("y", G::Y, 0),
    name("pauliy", G::Y, 0),
    name("z", G::Z, 0),
    name("pauliz", G::Z, 0),
    name("h", G::H, 0),
    name("hadamard", G::H, 0),
    name("sh", G::SqrtH, 0),
    name("shadamard", G::SqrtH, 0),
    name("s", G::S, 0),
    name("sdg", G::Sdg, 0),
    name("t", G::T, 0),
    name("tdg", G::Tdg, 0),
    name("sx", G::Sx, 0),
    name("sxdg", G::Sxdg, 0),
    name("rx", G::Rx, 0),
    name("ry", G::Ry, 0),
    name("rz", G::Rz, 0),
    name("p", G::P, 0),
    name("u1", G::P, 0),
    name("phase", G::P, 0),
    name("phaseshift", G::P, 0),
    name("phase_shift", G::P, 0),
    name("u2", G::U2, 0),
    name("u3", G::U3, 0),
    name("u", G::U3, 0),
    name("u4", G::U4, 0),
    name("r", G::R, 0),
    name("rot", G::Rot, 0),
    name("gphase", G::GlobalPhase, 0),
    name("globalphase", G::GlobalPhase, 0),
    name("global_phase", G::GlobalPhase, 0),
    name("swap", G::Swap, 0),
    name("sswap", G::SqrtSwap, 0),
    name("iswap", G::ISwap, 0),
    name("dcx", G::Dcx, 0),
    name("dcnot", G::Dcx, 0),
    name("ecr", G::Ecr, 0),
    name("echoedcrossresonance", G::Ecr, 0),
    name("echoed_cross_resonance", G::Ecr, 0),
    name("rxx", G::Rxx, 0),
    name("xx", G::Rxx, 0),
    name("ryy", G::Ryy, 0),
    name("yy", G::Ryy, 0),
    name("rzz", G::Rzz, 0),
    name("zz", G::Rzz, 0),
    name("rzx", G::Rzx, 0),
    name("zx", G::Rzx, 0),
    name("xx_minus_yy", G::XxMinusYy, 0),
    name("xxminyy", G::XxMinusYy, 0),
    name("xx_min_yy", G::XxMinusYy, 0),
    name("xx_plus_yy", G::XxPlusYy, 0),
    name("xxplusyy", G::XxPlusYy, 0),
    name("singleexcitation", G::SingleExcitation, 0),
    name("single_excitation", G::SingleExcitation, 0),
    name("rccx", G::Rccx, 0),
    name("rc3x", G::Rc3x, 0),
    name("rcccx", G::Rc3x, 0),
    name("cx", G::X, 1),
    name("cnot", G::X, 1),
    name("cy", G::Y, 1),
    name("cz", G::Z, 1),
    name("ch", G::H, 1),
    name("chadamard", G::H, 1),
    name("cs", G::S, 1),
    name("csdg", G::Sdg, 1),
    name("csx", G::Sx, 1),
    name("crx", G::Rx, 1),
    name("cry", G::Ry, 1),
    name("crz", G::Rz, 1),
    name("crot", G::Rot, 1),
    name("cp", G::P, 1),
    name("cu1", G::P, 1),
    name("cr", G::P, 1),
    name("cphase", G::P, 1),
    name("cu2", G::U2, 1),
    name("cu3", G::U3, 1),
    name("cu", G::U4, 1),
    name("cglobalphase", G::GlobalPhase, 1),
    name("cswap", G::Swap, 1),
    name("fredkin", G::Swap, 1),
    name("ccx", G::X, 2),
    name("toffoli", G::X, 2),
    name("ccnot", G::X, 2),
    name("ccz", G::Z, 2),
    name("c3x", G::X, 3),
    name("mcx", G::X, 3),
    name("c3sx", G::Sx, 3),
    name("c3sqrtx", G::Sx, 3),
    name("c4x", G::X, 4),
];
