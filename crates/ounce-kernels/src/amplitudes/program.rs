//! Programs: gates and overlaps on a tile, lowered to steps on rows.

use super::block::{Head, Micro};
use super::step::{Kind, Step, Steps};
use super::sums::{Overlap, Read, lane_index, pattern_flip};
use super::{Complex, Layout, MAX_LANES, Real};

/// A product of Paulis on the qubits of a state: `X` where a bit of `x` is set, `Z` where one of `z` is, `Y` where both are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PauliMask {
    /// Qubits that are flipped.
    pub x: u64,
    /// Qubits whose value gives a sign.
    pub z: u64,
}

impl PauliMask {
    /// Factors `Y`.
    pub fn ys(self) -> u32 {
        (self.x & self.z).count_ones()
    }
}

/// Where a qubit of a state is found in a tile.
#[derive(Clone, Copy)]
enum Place {
    /// The bit of the lane's number.
    Lane(usize),
    /// The bit of the row's number, as a mask.
    Row(usize),
    /// The bit of the row's number in the whole state, as a mask.
    Outer(usize),
}

/// A list of gates and overlaps that is run on one tile after another.
///
/// A tile holds the amplitudes of a state that differ in the qubits of the tile (and in the qubits of lanes, where a [`Layout`] has such). Gates may flip or mix
/// qubits of the tile only; controls and diagonal gates may be on any qubit.
#[derive(Clone, Debug)]
pub struct Program<T> {
    layout: Layout<T>,
    /// Qubits of the tile by bit of the row's number.
    tile: Vec<usize>,
    pub(super) steps: Vec<Step>,
    pub(super) coefficients: Vec<T>,
    pub(super) offsets: Vec<usize>,
    permutations: Vec<[u32; MAX_LANES]>,
    pub(super) skipped: Vec<bool>,
    pub(super) micros: Vec<Micro>,
    pub(super) head: Option<Head>,
    sums: usize,
}

impl<T: Real> Program<T> {
    /// A program without steps for tiles that hold the amplitudes of these qubits of a state, first qubit in the lowest bit of a row's number.
    /// Qubits that lie in lanes are in every tile and are not named.
    ///
    /// # Panics
    /// If a qubit is named twice or lies in lanes.
    pub fn new(layout: Layout<T>, tile: &[usize]) -> Self {
        for (i, qubit) in tile.iter().enumerate() {
            assert!(*qubit >= layout.lane_qubits() && !tile[..i].contains(qubit), "qubit {qubit} in a tile");
        }
        Self {
            layout,
            tile: tile.to_vec(),
            steps: Vec::new(),
            coefficients: Vec::new(),
            offsets: Vec::new(),
            permutations: vec![std::array::from_fn(|lane| lane as u32)],
            skipped: Vec::new(),
            micros: Vec::new(),
            head: None,
            sums: 0,
        }
    }

    /// The layout of the states.
    pub fn layout(&self) -> Layout<T> {
        self.layout
    }

    /// The qubits of a tile, by bit of the row's number.
    pub fn tile(&self) -> &[usize] {
        &self.tile
    }

    /// Rows of a tile.
    pub fn rows(&self) -> usize {
        1 << self.tile.len()
    }

    /// Numbers that a tile consists of.
    pub fn tile_len(&self) -> usize {
        self.rows() * self.layout.row_len()
    }

    /// Numbers that a run adds to.
    pub fn sums(&self) -> usize {
        self.sums
    }

