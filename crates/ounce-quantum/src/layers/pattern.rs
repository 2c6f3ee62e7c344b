//! Which qubits the gates of a layer act on.

/// Qubits of the gates of a layer, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// Each qubit: TorchQuantum's `Op1QAllLayer`.
    Each,
    /// `(k, k + jump)` without going round: TorchQuantum's `Op2QAllLayer`; with a jump of 1 the `linear` entanglement of Qiskit.
    Chain {
        /// Distance of the two qubits.
        jump: usize,
    },
    /// `(k, k + jump mod n)` for every k, `(n - 1, 0)` last: TorchQuantum's `Op2QAllLayer` with `circular`.
    Ring {
        /// Distance of the two qubits.
        jump: usize,
    },
    /// All pairs `(i, j)` with i below j: TorchQuantum's `Op2QDenseLayer`, Qiskit's `full`.
    Dense,
    /// `(k, n - 1 - k)`: TorchQuantum's `Op2QButterflyLayer`.
    Butterfly,
    /// Pairs from even qubits, then pairs from odd ones: `pairwise`.
    Pairwise,
    /// `(n - 2, n - 1)` first, `(0, 1)` last: Qiskit's `reverse_linear`.
    ReverseLinear,
    /// `(n - 1, 0)`, if there are more than 2 qubits, and then a chain: Qiskit's `circular`.
    Circular,
    /// `count` pairs `(k, k + jump)`, both modulo n: TorchQuantum's `Op2QFit32Layer` for a count of 32.
    Around {
        /// Pairs.
        count: usize,
        /// Distance of the two qubits.
        jump: usize,
    },
    /// The first gates of another pattern: the layers that QuantumNAS's front sampling draws.
    Front {
        /// The pattern.
        of: Box<Self>,
        /// Gates that are kept.
        count: usize,
    },
    /// These qubits, the same for circuits of any size.
    Explicit(Vec<Vec<usize>>),
}

impl Pattern {
    /// The qubits of each gate in a circuit of `n` qubits. Pairs of a qubit with itself, which rings of one qubit have, are left out.
    pub fn qubits(&self, n: usize) -> Vec<Vec<usize>> {
        let pair = |a: usize, b: usize| vec![a, b];
        let chain = |jump: usize| (0..n.saturating_sub(jump)).map(move |k| pair(k, k + jump));
        let pairs: Vec<Vec<usize>> = match self {
            Self::Each => return (0..n).map(|qubit| vec![qubit]).collect(),
            Self::Explicit(qubits) => return qubits.clone(),
            Self::Front { of, count } => {
                let mut all = of.qubits(n);
                all.truncate(*count);
                return all;
            }
            Self::Chain { jump } => chain(*jump).collect(),
            Self::Ring { jump } => (0..n).map(|k| pair(k, (k + jump % n) % n)).collect(),
            Self::Dense => (0..n).flat_map(|i| (i + 1..n).map(move |j| pair(i, j))).collect(),
            Self::Butterfly => (0..n / 2).map(|k| pair(k, n - 1 - k)).collect(),
            Self::Pairwise => {
                let (even, odd): (Vec<_>, Vec<_>) = chain(1).partition(|pair| pair[0] % 2 == 0);
                [even, odd].concat()
            }
            Self::ReverseLinear => chain(1).rev().collect(),
            Self::Circular => (n > 2).then(|| pair(n - 1, 0)).into_iter().chain(chain(1)).collect(),
            Self::Around { count, jump } if n > 0 => {
                (0..*count).map(|k| pair(k % n, (k % n + jump % n) % n)).collect()
            }
            Self::Around { .. } => Vec::new(),
        };
        pairs.into_iter().filter(|pair| pair[0] != pair[1]).collect()
    }
}
