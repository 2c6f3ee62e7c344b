//! Every gate and overlap of every table against a dense reference in double precision.
#![allow(clippy::unwrap_used)]

mod support;

use ounce_kernels::amplitudes::{Complex, Layout, PauliMask, PauliTerms, Program, Real, sweep};
use ounce_kernels::{Buffer, Kernels, ThreadPool};
use support::Random;

fn times(a: Complex, b: Complex) -> Complex {
    [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]]
}

fn conj(a: Complex) -> Complex {
    [a[0], -a[1]]
}

fn plus(a: Complex, b: Complex) -> Complex {
    [a[0] + b[0], a[1] + b[1]]
}

fn bits(index: usize, qubits: &[usize]) -> usize {
    qubits.iter().fold(0, |value, &qubit| value << 1 | (index >> qubit & 1))
}

fn on(index: usize, controls: &[usize]) -> bool {
    controls.iter().all(|&control| index >> control & 1 == 1)
}

/// The matrix, entry by entry, on a state.
fn apply(
    state: &[Complex],
    targets: &[usize],
    controls: &[usize],
    entry: &dyn Fn(usize, usize) -> Complex,
) -> Vec<Complex> {
    let mask: usize = targets.iter().map(|&target| 1 << target).sum();
    (0..state.len())
        .map(|index| {
            if !on(index, controls) {
                return state[index];
            }
            (0..state.len()).filter(|other| index & !mask == other & !mask).fold([0.0; 2], |sum, other| {
                plus(sum, times(entry(bits(index, targets), bits(other, targets)), state[other]))
            })
        })
        .collect()
}

/// The image of a basis state under a product of Paulis: the other basis state, and the factor.
fn pauli(paulis: PauliMask, index: usize) -> (usize, Complex) {
    let sign = if (index as u64 & paulis.z).count_ones() % 2 == 1 { -1.0 } else { 1.0 };
    let phase = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]][paulis.ys() as usize % 4];
    (index ^ paulis.x as usize, [sign * phase[0], sign * phase[1]])
}

fn multiply_pauli(state: &[Complex], paulis: PauliMask) -> Vec<Complex> {
    let mut out = vec![[0.0; 2]; state.len()];
    for (index, &amplitude) in state.iter().enumerate() {
        let (to, factor) = pauli(paulis, index);
        out[to] = times(factor, amplitude);
    }
    out
}

fn random_state(random: &mut Random, qubits: usize) -> Vec<Complex> {
    let state: Vec<Complex> =
        (0..1 << qubits).map(|_| [f64::from(random.float()), f64::from(random.float())]).collect();
    let norm = state.iter().map(|a| a[0] * a[0] + a[1] * a[1]).sum::<f64>().sqrt();
    state.iter().map(|a| [a[0] / norm, a[1] / norm]).collect()
}

fn write<T: Real>(layout: Layout<T>, out: &mut [T], state: &[Complex], sample: usize) {
    for (index, amplitude) in state.iter().enumerate() {
        let at = layout.at(index, sample);
        out[at] = T::from_f64(amplitude[0]);
        out[at + layout.lanes()] = T::from_f64(amplitude[1]);
    }
}

fn read<T: Real>(layout: Layout<T>, from: &[T], qubits: usize, sample: usize) -> Vec<Complex> {
    (0..1 << qubits)
        .map(|index| {
            let at = layout.at(index, sample);
            [from[at].to_f64(), from[at + layout.lanes()].to_f64()]
        })
        .collect()
}

fn tolerance<T: Real>() -> f64 {
    if T::BYTES == 4 { 2e-6 } else { 1e-13 }
}

#[track_caller]
fn assert_states<T: Real>(found: &[Complex], expected: &[Complex], what: &str) {
    for (index, (f, e)) in found.iter().zip(expected).enumerate() {
        let far = (f[0] - e[0]).abs().max((f[1] - e[1]).abs());
        assert!(far < tolerance::<T>(), "{what}: amplitude {index} is {f:?}, expected {e:?}");
    }
}

/// A gate or overlap with its qubits.
#[derive(Clone, Debug)]
enum Gate {
    Matrix(Vec<usize>, Vec<usize>),
    Diagonal(Vec<usize>, Vec<usize>),
    Parity(u64, Vec<usize>),
    Rotation(PauliMask, Vec<usize>),
    Flip(usize, Vec<usize>),
    Exchange(usize, usize, Vec<usize>),
}

