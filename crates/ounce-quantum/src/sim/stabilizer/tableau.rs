//! The tableau of a stabilizer state (Aaronson and Gottesman, "Improved simulation of stabilizer circuits", 2004), stored by columns: the X
//! and Z parts of a qubit in all rows are bits of consecutive words, so that a gate treats 64 rows at once.

use ounce_random::Pcg32;

use super::clifford::{Clifford, Image, MAX_QUBITS};
use crate::counts::Outcome;
use crate::observable::{Pauli, PauliString};

/// The rows of n products of Paulis, by columns.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rows {
    x: Vec<u64>,
    z: Vec<u64>,
}

/// A stabilizer state of `n` qubits: n products of Paulis that leave it as it is, with signs, and n that anticommute with one of these each. It takes n^2/2 bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tableau {
    qubits: usize,
    /// Words of a column.
    words: usize,
    stabilizers: Rows,
    destabilizers: Rows,
    /// Which stabilizers have a minus.
    signs: Vec<u64>,
}

/// Powers of i of 64 rows, modulo 4: bit 0 and bit 1.
#[derive(Clone, Copy, Default)]
struct Phases(u64, u64);

impl Phases {
    fn add(&mut self, rows: u64) {
        self.1 ^= self.0 & rows;
        self.0 ^= rows;
    }

    fn subtract(&mut self, rows: u64) {
        self.1 ^= !self.0 & rows;
        self.0 ^= rows;
    }

    /// Multiplies a Pauli (`px`, `pz`) onto those of `rows` (`x`, `z`) from the right.
    fn multiply(&mut self, (x, z): (&mut u64, &mut u64), (px, pz): (bool, bool), rows: u64) {
        match (px, pz) {
            (false, false) => {}
            (true, false) => {
                self.add(rows & !*x & *z);
                self.subtract(rows & *x & *z);
            }
            (false, true) => {
                self.add(rows & *x & *z);
                self.subtract(rows & *x & !*z);
            }
            (true, true) => {
                self.add(rows & *x & !*z);
                self.subtract(rows & !*x & *z);
            }
        }
        *x ^= if px { rows } else { 0 };
        *z ^= if pz { rows } else { 0 };
    }
}

impl Tableau {
    /// The state in which all qubits are 0.
    pub fn new(qubits: usize) -> Self {
        let words = qubits.div_ceil(64);
        let zero = || vec![0; qubits * words];
        let identity = || {
            let mut bits = zero();
            (0..qubits).for_each(|row| bits[row * words + row / 64] |= 1 << (row % 64));
            bits
        };
        Self {
            qubits,
            words,
            stabilizers: Rows { x: zero(), z: identity() },
            destabilizers: Rows { x: identity(), z: zero() },
            signs: vec![0; words],
        }
    }

    /// Qubits.
    pub fn qubits(&self) -> usize {
        self.qubits
    }

    /// Applies a Clifford gate.
    pub(super) fn apply(&mut self, clifford: &Clifford, qubits: &[usize]) {
        let words = self.words;
        for word in 0..words {
            let at = |qubit: usize| qubit * words + word;
            for (rows, signed) in [(&mut self.stabilizers, true), (&mut self.destabilizers, false)] {
                let mut phases = Phases::default();
                let mut after = [(0u64, 0u64); MAX_QUBITS];
                for &qubit in qubits {
                    phases.add(rows.x[at(qubit)] & rows.z[at(qubit)]);
                }
                for (&qubit, [image_x, image_z]) in qubits.iter().zip(&clifford.images) {
                    for (image, rows) in [(image_x, rows.x[at(qubit)]), (image_z, rows.z[at(qubit)])] {
                        multiply_image(&mut phases, &mut after[..qubits.len()], *image, rows);
                    }
                }
                for (&qubit, (x, z)) in qubits.iter().zip(after) {
                    (rows.x[at(qubit)], rows.z[at(qubit)]) = (x, z);
                }
                if signed {
                    self.signs[word] ^= phases.1;
                }
            }
        }
    }

    /// Applies `exp(-i pi/4 P)` so many times.
    pub(super) fn rotate(&mut self, string: &PauliString, quarter_turns: u8) {
        for word in 0..self.words {
            let words = self.words;
            for (rows, signed) in [(&mut self.stabilizers, true), (&mut self.destabilizers, false)] {
                let anticommuting = anticommuting(rows, string, words, word);
                // A row R that anticommutes with P becomes i R P by one quarter turn, -R by two.
                let mut phases = match quarter_turns {
                    1 => Phases(anticommuting, 0),
                    2 => Phases(0, anticommuting),
                    3 => Phases(anticommuting, anticommuting),
                    _ => Phases::default(),
                };
                if quarter_turns % 2 == 1 {
                    for &(qubit, pauli) in string.factors() {
                        let at = qubit * words + word;
                        phases.multiply((&mut rows.x[at], &mut rows.z[at]), parts(pauli), anticommuting);
                    }
                }
                if signed {
                    self.signs[word] ^= phases.1;
                }
            }
        }
    }

