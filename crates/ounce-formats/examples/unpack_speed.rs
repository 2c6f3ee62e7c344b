//! How fast one thread unpacks and dequantizes each block type: weights per second, best of several runs.

use std::hint::black_box;
use std::time::Instant;

use ounce_formats::ggml::GgmlType;

fn main() {
    const COLS: usize = 4096;
    const ROWS: usize = 256;
    println!("{:8}{:>22}{:>22}", "type", "unpack, Gweights/s", "dequantize, Gweights/s");
    for ty in GgmlType::ALL {
        let row_bytes = COLS / ty.block_len() * ty.block_bytes();
        let bytes: Vec<u8> = (0..row_bytes * ROWS).map(|i| (i * 37) as u8 & 0x3F).collect();
        let unpack = ty.unpacking().map(|form| {
            let (mut quants, mut scales) = (vec![0; COLS], vec![0.0; COLS / form.group]);
            let mut mins = scales.clone();
            best(|| {
                for row in bytes.chunks_exact(row_bytes) {
                    ty.unpack_row(black_box(row), &mut quants, &mut scales, &mut mins);
                    black_box(&quants);
                }
            })
        });
        let mut out = vec![0.0; COLS];
        let dequantize = best(|| {
            for row in bytes.chunks_exact(row_bytes) {
                ty.dequantize(black_box(row), &mut out);
                black_box(&out);
            }
        });
        let rate = |seconds: f64| format!("{:.2}", (COLS * ROWS) as f64 / seconds / 1e9);
        println!("{:8}{:>22}{:>22}", ty.name(), unpack.map_or("-".to_owned(), rate), rate(dequantize));
    }
}

/// Seconds of the fastest of 20 runs.
fn best(mut run: impl FnMut()) -> f64 {
    let seconds = (0..20).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}
