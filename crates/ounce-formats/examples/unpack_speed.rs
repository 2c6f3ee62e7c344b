//! How fast one thread unpacks and dequantizes each block type, and unpacks linear maps of quantized folders: weights per second, best of
//! several runs.

use std::hint::black_box;
use std::time::Instant;

use ounce_formats::ggml::GgmlType;
use ounce_formats::hugging_face::{Folder, FolderWriter};
use ounce_formats::quantized::{
    Activations, GroupQuantized, LinearFormat, LinearScheme, QuantizedLinear, pack,
};

const COLS: usize = 4096;
const ROWS: usize = 256;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_types();
    println!("\n{:18}{:>22}{:>22}", "format", "row by row, Gweights/s", "by 16, Gweights/s");
    for (format, bits, group) in [
        (LinearFormat::AwqGemm, 4, 128),
        (LinearFormat::AwqGemv, 4, 128),
        (LinearFormat::Gptq, 4, 128),
        (LinearFormat::Gptq, 8, 128),
        (LinearFormat::PackQuantized, 4, 32),
        (LinearFormat::PackQuantized, 3, 128),
        (LinearFormat::IntQuantized, 8, COLS),
    ] {
        linear(format, bits, group)?;
    }
    Ok(())
}

fn linear(format: LinearFormat, bits: u8, group: usize) -> Result<(), Box<dyn std::error::Error>> {
    // As wide a word matrix as that of a real layer, since its strides cost.
    const ROWS: usize = 4096;
    let quants: Vec<u8> = (0..ROWS * COLS).map(|i| (i * 37) as u8 >> (8 - bits)).collect();
    let groups = COLS / group;
    let (scales, zeros) = (vec![0.5; ROWS * groups], vec![1; ROWS * groups]);
    let weight = GroupQuantized {
        rows: ROWS,
        cols: COLS,
        group,
        bits,
        symmetric: false,
        quants: &quants,
        scales: &scales,
        zeros: &zeros,
    };
    let place = tempfile::tempdir()?;
    let mut writer = FolderWriter::create(&place.path().join("model"))?;
    writer.add_file("config.json", b"{}")?;
    for tensor in pack("m", &weight, format, None)? {
        writer.tensor(&tensor)?;
    }
    writer.finish()?;
    let folder = Folder::open(&place.path().join("model"))?;
    let activations = Activations::Float;
    let scheme = LinearScheme { format, bits, group: Some(group), symmetric: false, activations };
    let linear = QuantizedLinear::open(&folder, "m", &scheme)?.ok_or("not there")?;
    let rate = |run: usize| {
        let (mut quants, mut scales) = (vec![0; run * COLS], vec![0.0; run * groups]);
        let mut zeros = vec![0; run * groups];
        let seconds = best(|| {
            for first in (0..256).step_by(run) {
                linear.unpack_rows(first, &mut quants, &mut scales, &mut zeros);
                black_box(&quants);
            }
        });
        format!("{:.2}", (256 * COLS) as f64 / seconds / 1e9)
    };
    println!("{:18}{:>22}{:>22}", format!("{format:?} {bits}"), rate(1), rate(16));
    Ok(())
}

fn block_types() {
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
