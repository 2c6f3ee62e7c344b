//! Products of Paulis on whole states: expectation values and sums of products applied to a state.

use super::lanes::Lanes;
use super::run::odd;
use super::{Layout, MAX_LANES, PauliMask, Real};

/// A sum of products of Paulis, each with a weight, for states of one layout. Products that flip the same qubits are worked on together.
#[derive(Clone, Debug)]
pub struct PauliTerms<T> {
    layout: Layout<T>,
    /// Products that flip the same qubits.
    groups: Vec<Group>,
    terms: Vec<Term>,
    /// A vector for each term: the weight with the sign of each lane.
    weights: Vec<T>,
    /// For each product given, the place of its term.
    places: Vec<usize>,
    rows_needed: usize,
}

#[derive(Clone, Debug)]
struct Group {
    row_x: usize,
    lane_x: usize,
    /// Whether the products are imaginary: they have an odd number of factors Y.
    imaginary: bool,
    from: [u32; MAX_LANES],
    terms: std::ops::Range<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Term {
    row_z: usize,
}

/// The terms as kernels read them.
#[derive(Clone, Copy)]
pub(crate) struct TermSteps<'a, T> {
    groups: &'a [Group],
    terms: &'a [Term],
    weights: &'a [T],
}

impl<T: Real> PauliTerms<T> {
    /// The terms of these products; `weight` gives the weight of a product, for a sample.
    pub fn new(layout: Layout<T>, products: &[PauliMask], weight: impl Fn(usize, usize) -> f64) -> Self {
        let lane_mask = (1u64 << layout.lane_qubits()) - 1;
        let split = |mask: u64| ((mask & lane_mask) as usize, (mask >> layout.lane_qubits()) as usize);
        let key = |product: &PauliMask| (product.x, product.ys() & 1);
        let mut order: Vec<usize> = (0..products.len()).collect();
        order.sort_by_key(|&index| key(&products[index]));
        let mut own = Self {
            layout,
            groups: Vec::new(),
            terms: Vec::new(),
            weights: Vec::new(),
            places: vec![0; products.len()],
            rows_needed: 1,
        };
        for group in order.chunk_by(|&a, &b| key(&products[a]) == key(&products[b])) {
            let (lane_x, row_x) = split(products[group[0]].x);
            let first = own.terms.len();
            for &index in group {
                let product = products[index];
                let (lane_z, row_z) = split(product.z);
                own.places[index] = own.terms.len();
                own.terms.push(Term { row_z });
                own.rows_needed = own.rows_needed.max(((row_z | row_x) + 1).next_power_of_two());
                // i^ys is 1, i, -1 or -i; the i itself is in the kernel.
                let sign = if product.ys() % 4 < 2 { 1.0 } else { -1.0 };
                for lane in 0..layout.lanes() {
                    let odd = ((lane ^ lane_x) & lane_z).count_ones() & 1 == 1;
                    let weight = sign * weight(index, lane);
                    own.weights.push(T::from_f64(if odd { -weight } else { weight }));
                }
            }
            own.groups.push(Group {
                row_x,
                lane_x,
                imaginary: products[group[0]].ys() % 2 == 1,
                from: std::array::from_fn(|lane| (lane ^ lane_x) as u32 % MAX_LANES as u32),
                terms: first..own.terms.len(),
            });
        }
        own
    }

    fn steps(&self) -> TermSteps<'_, T> {
        TermSteps { groups: &self.groups, terms: &self.terms, weights: &self.weights }
    }

    fn check(&self, state: &[T], rows: &std::ops::Range<usize>) {
        let count = state.len() / self.layout.row_len();
        assert!(state.len().is_multiple_of(self.layout.row_len()) && count.is_power_of_two());
        assert!(self.rows_needed <= count && rows.start <= rows.end && rows.end <= count);
    }

    /// Adds to `sums` the weighted expectation value of each product over some rows of `state`: a number for each lane of each product, as
    /// [`PauliTerms::sums_of`] finds them.
    ///
    /// # Panics
    /// If the lengths do not fit: rows are those of the state, whose number is a power of two, and there is a sum for each lane of each product.
    pub fn expectations(&self, state: &[T], rows: std::ops::Range<usize>, sums: &mut [T]) {
        self.check(state, &rows);
        assert_eq!(sums.len(), self.weights.len());
        let kernels = T::kernels(self.layout.kernels());
        // SAFETY: the token exists, so this CPU has the table's instructions; lengths are checked.
        unsafe { (kernels.expectations)(self.steps(), state, rows.start, rows.end, sums) }
    }

    /// The sums of a product, one a lane.
    pub fn sums_of(&self, product: usize) -> std::ops::Range<usize> {
        let lanes = self.layout.lanes();
        self.places[product] * lanes..(self.places[product] + 1) * lanes
    }

    /// Writes some rows of the weighted sum of products applied to `state`, the first of which is `first`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn apply(&self, state: &[T], first: usize, out: &mut [T]) {
        self.check(state, &(first..first + out.len() / self.layout.row_len()));
        assert!(out.len().is_multiple_of(self.layout.row_len()));
        let kernels = T::kernels(self.layout.kernels());
        // SAFETY: the token exists, so this CPU has the table's instructions; lengths are checked.
        unsafe { (kernels.multiply)(self.steps(), state, first, out) }
    }
}

