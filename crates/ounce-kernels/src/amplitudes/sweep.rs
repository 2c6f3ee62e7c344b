//! Running programs: on a batch of states, and on a large state tile by tile.

use super::{Program, Real, Tile};
use crate::buffer::Line;
use crate::pool::SharedMut;
use crate::{Team, pool};

/// Parts that the tiles of a sweep are divided into, each with sums of its own; so results do not depend on the number of threads.
const PARTS: usize = 64;

impl<T: Real> Program<T> {
    /// Runs the program on states, one tile after another: gates on `ket` and, if there is one, on `bra`; overlaps of the two (of `ket` with itself if there
    /// is no `bra`) are added to `sums`.
    ///
    /// # Panics
    /// Unless the states consist of a power of two of rows that the tile's qubits lie in, and there are [`Program::sums`] sums.
    pub fn run(&self, ket: &mut [T], bra: Option<&mut [T]>, sums: &mut [f64]) {
        let tiles = Tiles::new(self, ket.len());
        assert!(bra.as_ref().is_none_or(|bra| bra.len() == ket.len()) && sums.len() == self.sums());
        let mut lines = Vec::new();
        let (ket, bra) = (SharedMut::new(ket), bra.map(SharedMut::new));
        // SAFETY: the states are borrowed exclusively.
        unsafe { tiles.run(0..tiles.count, &ket, bra.as_ref(), &mut lines, sums) };
    }

    /// Runs it on the tile whose first row is row `base` of the state. `scratch` is as long as `sums` and zero, before and after.
    fn run_tile(
        &self,
        ket: &mut [T],
        bra: Option<&mut [T]>,
        base: usize,
        scratch: &mut [T],
        sums: &mut [f64],
    ) {
        assert!(ket.len() == self.tile_len() && bra.as_ref().is_none_or(|bra| bra.len() == ket.len()));
        assert!(scratch.len() == self.sums() && sums.len() == self.sums());
        let kernels = T::kernels(self.layout().kernels());
        // SAFETY: the token exists, so this CPU has the table's instructions; the tiles have the rows that the program was made for and
        // are borrowed exclusively, and `scratch` has a place for each sum.
        unsafe { (kernels.run)(self.steps(), Tile::new(ket), bra.map(Tile::new), base, scratch) };
        for (sum, own) in sums.iter_mut().zip(scratch) {
            *sum += own.to_f64();
            *own = T::default();
        }
    }
}

/// As [`Program::run`] on all threads. The sums that the program's overlaps read, in double precision.
///
/// # Panics
/// As [`Program::run`].
pub fn sweep<T: Real>(
    team: &mut Team<'_>,
    program: &Program<T>,
    ket: &mut [T],
    bra: Option<&mut [T]>,
) -> Vec<f64> {
    let tiles = Tiles::new(program, ket.len());
    assert!(bra.as_ref().is_none_or(|bra| bra.len() == ket.len()));
    let parts = tiles.count.min(PARTS);
    let (ket, bra) = (SharedMut::new(ket), bra.map(SharedMut::new));
    let width = program.sums();
    let mut sums = vec![0.0; parts * width];
    let shared_sums = SharedMut::new(&mut sums);
    team.run_with_buffers(parts, |part, buffers| {
        let own = part * tiles.count / parts..(part + 1) * tiles.count / parts;
        // SAFETY: each part has its own sums and tiles, and is run once.
        unsafe {
            let sums = shared_sums.slice(part * width, width);
            tiles.run(own, &ket, bra.as_ref(), &mut buffers.lines, sums);
        }
    });
    let mut total = vec![0.0; width];
    for part in sums.chunks_exact(width.max(1)) {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
    total
}

/// The tiles of a state for a program.
struct Tiles<'a, T> {
    program: &'a Program<T>,
    map: TileMap,
    count: usize,
    /// Bits of a row's number that number the tiles.
    outer: usize,
}

