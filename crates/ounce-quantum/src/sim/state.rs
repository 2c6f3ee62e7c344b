//! The state of qubits as a vector of amplitudes.

use ounce_kernels::Buffer;
use ounce_kernels::amplitudes::{Layout, Program, Real, sweep};
use ounce_kernels::{Kernels, Team, ThreadPool};
use ounce_random::Pcg32;

use super::bind::Values;
use super::node::{Node, fused};
use super::observe::Terms;
use super::plan::{Pass, TileSize, passes};
use crate::backend::BackendError;
use crate::circuit::{Circuit, Instruction};
use crate::matrix::C64;
use crate::observable::{PauliString, PauliSum};

/// The most qubits of a state.
pub const MAX_QUBITS: usize = 30;
/// The lowest qubits beyond lanes that lie in every tile.
const CHUNK: usize = 2;
/// Bytes of a tile: it stays in the second-level cache while a pass works on it.
const TILE_BYTES: usize = 256 << 10;

/// 2^qubits amplitudes in single or double precision.
#[derive(Clone, Debug)]
pub struct StateVector<T> {
    pub(super) layout: Layout<T>,
    pub(super) qubits: usize,
    pub(super) amplitudes: Buffer<T>,
}

/// Bytes that the amplitudes of a state take.
pub fn state_bytes<T: Real>(qubits: usize) -> u128 {
    u32::try_from(qubits)
        .ok()
        .and_then(|qubits| (2 * T::BYTES as u128).checked_shl(qubits))
        .unwrap_or(u128::MAX)
}

/// Refuses states of more than [`MAX_QUBITS`] qubits, or when `states` of them take more than `limit` bytes.
pub(super) fn check_size<T: Real>(qubits: usize, states: usize, limit: u128) -> Result<(), BackendError> {
    let bytes =
        if qubits < 100 { state_bytes::<T>(qubits).saturating_mul(states as u128) } else { u128::MAX };
    if qubits > MAX_QUBITS || bytes > limit {
        return Err(BackendError::TooLarge { qubits, bytes, limit: limit.min(state_bytes::<T>(MAX_QUBITS)) });
    }
    Ok(())
}

/// A circuit prepared for states: gates joined and divided into passes over memory. Values of parameters and inputs come when it is run.
#[derive(Clone, Debug)]
pub struct Plan {
    qubits: usize,
    bits: usize,
    lanes: usize,
    segments: Vec<Segment>,
}

/// Gates, and the measurement or reset that follows them.
#[derive(Clone, Debug)]
struct Segment {
    nodes: Vec<Node>,
    passes: Vec<Blocked>,
    end: Option<End>,
}

/// A pass in blocks.
#[derive(Clone, Debug)]
pub(super) struct Blocked {
    tile: Vec<usize>,
    blocks: Vec<Pass>,
}

impl Blocked {
    /// The passes of nodes, in blocks.
    pub(super) fn passes(nodes: &[Node], size: TileSize) -> Vec<Self> {
        let passes = passes(nodes, size, Node::mixed).into_iter();
        passes.map(|pass| Self { blocks: pass.blocks(nodes, size), tile: pass.tile }).collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Measure { qubit: usize, bit: usize },
    Reset(usize),
}

/// The tiles of states of so many qubits.
pub(super) fn tile_size<T: Real>(layout: Layout<T>, qubits: usize, states: usize) -> TileSize {
    let amplitudes = TILE_BYTES / (2 * T::BYTES * states);
    TileSize { qubits, lanes: layout.lane_qubits(), chunk: CHUNK, tile: amplitudes.ilog2() as usize }
}

impl Plan {
    /// The plan of a circuit for states of one precision on the kernels of one table.
    pub fn new<T: Real>(circuit: &Circuit, kernels: Kernels) -> Self {
        let layout = Layout::<T>::qubits(kernels);
        let size = tile_size(layout, circuit.qubits(), 1);
        let mut segments = Vec::new();
        let instructions = circuit.instructions();
        let mut start = 0;
        for (at, instruction) in instructions.iter().enumerate() {
            let end = match *instruction {
                Instruction::Measure { qubit, bit } => End::Measure { qubit, bit },
                Instruction::Reset(qubit) => End::Reset(qubit),
                Instruction::Gate(_) | Instruction::Barrier(_) => continue,
            };
            segments.push(Segment::new(&instructions[start..at], size, Some(end)));
            start = at + 1;
        }
        segments.push(Segment::new(&instructions[start..], size, None));
        Self { qubits: circuit.qubits(), bits: circuit.bits(), lanes: layout.lane_qubits(), segments }
    }