impl Gate {
    /// The qubits that must be in the tile.
    fn mixed(&self) -> u64 {
        let mask = |qubits: &[usize]| qubits.iter().map(|&qubit| 1 << qubit).sum();
        match self {
            Self::Matrix(targets, _) => mask(targets),
            Self::Diagonal(..) | Self::Parity(..) => 0,
            Self::Rotation(paulis, _) => paulis.x,
            Self::Flip(target, _) => 1 << target,
            Self::Exchange(a, b, _) => 1 << a | 1 << b,
        }
    }

    /// Some entries, which need not be those of a unitary; they differ between samples.
    fn entry(row: usize, column: usize, sample: usize) -> Complex {
        let x = (row * 7 + column * 3 + sample * 5) as f64 + 0.3;
        [0.5 * x.sin(), 0.5 * (1.7 * x).cos()]
    }

    fn cos_sin(sample: usize) -> (f64, f64) {
        let (sin, cos) = (0.4 + 0.3 * sample as f64).sin_cos();
        (cos, sin)
    }

    fn push<T: Real>(&self, program: &mut Program<T>) {
        let varying = program.layout().lane_qubits() == 0;
        let sample = |lane: usize| if varying { lane } else { 0 };
        match self {
            Self::Matrix(targets, controls) => {
                program.matrix(targets, controls, varying, |row, column, lane| {
                    Self::entry(row, column, sample(lane))
                });
            }
            Self::Diagonal(qubits, controls) => {
                program.diagonal(qubits, controls, |index, lane| Self::entry(index, index, sample(lane)));
            }
            Self::Parity(qubits, controls) => {
                program.parity_phase(*qubits, controls, |parity, lane| Self::entry(parity, 1, sample(lane)));
            }
            Self::Rotation(paulis, controls) => {
                program.pauli_rotation(*paulis, controls, |lane| Self::cos_sin(sample(lane)));
            }
            Self::Flip(target, controls) => program.flip_qubit(*target, controls),
            Self::Exchange(a, b, controls) => program.exchange(*a, *b, controls),
        }
    }

    fn expected(&self, state: &[Complex], sample: usize) -> Vec<Complex> {
        let zero = [0.0; 2];
        match self {
            Self::Matrix(targets, controls) => {
                apply(state, targets, controls, &|r, c| Self::entry(r, c, sample))
            }
            Self::Diagonal(qubits, controls) => {
                apply(state, qubits, controls, &|r, c| if r == c { Self::entry(r, r, sample) } else { zero })
            }
            Self::Parity(qubits, controls) => {
                let factor =
                    |index: usize| Self::entry((index as u64 & qubits).count_ones() as usize % 2, 1, sample);
                let each = state.iter().enumerate();
                each.map(|(i, &a)| if on(i, controls) { times(factor(i), a) } else { a }).collect()
            }
            Self::Rotation(paulis, controls) => {
                let (cos, sin) = Self::cos_sin(sample);
                let image = multiply_pauli(state, *paulis);
                let each = state.iter().zip(&image).enumerate();
                each.map(|(i, (&a, &b))| {
                    if on(i, controls) { plus([cos * a[0], cos * a[1]], times([0.0, -sin], b)) } else { a }
                })
                .collect()
            }
            Self::Flip(target, controls) => {
                apply(state, &[*target], controls, &|r, c| if r != c { [1.0, 0.0] } else { zero })
            }
            Self::Exchange(a, b, controls) => apply(state, &[*a, *b], controls, &|r, c| {
                if r == (c >> 1 | (c & 1) << 1) { [1.0, 0.0] } else { zero }
            }),
        }
    }
}

/// Distinct qubits in random order.
fn draw(random: &mut Random, qubits: usize, count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..qubits).collect();
    for i in (1..qubits).rev() {
        all.swap(i, random.below(i as u64 + 1) as usize);
    }
    all.truncate(count);
    all
}

