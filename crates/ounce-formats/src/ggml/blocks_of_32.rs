//! Types with blocks of 32 weights: one f16 scale and, for some, one f16 minimum.
//!
//! 4-bit quants are stored as 16 bytes: the low halves are weights 0..16, the high halves weights 16..32. 5-bit types keep the fifth bits
//! of all 32 weights in one little-endian u32.

use bytemuck::{Pod, Zeroable};

use super::{Block, f16};

/// `w = d * (q - 8)`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q4_0 {
    d: [u8; 2],
    qs: [u8; 16],
}

/// `w = d * q + m`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q4_1 {
    d: [u8; 2],
    m: [u8; 2],
    qs: [u8; 16],
}

/// `w = d * (q - 16)`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q5_0 {
    d: [u8; 2],
    qh: [u8; 4],
    qs: [u8; 16],
}

/// `w = d * q + m`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q5_1 {
    d: [u8; 2],
    m: [u8; 2],
    qh: [u8; 4],
    qs: [u8; 16],
}

/// `w = d * q`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Q8_0 {
    d: [u8; 2],
    qs: [i8; 32],
}

/// `w = d * IQ4_NL_VALUES[q]`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Iq4Nl {
    d: [u8; 2],
    qs: [u8; 16],
}

/// The values that a 4-bit index of IQ4_NL stands for (`kvalues_iq4nl` of ggml).
const IQ4_NL_VALUES: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

impl Block for Q4_0 {
    type Quants = [i8; 32];
    type Groups = [f32; 1];
    const MINS: bool = false;

    fn unpack(&self, quants: &mut [i8; 32]) -> ([f32; 1], [f32; 1]) {
        *quants = nibbles(&self.qs);
        ([f16(self.d)], [0.0])
    }
}

impl Block for Q4_1 {
    type Quants = [i8; 32];
    type Groups = [f32; 1];
    const MINS: bool = true;

    fn unpack(&self, quants: &mut [i8; 32]) -> ([f32; 1], [f32; 1]) {
        *quants = nibbles(&self.qs);
        ([f16(self.d)], [f16(self.m)])
    }
}

impl Block for Q5_0 {
    type Quants = [i8; 32];
    type Groups = [f32; 1];
    const MINS: bool = false;

    fn unpack(&self, quants: &mut [i8; 32]) -> ([f32; 1], [f32; 1]) {
        *quants = five_bits(&self.qs, self.qh).map(|q| q - 16);
        ([f16(self.d)], [0.0])
    }
}

impl Block for Q5_1 {
    type Quants = [i8; 32];
    type Groups = [f32; 1];
    const MINS: bool = true;

    fn unpack(&self, quants: &mut [i8; 32]) -> ([f32; 1], [f32; 1]) {
        *quants = five_bits(&self.qs, self.qh);
        ([f16(self.d)], [f16(self.m)])
    }
}

impl Block for Q8_0 {
    type Quants = [i8; 32];
    type Groups = [f32; 1];
    const MINS: bool = false;

    fn unpack(&self, quants: &mut [i8; 32]) -> ([f32; 1], [f32; 1]) {
        *quants = self.qs;
        ([f16(self.d)], [0.0])
    }
}

impl Block for Iq4Nl {
    type Quants = [i8; 32];
    type Groups = [f32; 1];
    const MINS: bool = false;

    fn unpack(&self, quants: &mut [i8; 32]) -> ([f32; 1], [f32; 1]) {
        *quants = nibbles(&self.qs).map(|q| IQ4_NL_VALUES[usize::from(q as u8 & 15)]);
        ([f16(self.d)], [0.0])
    }
}

fn nibbles(bytes: &[u8; 16]) -> [i8; 32] {
    let mut quants = [0; 32];
    for (i, &byte) in bytes.iter().enumerate() {
        quants[i] = (byte & 15) as i8;
        quants[i + 16] = (byte >> 4) as i8;
    }
    quants
}

fn five_bits(low: &[u8; 16], high: [u8; 4]) -> [i8; 32] {
    let high = u32::from_le_bytes(high);
    let mut quants = nibbles(low);
    for (i, q) in quants.iter_mut().enumerate() {
        *q |= ((high >> i & 1) << 4) as i8;
    }
    quants
}
