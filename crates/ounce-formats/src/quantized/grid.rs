//! Small unsigned integers packed into 32-bit words.

/// In which order the integers of a line fill its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// One after the other, lowest bits first, across the ends of words.
    Dense,
    /// As many as fit into a word, lowest bits first; what is left over in a word is empty.
    Padded,
    /// Eight of 4 bits in a word, in the order 0, 2, 4, 6, 1, 3, 5, 7.
    Awq,
}

/// In which direction integers share words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    /// Those of neighbouring columns: a row is a line.
    Columns,
    /// Those of neighbouring rows: a column is a line.
    Rows,
}

/// A matrix of integers below `2^bits`, stored as a matrix of 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) bits: u8,
    pub(super) order: Order,
    pub(super) along: Along,
    /// The words of a line follow each other, `[lines, words]`; otherwise the lines alternate, `[words, lines]`.
    pub(super) lines_first: bool,
}

/// Where each of eight AWQ integers lies in its word.
const AWQ_NIBBLES: [u32; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

impl Grid {
    fn line_len(&self) -> usize {
        if self.along == Along::Columns { self.cols } else { self.rows }
    }

    fn lines(&self) -> usize {
        if self.along == Along::Columns { self.rows } else { self.cols }
    }

    /// Words of a line; saturates far beyond what a file can hold.
    fn words(&self) -> usize {
        match self.order {
            Order::Dense => self.line_len().saturating_mul(usize::from(self.bits)).div_ceil(32),
            Order::Padded => self.line_len().div_ceil(32 / usize::from(self.bits)),
            Order::Awq => self.line_len().div_ceil(8),
        }
    }

    /// Shape of the matrix of words.
    pub(super) fn shape(&self) -> [usize; 2] {
        let (lines, words) = (self.lines(), self.words());
        if self.lines_first { [lines, words] } else { [words, lines] }
    }

    fn word_index(&self, line: usize, word: usize) -> usize {
        if self.lines_first { line * self.words() + word } else { word * self.lines() + line }
    }

    /// The word and the bit in it at which an integer of a line begins.
    fn place(&self, at: usize) -> (usize, u32) {
        let bits = usize::from(self.bits);
        match self.order {
            Order::Dense => (at * bits / 32, (at * bits % 32) as u32),
            Order::Padded => {
                let per_word = 32 / bits;
                (at / per_word, (at % per_word * bits) as u32)
            }
            Order::Awq => (at / 8, 4 * AWQ_NIBBLES[at % 8]),
        }
    }

    /// The integer at a place.
    fn get(&self, words: &[[u8; 4]], line: usize, at: usize) -> u8 {
        let (word, shift) = self.place(at);
        let mut value = u32::from_le_bytes(words[self.word_index(line, word)]) >> shift;
        if shift + u32::from(self.bits) > 32 {
            value |= u32::from_le_bytes(words[self.word_index(line, word + 1)]) << (32 - shift);
        }
        (value & self.mask()) as u8
    }

    fn mask(&self) -> u32 {
        (1 << self.bits) - 1
    }

    /// Packs `values`, `[rows, cols]`, each below `2^bits`, into little-endian words.
    pub(super) fn pack(&self, values: &[u8]) -> Vec<u8> {
        let [a, b] = self.shape();
        let mut words = vec![0u32; a * b];
        for (row, values) in values.chunks_exact(self.cols).enumerate() {
            for (col, &value) in values.iter().enumerate() {
                let (line, at) = if self.along == Along::Columns { (row, col) } else { (col, row) };
                let (word, shift) = self.place(at);
                words[self.word_index(line, word)] |= u32::from(value) << shift;
                if shift + u32::from(self.bits) > 32 {
                    words[self.word_index(line, word + 1)] |= u32::from(value) >> (32 - shift);
                }
            }
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Unpacks rows from `first` on into `out`, `[n, cols]`. `bytes` are the words, of which there must be as many as
    /// [`shape`](Self::shape) says.
    pub(super) fn unpack(&self, bytes: &[u8], first: usize, out: &mut [u8]) {
        let words = bytes.as_chunks::<4>().0;
        match (self.along, self.lines_first) {
            (Along::Columns, true) => {
                let size = self.words();
                let lines = words[first * size..].chunks(size.max(1));
                for (line, out) in lines.zip(out.chunks_exact_mut(self.cols)) {
                    self.unpack_line(line, out);
                }
            }
            (Along::Columns, false) if self.bits == 4 => self.unpack_alternating(words, first, out),
            (Along::Columns, false) => {
                let mut line = vec![[0; 4]; self.words()];
                for (row, out) in out.chunks_exact_mut(self.cols).enumerate() {
                    for (i, word) in line.iter_mut().enumerate() {
                        *word = words[i * self.rows + first + row];
                    }
                    self.unpack_line(&line, out);
                }
            }
            (Along::Rows, _) if self.bits == 4 && first.is_multiple_of(8) => {
                self.unpack_across(words, first, out);
            }
            (Along::Rows, _) => {
                for (row, out) in out.chunks_exact_mut(self.cols).enumerate() {
                    for (col, out) in out.iter_mut().enumerate() {
                        *out = self.get(words, col, first + row);
                    }
                }
            }
        }
    }

    /// One line whose words follow each other.
    fn unpack_line(&self, words: &[[u8; 4]], out: &mut [u8]) {
        match (self.bits, self.order) {
            (8, _) => out.copy_from_slice(&words.as_flattened()[..out.len()]),
            (4, Order::Dense | Order::Padded) => {
                for (pair, &byte) in out.chunks_mut(2).zip(words.as_flattened()) {
                    pair[0] = byte & 15;
                    if let [_, high] = pair {
                        *high = byte >> 4;
                    }
                }
            }
            (bits, Order::Dense) => {
                let (mut held, mut count) = (0u64, 0u32);
                let mut words = words.iter();
                for out in out {
                    if count < u32::from(bits)
                        && let Some(&word) = words.next()
                    {
                        held |= u64::from(u32::from_le_bytes(word)) << count;
                        count += 32;
                    }
                    *out = held as u8 & self.mask() as u8;
                    held >>= bits;
                    count = count.saturating_sub(bits.into());
                }
            }
            (bits, Order::Padded) => {
                let per_word = 32 / usize::from(bits);
                for (out, &word) in out.chunks_mut(per_word).zip(words) {
                    let mut word = u32::from_le_bytes(word);
                    for out in out {
                        *out = (word & self.mask()) as u8;
                        word >>= bits;
                    }
                }
            }
            (_, Order::Awq) => {
                for (at, out) in out.iter_mut().enumerate() {
                    let (word, shift) = self.place(at);
                    *out = (u32::from_le_bytes(words[word]) >> shift & 15) as u8;
                }
            }
        }
    }

    /// Rows of 4-bit integers whose words alternate with those of the other rows. Each run of words is read once for all rows.
    fn unpack_alternating(&self, words: &[[u8; 4]], first: usize, out: &mut [u8]) {
        let rows = out.len() / self.cols;
        for (i, words) in words.chunks_exact(self.rows).enumerate() {
            let start = 8 * i;
            let end = self.cols.min(start + 8);
            for (row, &word) in words[first..first + rows].iter().enumerate() {
                let mut word = u32::from_le_bytes(word);
                for out in &mut out[row * self.cols..][start..end] {
                    *out = (word & 15) as u8;
                    word >>= 4;
                }
            }
        }
    }

    /// Rows of 4-bit integers that share words with their neighbours, from a multiple of 8 on. Each word is read once for its eight rows.
    fn unpack_across(&self, words: &[[u8; 4]], first: usize, out: &mut [u8]) {
        // Row `8 i + r` takes `shifts[r]` of word `i`, whatever the order.
        let shifts: [u32; 8] = std::array::from_fn(|at| self.place(at).1);
        for (i, rows) in out.chunks_mut(8 * self.cols).enumerate() {
            let word = first / 8 + i;
            if let [a, b, c, d, e, f, g, h] = &mut rows.chunks_exact_mut(self.cols).collect::<Vec<_>>()[..] {
                for col in 0..self.cols {
                    let word = u32::from_le_bytes(words[self.word_index(col, word)]);
                    a[col] = (word >> shifts[0] & 15) as u8;
                    b[col] = (word >> shifts[1] & 15) as u8;
                    c[col] = (word >> shifts[2] & 15) as u8;
                    d[col] = (word >> shifts[3] & 15) as u8;
                    e[col] = (word >> shifts[4] & 15) as u8;
                    f[col] = (word >> shifts[5] & 15) as u8;
                    g[col] = (word >> shifts[6] & 15) as u8;
                    h[col] = (word >> shifts[7] & 15) as u8;
                }
            } else {
                for col in 0..self.cols {
                    let word = u32::from_le_bytes(words[self.word_index(col, word)]);
                    for (row, shift) in rows.chunks_exact_mut(self.cols).zip(shifts) {
                        row[col] = (word >> shift & 15) as u8;
                    }
                }
            }
        }
    }
}
