//! The "K" types: blocks of 256 weights with one f16 scale `d`, and small integers that multiply it per group of 16 or 32 weights.

use bytemuck::{Pod, Zeroable};

use super::{Block, f16};

/// `w = d * scale * q - dmin * min`; scale and minimum are the low and high half of a byte per 16 weights.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q2K {
    scales: [u8; 16],
    qs: [u8; 64],
    d: [u8; 2],
    dmin: [u8; 2],
}

/// `w = d * (scale - 32) * (q - 4)`; `hmask` holds the third bits of the quants.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q3K {
    hmask: [u8; 32],
    qs: [u8; 64],
    scales: [u8; 12],
    d: [u8; 2],
}

/// `w = d * scale * q - dmin * min`; eight 6-bit scales and minimums in `scales`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q4K {
    d: [u8; 2],
    dmin: [u8; 2],
    scales: [u8; 12],
    qs: [u8; 128],
}

/// As [`Q4K`], with the fifth bits of the quants in `qh`: bit `g` of byte `i` belongs to weight `i` of group `g`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q5K {
    d: [u8; 2],
    dmin: [u8; 2],
    scales: [u8; 12],
    qh: [u8; 32],
    qs: [u8; 128],
}

/// `w = d * scale * (q - 32)`; `ql` holds the lower four bits, `qh` the upper two.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q6K {
    ql: [u8; 128],
    qh: [u8; 64],
    scales: [i8; 16],
    d: [u8; 2],
}

impl Block for Q2K {
    type Quants = [i8; 256];
    type Groups = [f32; 16];
    const MINS: bool = true;

    fn unpack(&self, quants: &mut [i8; 256]) -> ([f32; 16], [f32; 16]) {
        two_bits(&self.qs, quants);
        let (d, dmin) = (f16(self.d), f16(self.dmin));
        (self.scales.map(|s| d * f32::from(s & 15)), self.scales.map(|s| -(dmin * f32::from(s >> 4))))
    }
}

impl Block for Q3K {
    type Quants = [i8; 256];
    type Groups = [f32; 16];
    const MINS: bool = false;

    fn unpack(&self, quants: &mut [i8; 256]) -> ([f32; 16], [f32; 16]) {
        two_bits(&self.qs, quants);
        // Zero point 4 in the file; 4 more makes it the 8 of all symmetric four-bit types.
        for (run, quants) in quants.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (q, &mask) in quants.iter_mut().zip(&self.hmask) {
                *q += ((mask >> run & 1) << 2) as i8 + 4;
            }
        }
        let d = f16(self.d);
        let scale = |i: usize| {
            let low = self.scales[i % 8] >> (i / 8 * 4) & 15;
            let high = self.scales[8 + i % 4] >> (i / 4 * 2) & 3;
            d * f32::from((low | high << 4) as i8 - 32)
        };
        (std::array::from_fn(scale), [0.0; 16])
    }
}

impl Block for Q4K {
    type Quants = [i8; 256];
    type Groups = [f32; 8];
    const MINS: bool = true;

    fn unpack(&self, quants: &mut [i8; 256]) -> ([f32; 8], [f32; 8]) {
        nibbles(&self.qs, quants);
        scales_and_mins(self.d, self.dmin, &self.scales)
    }
}

impl Block for Q5K {
    type Quants = [i8; 256];
    type Groups = [f32; 8];
    const MINS: bool = true;

    fn unpack(&self, quants: &mut [i8; 256]) -> ([f32; 8], [f32; 8]) {
        nibbles(&self.qs, quants);
        for (group, quants) in quants.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (q, &high) in quants.iter_mut().zip(&self.qh) {
                *q |= ((high >> group & 1) << 4) as i8;
            }
        }
        scales_and_mins(self.d, self.dmin, &self.scales)
    }
}

impl Block for Q6K {
    type Quants = [i8; 256];
    type Groups = [f32; 16];
    const MINS: bool = false;

    fn unpack(&self, quants: &mut [i8; 256]) -> ([f32; 16], [f32; 16]) {
        let halves = quants.as_chunks_mut::<128>().0.iter_mut();
        let bits = self.ql.as_chunks::<64>().0.iter().zip(self.qh.as_chunks::<32>().0);
        for (quants, (low, high)) in halves.zip(bits) {
            for i in 0..32 {
                let (a, b, h) = (low[i], low[i + 32], high[i]);
                quants[i] = (a & 15 | (h & 3) << 4) as i8 - 32;
                quants[i + 32] = (b & 15 | (h >> 2 & 3) << 4) as i8 - 32;
                quants[i + 64] = (a >> 4 | (h >> 4 & 3) << 4) as i8 - 32;
                quants[i + 96] = (b >> 4 | (h >> 6) << 4) as i8 - 32;
            }
        }
        let d = f16(self.d);
        (self.scales.map(|s| d * f32::from(s)), [0.0; 16])
    }
}

/// Every 32 bytes hold 128 quants: weights 0..32 in bits 0 and 1, the next 32 in bits 2 and 3, and so on.
fn two_bits(bytes: &[u8; 64], quants: &mut [i8; 256]) {
    for (quants, bytes) in quants.as_chunks_mut::<128>().0.iter_mut().zip(bytes.as_chunks::<32>().0) {
        for (shift, quants) in quants.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (q, &byte) in quants.iter_mut().zip(bytes) {
                *q = (byte >> (2 * shift) & 3) as i8;
            }
        }
    }
}

/// Every 32 bytes hold 64 quants: weights 0..32 in the low halves, the next 32 in the high halves.
fn nibbles(bytes: &[u8; 128], quants: &mut [i8; 256]) {
    for (quants, bytes) in quants.as_chunks_mut::<64>().0.iter_mut().zip(bytes.as_chunks::<32>().0) {
        for (i, &byte) in bytes.iter().enumerate() {
            quants[i] = (byte & 15) as i8;
            quants[i + 32] = (byte >> 4) as i8;
        }
    }
}

/// The eight 6-bit scales and minimums of Q4_K and Q5_K. The first four of each are the low six bits of bytes 0..4 and 4..8; the other four
/// have their low four bits in bytes 8..12 and their high two bits in the top of bytes 0..8.
fn scales_and_mins(d: [u8; 2], dmin: [u8; 2], packed: &[u8; 12]) -> ([f32; 8], [f32; 8]) {
    let (d, dmin) = (f16(d), f16(dmin));
    let (mut scales, mut mins) = ([0.0; 8], [0.0; 8]);
    for i in 0..4 {
        let (s, m, rest) = (packed[i], packed[i + 4], packed[i + 8]);
        scales[i] = d * f32::from(s & 63);
        mins[i] = -(dmin * f32::from(m & 63));
        scales[i + 4] = d * f32::from(rest & 15 | s >> 6 << 4);
        mins[i + 4] = -(dmin * f32::from(rest >> 4 | m >> 6 << 4));
    }
    (scales, mins)
}