    pub(super) fn steps(&self) -> Steps<'_, T> {
        Steps {
            list: &self.steps,
            coefficients: &self.coefficients,
            offsets: &self.offsets,
            permutations: &self.permutations,
            skipped: &self.skipped,
            micros: &self.micros,
        }
    }

    fn place(&self, qubit: usize) -> Place {
        let lanes = self.layout.lane_qubits();
        if qubit < lanes {
            return Place::Lane(qubit);
        }
        match self.tile.iter().position(|&own| own == qubit) {
            Some(bit) => Place::Row(1 << bit),
            None => Place::Outer(1 << (qubit - lanes)),
        }
    }

    /// The parts of a mask of qubits: lanes, rows, outside.
    pub(super) fn split(&self, mut qubits: u64) -> (usize, usize, usize) {
        let mut parts = (0, 0, 0);
        while qubits != 0 {
            match self.place(qubits.trailing_zeros() as usize) {
                Place::Lane(bit) => parts.0 |= 1 << bit,
                Place::Row(mask) => parts.1 |= mask,
                Place::Outer(mask) => parts.2 |= mask,
            }
            qubits &= qubits - 1;
        }
        parts
    }

    /// A step of `kind` with controls; also the lanes' bits that control.
    pub(super) fn step(&self, kind: Kind, controls: &[usize]) -> (Step, usize) {
        let (lanes, rows, outer) = self.split(controls.iter().fold(0, |mask, &qubit| mask | 1 << qubit));
        let step = Step {
            kind,
            free: (self.rows() - 1) & !rows,
            value: rows,
            outer_mask: outer,
            outer_value: outer,
            outer_parity: 0,
            coefficients: self.coefficients.len(),
            offsets: self.offsets.len(),
            permutations: 0,
            skipped: self.skipped.len(),
        };
        (step, lanes)
    }

    fn lanes(&self) -> usize {
        self.layout.lanes()
    }

    /// Adds a permutation that takes lane `i` from `i ^ flip`, unless it is there; its number.
    fn flip(&mut self, flip: usize) -> usize {
        self.permutation(std::array::from_fn(|lane| (lane ^ flip) as u32 % MAX_LANES as u32))
    }

    fn permutation(&mut self, from: [u32; MAX_LANES]) -> usize {
        if from == self.permutations[0] {
            return 0;
        }
        self.permutations.push(from);
        self.permutations.len() - 1
    }

    /// Adds the two vectors of a complex coefficient.
    fn push_coefficient(&mut self, of_lane: impl Fn(usize) -> Complex) {
        for part in 0..2 {
            for lane in 0..self.lanes() {
                self.coefficients.push(T::from_f64(of_lane(lane)[part]));
            }
        }
    }

    /// Adds a matrix on `targets`, the first of which is the most significant bit of its index. `entry` gives the entry of a row and column, for a lane if
    /// `varying`.
    ///
    /// # Panics
    /// If a target is not in the tile, as below for all gates.
    pub fn matrix(
        &mut self,
        targets: &[usize],
        controls: &[usize],
        varying: bool,
        entry: impl Fn(usize, usize, usize) -> Complex,
    ) {
        let (mut step, lane_controls) = self.step(Kind::Permute, controls);
        let (row_weights, lane_targets) = self.spread_targets(&mut step, targets);
        let (rows, patterns) = (row_weights.len(), 1 << lane_targets.len());
        let lane_index = |lane: usize| lane_index(&lane_targets, lane);
        let uniform = lane_targets.is_empty() && lane_controls == 0 && !varying;
        let mut real = true;
        for r in 0..rows {
            for c in 0..rows {
                for p in 0..patterns {
                    let flip = pattern_flip(&lane_targets, p);
                    let of_lane = |lane: usize| {
                        if lane & lane_controls != lane_controls {
                            return [f64::from(u8::from(r == c && p == 0)), 0.0];
                        }
                        entry(
                            row_weights[r] | lane_index(lane),
                            row_weights[c] | lane_index(lane ^ flip),
                            lane,
                        )
                    };
                    if uniform {
                        let value = of_lane(0);
                        real &= value[1] == 0.0;
                        self.coefficients.extend(value.map(T::from_f64));
                    } else {
                        real &= (0..self.lanes()).all(|lane| of_lane(lane)[1] == 0.0);
                        self.push_coefficient(of_lane);
                    }
                }
            }
        }
        step.kind = Kind::Dense { rows, patterns, uniform, real };
        self.steps.push(step);
    }

    /// Sets the rows, offsets and permutations of a step that mixes `targets`; the parts of the matrix index that rows give, and the lanes' targets with
    /// the weights of their bits.
    fn spread_targets(&mut self, step: &mut Step, targets: &[usize]) -> (Vec<usize>, Vec<(usize, usize)>) {
        let (mut row_targets, mut lane_targets) = (Vec::new(), Vec::new());
        for (i, &target) in targets.iter().enumerate() {
            let weight = 1 << (targets.len() - 1 - i);
            match self.place(target) {
                Place::Lane(bit) => lane_targets.push((bit, weight)),
                Place::Row(mask) => row_targets.push((mask, weight)),
                Place::Outer(_) => panic!("qubit {target} is not in the tile"),
            }
        }
        let spread = |index: usize, of: fn(&(usize, usize)) -> usize| -> usize {
            row_targets.iter().enumerate().map(|(bit, target)| (index >> bit & 1) * of(target)).sum()
        };
        let rows = 1 << row_targets.len();
        step.offsets = self.offsets.len();
        self.offsets.extend((0..rows).map(|index| spread(index, |target| target.0)));
        step.free &= !spread(rows - 1, |target| target.0);
        step.permutations = self.permutations.len();
        for pattern in 0..1usize << lane_targets.len() {
            let flip = pattern_flip(&lane_targets, pattern);
            self.permutations.push(std::array::from_fn(|lane| (lane ^ flip) as u32 % MAX_LANES as u32));
        }
        let weights = (0..rows).map(|index| spread(index, |target| target.1)).collect();
        (weights, lane_targets)
    }

    /// Adds a diagonal matrix on `qubits`, the first of which is the most significant bit of the index; `entry` gives the entry of an index, for a lane.
    pub fn diagonal(
        &mut self,
        qubits: &[usize],
        controls: &[usize],
        entry: impl Fn(usize, usize) -> Complex,
    ) {
        let (mut step, lane_controls) = self.step(Kind::Permute, controls);
        let (mut rows, mut lanes, mut outer) = (Vec::new(), Vec::new(), Vec::new());
        for (i, &qubit) in qubits.iter().enumerate() {
            let weight = 1usize << (qubits.len() - 1 - i);
            match self.place(qubit) {
                Place::Lane(bit) => lanes.push((bit, weight)),
                Place::Row(mask) => rows.push((mask, weight)),
                Place::Outer(mask) => outer.push((mask, weight)),
            }
        }
        let spread = |bits: &[(usize, usize)], index: usize, of: fn(&(usize, usize)) -> usize| -> usize {
            bits.iter().enumerate().map(|(bit, own)| (index >> bit & 1) * of(own)).sum()
        };
        let patterns = 1usize << rows.len();
        self.offsets.extend((0..patterns).map(|index| spread(&rows, index, |own| own.0)));
        step.free &= !spread(&rows, patterns - 1, |own| own.0);
        // The kernel reads outer bits from the most significant.
        self.offsets.extend(outer.iter().rev().map(|own| own.0));
        for o in 0..1usize << outer.len() {
            for r in 0..patterns {
                let fixed = spread(&outer, o, |own| own.1) | spread(&rows, r, |own| own.1);
                let of_lane = |lane: usize| {
                    if lane & lane_controls != lane_controls {
                        return [1.0, 0.0];
                    }
                    entry(fixed | lane_index(&lanes, lane), lane)
                };
                self.skipped.push((0..self.lanes()).all(|lane| of_lane(lane) == [1.0, 0.0]));
                self.push_coefficient(of_lane);
            }
        }
        step.kind = Kind::Diagonal { rows: patterns, outer: outer.len() };
        self.steps.push(step);
    }

    /// Adds a diagonal matrix that depends on the parity of some qubits; `entry` gives the factor of even (0) and odd (1) parity, for a lane.
    pub fn parity_phase(&mut self, qubits: u64, controls: &[usize], entry: impl Fn(usize, usize) -> Complex) {
        let (mut step, lane_controls) = self.step(Kind::Permute, controls);
        let (lanes, rows, outer) = self.split(qubits);
        for parity in 0..2 {
            self.push_coefficient(|lane| {
                if lane & lane_controls != lane_controls {
                    return [1.0, 0.0];
                }
                entry(parity ^ (lane & lanes).count_ones() as usize & 1, lane)
            });
        }
        step.outer_parity = outer;
        step.kind = Kind::Parity { z: rows };
        self.steps.push(step);
    }

    /// Adds `cos - i sin P` for a product of Paulis; `cos_sin` gives the two numbers, for a lane.
    pub fn pauli_rotation(
        &mut self,
        paulis: PauliMask,
        controls: &[usize],
        cos_sin: impl Fn(usize) -> (f64, f64),
    ) {
        if paulis.x == 0 {
            return self.parity_phase(paulis.z, controls, |parity, lane| {
                let (cos, sin) = cos_sin(lane);
                [cos, if parity == 0 { -sin } else { sin }]
            });
        }
        let (mut step, lane_controls) = self.step(Kind::Permute, controls);
        let ((lane_x, row_x, outer_x), (lane_z, row_z, outer_z)) =
            (self.split(paulis.x), self.split(paulis.z));
        assert!(outer_x == 0, "a rotation flips qubits that are not in the tile");
        // -i times the phase i^ys of the product.
        let (imaginary, sign) = match paulis.ys() % 4 {
            0 => (true, -1.0),
            1 => (false, 1.0),
            2 => (true, 1.0),
            _ => (false, -1.0),
        };
        step.permutations = self.flip(lane_x);
        let on = |lane: usize| lane & lane_controls == lane_controls;
        let constant = (row_x & row_z).count_ones();
        for lane in 0..self.lanes() {
            self.coefficients.push(T::from_f64(if on(lane) { cos_sin(lane).0 } else { 1.0 }));
        }
        for parity in 0..2 {
            for lane in 0..self.lanes() {
                let odd = (((lane ^ lane_x) & lane_z).count_ones() + constant + parity) & 1 == 1;
                let sin = if on(lane) { sign * cos_sin(lane).1 } else { 0.0 };
                self.coefficients.push(T::from_f64(if odd { -sin } else { sin }));
            }
        }
        step.outer_parity = outer_z;
        step.free &= !highest_bit(row_x);
        step.kind = Kind::Pauli { x: row_x, z: row_z, imaginary, permuted: lane_x != 0 };
        self.steps.push(step);
    }

    /// Adds an X.
    pub fn flip_qubit(&mut self, target: usize, controls: &[usize]) {
        let (mut step, lane_controls) = self.step(Kind::Permute, controls);
        match self.place(target) {
            Place::Lane(bit) => {
                let from =
                    |lane: usize| if lane & lane_controls == lane_controls { lane ^ 1 << bit } else { lane };
                step.permutations =
                    self.permutation(std::array::from_fn(|lane| from(lane) as u32 % MAX_LANES as u32));
            }
            Place::Row(mask) => {
                step.free &= !mask;
                step.kind = Kind::Exchange { x: mask, masked: lane_controls != 0 };
                if lane_controls != 0 {
                    for lane in 0..self.lanes() {
                        let on = lane & lane_controls == lane_controls;
                        self.coefficients.push(T::from_f64(if on { -1.0 } else { 1.0 }));
                    }
                }
            }
            Place::Outer(_) => panic!("qubit {target} is not in the tile"),
        }
        self.steps.push(step);
    }

    /// Adds an exchange of two qubits.
    pub fn exchange(&mut self, a: usize, b: usize, controls: &[usize]) {
        let (mut step, lane_controls) = self.step(Kind::Permute, controls);
        match (self.place(a), self.place(b)) {
            (Place::Row(a), Place::Row(b)) if lane_controls == 0 => {
                step.free &= !(a | b);
                step.value |= a;
                step.kind = Kind::Exchange { x: a | b, masked: false };
                self.steps.push(step);
            }
            _ => {
                // Only the second of three controlled flips needs the controls.
                let with = |own: usize| controls.iter().copied().chain([own]).collect::<Vec<_>>();
                self.flip_qubit(b, &[a]);
                self.flip_qubit(a, &with(b));
                self.flip_qubit(b, &[a]);
            }
        }
    }

    /// Adds the overlap `Im <bra|P|ket>` on the states where all controls are 1.
    ///
    /// # Panics
    /// If the product flips qubits that are not in the tile.
    pub fn pauli_overlap(&mut self, paulis: PauliMask, controls: &[usize]) -> Overlap {
        let ((lane_x, row_x, outer_x), (lane_z, row_z, outer_z)) =
            (self.split(paulis.x), self.split(paulis.z));
        assert!(outer_x == 0, "an overlap flips qubits that are not in the tile");
        let (mut step, lane_controls) = self.step(Kind::Permute, controls);
        // Of i^ys times the sum, the imaginary part is asked for.
        let (imaginary, sign) = match paulis.ys() % 4 {
            0 => (true, 1.0),
            1 => (false, 1.0),
            2 => (true, -1.0),
            _ => (false, -1.0),
        };
        step.permutations = self.flip(lane_x);
        step.outer_parity = outer_z;
        step.free &= !highest_bit(row_x);
        let at = self.take_sums(1);
        step.kind = Kind::PauliOverlap { x: row_x, z: row_z, imaginary, permuted: lane_x != 0, sums: at };
        self.steps.push(step);
        let signs = (0..self.lanes())
            .map(|lane| if ((lane ^ lane_x) & lane_z).count_ones() & 1 == 1 { -sign } else { sign });
        self.overlap(Read::Pauli { signs: signs.collect() }, at, lane_controls)
    }

    /// Adds the overlaps `<bra|r><c|ket>` of all pairs of basis states of `targets`, on the states where all controls are 1.
    ///
    /// # Panics
    /// If a target is not in the tile.
    pub fn matrix_overlap(&mut self, targets: &[usize], controls: &[usize]) -> Overlap {
        let (mut step, lane_controls) = self.step(Kind::Permute, controls);
        let (row_weights, lane_targets) = self.spread_targets(&mut step, targets);
        let (rows, patterns) = (row_weights.len(), 1 << lane_targets.len());
        let at = self.take_sums(rows * rows * patterns * 2);
        step.kind = Kind::MatrixOverlap { rows, patterns, sums: at };
        self.steps.push(step);
        self.overlap(Read::Matrix { row_weights, lane_targets, dim: 1 << targets.len() }, at, lane_controls)
    }

    fn take_sums(&mut self, vectors: usize) -> usize {
        self.sums += vectors * self.lanes();
        self.sums - vectors * self.lanes()
    }

    fn overlap(&self, kind: Read, at: usize, lane_controls: usize) -> Overlap {
        Overlap { kind, at, lane_controls, samples: self.layout.lane_qubits() == 0, lanes: self.lanes() }
    }
}

fn highest_bit(mask: usize) -> usize {
    if mask == 0 { 0 } else { 1 << mask.ilog2() }
}
