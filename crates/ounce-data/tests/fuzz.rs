//! A short fuzz run of every parser: mutated files, parsed under a counting allocator.

#![allow(clippy::unwrap_used)]

mod support;

use ounce_data::{Picture, PictureSet, Table, TableOptions, idx};
use peak_alloc::PeakAlloc;
use support::{archive, bytes};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(z ^ z >> 31) * bound as u128) >> 64) as usize
    }

    /// One of the seeds with up to four changes.
    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            match self.below(6) {
                0 => input.truncate(at),
                1 => drop(input.drain(at..(at + self.below(16)).min(input.len()))),
                2 => input.insert(at, self.below(256) as u8),
                3 => input[at..].iter_mut().take(4).for_each(|byte| *byte = 255),
                _ => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
            }
        }
        input
    }
}

/// Parses mutations of the seeds, and checks that some are accepted and that none takes more memory than `multiple` times its length, beyond
/// what is allowed whatever the length.
fn fuzz(
    name: &str,
    seeds: &[Vec<u8>],
    count: usize,
    multiple: usize,
    parse: impl Fn(&[u8]) -> Result<(), String>,
) {
    const ALLOWANCE: usize = 256 << 10;
    let mut random = Random(1);
    let mut accepted = 0;
    for number in 0..count {
        let input = if number < seeds.len() { seeds[number].clone() } else { random.mutate(seeds) };
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        match parse(&input) {
            Ok(()) => accepted += 1,
            Err(message) => assert!(message.len() > 10, "{name}: {message}"),
        }
        let used = ALLOCATOR.peak_usage().saturating_sub(before);
        assert!(
            used <= ALLOWANCE + multiple * input.len(),
            "{name}: {used} bytes for input {number}, of {} bytes",
            input.len()
        );
    }
    assert!(accepted > seeds.len(), "{name}: almost nothing was accepted");
}

/// One test for all parsers, because the allocator counts for the whole process.
#[test]
fn parsers_survive_mutated_files() {
    let idx = ["pictures.idx.gz", "labels.idx", "int16.idx", "float64.idx"].map(bytes);
    fuzz("idx", &idx, 20_000, 1100, |input| idx::read(input).map(drop).map_err(|error| error.to_string()));
    let pictures = ["rgb.png", "palette.png", "grey.png", "rgba.png", "rgb.jpg", "grey.jpg"].map(bytes);
    // Twice what deflate makes of it with one bit to a pixel, and as RGB.
    fuzz("picture", &pictures, 10_000, 5 * 8256, |input| {
        let picture = Picture::decode(input).map_err(|error| error.to_string())?;
        assert_eq!(picture.rgb().len(), picture.width() * picture.height() * 3);
        Ok(())
    });
    let table = [b"1,2,x\n3.5,-1,y\n".to_vec(), b"\"1\",2,\"x\"\"\"\n3,4,5\n".to_vec()];
    let options = TableOptions { label: Some(2), ..Default::default() };
    fuzz("table", &table, 20_000, 64, |input| {
        Table::parse(input, &options).map(drop).map_err(|error| error.to_string())
    });
    let files =
        [("t/a/1.png", bytes("rgb.png")), ("t/a/2.png", bytes("grey.png")), ("t/b/1.jpg", bytes("rgb.jpg"))];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.zip");
    fuzz("zip", &[archive(&files)], 5_000, 5 * 8256, |input| {
        std::fs::write(&path, input).unwrap();
        let set = PictureSet::zip(&path, "t").map_err(|error| error.to_string())?;
        (0..set.items().len())
            .try_for_each(|index| set.load(index).map(drop))
            .map_err(|error| error.to_string())
    });
}