    /// Measures a qubit in the basis of Z; a random outcome is drawn.
    ///
    /// # Panics
    /// If there is no such qubit.
    pub fn measure(&mut self, qubit: usize, random: &mut Pcg32) -> bool {
        let column = qubit * self.words..(qubit + 1) * self.words;
        let anticommuting = &self.stabilizers.x[column.clone()];
        let Some(word) = anticommuting.iter().position(|&word| word != 0) else {
            let selected = self.destabilizers.x[column].to_vec();
            return self.product_is_negative(&selected);
        };
        let row = (word, 1u64 << anticommuting[word].trailing_zeros());
        let outcome = random.next_u32() >> 31 == 1;
        self.replace(row, qubit, outcome);
        outcome
    }

    /// Replaces a stabilizer that anticommutes with Z on a qubit by Z with a sign; rows that anticommute are multiplied with it before.
    fn replace(&mut self, (word, bit): (usize, u64), qubit: usize, negative: bool) {
        let words = self.words;
        let column = qubit * words..(qubit + 1) * words;
        let mut others = self.stabilizers.x[column.clone()].to_vec();
        let mut others_destabilizing = self.destabilizers.x[column].to_vec();
        others[word] &= !bit;
        others_destabilizing[word] &= !bit;
        let sign = self.signs[word] & bit != 0;
        let mut phases: Vec<Phases> =
            others.iter().map(|&rows| Phases(0, if sign { rows } else { 0 })).collect();
        for at in (0..self.qubits).map(|qubit| qubit * words) {
            let pauli = (self.stabilizers.x[at + word] & bit != 0, self.stabilizers.z[at + word] & bit != 0);
            if pauli == (false, false) {
                // The destabilizer becomes the stabilizer, which is the identity here.
                self.destabilizers.x[at + word] &= !bit;
                self.destabilizers.z[at + word] &= !bit;
                continue;
            }
            for index in 0..words {
                let (x, z) = (&mut self.stabilizers.x[at + index], &mut self.stabilizers.z[at + index]);
                phases[index].multiply((x, z), pauli, others[index]);
                let rows = others_destabilizing[index];
                self.destabilizers.x[at + index] ^= if pauli.0 { rows } else { 0 };
                self.destabilizers.z[at + index] ^= if pauli.1 { rows } else { 0 };
            }
            let set = |value: &mut u64, one: bool| *value = *value & !bit | if one { bit } else { 0 };
            set(&mut self.destabilizers.x[at + word], pauli.0);
            set(&mut self.destabilizers.z[at + word], pauli.1);
            set(&mut self.stabilizers.x[at + word], false);
            set(&mut self.stabilizers.z[at + word], false);
        }
        for (sign, phases) in self.signs.iter_mut().zip(&phases) {
            *sign ^= phases.1;
        }
        self.stabilizers.z[qubit * words + word] |= bit;
        self.signs[word] = self.signs[word] & !bit | if negative { bit } else { 0 };
    }

    /// Sets a qubit to 0; what it was is drawn if it is random.
    ///
    /// # Panics
    /// If there is no such qubit.
    pub fn reset(&mut self, qubit: usize, random: &mut Pcg32) {
        if self.measure(qubit, random) {
            for word in 0..self.words {
                self.signs[word] ^= self.stabilizers.z[qubit * self.words + word];
            }
        }
    }

    /// The expectation value of a product of Paulis: -1, 0 or 1.
    ///
    /// # Panics
    /// If it acts on more qubits than there are.
    pub fn expectation(&self, string: &PauliString) -> f64 {
        assert!(string.qubits() <= self.qubits);
        let rows = |rows| (0..self.words).map(move |word| anticommuting(rows, string, self.words, word));
        if rows(&self.stabilizers).any(|rows| rows != 0) {
            return 0.0;
        }
        // The string is, up to its sign, the product of the stabilizers whose destabilizers anticommute with it.
        let selected: Vec<u64> = rows(&self.destabilizers).collect();
        if self.product_is_negative(&selected) { -1.0 } else { 1.0 }
    }

