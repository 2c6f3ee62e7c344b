//! Kernels of what stands around the usual convolutions: groups and dilation, functions of single bytes, means, moved elements.

mod support;

use support::twin;
use support::{Program, Random};

/// A convolution with groups and dilation, in wide integers: y [height][width][outputs].
struct Grouped {
    image: [i32; 3],
    places: [i32; 2],
    outputs: i32,
    groups: i32,
    kernel: [i32; 2],
    stride: [i32; 2],
    pad: [i32; 2],
    dilation: [i32; 2],
}

impl Grouped {
    fn new(random: &mut Random) -> Self {
        let groups = random.between(1, 4);
        let kernel = [random.between(1, 3), random.between(1, 4)];
        let stride = [random.between(1, 2), random.between(1, 3)];
        let dilation = [random.between(1, 3), random.between(1, 2)];
        let pad = [random.between(0, 3), random.between(0, 2)];
        let image = [random.between(7, 10), random.between(7, 11), groups * random.between(1, 5)];
        let places =
            [0, 1].map(|d| (image[d] + 2 * pad[d] - (kernel[d] - 1) * dilation[d] - 1) / stride[d] + 1);
        let outputs = groups * random.between(1, 3);
        Self { image, places, outputs, groups, kernel, stride, pad, dilation }
    }

    fn inner(&self) -> i32 {
        self.image[2] / self.groups
    }

    fn sums(&self, x: &[i8], zero: i32, w: &[i8], bias: &[i32]) -> Vec<i64> {
        let mut sums = Vec::new();
        let place = |at: i32, tap: i32, d: usize| {
            let place = at * self.stride[d] - self.pad[d] + tap * self.dilation[d];
            (0..self.image[d]).contains(&place).then_some(place)
        };
        for (oy, ox, o) in (0..self.places[0]).flat_map(|oy| {
            (0..self.places[1]).flat_map(move |ox| (0..self.outputs).map(move |o| (oy, ox, o)))
        }) {
            let first = o / (self.outputs / self.groups) * self.inner();
            let mut sum = i64::from(bias[o as usize]);
            for (ky, kx) in (0..self.kernel[0]).flat_map(|ky| (0..self.kernel[1]).map(move |kx| (ky, kx))) {
                let (Some(y), Some(column)) = (place(oy, ky, 0), place(ox, kx, 1)) else { continue };
                for i in 0..self.inner() {
                    let x = x[((y * self.image[1] + column) * self.image[2] + first + i) as usize];
                    let w =
                        w[(((o * self.kernel[0] + ky) * self.kernel[1] + kx) * self.inner() + i) as usize];
                    sum += (i64::from(x) - i64::from(zero)) * i64::from(w);
                }
            }
            sums.push(sum);
        }
        sums
    }
}

