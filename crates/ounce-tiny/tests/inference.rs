//! Kernels of inference against their twins: odd shapes, all roundings, here and on both targets, plain and with SIMD.

mod support;

use support::twin::{self, Conv, Requantize, Rounding};
use support::{Program, Random};

/// Scales and multipliers that bring sums of `taps` products into and somewhat beyond the range of a byte.
fn requantize(random: &mut Random, rounding: Rounding, channels: i32, taps: i32) -> Requantize {
    let typical = 40.0 / (9000.0 * (taps as f32).sqrt());
    let scale: Vec<f32> = random
        .f32s(channels)
        .into_iter()
        .map(|s| typical * (1.5 + s) * random.pick(&[1.0, 1.0, 8.0, 512.0]))
        .collect();
    let fixed = scale.iter().map(|scale| {
        let exponent = scale.log2().floor() as i32 + 1;
        ((f64::from(*scale) * 2f64.powi(31 - exponent)) as i32, exponent)
    });
    let (multiplier, shift) = fixed.unzip();
    let (low, high) = random.pick(&[(-128, 127), (-128, 127), (-10, 127), (-128, 90)]);
    Requantize { rounding, scale, multiplier, shift, zero: random.between(-128, 127), low, high }
}

fn declare(program: &mut Program, r: &Requantize) -> String {
    let scale = program.constant(&r.scale);
    let multiplier = program.constant(&r.multiplier);
    let shift = program.constant(&r.shift);
    let name = format!("r_{scale}");
    program.declaration(&format!(
        "static const ounce_requantize {name} = {{{}, {scale}, {multiplier}, {shift}, {}, {}, {}}};",
        r.rounding.literal(),
        r.zero,
        r.low,
        r.high
    ));
    name
}

fn declare_conv(program: &mut Program, c: &Conv, after: &str) -> String {
    let name = format!("c_{after}");
    program.declaration(&format!("static const ounce_conv {name} = {};", c.literal()));
    name
}

