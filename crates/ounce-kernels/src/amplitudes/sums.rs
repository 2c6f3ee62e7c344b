//! Reading the sums that overlaps leave.

use super::Complex;

/// Where a program leaves the sums of an overlap, and how to read them.
#[derive(Clone, Debug)]
pub struct Overlap {
    pub(super) kind: Read,
    pub(super) at: usize,
    pub(super) lane_controls: usize,
    pub(super) samples: bool,
    pub(super) lanes: usize,
}

/// How sums are read.
#[derive(Clone, Debug)]
pub(super) enum Read {
    /// A sign for each lane.
    Pauli {
        signs: Vec<f64>,
    },
    Matrix {
        row_weights: Vec<usize>,
        lane_targets: Vec<(usize, usize)>,
        dim: usize,
    },
}

impl Overlap {
    /// Whether it holds a matrix of overlaps, not one of a product of Paulis.
    pub fn is_matrix(&self) -> bool {
        matches!(self.kind, Read::Matrix { .. })
    }

    /// `Im <bra|P|ket>` of a product of Paulis, of the sample in `lane` or, where lanes are qubits, of the state.
    pub fn pauli(&self, sums: &[f64], lane: usize) -> f64 {
        let Read::Pauli { signs } = &self.kind else { return 0.0 };
        let of = |lane: usize| signs[lane] * sums[self.at + lane];
        if self.samples { of(lane) } else { self.lanes_on().map(of).sum() }
    }

    /// The matrix of overlaps, row by row, of the sample in `lane` or of the state.
    pub fn matrix(&self, sums: &[f64], lane: usize) -> Vec<Complex> {
        let Read::Matrix { row_weights, lane_targets, dim } = &self.kind else { return Vec::new() };
        let mut matrix = vec![[0.0; 2]; dim * dim];
        let (rows, patterns) = (row_weights.len(), 1 << lane_targets.len());
        let lanes = if self.samples { lane..lane + 1 } else { 0..self.lanes };
        for lane in lanes.filter(|lane| lane & self.lane_controls == self.lane_controls) {
            for r in 0..rows {
                for c in 0..rows {
                    for p in 0..patterns {
                        let other = lane ^ pattern_flip(lane_targets, p);
                        let row = row_weights[r] | lane_index(lane_targets, lane);
                        let column = row_weights[c] | lane_index(lane_targets, other);
                        let at = self.at + ((r * rows + c) * patterns + p) * 2 * self.lanes + lane;
                        matrix[row * dim + column][0] += sums[at];
                        matrix[row * dim + column][1] += sums[at + self.lanes];
                    }
                }
            }
        }
        matrix
    }

    fn lanes_on(&self) -> impl Iterator<Item = usize> {
        (0..self.lanes).filter(|lane| lane & self.lane_controls == self.lane_controls)
    }
}

/// The lanes' bits that pattern `p` of the targets flips.
pub(super) fn pattern_flip(lane_targets: &[(usize, usize)], p: usize) -> usize {
    lane_targets.iter().enumerate().map(|(i, &(bit, _))| (p >> i & 1) << bit).sum()
}

/// The part of a matrix index that a lane gives.
pub(super) fn lane_index(lane_targets: &[(usize, usize)], lane: usize) -> usize {
    lane_targets.iter().map(|&(bit, weight)| (lane >> bit & 1) * weight).sum()
}
