//! How fast the products of each layout run here:
//!
//! `cargo run --release -p ounce-kernels --example speed [threads] [rows] [cols] [tokens] [layout...]`
//!
//! One line per layout (those whose names begin as given, or all): GB/s of weights read with one token, and billions of multiply-adds
//! per second with one and with many (512) tokens. A matrix larger than the last-level cache shows the memory's speed, a smaller one
//! the kernel's.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use ounce_kernels::ops::{self, Input, Output};
use ounce_kernels::{
    ActivationScale, FloatType, Kernels, Matrix, PackSpec, Quants, SharedBytes, Team, ThreadPool, W8A8Spec,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let layouts: Vec<&String> = args.iter().filter(|arg| arg.parse::<usize>().is_err()).collect();
    let threads = numbers.first().copied().unwrap_or_else(ounce_kernels::available_threads);
    let (rows, cols) = (numbers.get(1).copied().unwrap_or(49152), numbers.get(2).copied().unwrap_or(576));
    let tokens = numbers.get(3).copied().unwrap_or(512);
    {
        let kernels = Kernels::detect();
        println!("{} kernels, {threads} threads, {rows} x {cols}", kernels.name());
        let mut pool = ThreadPool::with_kernels(threads, kernels);
        let matrices = [
            packed(&mut pool, rows, cols, 32, Quants::U4 { symmetric: true }),
            packed(&mut pool, rows, cols, 32, Quants::U4 { symmetric: false }),
            packed(&mut pool, rows, cols, 64, Quants::U4 { symmetric: false }),
            packed(
                &mut pool,
                rows,
                cols,
                if cols % 128 == 0 { 128 } else { 96 },
                Quants::U4 { symmetric: false },
            ),
            packed(&mut pool, rows, cols, 32, Quants::I8 { mins: false, lowest: -16, highest: 15 }),
            packed(&mut pool, rows, cols, 16, Quants::I8 { mins: false, lowest: -32, highest: 31 }),
            packed(&mut pool, rows, cols, 32, Quants::I8 { mins: false, lowest: -128, highest: 127 }),
            w8a8(&mut pool, rows, cols),
            float(FloatType::F16, rows, cols),
            float(FloatType::F32, rows, cols),
        ];
        println!("{:>12} {:>10} {:>12} {:>12}", "layout", "GB/s n=1", "GMAC/s n=1", "GMAC/s many");
        for matrix in &matrices {
            let name = matrix.layout_name();
            if !layouts.is_empty() && !layouts.iter().any(|layout| name.starts_with(*layout)) {
                continue;
            }
            let one = seconds(&mut pool, matrix, 1);
            let work = (rows * cols) as f64 / 1e9;
            let many = seconds(&mut pool, matrix, tokens);
            println!(
                "{:>12} {:>10.1} {:>12.1} {:>12.1}",
                name,
                matrix.bytes() as f64 / one / 1e9,
                work / one,
                tokens as f64 * work / many
            );
        }
    }
}

fn packed(pool: &mut ThreadPool, rows: usize, cols: usize, group: usize, quants: Quants) -> Matrix {
    pool.region(|team| {
        Matrix::pack(team, PackSpec { rows, cols, group, quants }, |row, out| {
            out.quants.iter_mut().enumerate().for_each(|(i, q)| *q = ((i * 7 + row) % 16) as i8);
            out.scales.fill(0.01);
            out.mins.fill(-0.02);
        })
    })
    .unwrap()
}

fn w8a8(pool: &mut ThreadPool, rows: usize, cols: usize) -> Matrix {
    let spec = W8A8Spec { rows, cols, activations: ActivationScale::PerToken, rotation: None };
    pool.region(|team| {
        Matrix::pack_w8a8(team, spec, |row, quants| {
            quants.iter_mut().enumerate().for_each(|(i, q)| *q = (i * 7 + row) as i8);
            0.01
        })
    })
    .unwrap()
}

fn float(ty: FloatType, rows: usize, cols: usize) -> Matrix {
    let size = if ty == FloatType::F32 { 4 } else { 2 };
    Matrix::from_float(ty, rows, cols, SharedBytes::from_vec(vec![0x3c; rows * cols * size])).unwrap()
}

/// The least time of several products, for at least a tenth of a second.
fn seconds(pool: &mut ThreadPool, matrix: &Matrix, n: usize) -> f64 {
    let x: Vec<f32> = (0..n * matrix.cols()).map(|i| (i as f32 * 0.37).sin()).collect();
    let mut y = vec![0.0; n * matrix.rows()];
    let mut product = |team: &mut Team<'_>| {
        ops::project(team, Input { x: &x, norm: None }, &mut [Output::write(matrix, &mut y)]);
    };
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < 0.3 {
        let start = Instant::now();
        pool.region(&mut product);
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}