#[test]
fn convolutions_with_groups_and_dilation_equal_their_twin() {
    let mut random = Random(11);
    let mut program = Program::default();
    for case in 0..24 {
        let c = Grouped::new(&mut random);
        let taps = c.kernel[0] * c.kernel[1] * c.inner();
        let (x, zero) = (random.i8s(c.image.iter().product()), random.between(-128, 127));
        let (w, bias) = (random.i8s(taps * c.outputs), random.i32s(c.outputs, 20_000));
        let r = twin::Requantize {
            rounding: random.pick(&twin::Rounding::ALL),
            scale: (0..c.outputs).map(|_| 0.001 + 0.004 * (random.f32s(1)[0] + 1.0)).collect(),
            multiplier: (0..c.outputs).map(|_| random.between(1 << 30, i32::MAX)).collect(),
            shift: (0..c.outputs).map(|_| random.between(-9, -6)).collect(),
            zero: random.between(-128, 127),
            low: random.pick(&[-128, -20]),
            high: 127,
        };
        let (y, bits) = r.all(c.outputs, &c.sums(&x, zero, &w, &bias));
        let [x, w] = [program.constant(&x), program.constant(&w)];
        let bias = program.constant(&bias);
        let [scale, to] = [program.constant(&r.scale), program.result::<i8>(y.len())];
        let [multiplier, shift] = [program.constant(&r.multiplier), program.constant(&r.shift)];
        let saved = if case % 2 == 0 { program.result::<u8>(bits.len()) } else { "NULL".into() };
        let scratch = program.scratch(&taps.to_string());
        let numbers = |values: &[i32]| values.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
        program.declaration(&format!(
            "static const ounce_conv c_{w} = {{{}, {}, {}, {}, {}, {}}};\n\
             static const ounce_grouping g_{w} = {{{}, {}}};\n\
             static const ounce_requantize r_{w} = {{{}, {scale}, {multiplier}, {shift}, {}, {}, {}}};",
            numbers(&c.image),
            numbers(&c.places),
            c.outputs,
            numbers(&c.kernel),
            numbers(&c.stride),
            numbers(&c.pad),
            c.groups,
            numbers(&c.dilation),
            r.rounding.literal(),
            r.zero,
            r.low,
            r.high
        ));
        program.call(&format!(
            "ounce_grouped_conv_s8(&c_{w}, &g_{w}, {x}, {zero}, {w}, {bias}, &r_{w}, {to}, {saved}, {scratch});"
        ));
        program.expect(&format!("grouped {case}"), &to, &y);
        if saved != "NULL" {
            program.expect(&format!("grouped {case}: bits"), &saved, &bits);
        }
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn functions_of_bytes_and_means_equal_their_twin() {
    let mut random = Random(12);
    let mut program = Program::default();
    let table = random.i8s(256);
    let x = random.i8s(300);
    let looked_up: Vec<i8> = x.iter().map(|x| table[(i32::from(*x) + 128) as usize]).collect();
    let clipped: Vec<i8> = x.iter().map(|x| (*x).clamp(-77, 3)).collect();
    let [from, table] = [program.variable(&x), program.constant(&table)];
    let to = program.result::<i8>(x.len());
    program.call(&format!("ounce_clip_s8({}U, -77, 3, {from}, {to});", x.len()));
    program.expect("clip", &to, &clipped);
    program.call(&format!("ounce_lookup_s8({}U, {from}, {table}, {from});", x.len()));
    program.expect("lookup in place", &from, &looked_up);
    program.end_case();
    // Channels of an image, and rows.
    for (outputs, count, last) in [(5, 49, true), (3, 8, false), (1, 1, true)] {
        let x = random.i8s(outputs * count);
        let (x_zero, y_zero, multiplier, shift) = (random.between(-128, 127), -7, 1_518_500_250, -5);
        let y: Vec<i8> = (0..outputs)
            .map(|o| {
                let at = |i: i32| if last { i * outputs + o } else { o * count + i };
                let sum: i64 = (0..count).map(|i| i64::from(x[at(i) as usize]) - i64::from(x_zero)).sum();
                (twin::multiply_fixed(sum, multiplier, shift) + y_zero).clamp(-128, 127) as i8
            })
            .collect();
        let [from, to] = [program.constant(&x), program.result::<i8>(y.len())];
        let (step, distance) = if last { (1, outputs) } else { (count, 1) };
        program.declaration(&format!(
            "static const ounce_fixed_mean m_{to} = {{{x_zero}, {y_zero}, {multiplier}, {shift}}};"
        ));
        program.call(&format!(
            "ounce_mean_fixed_s8({outputs}, {step}U, {count}, {distance}U, &m_{to}, {from}, {to});"
        ));
        program.expect("mean", &to, &y);
        program.end_case();
    }
    program.run_everywhere();
}

#[test]
fn elements_are_moved_to_their_places() {
    let mut random = Random(13);
    let mut program = Program::default();
    for (rows, columns) in [(1, 1), (3, 5), (16, 7)] {
        let (bytes, words) = (random.i8s(rows * columns), random.i32s(rows * columns, 1 << 29));
        let order: Vec<usize> =
            (0..columns).flat_map(|c| (0..rows).map(move |r| (r * columns + c) as usize)).collect();
        let [x, y] = [program.constant(&bytes), program.result::<i8>(bytes.len())];
        program.call(&format!("ounce_transpose({rows}, {columns}, 1U, {x}, {y});"));
        program.expect("transpose", &y, &order.iter().map(|at| bytes[*at]).collect::<Vec<_>>());
        let [x, y] = [program.constant(&words), program.result::<i32>(words.len())];
        program.call(&format!("ounce_transpose({rows}, {columns}, 4U, {x}, {y});"));
        program.expect("transpose", &y, &order.iter().map(|at| words[*at]).collect::<Vec<_>>());
        program.end_case();
    }
    for _ in 0..8 {
        let [height, width, channels, top, left, bottom, right] =
            [4, 5, 3, 2, 2, 2, 2].map(|most| random.between(i32::from(most > 2), most));
        let (x, value) = (random.i8s(height * width * channels), random.between(-128, 127));
        let out = [height + top + bottom, width + left + right];
        let mut y = vec![value as i8; (out[0] * out[1] * channels) as usize];
        for row in 0..height {
            let from = &x[(row * width * channels) as usize..][..(width * channels) as usize];
            let at = (((row + top) * out[1] + left) * channels) as usize;
            y[at..at + from.len()].copy_from_slice(from);
        }
        let [x, to] = [program.constant(&x), program.result::<i8>(y.len())];
        program.declaration(&format!(
            "static const ounce_conv c_{to} = {{{height}, {width}, {channels}, {}, {}, {channels}, 1, 1, 1, 1, {top}, {left}}};",
            out[0], out[1]
        ));
        program.call(&format!("ounce_pad(&c_{to}, 1U, {value}, {x}, {to});"));
        program.expect("pad", &to, &y);
        program.end_case();
    }
    // The last two of four channels, in place; and both halves of pixels from two images.
    let x = random.i8s(7 * 4);
    let kept: Vec<i8> = x.chunks(4).flat_map(|pixel| pixel[2..].to_vec()).collect();
    let from = program.variable(&x);
    program.call(&format!("ounce_copy_blocks(7, 2U, &{from}[2], 4U, {from}, 2U);"));
    program.expect("cut in place", &from, &kept);
    let (a, b) = (random.i8s(5 * 3), random.i8s(5));
    let joined: Vec<i8> = a.chunks(3).zip(&b).flat_map(|(a, b)| [a[0], a[1], a[2], *b]).collect();
    let [a, b, y] = [program.constant(&a), program.constant(&b), program.result::<i8>(joined.len())];
    program.call(&format!("ounce_copy_blocks(5, 3U, {a}, 3U, {y}, 4U);"));
    program.call(&format!("ounce_copy_blocks(5, 1U, {b}, 1U, &{y}[3], 4U);"));
    program.expect("join", &y, &joined);
    program.end_case();
    program.run_everywhere();
}