fn random_gate(random: &mut Random, qubits: usize) -> Gate {
    let kind = random.below(6);
    let needed = if kind == 5 { 2 } else { 1 };
    let kind = if qubits < needed { 0 } else { kind };
    let targets = (needed + random.below(3) as usize).min(qubits);
    let controls = (random.below(3) as usize).min(qubits - targets);
    let drawn = draw(random, qubits, targets + controls);
    let (targets, controls) = (drawn[..targets].to_vec(), drawn[targets..].to_vec());
    let mut paulis = PauliMask::default();
    for &target in &targets {
        let pauli = 1 + random.below(3);
        paulis.x |= (pauli & 1) << target;
        paulis.z |= (pauli >> 1) << target;
    }
    match kind {
        0 => Gate::Matrix(targets, controls),
        1 => Gate::Diagonal(targets, controls),
        2 => Gate::Parity(targets.iter().map(|&target| 1 << target).sum(), controls),
        3 => Gate::Rotation(paulis, controls),
        4 => Gate::Flip(targets[0], controls),
        _ => Gate::Exchange(targets[0], targets[1], controls),
    }
}

fn gates_on_whole_states<T: Real>(kernels: Kernels) {
    let mut random = Random(3);
    for layout in [Layout::<T>::qubits(kernels), Layout::samples(kernels)] {
        for qubits in 1..=8 {
            let held = qubits.max(layout.lane_qubits());
            let tile: Vec<usize> = (layout.lane_qubits()..held).collect();
            for _ in 0..40 {
                let gate = random_gate(&mut random, qubits);
                let mut program = Program::new(layout, &tile);
                gate.push(&mut program);
                let states: Vec<_> = (0..layout.width()).map(|_| random_state(&mut random, qubits)).collect();
                let mut buffer = Buffer::zeroed(layout.len(qubits));
                states.iter().enumerate().for_each(|(i, state)| write(layout, &mut buffer, state, i));
                program.run(&mut buffer, None, &mut []);
                for (sample, state) in states.iter().enumerate() {
                    let what =
                        format!("{kernels:?} {} bytes, {qubits} qubits, {gate:?}, sample {sample}", T::BYTES);
                    assert_states::<T>(
                        &read(layout, &buffer, qubits, sample),
                        &gate.expected(state, sample),
                        &what,
                    );
                }
            }
        }
    }
}

#[test]
fn gates_are_those_of_the_dense_reference() {
    for kernels in Kernels::available() {
        gates_on_whole_states::<f32>(kernels);
        gates_on_whole_states::<f64>(kernels);
    }
}

fn gates_tile_by_tile<T: Real>(kernels: Kernels) {
    let mut random = Random(5);
    let mut pool = ThreadPool::with_kernels(2, kernels);
    let layout = Layout::<T>::qubits(kernels);
    let qubits = layout.lane_qubits() + 5;
    for _ in 0..60 {
        let gate = random_gate(&mut random, qubits);
        let spare: Vec<usize> =
            draw(&mut random, 5, 5).iter().map(|bit| bit + layout.lane_qubits()).collect();
        let mut tile: Vec<usize> =
            (layout.lane_qubits()..qubits).filter(|qubit| gate.mixed() >> qubit & 1 == 1).collect();
        for qubit in spare {
            if tile.len() < 3 && !tile.contains(&qubit) {
                tile.push(qubit);
            }
        }
        if random.below(2) == 0 {
            tile.sort_unstable();
        }
        let mut program = Program::new(layout, &tile);
        gate.push(&mut program);
        gate.push(&mut program);
        let state = random_state(&mut random, qubits);
        let mut buffer = Buffer::zeroed(layout.len(qubits));
        write(layout, &mut buffer, &state, 0);
        pool.region(|team| sweep(team, &program, &mut buffer, None));
        let expected = gate.expected(&gate.expected(&state, 0), 0);
        let what = format!("{kernels:?} {} bytes, {gate:?}, tile {tile:?}", T::BYTES);
        assert_states::<T>(&read(layout, &buffer, qubits, 0), &expected, &what);
    }
}

#[test]
fn tiles_of_a_state_make_the_whole() {
    for kernels in Kernels::available() {
        gates_tile_by_tile::<f32>(kernels);
        gates_tile_by_tile::<f64>(kernels);
    }
}

