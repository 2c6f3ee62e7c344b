//! Kernels of training against their twins: bit for bit, here and on both targets.

mod support;

use ounce_tiny::numerics::{philox, uniform};
use support::twin::{self, Conv};
use support::{Program, Random};

fn selection(program: &mut Program, random: &mut Random, channels: i32, case: usize) -> (String, Vec<u16>) {
    let count = random.between(1, channels);
    let (list, chosen) = if case.is_multiple_of(2) {
        ("NULL".to_owned(), (0..count as u16).collect())
    } else {
        // Every channel with equal chance, in no order, none twice.
        let mut all: Vec<u16> = (0..channels as u16).collect();
        for at in (1..all.len()).rev() {
            all.swap(at, random.between(0, at as i32) as usize);
        }
        all.truncate(count as usize);
        (program.constant(&all), all)
    };
    let name = format!("chosen{case}");
    program.declaration(&format!("static const ounce_selection {name} = {{{count}, {list}}};"));
    (name, chosen)
}

#[test]
fn pointwise_gradients_equal_their_twin() {
    let mut random = Random(11);
    let mut program = Program::default();
    for case in 0..30 {
        let (pixels, inputs, outputs) = (random.between(1, 13), random.between(1, 14), random.between(1, 14));
        let c = Conv::new([1, pixels, inputs], outputs, [1, 1], [1, 1], [0, 0], [0, 0]);
        let (x, zero) = (random.i8s(c.ins()), random.between(-128, 127));
        let (w, g) = (random.i8s(inputs * outputs), random.f32s(c.outs()));
        let (chosen, list) = selection(&mut program, &mut random, inputs, case);
        let gx = twin::conv_input_gradient(&c, &g, &w);
        let gw = twin::conv_weight_gradient(&c, &x, zero, &g, &list);
        let first = random.between(0, outputs - 1);
        let rows = random.between(1, outputs - first);
        let part = &gw[first as usize * list.len()..(first + rows) as usize * list.len()];
        let mut gb = vec![0.0f32; outputs as usize];
        g.iter().enumerate().for_each(|(at, g)| gb[at % outputs as usize] += g);

        let [x, w] = [program.constant(&x), program.constant(&w)];
        let g = program.constant(&g);
        let [to_x, to_w] = [program.result::<f32>(gx.len()), program.result::<f32>(part.len())];
        let to_b = program.result::<f32>(gb.len());
        program.call(&format!(
            "ounce_pointwise_input_gradient({pixels}, {inputs}, {outputs}, {g}, {w}, {to_x});"
        ));
        program.call(&format!(
            "ounce_pointwise_weight_gradient({pixels}, {inputs}, {outputs}, {x}, {zero}, {g}, &{chosen}, {first}, {rows}, {to_w});"
        ));
        program.call(&format!("ounce_bias_gradient({pixels}, {outputs}, {g}, {to_b});"));
        let label = format!("pointwise {pixels} x {inputs} -> {outputs}");
        program.expect(&format!("{label}: input"), &to_x, &gx);
        program.expect(&format!("{label}: weights {first} + {rows}"), &to_w, part);
        program.expect(&format!("{label}: bias"), &to_b, &gb);
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn pool_gradients_equal_their_twin() {
    let mut random = Random(13);
    let mut program = Program::default();
    for _ in 0..16 {
        let kernel = [random.between(1, 4), random.between(1, 4)];
        let pad = kernel.map(|k| k / 2);
        let image = [random.between(4, 9), random.between(4, 9), random.between(1, 5)];
        let stride = [random.between(1, 3), random.between(1, 3)];
        let c = Conv::new(image, image[2], kernel, stride, pad, [0, 0]);
        // Few different bytes, so that many are equal.
        let x: Vec<i8> = (0..c.ins()).map(|_| random.between(-2, 2) as i8).collect();
        let g = random.f32s(c.outs());
        let [mut mean, mut most] = [(); 2].map(|()| vec![0.0f32; c.ins() as usize]);
        c.for_each_place(|oy, ox| {
            for channel in 0..image[2] {
                let mut seen = Vec::new();
                c.for_each_tap(|ky, kx| {
                    let place = c.place(oy, ox, ky, kx);
                    seen.extend(place.map(|(y, x_at)| c.in_at(y, x_at, channel)));
                });
                let g = g[c.out_at(oy, ox, channel)];
                seen.iter().for_each(|at| mean[*at] += g / seen.len() as f32);
                let largest = seen.iter().map(|at| x[*at]).max().expect("every window touches the image");
                let first = seen.iter().find(|at| x[**at] == largest).expect("it is one of them");
                most[*first] += g;
            }
        });
        let (x, g) = (program.constant(&x), program.constant(&g));
        let shape = format!("c_{x}");
        program.declaration(&format!("static const ounce_conv {shape} = {};", c.literal()));
        let [to_mean, to_most] = [program.result::<f32>(mean.len()), program.result::<f32>(most.len())];
        program.call(&format!("ounce_average_pool_gradient(&{shape}, {g}, {to_mean});"));
        program.call(&format!("ounce_max_pool_gradient(&{shape}, {x}, {g}, {to_most});"));
        program.expect(&format!("mean of {c:?}"), &to_mean, &mean);
        program.expect(&format!("maximum of {c:?}"), &to_most, &most);
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn convolution_gradients_equal_their_twin() {
    let mut random = Random(12);
    let mut program = Program::default();
    for case in 0..32 {
        let depthwise = case % 4 < 3;
        let kernel = match case {
            0..16 => [random.pick(&[3, 5, 7]); 2],
            _ => [random.between(1, 4), random.between(1, 5)],
        };
        let stride = if case % 2 == 0 { [1, 1] } else { [random.between(1, 3), random.between(1, 3)] };
        let pad = [random.between(0, kernel[0] - 1), random.between(0, kernel[1] - 1)];
        let end = [random.between(0, kernel[0] - 1), random.between(0, kernel[1] - 1)];
        let inputs = random.between(1, 5);
        let image = [random.between(kernel[0], 9), random.between(kernel[1], 10), inputs];
        let outputs = if depthwise { inputs } else { random.between(1, 4) };
        let c = Conv::new(image, outputs, kernel, stride, pad, end);
        let (x, zero) = (random.i8s(c.ins()), random.between(-128, 127));
        let w = random.i8s(c.taps() * outputs * if depthwise { 1 } else { inputs });
        let g = random.f32s(c.outs());
        let (chosen, list) = selection(&mut program, &mut random, inputs, case);
        let (gx, gw, groups) = if depthwise {
            let gx = twin::depthwise_input_gradient(&c, &g, &w);
            (gx, twin::depthwise_weight_gradient(&c, &x, zero, &g, &list), list.len() as i32)
        } else {
            let gx = twin::conv_input_gradient(&c, &g, &w);
            (gx, twin::conv_weight_gradient(&c, &x, zero, &g, &list), outputs)
        };
        let first = random.between(0, groups - 1);
        let rows = random.between(1, groups - first);
        let row = gw.len() / groups as usize;
        let part = &gw[first as usize * row..(first + rows) as usize * row];

        let [x, w] = [program.constant(&x), program.constant(&w)];
        let shape = format!("c_{x}");
        program.declaration(&format!("static const ounce_conv {shape} = {};", c.literal()));
        let in_place = depthwise && stride == [1, 1] && c.input == c.output;
        let g = program.variable(&g);
        let to_w = program.result::<f32>(part.len());
        let to_x = if in_place { g.clone() } else { program.result::<f32>(gx.len()) };
        let kind = if depthwise { "depthwise" } else { "conv" };
        program.call(&format!(
            "ounce_{kind}_weight_gradient(&{shape}, {x}, {zero}, {g}, &{chosen}, {first}, {rows}, {to_w});"
        ));
        let scratch = if depthwise {
            let [high, wide] = [c.output[0], c.output[1]];
            let size =
                format!("OUNCE_DEPTHWISE_GRADIENT_SCRATCH({high}, {wide}, {}, {})", kernel[0], kernel[1]);
            format!(", {}", program.scratch(&size))
        } else {
            String::new()
        };
        program.call(&format!("ounce_{kind}_input_gradient(&{shape}, {g}, {w}, {to_x}{scratch});"));
        program.expect(&format!("{kind} {c:?}: weights"), &to_w, part);
        program.expect(&format!("{kind} {c:?}: input"), &to_x, &gx);
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn elementwise_gradients_equal_their_twin() {
    let mut random = Random(13);
    let mut program = Program::default();
    for (pixels, channels) in [(1, 1), (5, 3), (4, 8), (3, 16), (7, 24), (2, 13)] {
        let count = pixels * channels;
        let (g, scale) = (random.f32s(count), random.f32s(channels));
        let mut bits: Vec<u8> = random.i8s((count + 7) / 8).into_iter().map(|byte| byte as u8).collect();
        // Whole bytes of ones are common.
        bits.iter_mut().step_by(2).for_each(|byte| *byte = 255);
        let passes = |at: usize| bits[at / 8] >> (at % 8) & 1 == 1;
        let masked = |scale: &dyn Fn(usize) -> f32| -> Vec<f32> {
            g.iter().enumerate().map(|(at, g)| if passes(at) { g * scale(at) } else { 0.0 }).collect()
        };
        let both = masked(&|at| scale[at % channels as usize]);
        let mask_only = masked(&|_| 1.0);
        let scale_only: Vec<f32> =
            g.iter().enumerate().map(|(at, g)| g * scale[at % channels as usize]).collect();
        let sum: Vec<f32> = g.iter().zip(&both).map(|(a, b)| b + a).collect();
        let spread: Vec<f32> = (0..count as usize).map(|at| scale[at % channels as usize] * 0.3).collect();

        let [b, m, s] = [program.variable(&g), program.variable(&g), program.variable(&g)];
        let [from, scale] = [program.constant(&g), program.constant(&scale)];
        let bits = program.constant(&bits);
        let [added, wide] = [program.variable(&both), program.result::<f32>(spread.len())];
        program.call(&format!("ounce_gradient_mask_scale({pixels}, {channels}, {bits}, {scale}, {b});"));
        program.call(&format!("ounce_gradient_mask_scale({pixels}, {channels}, {bits}, NULL, {m});"));
        program.call(&format!("ounce_gradient_mask_scale({pixels}, {channels}, NULL, {scale}, {s});"));
        program.call(&format!("ounce_gradient_add({count}U, {from}, {added});"));
        program.call(&format!("ounce_mean_gradient({pixels}, {channels}, {scale}, {:e}f, {wide});", 0.3f32));
        program.expect("mask and scale", &b, &both);
        program.expect("mask", &m, &mask_only);
        program.expect("scale", &s, &scale_only);
        program.expect("sum", &added, &sum);
        program.expect("mean", &wide, &spread);
        program.end_case();
    }
    program.run_everywhere();
}

const MODES: [&str; 4] = [
    "OUNCE_UPDATE_TRUNCATE",
    "OUNCE_UPDATE_NEAREST",
    "OUNCE_UPDATE_STOCHASTIC",
    "OUNCE_UPDATE_ERROR_FEEDBACK",
];

/// What becomes of a weight and its residual, in double precision except where the contract rounds.
fn updated(mode: usize, w: i8, residual: i8, d: f32, u: f32) -> (i8, i8) {
    let d = d.clamp(-4_194_304.0, 4_194_304.0);
    match mode {
        0 => ((f32::from(w) - d).trunc() as i32 as i8, residual),
        1 => ((f32::from(w) - d).round_ties_even() as i8, residual),
        2 => ((f32::from(w) - d + u).floor() as i8, residual),
        _ => {
            let fine = (f64::from(d.clamp(-512.0, 512.0)) * 256.0).round_ties_even() as i32;
            let t = 256 * i32::from(w) + i32::from(residual) - fine;
            let next = ((f64::from(t) + 128.0) / 256.0).floor().clamp(-128.0, 127.0) as i32;
            (next as i8, (t - 256 * next).clamp(-128, 127) as i8)
        }
    }
}

#[test]
fn updates_equal_their_twin() {
    let mut random = Random(14);
    let mut program = Program::default();
    for case in 0..24 {
        let mode = case % 4;
        let (outputs, taps, inputs) = (random.between(1, 7), random.pick(&[1, 1, 9]), random.between(1, 12));
        let rate = random.pick(&[0.01f32, 1.0, 60.0, 1e9]);
        let (seed, step) = (random.next(), random.next());
        let (chosen, list) = selection(&mut program, &mut random, inputs, case);
        let first = random.between(0, outputs - 1);
        let rows = random.between(1, outputs - first);
        let row = taps as usize * list.len();
        let mut w = random.i8s(outputs * taps * inputs);
        let mut residual = random.i8s(outputs * row as i32);
        let gw = random.f32s(rows * row as i32);
        let qas: Vec<f32> = random.f32s(outputs).into_iter().map(|s| s + 1.5).collect();

        let update = format!("u{case}");
        program.declaration(&format!(
            "static const ounce_update {update} = {{{}, {rate:e}f, {seed}U, {step}U}};",
            MODES[mode]
        ));
        let [to_w, to_r] = [program.variable(&w), program.variable(&residual)];
        let [from, scales] = [program.constant(&gw), program.constant(&qas)];
        for (at, g) in gw.iter().enumerate() {
            let element = first as usize * row + at;
            let (o, tap, k) = (element / row, element % row / list.len(), element % list.len());
            let weight = &mut w[(o * taps as usize + tap) * inputs as usize + usize::from(list[k])];
            let u = uniform(seed, step, element as u32);
            (*weight, residual[element]) = updated(mode, *weight, residual[element], g * qas[o] * rate, u);
        }
        program.call(&format!(
            "ounce_update_weights(&{update}, {taps}, {inputs}, &{chosen}, {first}, {rows}, {from}, {scales}, {to_w}, {});",
            if mode == 3 { &to_r } else { "NULL" }
        ));
        program.expect(&format!("weights, {}, rate {rate}", MODES[mode]), &to_w, &w);
        program.expect(&format!("residuals, {}", MODES[mode]), &to_r, &residual);
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn bias_updates_equal_their_twin() {
    let mut random = Random(15);
    let mut program = Program::default();
    for case in 0..12 {
        let mode = case % 4;
        let channels = random.between(1, 9);
        let rate = random.pick(&[0.01f32, 20.0, 3e4, 1e9]);
        let (seed, step) = (random.next(), random.next());
        let mut bias = random.i32s(channels, 100_000);
        bias[0] = random.pick(&[i32::MAX - 1, i32::MIN + 1]);
        let mut residual = random.i8s(channels);
        let (gb, qas) = (random.f32s(channels), random.f32s(channels));
        let update = format!("u{case}");
        program.declaration(&format!(
            "static const ounce_update {update} = {{{}, {rate:e}f, {seed}U, {step}U}};",
            MODES[mode]
        ));
        let to_b = program.variable(&bias);
        let to_r = program.variable(&residual);
        let [from, scales] = [program.constant(&gb), program.constant(&qas)];
        for c in 0..channels as usize {
            let d = (gb[c] * qas[c] * rate).clamp(-4_194_304.0, 4_194_304.0);
            let change = match mode {
                0 => -d.trunc() as i64,
                1 => -d.round_ties_even() as i64,
                2 => -(d + uniform(seed, step, c as u32)).floor() as i64,
                _ => {
                    let scaled = f64::from(d) * 256.0;
                    let fine =
                        if scaled.abs() >= 4_194_304.0 { scaled.trunc() } else { scaled.round_ties_even() };
                    let t = i64::from(residual[c]) - fine as i64;
                    let change = (t as f64 / 256.0 + 0.5).floor() as i64;
                    residual[c] = (t - 256 * change).clamp(-128, 127) as i8;
                    change
                }
            };
            bias[c] = (i64::from(bias[c]) + change).clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        }
        program.call(&format!("ounce_update_bias(&{update}, {channels}, {from}, {scales}, {to_b}, {to_r});"));
        program.expect(&format!("biases, {}, rate {rate}", MODES[mode]), &to_b, &bias);
        program.expect(&format!("residuals of biases, {}", MODES[mode]), &to_r, &residual);
        program.end_case();
    }
    program.run_everywhere();
}

/// Known answers of the generator (Random123, `kat_vectors`, philox2x32 with 10 rounds).
#[test]
fn the_generator_is_philox() {
    let known = [
        ([0, 0], 0, [0xff1d_ae59, 0x6cd1_0df2]),
        ([0xffff_ffff, 0xffff_ffff], 0xffff_ffff, [0x2c3f_628b, 0xab4f_d7ad]),
        ([0x243f_6a88, 0x85a3_08d3], 0x1319_8a2e, [0xdd7c_e038, 0xf62a_4c12]),
    ];
    let mut program = Program::default();
    for (counter, key, answer) in known {
        assert_eq!(philox(counter, key), answer);
        let name = program.variable(&counter);
        program.call(&format!("ounce_philox({name}, {key}U);"));
        program.expect("Philox", &name, &answer);
        program.end_case();
    }
    let expected: Vec<f32> = (0..9).map(|element| uniform(5, 6, element)).collect();
    assert!(expected.iter().all(|u| (0.0..1.0).contains(u)));
    let to = program.result::<f32>(expected.len());
    program.call(&format!("for (uint32_t i = 0U; i < 9U; i++) {{ {to}[i] = ounce_uniform(5U, 6U, i); }}"));
    program.expect("uniform numbers", &to, &expected);
    program.end_case();
    program.run_everywhere();
}
