//! Blocks: steps that are done one after another on eight rows while these are in registers, instead of each on all rows of the tile. How programs get them; what
//! is done is in `registers.rs`.

use super::step::{Kind, Step};
use super::{Complex, Program, Real};

/// Bits of a row's number in which the rows of a block differ.
const BITS: usize = 3;
/// Rows of a block.
pub(super) const ROWS: usize = 1 << BITS;
/// Factors that a diagonal step may become in a block, at most.
const MAX_FACTORS: usize = 16;
/// Matrices whose divisors one other matrix takes, at most: amplitudes grow by up to the square root of 2 with each.
const MAX_SCALED: usize = 24;
/// Entries of less than this magnitude are not divided by.
const MIN_DIVISOR: f64 = 0.5;

/// A matrix that takes what others were divided by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Where its coefficients lie.
    at: usize,
    /// Its own entries.
    entries: [Complex; 4],
    /// The product of all divisors.
    scale: Complex,
    /// How many there are.
    count: usize,
}

/// A step within blocks. It is done where the number of a block's first row has `value` in the bits of `mask`, and the first row of the tile
/// `outer_value` in those of `outer_mask`; `local_*` are of numbers of rows within the block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Micro {
    pub(super) kind: MicroKind,
    pub(super) mask: usize,
    pub(super) value: usize,
    pub(super) outer_mask: usize,
    pub(super) outer_value: usize,
    pub(super) local_mask: usize,
    pub(super) local_value: usize,
    pub(super) coefficients: usize,
    pub(super) permutation: usize,
}

/// What a step does within a block; `x` are bits of numbers of rows within it.
#[derive(Clone, Copy, Debug)]
pub(super) enum MicroKind {
    /// A matrix on the rows that differ in `x`, one bit.
    Matrix { x: usize, uniform: bool, real: bool },
    /// The same with one entry of the first column, the first if `first` and else the second, divided out of all, so that it is 1.
    Scaled { x: usize, first: bool },
    /// A matrix on the lanes of each row.
    Lanes { real: bool },
    /// A factor.
    Factor,
    /// Rows that differ in `x` change places, in some of their lanes if `masked`.
    Exchange { x: usize, masked: bool },
    /// Lanes change places.
    Permute,
    /// A factor for each parity.
    Parity(Signs),
    /// A rotation about a product of Paulis with X or Y on one qubit of rows (`x`) or else in lanes.
    Pauli { x: usize, signs: Signs, imaginary: bool },
}

/// Bits whose parity changes the sign: of numbers of rows within the block, of its first row, and of the tile's first row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    pub(super) local: usize,
    pub(super) row: usize,
    pub(super) outer: usize,
}

impl<T: Real> Program<T> {
    /// Adds what `push` adds as a block, if it is such that this is possible: gates that mix or flip no other qubits than these, at most three of which are rows.
    pub fn block(&mut self, qubits: &[usize], push: impl FnOnce(&mut Self)) {
        let first = self.steps.len();
        push(self);
        if self.steps.len() < first + 2 {
            return;
        }
        let Some(bits) = self.block_bits(qubits) else { return };
        let mut micros = Vec::new();
        for step in &self.steps[first..] {
            let Some(own) = self.micros_of(step, bits) else { return };
            micros.extend(own);
        }
        micros.iter_mut().for_each(|micro| self.divide(micro));
        let (mut step, _) = self.step(Kind::Block { first: self.micros.len(), count: micros.len() }, &[]);
        step.free &= !bits.iter().sum::<usize>();
        self.offsets.extend((0..ROWS).map(|row| spread(row, bits)));
        self.micros.extend(micros);
        self.steps.truncate(first);
        self.steps.push(step);
    }

    /// Divides an entry out of a matrix that is done everywhere, which saves a quarter of the multiplications; another matrix of the program is multiplied by it.
    fn divide(&mut self, micro: &mut Micro) {
        let MicroKind::Matrix { x, uniform: true, real: false } = micro.kind else { return };
        if micro.mask | micro.outer_mask | micro.local_mask != 0 {
            return;
        }
        let at = micro.coefficients;
        let number = |index: usize| self.coefficients[at + index].to_f64();
        let entries: [Complex; 4] = std::array::from_fn(|index| [number(2 * index), number(2 * index + 1)]);
        let square = |[re, im]: Complex| re * re + im * im;
        let first = square(entries[0]) >= square(entries[2]);
        let divisor = entries[if first { 0 } else { 2 }];
        let Some(head) = self.head.as_mut().filter(|head| head.count < MAX_SCALED) else {
            self.head = Some(Head { at, entries, scale: [1.0, 0.0], count: 0 });
            return;
        };
        if square(divisor) < MIN_DIVISOR * MIN_DIVISOR {
            return;
        }
        head.scale = times(head.scale, divisor);
        head.count += 1;
        let inverse = [divisor[0] / square(divisor), -divisor[1] / square(divisor)];
        let scaled = head.entries.iter().flat_map(|&entry| times(entry, head.scale));
        for (coefficient, value) in self.coefficients[head.at..].iter_mut().zip(scaled) {
            *coefficient = T::from_f64(value);
        }
        let others = if first { [1, 2, 3] } else { [0, 1, 3] };
        let divided = others.into_iter().flat_map(|index| times(entries[index], inverse));
        for (coefficient, value) in self.coefficients[at..].iter_mut().zip(divided) {
            *coefficient = T::from_f64(value);
        }
        micro.kind = MicroKind::Scaled { x, first };
    }