fn blocks_of<T: Real>(kernels: Kernels) {
    let mut random = Random(23);
    let mut pool = ThreadPool::with_kernels(2, kernels);
    let layout = Layout::<T>::qubits(kernels);
    let lanes = layout.lane_qubits();
    let qubits = lanes + 6;
    for round in 0..200 {
        // Some gates on three qubits and those in lanes, in tiles that hold these three and, mostly, others.
        let mut mixed: Vec<usize> = draw(&mut random, 6, 3).iter().map(|bit| bit + lanes).collect();
        let mut tile = mixed.clone();
        tile.extend((lanes..qubits).filter(|qubit| !mixed.contains(qubit)).take(round % 4));
        tile.sort_unstable();
        if round % 5 == 0 {
            mixed.truncate(2);
        }
        let fits = |gate: &Gate| {
            (lanes..qubits).all(|qubit| gate.mixed() >> qubit & 1 == 0 || mixed.contains(&qubit))
        };
        let mut gates = Vec::new();
        while gates.len() < 1 + round % 7 {
            gates.extend(Some(random_gate(&mut random, qubits)).filter(fits));
        }
        let mut program = Program::new(layout, &tile);
        program.block(&mixed, |program| gates.iter().for_each(|gate| gate.push(program)));
        let state = random_state(&mut random, qubits);
        let mut buffer = Buffer::zeroed(layout.len(qubits));
        write(layout, &mut buffer, &state, 0);
        pool.region(|team| sweep(team, &program, &mut buffer, None));
        let expected = gates.iter().fold(state, |state, gate| gate.expected(&state, 0));
        let what = format!("{kernels:?} {} bytes, {gates:?}, {mixed:?} in {tile:?}", T::BYTES);
        assert_states::<T>(&read(layout, &buffer, qubits, 0), &expected, &what);
    }
}

#[test]
fn blocks_do_what_their_gates_do() {
    for kernels in Kernels::available() {
        blocks_of::<f32>(kernels);
        blocks_of::<f64>(kernels);
    }
}

fn overlaps_of<T: Real>(kernels: Kernels) {
    let mut random = Random(11);
    let mut pool = ThreadPool::with_kernels(2, kernels);
    for layout in [Layout::<T>::qubits(kernels), Layout::samples(kernels)] {
        let qubits = layout.lane_qubits().max(1) + 3;
        let whole: Vec<usize> = (layout.lane_qubits()..qubits).collect();
        for round in 0..60 {
            let targets = 1 + random.below(3) as usize;
            let controls = random.below(2) as usize;
            let drawn = draw(&mut random, qubits, targets + controls);
            let (targets, controls) = drawn.split_at(targets);
            let mut paulis = PauliMask::default();
            for &target in targets {
                let pauli = 1 + random.below(3);
                paulis.x |= (pauli & 1) << target;
                paulis.z |= (pauli >> 1) << target;
            }
            // Half of the rounds leave out of the tile what need not be in it.
            let tile: Vec<usize> = if round % 2 == 0 || layout.lane_qubits() == 0 {
                whole.clone()
            } else {
                whole.iter().copied().filter(|qubit| targets.contains(qubit)).collect()
            };
            let mut program = Program::new(layout, &tile);
            let by_pauli = program.pauli_overlap(paulis, controls);
            let by_matrix = program.matrix_overlap(targets, controls);
            let width = layout.width();
            let kets: Vec<_> = (0..width).map(|_| random_state(&mut random, qubits)).collect();
            let bras: Vec<_> = (0..width).map(|_| random_state(&mut random, qubits)).collect();
            let [mut ket, mut bra] = [&kets, &bras].map(|states| {
                let mut buffer = Buffer::zeroed(layout.len(qubits));
                states.iter().enumerate().for_each(|(i, state)| write(layout, &mut buffer, state, i));
                buffer
            });
            let mut sums = vec![0.0; program.sums()];
            if tile.len() == whole.len() {
                program.run(&mut ket, Some(&mut bra), &mut sums);
            } else {
                sums = pool.region(|team| sweep(team, &program, &mut ket, Some(&mut bra)));
            }
            for sample in 0..width {
                let what =
                    format!("{kernels:?} {} bytes, {targets:?} {controls:?} {paulis:?} {tile:?}", T::BYTES);
                let (ket, bra) = (&kets[sample], &bras[sample]);
                let image = multiply_pauli(ket, paulis);
                let each = (0..ket.len()).filter(|&i| on(i, controls));
                let expected: f64 = each.map(|i| times(conj(bra[i]), image[i])[1]).sum();
                let found = by_pauli.pauli(&sums, sample);
                assert!((found - expected).abs() < 4.0 * tolerance::<T>(), "{what}: {found} {expected}");
                let dim = 1 << targets.len();
                let mut matrix = vec![[0.0; 2]; dim * dim];
                let mask: usize = targets.iter().map(|&target| 1 << target).sum();
                for i in (0..ket.len()).filter(|&i| on(i, controls)) {
                    for j in (0..ket.len()).filter(|j| i & !mask == j & !mask) {
                        let at = bits(i, targets) * dim + bits(j, targets);
                        matrix[at] = plus(matrix[at], times(conj(bra[i]), ket[j]));
                    }
                }
                assert_states::<T>(&by_matrix.matrix(&sums, sample), &matrix, &what);
            }
        }
    }
}

