//! Observables: sums of products of Pauli matrices.

use crate::matrix::{C64, Matrix};

/// A Pauli matrix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Pauli {
    /// The identity.
    I,
    /// X.
    X,
    /// Y.
    Y,
    /// Z.
    Z,
}

impl Pauli {
    /// Its matrix.
    pub fn matrix(self) -> Matrix {
        let (zero, one, i) = (C64::default(), C64::from(1.0), C64::i());
        let entries = match self {
            Self::I => [one, zero, zero, one],
            Self::X => [zero, one, one, zero],
            Self::Y => [zero, -i, i, zero],
            Self::Z => [one, zero, zero, -one],
        };
        Matrix::from_fn(2, |row, column| entries[row * 2 + column])
    }
}

/// A product of Paulis, one on each of some qubits, the identity on all others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PauliString {
    factors: Vec<(usize, Pauli)>,
}

impl PauliString {
    /// The product of these Paulis; `None` if a qubit is named twice. Identities are left out.
    pub fn new(factors: impl IntoIterator<Item = (usize, Pauli)>) -> Option<Self> {
        let mut factors: Vec<_> = factors.into_iter().collect();
        factors.sort_unstable();
        let twice = factors.windows(2).any(|pair| pair[0].0 == pair[1].0);
        factors.retain(|&(_, pauli)| pauli != Pauli::I);
        (!twice).then_some(Self { factors })
    }

    /// Z on one qubit.
    pub fn z(qubit: usize) -> Self {
        Self { factors: vec![(qubit, Pauli::Z)] }
    }

    /// Reads a text such as `XIZ`, whose rightmost letter is qubit 0, as in Qiskit; `None` if another letter than I, X, Y, Z is in it.
    pub fn parse(text: &str) -> Option<Self> {
        let paulis = text.chars().rev().map(|letter| match letter {
            'I' => Some(Pauli::I),
            'X' => Some(Pauli::X),
            'Y' => Some(Pauli::Y),
            'Z' => Some(Pauli::Z),
            _ => None,
        });
        Self::new(paulis.collect::<Option<Vec<_>>>()?.into_iter().enumerate())
    }

    /// Qubits and what stands on them, in ascending order, without identities.
    pub fn factors(&self) -> &[(usize, Pauli)] {
        &self.factors
    }

    /// The Pauli on a qubit.
    pub fn on(&self, qubit: usize) -> Pauli {
        self.factors.binary_search_by_key(&qubit, |&(own, _)| own).map_or(Pauli::I, |at| self.factors[at].1)
    }

    /// Whether both can be measured with the same change of basis on each qubit.
    pub fn commutes_qubit_wise(&self, other: &Self) -> bool {
        self.factors
            .iter()
            .all(|&(qubit, pauli)| matches!(other.on(qubit), own if own == Pauli::I || own == pauli))
    }

    /// Qubits of a circuit that it needs at least.
    pub fn qubits(&self) -> usize {
        self.factors.last().map_or(0, |&(qubit, _)| qubit + 1)
    }
}

/// A real linear combination of [`PauliString`]s: a Hermitian observable, a Hamiltonian.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PauliSum {
    terms: Vec<(f64, PauliString)>,
}

impl From<PauliString> for PauliSum {
    fn from(string: PauliString) -> Self {
        Self { terms: vec![(1.0, string)] }
    }
}

impl PauliSum {
    /// The sum of these terms; equal strings are added up.
    pub fn new(terms: impl IntoIterator<Item = (f64, PauliString)>) -> Self {
        let mut sum = Self::default();
        for (coefficient, string) in terms {
            match sum.terms.iter_mut().find(|(_, own)| *own == string) {
                Some((own, _)) => *own += coefficient,
                None => sum.terms.push((coefficient, string)),
            }
        }
        sum
    }

    /// Z on each of the first qubits, one observable each: what classifiers measure.
    pub fn z_on_each(qubits: usize) -> Vec<Self> {
        (0..qubits).map(|qubit| PauliString::z(qubit).into()).collect()
    }

    /// The terms: coefficient and string.
    pub fn terms(&self) -> &[(f64, PauliString)] {
        &self.terms
    }

    /// The observable with every qubit `q` moved to `place(q)`, which must differ for different qubits.
    pub fn moved(&self, place: impl Fn(usize) -> usize) -> Self {
        Self::new(self.terms.iter().map(|(coefficient, string)| {
            let factors = string.factors.iter().map(|&(qubit, pauli)| (place(qubit), pauli));
            (*coefficient, PauliString::new(factors).unwrap_or_default())
        }))
    }

    /// The qubits that it acts on, ascending.
    pub fn on_qubits(&self) -> Vec<usize> {
        let all = self.terms.iter().flat_map(|(_, string)| string.factors.iter().map(|&(qubit, _)| qubit));
        let mut qubits: Vec<usize> = all.collect();
        qubits.sort_unstable();
        qubits.dedup();
        qubits
    }

    /// Qubits of a circuit that it needs at least.
    pub fn qubits(&self) -> usize {
        self.terms.iter().map(|(_, string)| string.qubits()).max().unwrap_or(0)
    }

    /// Numbers of terms in groups that can be measured together, each with its own change of basis on every qubit (qubit-wise commuting); greedy, in order.
    pub fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (index, (_, string)) in self.terms.iter().enumerate() {
            let fits = |group: &&mut Vec<usize>| {
                group.iter().all(|&other| string.commutes_qubit_wise(&self.terms[other].1))
            };
            match groups.iter_mut().find(fits) {
                Some(group) => group.push(index),
                None => groups.push(vec![index]),
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_from_the_right() {
        let string = PauliString::parse("XIZ");
        assert_eq!(string.as_ref().map(|s| s.factors().to_vec()), Some(vec![(0, Pauli::Z), (2, Pauli::X)]));
        assert!(PauliString::parse("XQ").is_none());
        assert!(PauliString::new([(1, Pauli::X), (1, Pauli::I)]).is_none());
    }

    #[test]
    fn groups_share_a_basis() {
        let terms =
            ["ZZ", "XX", "ZI", "IX", "YI"].map(|text| (1.0, PauliString::parse(text).unwrap_or_default()));
        assert_eq!(PauliSum::new(terms).groups(), [vec![0, 2], vec![1, 3], vec![4]]);
    }
}