#[test]
fn pointwise_convolutions_equal_their_twin() {
    let mut random = Random(1);
    let mut program = Program::default();
    let shapes = [1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 31, 40];
    for case in 0..54 {
        let rounding = Rounding::ALL[case % 3];
        let (pixels, inputs, outputs) = (random.between(1, 13), random.pick(&shapes), random.pick(&shapes));
        let c = Conv::new([1, pixels, inputs], outputs, [1, 1], [1, 1], [0, 0], [0, 0]);
        let (x, zero) = (random.i8s(pixels * inputs), random.between(-128, 127));
        let (w, bias) = (random.i8s(inputs * outputs), random.i32s(outputs, 20_000));
        let r = requantize(&mut random, rounding, outputs, inputs);
        let (y, bits) = r.all(outputs, &twin::conv(&c, &x, zero, &w, &bias));
        let label = format!("pointwise {pixels} x {inputs} -> {outputs}, {rounding:?}");

        let [w, bias] = [program.constant(&w), program.constant(&bias)];
        let rq = declare(&mut program, &r);
        let scratch = program.scratch(&format!("OUNCE_POINTWISE_SCRATCH({inputs})"));
        let in_place = case % 2 == 0;
        let (from, to) = if in_place {
            let mut room = x.clone();
            room.resize(x.len().max(y.len()), 0);
            let name = program.variable(&room);
            (name.clone(), name)
        } else {
            (program.constant(&x), program.result::<i8>(y.len()))
        };
        let saved = if case % 4 < 3 { program.result::<u8>(bits.len()) } else { "NULL".into() };
        program.call(&format!(
            "ounce_pointwise_s8({pixels}, {inputs}, {outputs}, {from}, {zero}, {w}, {bias}, &{rq}, {to}, {saved}, {scratch});"
        ));
        program.expect(&label, &to, &y);
        if saved != "NULL" {
            program.expect(&format!("{label}: bits"), &saved, &bits);
        }
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn convolutions_equal_their_twin() {
    let mut random = Random(2);
    let mut program = Program::default();
    for case in 0..60 {
        let rounding = random.pick(&Rounding::ALL);
        let depthwise = case % 3 < 2;
        let kernel = match case {
            0..12 => [3, 3],
            12..20 => [5, 5],
            20..28 => [7, 7],
            _ => [random.between(1, 5), random.between(1, 9)],
        };
        let stride = if case % 4 < 2 { [1, 1] } else { [random.between(1, 2), random.between(1, 3)] };
        let pad = [random.between(0, kernel[0] - 1), random.between(0, kernel[1] - 1)];
        let end = [random.between(0, kernel[0] - 1), random.between(0, kernel[1] - 1)];
        let inputs = random.between(1, 6);
        let image = [random.between(kernel[0], 11), random.between(kernel[1], 13), inputs];
        let outputs = if depthwise { inputs } else { random.between(1, 6) };
        let c = Conv::new(image, outputs, kernel, stride, pad, end);
        let (x, zero) = (random.i8s(c.ins()), random.between(-128, 127));
        let bias = random.i32s(outputs, 20_000);
        let taps = c.taps() * if depthwise { 1 } else { inputs };
        let w = random.i8s(taps * outputs);
        let r = requantize(&mut random, rounding, outputs, taps);
        let sums = if depthwise {
            twin::depthwise(&c, &x, zero, &w, &bias)
        } else {
            twin::conv(&c, &x, zero, &w, &bias)
        };
        let (y, bits) = r.all(outputs, &sums);
        let label = format!("{} {c:?}, {rounding:?}", if depthwise { "depthwise" } else { "conv" });

        let [w, bias] = [program.constant(&w), program.constant(&bias)];
        let rq = declare(&mut program, &r);
        let shape = declare_conv(&mut program, &c, &w);
        let scratch = program.scratch(&if depthwise {
            let [height, width] = c.plane();
            format!("OUNCE_DEPTHWISE_SCRATCH({height}, {width}, {}, {})", kernel[0], kernel[1])
        } else {
            format!("OUNCE_CONV_SCRATCH({}, {}, {inputs})", kernel[0], kernel[1])
        });
        let (from, to) = if depthwise && y.len() <= x.len() {
            let name = program.variable(&x);
            (name.clone(), name)
        } else {
            (program.constant(&x), program.result::<i8>(y.len()))
        };
        let kind = if depthwise { "depthwise" } else { "conv" };
        let saved = if case % 4 < 3 { program.result::<u8>(bits.len()) } else { "NULL".into() };
        program.call(&format!(
            "ounce_{kind}_s8(&{shape}, {from}, {zero}, {w}, {bias}, &{rq}, {to}, {saved}, {scratch});"
        ));
        program.expect(&label, &to, &y);
        if saved != "NULL" {
            program.expect(&format!("{label}: bits"), &saved, &bits);
        }
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn additions_equal_their_twin() {
    let mut random = Random(3);
    let mut program = Program::default();
    for case in 0..8 {
        let away = case % 2 == 1;
        let count = random.between(1, 300);
        let (a, b) = (random.i8s(count), random.i8s(count));
        let zero = [(); 3].map(|()| random.between(-128, 127));
        let scale = [(); 3].map(|()| random.f32s(1)[0] * 0.02 + 0.05);
        let real = |q: i8, k: usize| (i32::from(q) - zero[k]) as f32 * scale[k];
        let (mut y, mut bits) = (Vec::new(), vec![0u8; a.len().div_ceil(8)]);
        for (at, (a, b)) in a.iter().zip(&b).enumerate() {
            let scaled = (real(*a, 0) + real(*b, 1)) / scale[2];
            let q = if away {
                (scaled + zero[2] as f32).round() as i32
            } else {
                scaled.round_ties_even() as i32 + zero[2]
            };
            y.push(q.clamp(-128, 127) as i8);
            bits[at / 8] |= u8::from((-128..128).contains(&q)) << (at % 8);
        }
        let [a, b] = [program.variable(&a), program.constant(&b)];
        let saved = program.result::<u8>(bits.len());
        program.declaration(&format!(
            "static const ounce_addition a_{a} = {{{}, {:e}f, {:e}f, {:e}f, {}, {}, {}}};",
            if away { "OUNCE_AWAY" } else { "OUNCE_NEAREST" },
            scale[0],
            scale[1],
            scale[2],
            zero[0],
            zero[1],
            zero[2]
        ));
        program.call(&format!("ounce_add_s8({count}U, {a}, {b}, &a_{a}, {a}, {saved});"));
        program.expect(&format!("addition, away {away}"), &a, &y);
        program.expect("addition: bits", &saved, &bits);
        program.end_case();
    }
    // As TFLite prepares it: twice the larger scale, 20 bits to the left.
    let (a, b) = (random.i8s(257), random.i8s(257));
    let multipliers = [(1_500_000_000, -1), (1_073_741_824, 0), (1_288_490_189, -19)];
    let sums: Vec<i64> = a
        .iter()
        .zip(&b)
        .map(|(a, b)| {
            let wide = |q: i8, zero: i64, k: usize| {
                let (multiplier, shift) = multipliers[k];
                twin::multiply_fixed((i64::from(q) - zero) << 20, multiplier, shift)
            };
            let sum = wide(*a, 3, 0) + wide(*b, -7, 1);
            twin::multiply_fixed(sum, multipliers[2].0, multipliers[2].1) + 5
        })
        .collect();
    let y: Vec<i8> = sums.iter().map(|sum| (*sum).clamp(-128, 120) as i8).collect();
    let mut bits = vec![0u8; sums.len().div_ceil(8)];
    sums.iter()
        .enumerate()
        .for_each(|(at, sum)| bits[at / 8] |= u8::from((-128..=120).contains(sum)) << (at % 8));
    let [a, b] = [program.constant(&a), program.constant(&b)];
    let [to, saved] = [program.result::<i8>(y.len()), program.result::<u8>(bits.len())];
    program.declaration(
        "static const ounce_fixed_addition fixed = {3, 1500000000, -1, -7, 1073741824, 0, 5, 1288490189, -19, -128, 120};",
    );
    program.call(&format!("ounce_add_fixed_s8({}U, {a}, {b}, &fixed, {to}, {saved});", y.len()));
    program.expect("addition of TFLite", &to, &y);
    program.expect("addition of TFLite: bits", &saved, &bits);
    program.end_case();
    program.run_everywhere();
}

#[test]
fn pools_equal_their_twin() {
    let mut random = Random(4);
    let mut program = Program::default();
    for case in 0..16 {
        let kernel = [random.between(1, 4), random.between(1, 4)];
        let pad = kernel.map(|k| k / 2);
        let image = [random.between(4, 9), random.between(4, 9), random.between(1, 5)];
        let c = if case < 4 {
            Conv::new(image, image[2], [image[0], image[1]], [1, 1], [0, 0], [0, 0])
        } else {
            Conv::new(image, image[2], kernel, [random.between(1, 3), random.between(1, 3)], pad, [0, 0])
        };
        let x = random.i8s(c.ins());
        let (mut means, mut most) = (vec![Vec::new(); 3], Vec::new());
        c.for_each_place(|oy, ox| {
            for channel in 0..image[2] {
                let mut seen = Vec::new();
                c.for_each_tap(|ky, kx| {
                    if let Some((y, x_at)) = c.place(oy, ox, ky, kx) {
                        seen.push(i32::from(x[c.in_at(y, x_at, channel)]));
                    }
                });
                let mean = f64::from(seen.iter().sum::<i32>()) / seen.len() as f64;
                means[0].push(mean.round_ties_even() as i8);
                means[1].push(mean.trunc() as i8);
                means[2].push(mean.round() as i8);
                most.push(seen.into_iter().max().expect("every window touches the image") as i8);
            }
        });
        let x = program.constant(&x);
        let shape = declare_conv(&mut program, &c, &x);
        for (rounding, mean) in Rounding::ALL.into_iter().zip(&means) {
            let y = program.result::<i8>(mean.len());
            program.call(&format!("ounce_average_pool_s8(&{shape}, {}, {x}, {y});", rounding.literal()));
            program.expect(&format!("mean of {c:?}, {rounding:?}"), &y, mean);
        }
        let y = program.result::<i8>(most.len());
        program.call(&format!("ounce_max_pool_s8(&{shape}, {x}, {y});"));
        program.expect(&format!("maximum of {c:?}"), &y, &most);
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn dense_layers_and_extreme_sums_equal_their_twin() {
    let mut random = Random(5);
    let mut program = Program::default();
    for (inputs, outputs) in [(1, 1), (7, 3), (160, 10), (33, 5)] {
        let (x, zero, w) = (random.i8s(inputs), random.between(-128, 127), random.i8s(inputs * outputs));
        let (bias, scale) = (random.i32s(outputs, 1 << 20), random.f32s(outputs));
        let c = Conv::new([1, 1, inputs], outputs, [1, 1], [1, 1], [0, 0], [0, 0]);
        let sums: Vec<i32> = twin::conv(&c, &x, zero, &w, &bias).iter().map(|sum| *sum as i32).collect();
        let real: Vec<f32> = sums.iter().zip(&scale).map(|(sum, scale)| *sum as f32 * scale).collect();
        let [x, w] = [program.constant(&x), program.constant(&w)];
        let [bias, scale] = [program.constant(&bias), program.constant(&scale)];
        let [wide, float] = [program.result::<i32>(sums.len()), program.result::<f32>(real.len())];
        program.call(&format!("ounce_dense_s8_s32({inputs}, {outputs}, {x}, {zero}, {w}, {bias}, {wide});"));
        program.call(&format!(
            "ounce_dense_s8_f32({inputs}, {outputs}, {x}, {zero}, {w}, {bias}, {scale}, {float});"
        ));
        program.expect("dense, wide", &wide, &sums);
        program.expect("dense, float", &float, &real);
        program.end_case();
    }
    // Halves, both signs, the ends of int32 and products far beyond a byte.
    let sums = [0, 1, -1, 3, -3, 5, 255, -255, 1 << 24, -(1 << 24) - 1, i32::MAX, i32::MIN];
    for rounding in Rounding::ALL {
        for (scale, shift) in [(0.5, 0), (1.5, 1), (1e-3, -9), (1e6, 0)] {
            let r = Requantize {
                rounding,
                scale: vec![scale],
                multiplier: vec![1 << 30],
                shift: vec![shift.min(0)],
                zero: -7,
                low: -128,
                high: 127,
            };
            let expected: Vec<i32> = sums.iter().map(|sum| r.one(0, i64::from(*sum)) as i32).collect();
            let rq = declare(&mut program, &r);
            let to = program.result::<i32>(sums.len());
            let from = program.constant(&sums);
            program.call(&format!(
                "for (int32_t i = 0; i < {}; i++) {{ {to}[i] = ounce_requantize_one(&{rq}, 0, {from}[i]); }}",
                sums.len()
            ));
            program.expect(&format!("requantize {scale}, {rounding:?}"), &to, &expected);
            program.end_case();
        }
    }
    program.run_everywhere();
}
