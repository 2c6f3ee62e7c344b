//! From any circuit to one that a device can run.
//!
//! [`transpile`] takes a circuit apart into gates on at most two qubits ([`decompose`]), brings the qubits of these together on the device (`layout`,
//! `routing`), writes them in the device's gates (`basis`, `runs`) and leaves out what is not needed (`cancel`, `blocks`). Angles keep their parameters and
//! inputs, so that a circuit can be trained after it was transpiled. Global phases are not kept.

mod basis;
mod blocks;
mod build;
mod cancel;
mod controls;
mod coupling;
mod decompose;
mod euler;
mod layout;
mod multiplexed;
mod routing;
mod runs;
mod shannon;
mod state;
mod target;
mod two_qubit;

pub use decompose::{decompose, simpler};
pub use state::prepare_state;
pub use target::{Target, TargetError};

use crate::circuit::{Circuit, Instruction, Operation};
use crate::gate::Standard;
use coupling::Graph;
use decompose::decompose_by;
use ounce_random::Pcg32;
use routing::{Order, Routed, placed, route};

/// Where the qubits of a circuit start on the device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Where few swaps are needed.
    Search,
    /// Qubit `q` of the circuit on qubit `q` of the device.
    Trivial,
    /// Qubit `q` of the circuit on the given one of the device.
    Given(Vec<usize>),
}

/// How a circuit is transpiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TranspileOptions {
    /// Where qubits start.
    pub layout: Layout,
    /// Random starts that the search for a layout tries.
    pub trials: usize,
    /// Seed of these, and of choices between equally good swaps.
    pub seed: u64,
    /// Whether gates that undo each other are left out, stretches on two qubits made anew, and swaps replaced by other places at the end.
    pub optimize: bool,
}

impl Default for TranspileOptions {
    fn default() -> Self {
        Self { layout: Layout::Search, trials: 20, seed: 0, optimize: true }
    }
}

/// A circuit on the qubits of a device.
#[derive(Clone, PartialEq, Debug)]
pub struct Transpiled {
    /// The circuit, with as many qubits as the device has, and the parameters, inputs and bits of the original.
    pub circuit: Circuit,
    /// Where each qubit of the original starts.
    pub first: Vec<usize>,
    /// Where each qubit of the original is at the end, and where it is measured if nothing follows.
    pub last: Vec<usize>,
    /// Swaps that were put in.
    pub swaps: usize,
}

/// Why a circuit cannot be transpiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TranspileError {
    /// Too few qubits.
    #[error("the circuit has {circuit} qubits, the device {device}; take another device or fewer qubits")]
    Qubits {
        /// Qubits of the circuit.
        circuit: usize,
        /// Qubits of the device.
        device: usize,
    },
    /// Qubits that interact, without a path between their places.
    #[error(
        "no path of couplings joins all qubits that the circuit needs; take another layout or couple the parts of the device"
    )]
    NoPath,
    /// A layout that is none.
    #[error(
        "a layout must name a different qubit of the device for each of the {0} qubits of the circuit; correct it"
    )]
    Layout(usize),
}

/// Writes a circuit in the gates of a device, on its coupled qubits. The state that results is that of the original but for the places of qubits and a
/// global phase.
///
/// # Errors
/// If the circuit does not fit the device, or the layout not the circuit.
pub fn transpile(
    circuit: &Circuit,
    target: &Target,
    options: &TranspileOptions,
) -> Result<Transpiled, TranspileError> {
    let (own, device) = (circuit.qubits(), target.qubits());
    if own > device {
        return Err(TranspileError::Qubits { circuit: own, device });
    }
    let pairs = |operation: &Operation| match operation.qubits.len() {
        0..=2 => None,
        _ => simpler(operation),
    };
    let mut instructions = lowered(circuit.instructions(), pairs);
    let mut relabelled: Vec<usize> = (0..own).collect();
    if options.optimize {
        instructions = without_swaps(cancel::cancel(instructions, own), &mut relabelled);
    }
    let finish = |instructions: &[Instruction]| native(instructions, target, options.optimize);
    let placed = place(&instructions, own, target, options, &finish)?;
    let mut written = circuit.emptied(device);
    let native = basis::translate(&finish(&placed.instructions), target);
    written.extend_valid(native.into_iter().map(|instruction| in_order(instruction, target)));
    let last = relabelled.iter().map(|&qubit| placed.last[qubit]).collect();
    Ok(Transpiled { circuit: written, first: placed.first, last, swaps: placed.swaps })
}