impl<'a, T: Real> Tiles<'a, T> {
    fn new(program: &'a Program<T>, len: usize) -> Self {
        let (lanes, row_len) = (program.layout().lane_qubits(), program.layout().row_len());
        let bits: Vec<usize> = program.tile().iter().map(|qubit| qubit - lanes).collect();
        let rows = len / row_len;
        assert!(rows.is_power_of_two() && rows * row_len == len, "{len} numbers are no state");
        assert!(bits.iter().all(|&bit| 1 << bit < rows), "the tile has qubits that the state lacks");
        let held: usize = bits.iter().map(|bit| 1 << bit).sum();
        Self { program, map: TileMap::new(&bits), count: rows / program.rows(), outer: (rows - 1) & !held }
    }

    /// Runs the program on some tiles, with memory for a tile of each state.
    ///
    /// # Safety
    /// Nobody else uses these tiles.
    unsafe fn run(
        &self,
        tiles: std::ops::Range<usize>,
        ket: &SharedMut<'_, T>,
        bra: Option<&SharedMut<'_, T>>,
        lines: &mut Vec<Line>,
        sums: &mut [f64],
    ) {
        let (program, row_len, len) =
            (self.program, self.program.layout().row_len(), self.program.tile_len());
        let copied = if self.map.contiguous() { 0 } else { len };
        let needed = (2 * copied + program.sums()).div_ceil(64 / T::BYTES) + 1;
        let memory = bytemuck::cast_slice_mut::<Line, T>(pool::at_least_lines(lines, needed));
        let (tile, scratch) = memory.split_at_mut(2 * copied);
        let (ket_tile, bra_tile) = tile.split_at_mut(copied);
        let scratch = &mut scratch[..program.sums()];
        scratch.fill(T::default());
        for tile in tiles {
            let base = deposit(tile, self.outer);
            // SAFETY: different tiles have different rows, and the caller promises that nobody else uses them.
            unsafe {
                if self.map.contiguous() {
                    let bra = bra.map(|bra| bra.slice(base * row_len, len));
                    program.run_tile(ket.slice(base * row_len, len), bra, base, scratch, sums);
                    continue;
                }
                self.map.gather(ket, base, row_len, ket_tile);
                if let Some(bra) = bra {
                    self.map.gather(bra, base, row_len, bra_tile);
                }
                program.run_tile(ket_tile, bra.map(|_| &mut *bra_tile), base, scratch, sums);
                self.map.scatter(ket_tile, base, row_len, ket);
                if let Some(bra) = bra {
                    self.map.scatter(bra_tile, base, row_len, bra);
                }
            }
        }
    }
}

/// The bits of `index` put where `mask` has bits.
fn deposit(mut index: usize, mut mask: usize) -> usize {
    let mut out = 0;
    while mask != 0 {
        let bit = mask & mask.wrapping_neg();
        if index & 1 != 0 {
            out |= bit;
        }
        index >>= 1;
        mask ^= bit;
    }
    out
}

/// Where the rows of a tile lie in the state.
struct TileMap {
    /// Rows that follow one another in both.
    run: usize,
    /// The first row of each run, from the first row of the tile.
    starts: Vec<usize>,
}

impl TileMap {
    fn new(bits: &[usize]) -> Self {
        let low = bits.iter().enumerate().take_while(|&(i, &bit)| i == bit).count();
        let starts = (0..1usize << (bits.len() - low))
            .map(|index| bits[low..].iter().enumerate().map(|(i, bit)| (index >> i & 1) << bit).sum());
        Self { run: 1 << low, starts: starts.collect() }
    }

    fn contiguous(&self) -> bool {
        self.starts.len() == 1
    }

    /// # Safety
    /// Nobody writes the tile's rows.
    unsafe fn gather<T: Real>(&self, state: &SharedMut<'_, T>, base: usize, row_len: usize, tile: &mut [T]) {
        let len = self.run * row_len;
        for (run, start) in tile.chunks_exact_mut(len).zip(&self.starts) {
            // SAFETY: as the caller promises.
            run.copy_from_slice(unsafe { state.slice((base | start) * row_len, len) });
        }
    }

    /// # Safety
    /// Nobody else uses the tile's rows.
    unsafe fn scatter<T: Real>(&self, tile: &[T], base: usize, row_len: usize, state: &SharedMut<'_, T>) {
        let len = self.run * row_len;
        for (run, start) in tile.chunks_exact(len).zip(&self.starts) {
            // SAFETY: as the caller promises.
            unsafe { state.slice((base | start) * row_len, len) }.copy_from_slice(run);
        }
    }
}