#[test]
fn overlaps_are_those_of_the_dense_reference() {
    for kernels in Kernels::available() {
        overlaps_of::<f32>(kernels);
        overlaps_of::<f64>(kernels);
    }
}

fn sums_of_paulis<T: Real>(kernels: Kernels) {
    let mut random = Random(17);
    for layout in [Layout::<T>::qubits(kernels), Layout::samples(kernels)] {
        for qubits in [1, 2, 5, 9] {
            let mask = (1u64 << qubits) - 1;
            let products: Vec<PauliMask> = (0..12)
                .map(|i| PauliMask {
                    x: if i < 6 { 0 } else { random.bits() & mask },
                    z: random.bits() & mask,
                })
                .collect();
            let sample_of = |lane: usize| if layout.width() == 1 { 0 } else { lane };
            let weight =
                |product: usize, lane: usize| 0.1 * (1 + product) as f64 - 0.05 * sample_of(lane) as f64;
            let terms = PauliTerms::new(layout, &products, weight);
            let states: Vec<_> = (0..layout.width()).map(|_| random_state(&mut random, qubits)).collect();
            let mut buffer = Buffer::zeroed(layout.len(qubits));
            states.iter().enumerate().for_each(|(i, state)| write(layout, &mut buffer, state, i));
            let rows = layout.rows(qubits);
            let mut sums = vec![T::default(); products.len() * layout.lanes()];
            terms.expectations(&buffer, 0..rows / 2, &mut sums);
            terms.expectations(&buffer, rows / 2..rows, &mut sums);
            let mut out = Buffer::zeroed(buffer.len());
            let half = rows / 2 * layout.row_len();
            terms.apply(&buffer, 0, &mut out[..half]);
            terms.apply(&buffer, rows / 2, &mut out[half..]);
            for (sample, state) in states.iter().enumerate() {
                let mut total = vec![[0.0; 2]; state.len()];
                for (i, &product) in products.iter().enumerate() {
                    let own = weight(i, sample);
                    let image = multiply_pauli(state, product);
                    let value: f64 = state.iter().zip(&image).map(|(a, b)| times(conj(*a), *b)[0]).sum();
                    let lanes = &sums[terms.sums_of(i)];
                    let found: f64 = if layout.width() == 1 {
                        lanes.iter().map(|x| x.to_f64()).sum()
                    } else {
                        lanes[sample].to_f64()
                    };
                    let close = (found - own * value).abs() < 4.0 * tolerance::<T>();
                    assert!(close, "{kernels:?} {qubits} qubits {product:?}: {found} {}", own * value);
                    total
                        .iter_mut()
                        .zip(image)
                        .for_each(|(sum, b)| *sum = plus(*sum, [own * b[0], own * b[1]]));
                }
                let what = format!("{kernels:?} {} bytes, {qubits} qubits", T::BYTES);
                assert_states::<T>(&read(layout, &out, qubits, sample), &total, &what);
            }
            let mut probabilities = vec![T::default(); buffer.len() / 2];
            layout.probabilities(&buffer, &mut probabilities);
            let total: f64 = probabilities.iter().map(|x| x.to_f64()).sum();
            assert!((total - layout.width() as f64).abs() < 1e-5);
        }
    }
}

#[test]
fn sums_of_paulis_are_those_of_the_dense_reference() {
    for kernels in Kernels::available() {
        sums_of_paulis::<f32>(kernels);
        sums_of_paulis::<f64>(kernels);
    }
}