/// # Safety
/// The row is one of `state`.
#[inline(always)]
unsafe fn load<T: Real, S: Lanes<T>>(s: S, state: &[T], row: usize) -> (S::V, S::V) {
    debug_assert!((row + 1) * 2 * S::LANES <= state.len());
    // SAFETY: as the caller promises.
    unsafe {
        let at = state.as_ptr().add(row * 2 * S::LANES);
        (s.load(at), s.load(at.add(S::LANES)))
    }
}

/// [`PauliTerms::expectations`].
///
/// # Safety
/// Rows and lengths are as checked there.
#[inline(always)]
pub(crate) unsafe fn expectations<T: Real, S: Lanes<T>>(
    s: S,
    terms: TermSteps<'_, T>,
    state: &[T],
    first: usize,
    end: usize,
    sums: &mut [T],
) {
    /// Rows whose products are kept while all terms are summed.
    const BLOCK: usize = 64;
    let zero = s.splat(T::default());
    let mut products = [zero; BLOCK];
    for group in terms.groups {
        let by = s.permutation(&group.from);
        for start in (first..end).step_by(BLOCK) {
            let rows = BLOCK.min(end - start);
            for (i, product) in products[..rows].iter_mut().enumerate() {
                // SAFETY: as the caller promises.
                let ((br, bi), (kr, ki)) =
                    unsafe { (load(s, state, start + i), load(s, state, (start + i) ^ group.row_x)) };
                let (kr, ki) =
                    if group.lane_x == 0 { (kr, ki) } else { (s.permute(kr, by), s.permute(ki, by)) };
                // The real part of `conj(b) k`, or of `i conj(b) k`.
                *product = if group.imaginary {
                    s.neg_mul_add(br, ki, s.mul(bi, kr))
                } else {
                    s.mul_add(bi, ki, s.mul(br, kr))
                };
            }
            for at in group.terms.clone() {
                let z = terms.terms[at].row_z;
                let mut parts = [zero; 2];
                if z & (BLOCK - 1) == 0 && start % BLOCK == 0 {
                    // The sign is the same in the whole block.
                    let mut sum = zero;
                    for &product in &products[..rows] {
                        sum = s.add(sum, product);
                    }
                    parts[odd((start ^ group.row_x) & z)] = sum;
                } else {
                    for (i, &product) in products[..rows].iter().enumerate() {
                        let of = odd(((start + i) ^ group.row_x) & z);
                        parts[of] = s.add(parts[of], product);
                    }
                }
                // SAFETY: there is a vector for each term in both.
                unsafe {
                    let weight = s.load(terms.weights.as_ptr().add(at * S::LANES));
                    let sum = sums.as_mut_ptr().add(at * S::LANES);
                    s.store(sum, s.mul_add(weight, s.sub(parts[0], parts[1]), s.load(sum)));
                }
            }
        }
    }
}

/// [`PauliTerms::apply`].
///
/// # Safety
/// Rows and lengths are as checked there.
#[inline(always)]
pub(crate) unsafe fn multiply<T: Real, S: Lanes<T>>(
    s: S,
    terms: TermSteps<'_, T>,
    state: &[T],
    first: usize,
    out: &mut [T],
) {
    let zero = s.splat(T::default());
    for (i, out) in out.chunks_exact_mut(2 * S::LANES).enumerate() {
        let row = first + i;
        let mut sum = (zero, zero);
        for group in terms.groups {
            let mut parts = [zero; 2];
            for at in group.terms.clone() {
                let of = odd((row ^ group.row_x) & terms.terms[at].row_z);
                // SAFETY: there is a vector for each term.
                parts[of] = s.add(parts[of], unsafe { s.load(terms.weights.as_ptr().add(at * S::LANES)) });
            }
            let weight = s.sub(parts[0], parts[1]);
            // SAFETY: as the caller promises.
            let (re, im) = unsafe { load(s, state, row ^ group.row_x) };
            let (re, im) = if group.lane_x == 0 {
                (re, im)
            } else {
                let by = s.permutation(&group.from);
                (s.permute(re, by), s.permute(im, by))
            };
            sum = if group.imaginary {
                (s.neg_mul_add(weight, im, sum.0), s.mul_add(weight, re, sum.1))
            } else {
                (s.mul_add(weight, re, sum.0), s.mul_add(weight, im, sum.1))
            };
        }
        // SAFETY: `out` is one row.
        unsafe {
            s.store(out.as_mut_ptr(), sum.0);
            s.store(out.as_mut_ptr().add(S::LANES), sum.1);
        }
    }
}

/// [`Layout::probabilities`].
///
/// # Safety
/// `out` is half as long as `state`.
#[inline(always)]
pub(crate) unsafe fn squares<T: Real, S: Lanes<T>>(s: S, state: &[T], out: &mut [T]) {
    for (row, out) in out.chunks_exact_mut(S::LANES).enumerate() {
        // SAFETY: there is a row for each vector of `out`.
        unsafe {
            let (re, im) = load(s, state, row);
            s.store(out.as_mut_ptr(), s.mul_add(im, im, s.mul(re, re)));
        }
    }
}
