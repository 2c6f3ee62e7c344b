//! What kernels must compute, written as the formulas of `ounce_tiny.h` say, with wide integers and without a thought of speed.

/// As `ounce_conv`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv {
    pub(crate) input: [i32; 3],
    pub(crate) output: [i32; 3],
    pub(crate) kernel: [i32; 2],
    pub(crate) stride: [i32; 2],
    pub(crate) pad: [i32; 2],
}

impl Conv {
    /// The extents of the output follow from padding on both sides.
    pub(crate) fn new(
        input: [i32; 3],
        outputs: i32,
        kernel: [i32; 2],
        stride: [i32; 2],
        pad: [i32; 2],
        end: [i32; 2],
    ) -> Self {
        let places = |d: usize| (input[d] + pad[d] + end[d] - kernel[d]) / stride[d] + 1;
        Self { input, output: [places(0), places(1), outputs], kernel, stride, pad }
    }

    pub(crate) fn literal(&self) -> String {
        let numbers = [&self.input[..], &self.output, &self.kernel, &self.stride, &self.pad].concat();
        format!("{{{}}}", numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(", "))
    }

    pub(crate) fn ins(&self) -> i32 {
        self.input.iter().product()
    }

    pub(crate) fn outs(&self) -> i32 {
        self.output.iter().product()
    }

    /// Height and width of a channel with its padding, as far as windows reach.
    pub(crate) fn plane(&self) -> [i32; 2] {
        [0, 1].map(|d| {
            let reach = (self.output[d] - 1) * self.stride[d] + self.kernel[d];
            reach.max(self.pad[d] + self.input[d])
        })
    }

    pub(crate) fn taps(&self) -> i32 {
        self.kernel[0] * self.kernel[1]
    }

    /// The row and column of the image under tap (ky, kx) at output (oy, ox).
    pub(crate) fn place(&self, oy: i32, ox: i32, ky: i32, kx: i32) -> Option<(i32, i32)> {
        let y = oy * self.stride[0] - self.pad[0] + ky;
        let x = ox * self.stride[1] - self.pad[1] + kx;
        ((0..self.input[0]).contains(&y) && (0..self.input[1]).contains(&x)).then_some((y, x))
    }

    pub(crate) fn in_at(&self, y: i32, x: i32, c: i32) -> usize {
        ((y * self.input[1] + x) * self.input[2] + c) as usize
    }

    pub(crate) fn out_at(&self, y: i32, x: i32, c: i32) -> usize {
        ((y * self.output[1] + x) * self.output[2] + c) as usize
    }

    /// Calls `visit(oy, ox)` for all places of the output.
    pub(crate) fn for_each_place(&self, mut visit: impl FnMut(i32, i32)) {
        for oy in 0..self.output[0] {
            (0..self.output[1]).for_each(|ox| visit(oy, ox));
        }
    }

