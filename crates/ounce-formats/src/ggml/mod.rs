//! The element types of GGUF tensors, called ggml types after the library that defined them.
//!
//! A quantized type stores a row of weights as blocks of 32 or 256. Whatever its encoding, it means, per group of 16 or 32 weights,
//! `w = scale * q + min` with a small integer `q`. [`GgmlType::unpack_row`] brings every type into that form and is the only description
//! of a type in this project: dequantization and the repacking for the kernels both go through it.
//!
//! Reference: `ggml-common.h` and `ggml-quants.c` of ggml; values are bit-equal to `gguf/quants.py` of the `gguf` Python package.

mod blocks_of_256;
mod blocks_of_32;
mod float;
mod quantize;
mod quantize_k;
mod search;

pub use quantize::CannotQuantize;

/// Element type of a GGUF tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GgmlType {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
    /// 32 weights: f16 scale, 4-bit quants with zero point 8.
    Q4_0,
    /// 32 weights: f16 scale and minimum, 4-bit quants.
    Q4_1,
    /// 32 weights: f16 scale, 5-bit quants with zero point 16.
    Q5_0,
    /// 32 weights: f16 scale and minimum, 5-bit quants.
    Q5_1,
    /// 32 weights: f16 scale, signed 8-bit quants.
    Q8_0,
    /// 256 weights: 2-bit quants, 4-bit scale and minimum per 16.
    Q2K,
    /// 256 weights: 3-bit quants with zero point 4, 6-bit scale per 16.
    Q3K,
    /// 256 weights: 4-bit quants, 6-bit scale and minimum per 32.
    Q4K,
    /// 256 weights: 5-bit quants, 6-bit scale and minimum per 32.
    Q5K,
    /// 256 weights: 6-bit quants with zero point 32, 8-bit scale per 16.
    Q6K,
    /// 32 weights: f16 scale, 4-bit indices into a fixed table of 16 signed values.
    Iq4Nl,
}

/// What [`GgmlType::unpack_row`] makes of a quantized type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacking {
    /// Weights that share a scale (and a minimum): 16 or 32.
    pub group: usize,
    /// The quants are unsigned, 0..=15. Otherwise they are signed with magnitude at most [`max_abs`](Self::max_abs).
    pub four_bit: bool,
    /// Only with `four_bit`: the minimum of every group is `-8 * scale` and is not stored, so `w = scale * (q - 8)`.
    pub symmetric: bool,
    /// A minimum per group is stored: `w = scale * q + min`. Never together with `symmetric`. If both are false, `w = scale * q`.
    pub mins: bool,
    /// Bound on `|q|`.
    pub max_abs: u8,
}

impl GgmlType {
    /// All types, in the order of their numbers in files.
    pub const ALL: [Self; 14] = [
        Self::F32,
        Self::F16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
        Self::BF16,
    ];

