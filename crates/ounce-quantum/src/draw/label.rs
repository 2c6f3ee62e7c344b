//! What is written into the boxes of gates.

use crate::circuit::{Angle, Circuit, Symbol};
use crate::gate::{Kind, Standard as G};
use crate::qasm::number;

/// The name of a gate without its controls, with its angles.
pub(super) fn gate(kind: &Kind, angles: &[Angle], circuit: &Circuit) -> String {
    let name = match kind {
        Kind::Standard(standard) => name(*standard),
        Kind::PauliRotation(paulis) => {
            let letters: String = paulis.iter().map(|pauli| format!("{pauli:?}")).collect();
            format!("R{}", letters.to_lowercase())
        }
        Kind::Unitary(_) => "Unitary".to_owned(),
    };
    if angles.is_empty() {
        return name;
    }
    let angles: Vec<String> = angles.iter().map(|own| angle(own, circuit)).collect();
    format!("{name}({})", angles.join(", "))
}

fn name(standard: G) -> String {
    match standard {
        G::Sdg => "S†".to_owned(),
        G::Tdg => "T†".to_owned(),
        G::Sx => "√X".to_owned(),
        G::Sxdg => "√X†".to_owned(),
        G::SqrtSwap => "√Swap".to_owned(),
        G::ISwap => "iSwap".to_owned(),
        G::U4 => "U".to_owned(),
        G::GlobalPhase => "phase".to_owned(),
        other => format!("{other:?}"),
    }
}

/// An angle to three decimals, or as a multiple of pi.
pub(super) fn angle(angle: &Angle, circuit: &Circuit) -> String {
    let mut text = String::new();
    let mut join = |negative: bool, term: String| {
        let sign = match (text.is_empty(), negative) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        };
        text += sign;
        text += &term;
    };
    for &(symbol, factor) in angle.terms() {
        let name = match symbol {
            Symbol::Parameter(index) => circuit.parameters()[index].clone(),
            Symbol::Input(index) => format!("x[{index}]"),
        };
        let size = factor.abs();
        join(factor < 0.0, if size == 1.0 { name } else { format!("{}*{name}", rounded(size)) });
    }
    if angle.offset() != 0.0 || angle.terms().is_empty() {
        join(angle.offset() < 0.0, rounded(angle.offset().abs()));
    }
    text
}

fn rounded(value: f64) -> String {
    let exact = number(value);
    if exact.contains("pi") {
        return exact.replace("pi", "π").replace('*', "");
    }
    if value != 0.0 && !(1e-3..1e6).contains(&value) {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