    /// Whether the product of the selected stabilizers, in order, is minus a product of Paulis.
    fn product_is_negative(&self, selected: &[u64]) -> bool {
        let active: Vec<(usize, u64)> =
            selected.iter().copied().enumerate().filter(|&(_, rows)| rows != 0).collect();
        let ones = |(word, rows): &(usize, u64)| (self.signs[*word] & rows).count_ones();
        let mut phase = 2 * active.iter().map(ones).sum::<u32>();
        for at in (0..self.qubits).map(|qubit| qubit * self.words) {
            // Each row is i^(xz) X^x Z^z. Moving X parts before Z parts costs a sign for each pair of a Z and a later X.
            let (mut ys, mut crossings, mut odd_x, mut odd_z) = (0, 0, 0, 0);
            for &(word, rows) in &active {
                let (x, z) = (self.stabilizers.x[at + word] & rows, self.stabilizers.z[at + word] & rows);
                ys += (x & z).count_ones();
                let before = prefix_parity(z) ^ z ^ if odd_z == 1 { u64::MAX } else { 0 };
                crossings += (before & x).count_ones();
                odd_x ^= x.count_ones() & 1;
                odd_z ^= z.count_ones() & 1;
            }
            // Minus the factor i of a Y in the product.
            phase += ys + 2 * crossings + 3 * (odd_x & odd_z);
        }
        phase % 4 == 2
    }

    /// Outcomes of measuring some qubits, bit i being the i-th of them; the state stays as it is.
    ///
    /// Outcomes are spread evenly over an affine space: one outcome plus any sum of the X parts of stabilizers.
    ///
    /// # Panics
    /// If there is no such qubit.
    pub fn sample(&self, qubits: &[usize], shots: u64, random: &mut Pcg32, mut take: impl FnMut(Outcome)) {
        let mut first = Outcome::new(qubits.len());
        let mut measured = self.clone();
        for (bit, &qubit) in qubits.iter().enumerate() {
            first.set(bit, measured.measure(qubit, random));
        }
        let directions = self.directions(qubits);
        for _ in 0..shots {
            let mut outcome = first.clone();
            for direction in &directions {
                if random.next_u32() >> 31 == 1 {
                    outcome.words_mut().iter_mut().zip(direction).for_each(|(word, other)| *word ^= other);
                }
            }
            take(outcome);
        }
    }

    /// Independent X parts of stabilizers on some qubits, as bits.
    fn directions(&self, qubits: &[usize]) -> Vec<Vec<u64>> {
        let words = qubits.len().div_ceil(64);
        let mut basis: Vec<(usize, Vec<u64>)> = Vec::new();
        for row in 0..self.qubits {
            let mut part = vec![0u64; words];
            for (bit, &qubit) in qubits.iter().enumerate() {
                let one = self.stabilizers.x[qubit * self.words + row / 64] >> (row % 64) & 1;
                part[bit / 64] |= one << (bit % 64);
            }
            for (pivot, vector) in &basis {
                if part[pivot / 64] >> (pivot % 64) & 1 == 1 {
                    part.iter_mut().zip(vector).for_each(|(word, other)| *word ^= other);
                }
            }
            if let Some(word) = part.iter().position(|&word| word != 0) {
                basis.push((64 * word + part[word].trailing_zeros() as usize, part));
            }
        }
        basis.into_iter().map(|(_, vector)| vector).collect()
    }
}

fn multiply_image(phases: &mut Phases, after: &mut [(u64, u64)], image: Image, rows: u64) {
    if image.negative {
        phases.1 ^= rows;
    }
    for (bit, (x, z)) in after.iter_mut().enumerate() {
        phases.multiply((x, z), (image.x >> bit & 1 == 1, image.z >> bit & 1 == 1), rows);
    }
}

/// X and Z part.
fn parts(pauli: Pauli) -> (bool, bool) {
    (matches!(pauli, Pauli::X | Pauli::Y), matches!(pauli, Pauli::Y | Pauli::Z))
}

/// The rows of a word that anticommute with a product of Paulis.
fn anticommuting(rows: &Rows, string: &PauliString, words: usize, word: usize) -> u64 {
    string.factors().iter().fold(0, |all, &(qubit, pauli)| {
        let at = qubit * words + word;
        let (x, z) = parts(pauli);
        all ^ if x { rows.z[at] } else { 0 } ^ if z { rows.x[at] } else { 0 }
    })
}

/// Bit i is the parity of the bits up to and with i.
fn prefix_parity(word: u64) -> u64 {
    [1, 2, 4, 8, 16, 32].into_iter().fold(word, |word, shift| word ^ word << shift)
}