    /// The bits of a block that holds these qubits, ascending.
    fn block_bits(&self, qubits: &[usize]) -> Option<[usize; BITS]> {
        let held = qubits.iter().fold(0, |mask, &qubit| mask | 1u64 << qubit);
        let mut rows = self.split(held).1;
        let lowest = (0..self.tile().len()).map(|bit| 1 << bit);
        for bit in lowest {
            if (rows.count_ones() as usize) < BITS {
                rows |= bit;
            }
        }
        let bits: Vec<usize> = submask_bits(rows).collect();
        bits.try_into().ok()
    }

    /// A step as steps of a block with these bits; `None` if it mixes other rows or is of a kind that blocks have not.
    fn micros_of(&self, step: &Step, bits: [usize; BITS]) -> Option<Vec<Micro>> {
        let all: usize = bits.iter().sum();
        let micro = |kind| Micro {
            kind,
            mask: step.value & !all,
            value: step.value & !all,
            outer_mask: step.outer_mask,
            outer_value: step.outer_value,
            local_mask: local(step.value, bits),
            local_value: local(step.value, bits),
            coefficients: step.coefficients,
            permutation: step.permutations,
        };
        let signs = |z: usize| Signs { local: local(z, bits), row: z & !all, outer: step.outer_parity };
        let inside = |mask: usize| (mask & !all == 0).then(|| local(mask, bits));
        Some(match step.kind {
            Kind::Dense { rows: 2, patterns: 1, uniform, real } => {
                let x = inside(self.offsets[step.offsets + 1])?;
                vec![micro(MicroKind::Matrix { x, uniform, real: uniform && real })]
            }
            Kind::Dense { rows: 1, patterns: 2, uniform: false, real } => {
                vec![Micro { permutation: step.permutations + 1, ..micro(MicroKind::Lanes { real }) }]
            }
            Kind::Exchange { x, masked } => {
                let x = inside(x)?;
                // Of the two rows that change places, the one named has these bits as they are in `value`.
                let own = micro(MicroKind::Exchange { x, masked });
                vec![Micro { local_mask: own.local_mask | x, ..own }]
            }
            Kind::Permute => vec![micro(MicroKind::Permute)],
            Kind::Parity { z } => vec![micro(MicroKind::Parity(signs(z)))],
            Kind::Pauli { x, z, imaginary, permuted }
                if if permuted { x == 0 } else { x.is_power_of_two() } =>
            {
                vec![micro(MicroKind::Pauli { x: inside(x)?, signs: signs(z), imaginary })]
            }
            Kind::Diagonal { rows, outer } if rows << outer <= MAX_FACTORS => {
                let patterns = &self.offsets[step.offsets..][..rows];
                let outer = &self.offsets[step.offsets + rows..][..outer];
                let every = patterns.last().copied().unwrap_or(0);
                let factor = |index: usize| {
                    let (row, number) = (patterns[index % rows], index / rows);
                    let set = |(place, bit): (usize, &usize)| (number >> (outer.len() - 1 - place) & 1) * bit;
                    let own = micro(MicroKind::Factor);
                    Micro {
                        mask: own.mask | every & !all,
                        value: own.value | row & !all,
                        local_mask: own.local_mask | local(every, bits),
                        local_value: own.local_value | local(row, bits),
                        outer_mask: own.outer_mask | outer.iter().sum::<usize>(),
                        outer_value: own.outer_value | outer.iter().enumerate().map(set).sum::<usize>(),
                        coefficients: own.coefficients + index * self.layout().row_len(),
                        ..own
                    }
                };
                let kept = (0..rows << outer.len()).filter(|index| !self.skipped[step.skipped + index]);
                kept.map(factor).collect()
            }
            _ => return None,
        })
    }
}

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

/// The number of a row within a block, from the bits of its number in the tile.
fn local(mask: usize, bits: [usize; BITS]) -> usize {
    (0..BITS).map(|place| usize::from(mask & bits[place] != 0) << place).sum()
}

/// The bits in the tile of the number of a row within a block.
fn spread(row: usize, bits: [usize; BITS]) -> usize {
    (0..BITS).map(|place| (row >> place & 1) * bits[place]).sum()
}

/// The bits of a mask, ascending, each as a mask.
fn submask_bits(mask: usize) -> impl Iterator<Item = usize> {
    (0..usize::BITS).map(|bit| 1 << bit).filter(move |bit| mask & bit != 0)
}