    /// Passes over memory that it takes, without measurements.
    pub fn passes(&self) -> usize {
        self.segments.iter().map(|segment| segment.passes.len()).sum()
    }
}

impl Segment {
    fn new(instructions: &[Instruction], size: TileSize, end: Option<End>) -> Self {
        let nodes = fused(Node::of_instructions(instructions));
        let passes = Blocked::passes(&nodes, size);
        Self { nodes, passes, end }
    }
}

impl<T: Real> StateVector<T> {
    /// The state in which all qubits are 0.
    ///
    /// # Errors
    /// If there are more than [`MAX_QUBITS`] qubits, or the state takes more than `limit` bytes.
    pub fn zero(qubits: usize, kernels: Kernels, limit: u128) -> Result<Self, BackendError> {
        let mut state = Self::empty(qubits, kernels, limit)?;
        state.amplitudes[0] = T::from_f64(1.0);
        Ok(state)
    }

    /// The state of these amplitudes, whose number is a power of two.
    ///
    /// # Errors
    /// As [`StateVector::zero`], and if the number of amplitudes is no power of two or the squares of their magnitudes do not add up to 1 (to 1e-3).
    pub fn from_amplitudes(amplitudes: &[C64], kernels: Kernels, limit: u128) -> Result<Self, BackendError> {
        check_amplitudes(amplitudes)?;
        let mut state = Self::empty(amplitudes.len().trailing_zeros() as usize, kernels, limit)?;
        write_amplitudes(state.layout, &mut state.amplitudes, 0, amplitudes);
        Ok(state)
    }

    pub(super) fn empty(qubits: usize, kernels: Kernels, limit: u128) -> Result<Self, BackendError> {
        check_size::<T>(qubits, 1, limit)?;
        let layout = Layout::qubits(kernels);
        Ok(Self { layout, qubits, amplitudes: Buffer::zeroed(layout.len(qubits)) })
    }

    /// Qubits.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// The amplitude of a basis state.
    ///
    /// # Panics
    /// If `index` is not below 2^qubits.
    pub fn amplitude(&self, index: usize) -> C64 {
        assert!(index < 1 << self.qubits);
        let at = self.layout.at(index, 0);
        C64::new(self.amplitudes[at].to_f64(), self.amplitudes[at + self.layout.lanes()].to_f64())
    }

    /// All amplitudes.
    pub fn amplitudes(&self) -> Vec<C64> {
        (0..1 << self.qubits).map(|index| self.amplitude(index)).collect()
    }

    /// Runs a circuit on it. Measurements and resets draw from `random`; the classical bits are returned.
    ///
    /// # Errors
    /// If the plan is for another number of qubits or other kernels, or the values are not as many as the circuit has parameters and inputs.
    pub fn run(
        &mut self,
        pool: &mut ThreadPool,
        plan: &Plan,
        parameters: &[f64],
        inputs: &[f64],
        random: &mut Pcg32,
    ) -> Result<Vec<bool>, BackendError> {
        let (expected, found) = (self.qubits, plan.qubits);
        if expected != found || plan.lanes != self.layout.lane_qubits() {
            return Err(BackendError::Length { what: "qubits", expected, found });
        }
        let mut bits = vec![false; plan.bits];
        pool.region(|team| {
            for segment in &plan.segments {
                self.run_passes(team, &segment.nodes, &segment.passes, Values::single(parameters, inputs));
                match segment.end {
                    Some(End::Measure { qubit, bit }) => bits[bit] = self.measure(team, qubit, random),
                    Some(End::Reset(qubit)) => self.reset(team, qubit, random),
                    None => {}
                }
            }
        });
        Ok(bits)
    }

    pub(super) fn run_passes(
        &mut self,
        team: &mut Team<'_>,
        nodes: &[Node],
        passes: &[Blocked],
        values: Values<'_>,
    ) {
        for pass in passes {
            let mut program = Program::new(self.layout, &pass.tile);
            for block in &pass.blocks {
                program.block(&block.tile, |program| {
                    block.nodes.iter().for_each(|&node| nodes[node].push(program, values));
                });
            }
            sweep(team, &program, &mut self.amplitudes, None);
        }
    }

    /// Measures a qubit: draws its value and leaves the state that goes with it.
    pub fn measure(&mut self, team: &mut Team<'_>, qubit: usize, random: &mut Pcg32) -> bool {
        let z = Terms::new(&[PauliSum::from(PauliString::z(qubit))]).expectations(team, self)[0];
        let norm = self.norm_squared(team);
        let one = (0.5 * (norm - z) / norm).clamp(0.0, 1.0);
        let value = random.next_f64() < one;
        let scale = 1.0 / (norm * if value { one } else { 1.0 - one }).sqrt();
        let mut program = Program::new(self.layout, &self.tile_with(qubit));
        program.diagonal(&[qubit], &[], |index, _| [if (index == 1) == value { scale } else { 0.0 }, 0.0]);
        sweep(team, &program, &mut self.amplitudes, None);
        value
    }

