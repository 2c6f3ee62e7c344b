//! Packing pieces with lifetimes into a small arena: several orders, then a local search over orders.
//!
//! A packing follows from an order: each group in turn goes to the lowest offset at which it meets none that is placed and needed at the same time.
//! Some order gives an optimal packing, so the search is over orders.

use super::PlanOptions;

/// A stretch of steps in which a group takes some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Bytes from the group's offset on.
    pub bytes: usize,
    /// The first step at which they are needed.
    pub birth: usize,
    /// The last, included.
    pub death: usize,
}

/// Where groups lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packing {
    /// The offset of every group.
    pub offsets: Vec<usize>,
    /// Bytes of the arena.
    pub bytes: usize,
    /// The most bytes that are alive together.
    pub lower_bound: usize,
}

/// Packs groups of spans: all spans of a group begin at one offset, as an image and a larger one that overwrites it do, so what a group takes may change from step
/// to step. For compilers that have a program of their own to plan; [`plan`](super::plan) is this for a graph. Sizes are multiples of the alignment already.
pub fn pack_groups(groups: &[Vec<Span>], options: &PlanOptions) -> Packing {
    let lower_bound = bound(groups);
    let (bytes, offsets) = pack(groups, lower_bound, options);
    Packing { offsets, bytes, lower_bound }
}

/// The most bytes that are alive together.
fn bound(groups: &[Vec<Span>]) -> usize {
    let steps = groups.iter().flatten().map(|span| span.death + 1).max().unwrap_or(0);
    let mut alive = vec![0usize; steps];
    for group in groups {
        // Where spans of a group meet, the larger counts.
        let mut heights: Vec<(usize, usize)> = Vec::new();
        for span in group {
            heights.extend((span.birth..=span.death).map(|step| (step, span.bytes)));
        }
        heights.sort_unstable();
        for pair in heights.chunk_by(|a, b| a.0 == b.0) {
            alive[pair[0].0] += pair.last().map_or(0, |(_, bytes)| *bytes);
        }
    }
    alive.into_iter().max().unwrap_or(0)
}

/// Bytes of the arena if groups are only placed in the order of their lifetimes, the longest first, each at the lowest offset that is free, as
/// TinyEngine's allocator does: what [`pack_groups`] is to be measured by.
pub fn first_fit(groups: &[Vec<Span>]) -> usize {
    let outlines: Vec<Span> = groups.iter().map(|group| outline(group)).collect();
    let rivals = rivals(groups);
    let mut packer =
        Packer { outlines: &outlines, rivals: &rivals, offsets: vec![0; groups.len()], spans: Vec::new() };
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(outlines[*i].death - outlines[*i].birth));
    packer.place(&order)
}

/// For every group, what it meets.
fn rivals(groups: &[Vec<Span>]) -> Vec<Vec<Rival>> {
    (0..groups.len())
        .map(|i| (0..groups.len()).filter(|j| i != *j).flat_map(|j| Rival::of(groups, i, j)).collect())
        .collect()
}

/// Places all groups; the arena's bytes and the offsets.
pub(super) fn pack(groups: &[Vec<Span>], lower_bound: usize, options: &PlanOptions) -> (usize, Vec<usize>) {
    let rivals = rivals(groups);
    let outlines: Vec<Span> = groups.iter().map(|group| outline(group)).collect();
    let mut packer =
        Packer { outlines: &outlines, rivals: &rivals, offsets: vec![0; groups.len()], spans: Vec::new() };
    let mut best: Option<(usize, Vec<usize>)> = None;
    for order in orders(&outlines) {
        let peak = packer.place(&order);
        if best.as_ref().is_none_or(|(found, _)| peak < *found) {
            best = Some((peak, order));
        }
    }
    let Some((mut peak, mut order)) = best else { return (0, Vec::new()) };
    if peak > lower_bound && groups.len() > 2 {
        (peak, order) = search(&mut packer, peak, order, lower_bound, options);
    }
    packer.place(&order);
    (peak, packer.offsets)
}

/// A span of a group and one of another that are needed at the same time.
struct Rival {
    /// The other group.
    group: usize,
    /// Bytes of the span.
    own: usize,
    /// Bytes of the other's.
    other: usize,
}

impl Rival {
    fn of(groups: &[Vec<Span>], i: usize, j: usize) -> Vec<Self> {
        let pairs = groups[i].iter().flat_map(|own| groups[j].iter().map(move |other| (own, other)));
        let meeting = pairs.filter(|(own, other)| own.birth <= other.death && other.birth <= own.death);
        meeting.map(|(own, other)| Self { group: j, own: own.bytes, other: other.bytes }).collect()
    }
}

/// The most that a group takes, from its first step to its last.
fn outline(group: &[Span]) -> Span {
    let first = group.first().copied().unwrap_or(Span { bytes: 0, birth: 0, death: 0 });
    group.iter().fold(first, |all, span| Span {
        bytes: all.bytes.max(span.bytes),
        birth: all.birth.min(span.birth),
        death: all.death.max(span.death),
    })
}

/// Orders that often pack well.
fn orders(outlines: &[Span]) -> Vec<Vec<usize>> {
    let life = |i: usize| outlines[i].death - outlines[i].birth + 1;
    let by = |key: &dyn Fn(usize) -> (std::cmp::Reverse<usize>, usize)| {
        let mut order: Vec<usize> = (0..outlines.len()).collect();
        order.sort_by_key(|i| key(*i));
        order
    };
    use std::cmp::Reverse;
    vec![
        by(&|i| (Reverse(outlines[i].bytes), outlines[i].birth)),
        by(&|i| (Reverse(outlines[i].bytes), usize::MAX - life(i))),
        by(&|i| (Reverse(outlines[i].bytes.saturating_mul(life(i))), outlines[i].birth)),
        by(&|i| (Reverse(life(i)), usize::MAX - outlines[i].bytes)),
        by(&|i| (Reverse(0), outlines[i].birth)),
        by(&|i| (Reverse(outlines[i].death), outlines[i].birth)),
    ]
}

struct Packer<'a> {
    outlines: &'a [Span],
    rivals: &'a [Vec<Rival>],
    offsets: Vec<usize>,
    /// Offsets where a group cannot begin: greater than the first, less than the second.
    spans: Vec<(isize, isize)>,
}

impl Packer<'_> {
    /// Places all groups in an order and returns the arena's bytes.
    fn place(&mut self, order: &[usize]) -> usize {
        self.offsets.fill(usize::MAX);
        let mut peak = 0;
        for i in order {
            self.spans.clear();
            let placed = self.rivals[*i].iter().filter(|rival| self.offsets[rival.group] != usize::MAX);
            self.spans.extend(placed.map(|rival| {
                let at = self.offsets[rival.group] as isize;
                (at - rival.own as isize, at + rival.other as isize)
            }));
            self.spans.sort_unstable();
            let mut offset = 0;
            for (begin, end) in &self.spans {
                if offset <= *begin {
                    break;
                }
                offset = offset.max(*end);
            }
            self.offsets[*i] = offset as usize;
            peak = peak.max(offset as usize + self.outlines[*i].bytes);
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

/// Simulated annealing: moves a group that touches the top, or a random one, to another place in the order.
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
        order.iter().position(|i| packer.offsets[*i] + packer.outlines[*i].bytes == peak).unwrap_or(0)
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