    /// The type with this number in GGUF files (`enum ggml_type` of `ggml.h`), if this crate reads it.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.id() == id)
    }

    /// The type of this name, as [`name`](Self::name) spells it, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.name().eq_ignore_ascii_case(name))
    }

    /// The number of the type in GGUF files.
    pub fn id(self) -> u32 {
        self.facts().id
    }

    /// The name that ggml uses, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Weights in a block; 1 for floats. A row must be a whole number of blocks.
    pub fn block_len(self) -> usize {
        self.facts().block_len
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.facts().block_bytes
    }

    /// Bytes of a row of `cols` weights, or `None` if that is no whole number of blocks or overflows.
    pub fn row_bytes(self, cols: usize) -> Option<usize> {
        let facts = self.facts();
        if !cols.is_multiple_of(facts.block_len) {
            return None;
        }
        (cols / facts.block_len).checked_mul(facts.block_bytes)
    }

    /// The form into which [`unpack_row`](Self::unpack_row) brings this type, or `None` for a float.
    pub fn unpacking(self) -> Option<Unpacking> {
        let four =
            |group, symmetric| Unpacking { group, four_bit: true, symmetric, mins: !symmetric, max_abs: 15 };
        let eight =
            |group, mins, max_abs| Unpacking { group, four_bit: false, symmetric: false, mins, max_abs };
        match self {
            Self::F32 | Self::F16 | Self::BF16 => None,
            Self::Q4_0 => Some(four(32, true)),
            Self::Q4_1 | Self::Q4K => Some(four(32, false)),
            Self::Q2K => Some(four(16, false)),
            Self::Q3K => Some(four(16, true)),
            Self::Q5_0 => Some(eight(32, false, 16)),
            Self::Q5_1 | Self::Q5K => Some(eight(32, true, 31)),
            Self::Q6K => Some(eight(16, false, 32)),
            Self::Q8_0 => Some(eight(32, false, 128)),
            Self::Iq4Nl => Some(eight(32, false, 127)),
        }
    }

    /// Unpacks a row (or any whole number of blocks) of a quantized type.
    ///
    /// `quants` receives one integer per weight; `scales` and, where [`Unpacking::mins`] says so, `mins` one value per
    /// [`Unpacking::group`] weights. `mins` is left alone for the other types and may be empty. Any bytes are accepted: scales and minimums
    /// may come out infinite or NaN, quants are always within their bounds.
    ///
    /// # Panics
    /// If the lengths do not belong together, or the type is a float, which has no quants.
    pub fn unpack_row(self, bytes: &[u8], quants: &mut [i8], scales: &mut [f32], mins: &mut [f32]) {
        let Some(form) = self.unpacking() else {
            panic!("{} has no quants; dequantize it", self.name());
        };
        assert_eq!(
            Some(bytes.len()),
            self.row_bytes(quants.len()),
            "bytes of {} quants of {}",
            quants.len(),
            self.name()
        );
        assert_eq!(
            scales.len(),
            quants.len() / form.group,
            "scales of {} quants of {}",
            quants.len(),
            self.name()
        );
        assert!(
            !form.mins || mins.len() == scales.len(),
            "minimums of {} quants of {}",
            quants.len(),
            self.name()
        );
        match self {
            Self::F32 | Self::F16 | Self::BF16 => {}
            Self::Q4_0 => unpack::<blocks_of_32::Q4_0>(bytes, quants, scales, mins),
            Self::Q4_1 => unpack::<blocks_of_32::Q4_1>(bytes, quants, scales, mins),
            Self::Q5_0 => unpack::<blocks_of_32::Q5_0>(bytes, quants, scales, mins),
            Self::Q5_1 => unpack::<blocks_of_32::Q5_1>(bytes, quants, scales, mins),
            Self::Q8_0 => unpack::<blocks_of_32::Q8_0>(bytes, quants, scales, mins),
            Self::Iq4Nl => unpack::<blocks_of_32::Iq4Nl>(bytes, quants, scales, mins),
            Self::Q2K => unpack::<blocks_of_256::Q2K>(bytes, quants, scales, mins),
            Self::Q3K => unpack::<blocks_of_256::Q3K>(bytes, quants, scales, mins),
            Self::Q4K => unpack::<blocks_of_256::Q4K>(bytes, quants, scales, mins),
            Self::Q5K => unpack::<blocks_of_256::Q5K>(bytes, quants, scales, mins),
            Self::Q6K => unpack::<blocks_of_256::Q6K>(bytes, quants, scales, mins),
        }
    }

    /// The weights of a row (or any whole number of blocks) as f32.
    ///
    /// # Panics
    /// If `bytes` is not exactly [`row_bytes`](Self::row_bytes) of `out.len()`.
    pub fn dequantize(self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!(
            Some(bytes.len()),
            self.row_bytes(out.len()),
            "bytes of {} weights of {}",
            out.len(),
            self.name()
        );
        let Some(form) = self.unpacking() else {
            return float::to_f32(self, bytes, out);
        };
        // A multiple of every block length, small enough for the stack.
        const PIECE: usize = 256;
        let (mut quants, mut scales, mut mins) = ([0i8; PIECE], [0f32; PIECE / 16], [0f32; PIECE / 16]);
        let piece_bytes = PIECE / self.block_len() * self.block_bytes();
        for (bytes, out) in bytes.chunks(piece_bytes).zip(out.chunks_mut(PIECE)) {
            let groups = out.len() / form.group;
            self.unpack_row(bytes, &mut quants[..out.len()], &mut scales[..groups], &mut mins[..groups]);
            let zero = if form.symmetric { 8 } else { 0 };
            let groups = out.chunks_exact_mut(form.group).zip(quants.chunks_exact(form.group));
            for ((out, quants), (&scale, &min)) in groups.zip(scales.iter().zip(&mins)) {
                for (w, &q) in out.iter_mut().zip(quants) {
                    *w = scale * f32::from(q - zero);
                }
                // Not for the others: adding 0 would turn -0 into +0.
                if form.mins {
                    out.iter_mut().for_each(|w| *w += min);
                }
            }
        }
    }

    fn facts(self) -> Facts {
        let facts = |id, name, block_len, block_bytes| Facts { id, name, block_len, block_bytes };
        match self {
            Self::F32 => facts(0, "F32", 1, 4),
            Self::F16 => facts(1, "F16", 1, 2),
            Self::Q4_0 => facts(2, "Q4_0", 32, 18),
            Self::Q4_1 => facts(3, "Q4_1", 32, 20),
            Self::Q5_0 => facts(6, "Q5_0", 32, 22),
            Self::Q5_1 => facts(7, "Q5_1", 32, 24),
            Self::Q8_0 => facts(8, "Q8_0", 32, 34),
            Self::Q2K => facts(10, "Q2_K", 256, 84),
            Self::Q3K => facts(11, "Q3_K", 256, 110),
            Self::Q4K => facts(12, "Q4_K", 256, 144),
            Self::Q5K => facts(13, "Q5_K", 256, 176),
            Self::Q6K => facts(14, "Q6_K", 256, 210),
            Self::Iq4Nl => facts(20, "IQ4_NL", 32, 18),
            Self::BF16 => facts(30, "BF16", 1, 2),
        }
    }
}

