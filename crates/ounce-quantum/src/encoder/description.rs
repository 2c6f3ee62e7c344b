//! Descriptions of encoders: `ry rz rx ry`, `u3,rx`, `u3,rx@0 h u3,rx@1-3`.

use std::ops::Range;

use super::{Encoder, Encoding};
use crate::gate::by_name;

/// Why a description is no encoder.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DescriptionError {
    /// A gate that is not known or does not act on one qubit.
    #[error(
        "{name:?} in the description of an encoder is not the name of a gate on one qubit; use one such as ry or u3"
    )]
    Gate {
        /// The name.
        name: String,
    },
    /// Qubits that are not understood or not there.
    #[error(
        "{text:?} in the description of an encoder does not name qubits below {qubits}; write @2 or @1-3"
    )]
    Qubits {
        /// What stands after `@`.
        text: String,
        /// Qubits of the encoder.
        qubits: usize,
    },
    /// Inputs that no gate takes.
    #[error(
        "the description of the encoder takes {taken} of {inputs} inputs; add layers or give fewer inputs"
    )]
    LeftOver {
        /// Inputs that gates take.
        taken: usize,
        /// Inputs of the encoder.
        inputs: usize,
    },
}

pub(super) fn encoder(qubits: usize, inputs: usize, description: &str) -> Result<Encoder, DescriptionError> {
    let mut encodings = Vec::new();
    let mut next = 0;
    for word in description.split_whitespace() {
        let (gates, range) = match word.split_once('@') {
            Some((gates, range)) => (gates, parse_range(range, qubits)?),
            None => (word, 0..qubits),
        };
        let gates = gates.split(',').map(|name| {
            let gate = by_name(name).filter(|gate| gate.qubits() == 1);
            gate.ok_or_else(|| DescriptionError::Gate { name: name.to_owned() })
        });
        let gates = gates.collect::<Result<Vec<_>, _>>()?;
        for qubit in range {
            for gate in &gates {
                let end = next + gate.angles();
                if end > inputs {
                    break;
                }
                encodings.push(Encoding {
                    gate: gate.clone(),
                    qubits: vec![qubit],
                    inputs: (next..end).collect(),
                });
                next = end;
            }
        }
    }
    if next < inputs {
        return Err(DescriptionError::LeftOver { taken: next, inputs });
    }
    Ok(Encoder { qubits, inputs, encodings })
}

fn parse_range(text: &str, qubits: usize) -> Result<Range<usize>, DescriptionError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range =
        first.parse().ok().zip(last.parse::<usize>().ok()).map(|(first, last)| first..last.saturating_add(1));
    range
        .filter(|range: &Range<usize>| range.start < range.end && range.end <= qubits)
        .ok_or_else(|| DescriptionError::Qubits { text: text.to_owned(), qubits })
}
