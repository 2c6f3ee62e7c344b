//! Expectation values of observables on whole states.

use ounce_kernels::Team;
use ounce_kernels::amplitudes::{Layout, PauliMask, PauliTerms, Real};

use super::node::string_mask;
use super::state::StateVector;
use crate::observable::PauliSum;

/// Rows that are summed in the precision of the state before they are added up in double precision.
const ROWS: usize = 512;
/// Parts that rows are divided into, each summed on its own; so results do not depend on the number of threads.
const PARTS: usize = 64;

/// The products of Paulis of several observables.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) products: Vec<PauliMask>,
    /// For each product, its coefficient and the number of its observable.
    pub(super) of: Vec<(f64, usize)>,
    observables: usize,
}

impl Terms {
    pub(super) fn new(observables: &[PauliSum]) -> Self {
        let terms = observables.iter().enumerate();
        let terms = terms.flat_map(|(number, sum)| sum.terms().iter().map(move |term| (number, term)));
        let (products, of) = terms
            .map(|(number, (coefficient, string))| (string_mask(string), (*coefficient, number)))
            .unzip();
        Self { products, of, observables: observables.len() }
    }

    /// The products with their coefficients as weights, or with these and a factor for each observable of each sample.
    pub(super) fn weighted<T: Real>(
        &self,
        layout: Layout<T>,
        factor: impl Fn(usize, usize) -> f64,
    ) -> PauliTerms<T> {
        PauliTerms::new(layout, &self.products, |product, lane| {
            let (coefficient, observable) = self.of[product];
            coefficient * factor(observable, lane)
        })
    }

    /// The expectation value of each observable.
    pub(super) fn expectations<T: Real>(&self, team: &mut Team<'_>, state: &StateVector<T>) -> Vec<f64> {
        let layout = state.layout;
        let terms = self.weighted(layout, |_, _| 1.0);
        let rows = layout.rows(state.qubits);
        let width = self.products.len() * layout.lanes();
        let mut sums = vec![0.0; width * PARTS];
        team.for_each_chunk_mut(&mut sums, width.max(1), |part, sums| {
            let mut own = vec![T::default(); width];
            let (first, end) = (part * rows / PARTS, (part + 1) * rows / PARTS);
            for start in (first..end).step_by(ROWS) {
                terms.expectations(&state.amplitudes, start..end.min(start + ROWS), &mut own);
                for (sum, own) in sums.iter_mut().zip(&mut own) {
                    *sum += own.to_f64();
                    *own = T::default();
                }
            }
        });
        let mut values = vec![0.0; self.observables];
        for part in sums.chunks_exact(width.max(1)) {
            for (product, &(_, observable)) in self.of.iter().enumerate() {
                values[observable] += part[terms.sums_of(product)].iter().sum::<f64>();
            }
        }
        values
    }
}