impl std::fmt::Display for GgmlType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

struct Facts {
    id: u32,
    name: &'static str,
    block_len: usize,
    block_bytes: usize,
}

/// A block as it lies in a file: byte arrays only, so that any address is aligned for it.
trait Block: bytemuck::Pod {
    /// `[i8; weights of a block]`.
    type Quants: bytemuck::Pod;
    /// `[f32; groups of a block]`.
    type Groups: bytemuck::Pod;
    /// Whether the minimums mean anything.
    const MINS: bool;

    /// Writes the quants and returns scales and minimums.
    fn unpack(&self, quants: &mut Self::Quants) -> (Self::Groups, Self::Groups);
}

fn unpack<B: Block>(bytes: &[u8], quants: &mut [i8], scales: &mut [f32], mins: &mut [f32]) {
    let blocks: &[B] = bytemuck::cast_slice(bytes);
    let quants: &mut [B::Quants] = bytemuck::cast_slice_mut(quants);
    let scales: &mut [B::Groups] = bytemuck::cast_slice_mut(scales);
    let parts = blocks.iter().zip(quants).zip(scales);
    if B::MINS {
        let mins: &mut [B::Groups] = bytemuck::cast_slice_mut(mins);
        for (((block, quants), scales), mins) in parts.zip(mins) {
            (*scales, *mins) = block.unpack(quants);
        }
    } else {
        for ((block, quants), scales) in parts {
            (*scales, _) = block.unpack(quants);
        }
    }
}

/// A little-endian f16 as f32.
fn f16(bytes: [u8; 2]) -> f32 {
    half::f16::from_le_bytes(bytes).to_f32()
}