    /// Calls `visit(ky, kx)` for all taps.
    pub(crate) fn for_each_tap(&self, mut visit: impl FnMut(i32, i32)) {
        for ky in 0..self.kernel[0] {
            (0..self.kernel[1]).for_each(|kx| visit(ky, kx));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rounding {
    Nearest,
    Truncate,
    FixedPoint,
}

impl Rounding {
    pub(crate) const ALL: [Self; 3] = [Self::Nearest, Self::Truncate, Self::FixedPoint];

    pub(crate) fn literal(self) -> &'static str {
        match self {
            Self::Nearest => "OUNCE_NEAREST",
            Self::Truncate => "OUNCE_TRUNCATE",
            Self::FixedPoint => "OUNCE_FIXED_POINT",
        }
    }
}

/// As `ounce_requantize`.
#[derive(Clone, Debug)]
pub(crate) struct Requantize {
    pub(crate) rounding: Rounding,
    pub(crate) scale: Vec<f32>,
    pub(crate) multiplier: Vec<i32>,
    pub(crate) shift: Vec<i32>,
    pub(crate) zero: i32,
    pub(crate) low: i32,
    pub(crate) high: i32,
}

impl Requantize {
    /// Not clamped.
    pub(crate) fn one(&self, channel: i32, sum: i64) -> i64 {
        let c = channel as usize;
        let q = match self.rounding {
            Rounding::Nearest => far(sum as f32 * self.scale[c]).round_ties_even() as i64,
            Rounding::Truncate => far(sum as f32 * self.scale[c]).trunc() as i64,
            Rounding::FixedPoint => multiply_fixed(sum, self.multiplier[c], self.shift[c]),
        };
        q + i64::from(self.zero)
    }

    /// Clamped, with the bits of those that were not.
    pub(crate) fn all(&self, channels: i32, sums: &[i64]) -> (Vec<i8>, Vec<u8>) {
        let mut bits = vec![0; sums.len().div_ceil(8)];
        let mut outputs = Vec::new();
        for (at, sum) in sums.iter().enumerate() {
            let q = self.one(at as i32 % channels, *sum);
            let clamped = q.clamp(self.low.into(), self.high.into());
            outputs.push(clamped as i8);
            bits[at / 8] |= u8::from(q == clamped) << (at % 8);
        }
        (outputs, bits)
    }
}

fn far(x: f32) -> f32 {
    x.clamp(-4_194_304.0, 4_194_304.0)
}

/// The doubling high product rounds halves upwards, the shift that follows rounds halves away from zero.
pub(crate) fn multiply_fixed(sum: i64, multiplier: i32, shift: i32) -> i64 {
    let product = i128::from(sum << shift.max(0)) * i128::from(multiplier);
    let high = (product + (1 << 30)) >> 31;
    let right = (-shift).max(0);
    let half = (1i128 << right) >> 1;
    ((high.abs() + half) >> right) as i64 * high.signum() as i64
}

/// Sums of a convolution in one group. Weights [o][ky][kx][i].
pub(crate) fn conv(c: &Conv, x: &[i8], zero: i32, w: &[i8], bias: &[i32]) -> Vec<i64> {
    let mut sums = vec![0; c.outs() as usize];
    c.for_each_place(|oy, ox| {
        for o in 0..c.output[2] {
            let mut sum = i64::from(bias[o as usize]);
            c.for_each_tap(|ky, kx| {
                let Some((y, x_at)) = c.place(oy, ox, ky, kx) else { return };
                for i in 0..c.input[2] {
                    let weight = w[(((o * c.kernel[0] + ky) * c.kernel[1] + kx) * c.input[2] + i) as usize];
                    sum += (i64::from(x[c.in_at(y, x_at, i)]) - i64::from(zero)) * i64::from(weight);
                }
            });
            sums[c.out_at(oy, ox, o)] = sum;
        }
    });
    sums
}

/// Sums of a depthwise convolution. Weights [c][ky][kx].
pub(crate) fn depthwise(c: &Conv, x: &[i8], zero: i32, w: &[i8], bias: &[i32]) -> Vec<i64> {
    let mut sums = vec![0; c.outs() as usize];
    c.for_each_place(|oy, ox| {
        for channel in 0..c.output[2] {
            let mut sum = i64::from(bias[channel as usize]);
            c.for_each_tap(|ky, kx| {
                let Some((y, x_at)) = c.place(oy, ox, ky, kx) else { return };
                let weight = w[((channel * c.kernel[0] + ky) * c.kernel[1] + kx) as usize];
                sum += (i64::from(x[c.in_at(y, x_at, channel)]) - i64::from(zero)) * i64::from(weight);
            });
            sums[c.out_at(oy, ox, channel)] = sum;
        }
    });
    sums
}

/// The gradient of the input of a convolution in one group: what a host executor scatters, in the order of the contract.
pub(crate) fn conv_input_gradient(c: &Conv, g: &[f32], w: &[i8]) -> Vec<f32> {
    let mut gx = vec![0.0f32; c.ins() as usize];
    c.for_each_tap(|ky, kx| {
        c.for_each_place(|oy, ox| {
            let Some((y, x)) = c.place(oy, ox, ky, kx) else { return };
            for o in 0..c.output[2] {
                for i in 0..c.input[2] {
                    let weight = w[(((o * c.kernel[0] + ky) * c.kernel[1] + kx) * c.input[2] + i) as usize];
                    gx[c.in_at(y, x, i)] += g[c.out_at(oy, ox, o)] * f32::from(weight);
                }
            }
        });
    });
    gx
}

/// The same of a depthwise one.
pub(crate) fn depthwise_input_gradient(c: &Conv, g: &[f32], w: &[i8]) -> Vec<f32> {
    let mut gx = vec![0.0f32; c.ins() as usize];
    c.for_each_tap(|ky, kx| {
        c.for_each_place(|oy, ox| {
            let Some((y, x)) = c.place(oy, ox, ky, kx) else { return };
            for channel in 0..c.output[2] {
                let weight = w[((channel * c.kernel[0] + ky) * c.kernel[1] + kx) as usize];
                gx[c.in_at(y, x, channel)] += g[c.out_at(oy, ox, channel)] * f32::from(weight);
            }
        });
    });
    gx
}

/// The gradient of weights [o][ky][kx][k] of the chosen inputs.
pub(crate) fn conv_weight_gradient(c: &Conv, x: &[i8], zero: i32, g: &[f32], inputs: &[u16]) -> Vec<f32> {
    let mut gw = Vec::new();
    for o in 0..c.output[2] {
        c.for_each_tap(|ky, kx| {
            gw.extend(inputs.iter().map(|i| tap_gradient(c, x, zero, g, [ky, kx], i32::from(*i), o)));
        });
    }
    gw
}

/// The gradient of weights [k][ky][kx] of the chosen channels of a depthwise convolution.
pub(crate) fn depthwise_weight_gradient(
    c: &Conv,
    x: &[i8],
    zero: i32,
    g: &[f32],
    channels: &[u16],
) -> Vec<f32> {
    let mut gw = Vec::new();
    for channel in channels.iter().map(|channel| i32::from(*channel)) {
        c.for_each_tap(|ky, kx| gw.push(tap_gradient(c, x, zero, g, [ky, kx], channel, channel)));
    }
    gw
}

fn tap_gradient(c: &Conv, x: &[i8], zero: i32, g: &[f32], tap: [i32; 2], i: i32, o: i32) -> f32 {
    let mut sum = 0.0f32;
    c.for_each_place(|oy, ox| {
        if let Some((y, x_at)) = c.place(oy, ox, tap[0], tap[1]) {
            sum += (i32::from(x[c.in_at(y, x_at, i)]) - zero) as f32 * g[c.out_at(oy, ox, o)];
        }
    });
    sum
}
