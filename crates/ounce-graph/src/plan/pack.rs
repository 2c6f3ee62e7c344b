//! Packing buffers with lifetimes into a small arena: several orders, then a local search over orders.
//!
//! A packing follows from an order: each buffer in turn goes to the lowest offset at which it meets none that is placed and needed at the same time.
//! Some order gives an optimal packing, so the search is over orders.

use super::{Buffer, PlanOptions};

/// Places all buffers and returns the arena's bytes.
pub(super) fn pack(buffers: &mut [Buffer], lower_bound: usize, options: &PlanOptions) -> usize {
    let rivals: Vec<Vec<usize>> = (0..buffers.len())
        .map(|i| (0..buffers.len()).filter(|j| i != *j && buffers[i].overlaps(&buffers[*j])).collect())
        .collect();
    let mut packer = Packer { buffers, rivals: &rivals, offsets: vec![0; buffers.len()], spans: Vec::new() };
    let mut best: Option<(usize, Vec<usize>)> = None;
    for order in orders(buffers) {
        let peak = packer.place(&order);
        if best.as_ref().is_none_or(|(found, _)| peak < *found) {
            best = Some((peak, order));
        }
    }
    let Some((mut peak, mut order)) = best else { return 0 };
    if peak > lower_bound && buffers.len() > 2 {
        (peak, order) = search(&mut packer, peak, order, lower_bound, options);
    }
    packer.place(&order);
    let offsets = packer.offsets;
    buffers.iter_mut().zip(offsets).for_each(|(buffer, offset)| buffer.offset = offset);
    peak
}

/// Orders that often pack well.
fn orders(buffers: &[Buffer]) -> Vec<Vec<usize>> {
    let life = |i: usize| buffers[i].death - buffers[i].birth + 1;
    let by = |key: &dyn Fn(usize) -> (std::cmp::Reverse<usize>, usize)| {
        let mut order: Vec<usize> = (0..buffers.len()).collect();
        order.sort_by_key(|i| key(*i));
        order
    };
    use std::cmp::Reverse;
    vec![
        by(&|i| (Reverse(buffers[i].bytes), buffers[i].birth)),
        by(&|i| (Reverse(buffers[i].bytes), usize::MAX - life(i))),
        by(&|i| (Reverse(buffers[i].bytes.saturating_mul(life(i))), buffers[i].birth)),
        by(&|i| (Reverse(life(i)), usize::MAX - buffers[i].bytes)),
        by(&|i| (Reverse(0), buffers[i].birth)),
        by(&|i| (Reverse(buffers[i].death), buffers[i].birth)),
    ]
}

struct Packer<'a> {
    buffers: &'a [Buffer],
    rivals: &'a [Vec<usize>],
    offsets: Vec<usize>,
    spans: Vec<(usize, usize)>,
}

impl Packer<'_> {
    /// Places all buffers in an order and returns the arena's bytes.
    fn place(&mut self, order: &[usize]) -> usize {
        self.offsets.fill(usize::MAX);
        let mut peak = 0;
        for i in order {
            let bytes = self.buffers[*i].bytes;
            self.spans.clear();
            let placed = self.rivals[*i].iter().filter(|j| self.offsets[**j] != usize::MAX);
            self.spans.extend(placed.map(|j| (self.offsets[*j], self.offsets[*j] + self.buffers[*j].bytes)));
            self.spans.sort_unstable();
            let mut offset = 0;
            for (begin, end) in &self.spans {
                if offset + bytes <= *begin {
                    break;
                }
                offset = offset.max(*end);
            }
            self.offsets[*i] = offset;
            peak = peak.max(offset + bytes);
        }
        peak
    }
}

/// A source of random numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound.max(1) as u64) as usize
    }
}

/// Simulated annealing: moves a buffer that touches the top, or a random one, to another place in the order.
fn search(
    packer: &mut Packer<'_>,
    peak: usize,
    order: Vec<usize>,
    lower_bound: usize,
    options: &PlanOptions,
) -> (usize, Vec<usize>) {
    let mut random = Random(options.seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut best, mut best_order) = (peak, order.clone());
    let (mut current, mut current_order) = (peak, order);
    packer.place(&current_order);
    let top = |packer: &Packer<'_>, order: &[usize], peak: usize| {
        order.iter().position(|i| packer.offsets[*i] + packer.buffers[*i].bytes == peak).unwrap_or(0)
    };
    let mut highest = top(packer, &current_order, current);
    let mut candidate = Vec::with_capacity(current_order.len() + 1);
    for round in 0..options.iterations {
        if best == lower_bound {
            break;
        }
        candidate.clone_from(&current_order);
        let from = if random.below(3) > 0 { highest } else { random.below(candidate.len()) };
        let moved = candidate.remove(from);
        let to = if from > 0 && random.below(4) > 0 {
            random.below(from)
        } else {
            random.below(candidate.len() + 1)
        };
        candidate.insert(to, moved);
        let found = packer.place(&candidate);
        // The excess over the bound that is tolerated shrinks to nothing.
        let left = options.iterations - round;
        let slack = (best - lower_bound).saturating_mul(left) / options.iterations / 2;
        if found <= current || (found <= best + slack && random.below(8) == 0) {
            current = found;
            std::mem::swap(&mut current_order, &mut candidate);
            highest = top(packer, &current_order, current);
        }
        if current < best {
            (best, best_order) = (current, current_order.clone());
        }
        if round % 500 == 499 {
            current_order.clone_from(&best_order);
            current = packer.place(&current_order);
            highest = top(packer, &current_order, current);
        }
    }
    (best, best_order)
}