    /// Measures a qubit and flips it if it is 1.
    fn reset(&mut self, team: &mut Team<'_>, qubit: usize, random: &mut Pcg32) {
        if self.measure(team, qubit, random) {
            let mut program = Program::new(self.layout, &self.tile_with(qubit));
            program.flip_qubit(qubit, &[]);
            sweep(team, &program, &mut self.amplitudes, None);
        }
    }

    /// The lowest qubits of a tile, and one that must be there.
    fn tile_with(&self, qubit: usize) -> Vec<usize> {
        let lanes = self.layout.lane_qubits();
        let mut tile: Vec<usize> = (lanes..self.qubits.min(lanes + 8)).collect();
        if qubit >= lanes && !tile.contains(&qubit) {
            tile.push(qubit);
        }
        tile
    }

    /// The expectation value of an observable.
    ///
    /// # Errors
    /// If it acts on qubits that the state lacks.
    pub fn expectation(&self, pool: &mut ThreadPool, observable: &PauliSum) -> Result<f64, BackendError> {
        let (needed, qubits) = (observable.qubits(), self.qubits);
        if needed > qubits {
            return Err(BackendError::Observable { needed, qubits });
        }
        let terms = Terms::new(std::slice::from_ref(observable));
        Ok(pool.region(|team| terms.expectations(team, self))[0])
    }

    /// The probability of each basis state.
    pub fn probabilities(&self, pool: &mut ThreadPool) -> Vec<f64> {
        let mut out = vec![0.0; 1 << self.qubits];
        let chunk = 1 << 12;
        pool.region(|team| {
            team.for_each_chunk_mut(&mut out, chunk, |number, out| {
                self.write_probabilities(number * chunk, out)
            });
        });
        out
    }

    /// The probabilities of basis states from `first`, which is a multiple of the lanes.
    pub(super) fn write_probabilities(&self, first: usize, out: &mut [f64]) {
        let (lanes, row_len) = (self.layout.lanes(), self.layout.row_len());
        let rows = out.len().div_ceil(lanes);
        let mut own = vec![T::default(); rows * lanes];
        let from = first / lanes * row_len;
        self.layout.probabilities(&self.amplitudes[from..from + rows * row_len], &mut own);
        out.iter_mut().zip(&own).for_each(|(out, own)| *out = own.to_f64());
    }

    /// The sum of all probabilities: 1 but for rounding.
    pub fn norm_squared(&self, team: &mut Team<'_>) -> f64 {
        self.block_probabilities(team).iter().sum()
    }

    /// The sum of probabilities of each block of [`BLOCK`] basis states.
    pub(super) fn block_probabilities(&self, team: &mut Team<'_>) -> Vec<f64> {
        let amplitudes = 1usize << self.qubits;
        let mut sums = vec![0.0; amplitudes.div_ceil(BLOCK)];
        team.for_each_chunk_mut(&mut sums, 1, |block, sum| {
            let mut probabilities = vec![0.0; BLOCK.min(amplitudes)];
            self.write_probabilities(block * BLOCK, &mut probabilities);
            sum[0] = probabilities.iter().sum();
        });
        sums
    }
}

/// Basis states whose probabilities are summed together.
pub(super) const BLOCK: usize = 1 << 12;

/// Whether amplitudes make a state.
pub(super) fn check_amplitudes(amplitudes: &[C64]) -> Result<(), BackendError> {
    let norm: f64 = amplitudes.iter().map(C64::norm_sqr).sum();
    if !amplitudes.len().is_power_of_two() || (norm - 1.0).abs() > 1e-3 {
        let count = amplitudes.len();
        return Err(BackendError::Failed(format!(
            "{count} amplitudes whose squares add up to {norm} make no state; give a power of two of them, normalised to 1"
        )));
    }
    Ok(())
}

/// Writes the amplitudes of a sample.
pub(super) fn write_amplitudes<T: Real>(layout: Layout<T>, out: &mut [T], sample: usize, amplitudes: &[C64]) {
    for (index, amplitude) in amplitudes.iter().enumerate() {
        let at = layout.at(index, sample);
        out[at] = T::from_f64(amplitude.re);
        out[at + layout.lanes()] = T::from_f64(amplitude.im);
    }
}