/// The instruction with its qubits in the order in which the device couples them, where the gate is the same in both.
fn in_order(mut instruction: Instruction, target: &Target) -> Instruction {
    if let Instruction::Gate(operation) = &mut instruction
        && let [first, second] = operation.qubits[..]
        && target::symmetric(&operation.gate)
        && !target.directed(first, second)
    {
        operation.qubits.swap(0, 1);
    }
    instruction
}

/// The instructions in what the device runs on two qubits, CNOTs and gates on one qubit.
fn native(instructions: &[Instruction], target: &Target, optimize: bool) -> Vec<Instruction> {
    let has_rzz = target.has(&Standard::Rzz.into());
    let rule = |operation: &Operation| match target.runs(operation) {
        true => None,
        false if has_rzz => decompose::by_rzz(operation).or_else(|| simpler(operation)),
        false => simpler(operation),
    };
    let instructions = lowered(instructions, rule);
    if !optimize {
        return instructions;
    }
    // What the device runs on two qubits counts as one CNOT.
    let cost = |operation: &Operation| usize::from(operation.qubits.len() == 2);
    let instructions = cancel::cancel(instructions, target.qubits());
    let instructions = blocks::resynthesize(instructions, target.qubits(), cost);
    cancel::cancel(instructions, target.qubits())
}

/// The instructions without swaps: what follows one is on the other qubit. `labels` says which qubit holds what at the end.
fn without_swaps(instructions: Vec<Instruction>, labels: &mut [usize]) -> Vec<Instruction> {
    let mut left = Vec::with_capacity(instructions.len());
    for instruction in instructions {
        match &instruction {
            Instruction::Gate(Operation { gate, qubits, .. }) if *gate == Standard::Swap.into() => {
                labels.swap(qubits[0], qubits[1]);
            }
            other => left.push(placed(other, labels)),
        }
    }
    left
}

/// The instructions with each gate replaced by what the rule makes of it.
fn lowered(
    instructions: &[Instruction],
    rule: impl Fn(&Operation) -> Option<Vec<Operation>>,
) -> Vec<Instruction> {
    let mut lowered = Vec::with_capacity(instructions.len());
    for instruction in instructions {
        match instruction {
            Instruction::Gate(operation) => {
                let parts = decompose_by(std::slice::from_ref(operation), &rule);
                lowered
                    .extend(parts.into_iter().filter(|part| !part.qubits.is_empty()).map(Instruction::Gate));
            }
            other => lowered.push(other.clone()),
        }
    }
    lowered
}

/// A circuit on the qubits of the device.
struct Placed {
    first: Vec<usize>,
    last: Vec<usize>,
    swaps: usize,
    instructions: Vec<Instruction>,
}

/// Above this number of instructions layouts are compared by their swaps, not by what becomes of them.
const COMPARED: usize = 3000;

/// Puts the circuit's qubits on those of the device.
fn place(
    instructions: &[Instruction],
    qubits: usize,
    target: &Target,
    options: &TranspileOptions,
    finish: &dyn Fn(&[Instruction]) -> Vec<Instruction>,
) -> Result<Placed, TranspileError> {
    let given = match &options.layout {
        Layout::Search => None,
        Layout::Trivial => Some((0..qubits).collect()),
        Layout::Given(places) => {
            let valid = |(index, place): (usize, &usize)| {
                *place < target.qubits() && !places[..index].contains(place)
            };
            if places.len() != qubits || !places.iter().enumerate().all(valid) {
                return Err(TranspileError::Layout(qubits));
            }
            Some(places.clone())
        }
    };
    let Some(coupling) = &target.coupling else {
        let places: Vec<usize> = given.unwrap_or_else(|| (0..qubits).collect());
        let moved = instructions.iter().map(|instruction| placed(instruction, &places)).collect();
        return Ok(Placed { first: places.clone(), last: places, swaps: 0, instructions: moved });
    };
    let graph = Graph::new(target.qubits(), coupling);
    let (places, routed) = match given {
        Some(places) => {
            let order = Order::new(instructions.iter(), qubits);
            let routed = route(&order, &graph, &places, &mut Pcg32::new(options.seed));
            (places, routed.ok_or(TranspileError::NoPath)?)
        }
        None => {
            let cost = |routed: &Routed| match instructions.len() > COMPARED {
                true => routed.swaps,
                false => finish(&routed.instructions)
                    .iter()
                    .filter(|own| cancel::qubits_of(own).len() == 2)
                    .count(),
            };
            let searched = layout::search(instructions, qubits, &graph, (options.trials, options.seed), cost);
            searched.ok_or(TranspileError::NoPath)?
        }
    };
    Ok(Placed { first: places, last: routed.last, swaps: routed.swaps, instructions: routed.instructions })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod transpile_tests;
