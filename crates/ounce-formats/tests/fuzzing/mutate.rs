//! Random numbers and mutations.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Uniform in `0..bound`; 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Numbers at which lengths, counts and offsets go wrong.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    3,
    7,
    31,
    255,
    256,
    65_535,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    0x1_0000_0000,
    1 << 62,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Pieces of JSON and of paths.
const WORDS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "null",
    "true",
    "-1",
    "1e999",
    "0.5",
    "18446744073709551615",
    "18446744073709551616",
    "\\ud800",
    "\\u0000",
    "[[[[[[[[",
    "{\"a\":{\"a\":",
    "\"shape\":[0]",
    "\"dtype\":\"F4\"",
    "\"data_offsets\":[0,0]",
    "__metadata__",
    "../",
    "\"\"",
];

/// One of the seeds with one to eight changes, more often few.
pub(crate) fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(seeds).clone();
    let changes = 1 + random.below(8).min(random.below(8));
    for _ in 0..changes {
        let at = random.below(input.len() + 1);
        let longest = if random.below(4) == 0 { input.len() } else { 16 };
        let len = random.below(longest).min(input.len() - at);
        match random.below(11) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..at + len)),
            2 => {
                let again = input[at..at + len].to_vec();
                input.splice(at..at, again);
            }
            3 => {
                let bytes = random.bytes(len.min(64));
                input.splice(at..at, bytes);
            }
            4 => {
                let word = random.pick(&WORDS).as_bytes();
                let replaced = if random.below(2) == 0 { len.min(word.len()) } else { 0 };
                input.splice(at..at + replaced, word.iter().copied());
            }
            5 => {
                let other = random.pick(seeds);
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + random.below(200)).min(other.len())];
                input.splice(at..at + len, piece.iter().copied());
            }
            6 | 7 => {
                let number = *random.pick(&NUMBERS);
                let number =
                    if random.below(3) == 0 { number.wrapping_add(input.len() as u64) } else { number };
                let width = *random.pick(&[1, 2, 4, 8]);
                overwrite(&mut input, at, &number.to_le_bytes()[..width]);
            }
            8 => {
                let bytes = random.bytes(len.min(8));
                overwrite(&mut input, at, &bytes);
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    input
}

fn overwrite(input: &mut [u8], at: usize, bytes: &[u8]) {
    for (old, new) in input[at..].iter_mut().zip(bytes) {
        *old = *new;
    }
}
