//! One table of kernels per instruction set, and the token by which a caller reaches it.
//!
//! [`Kernels`] values exist only for tables whose instructions this CPU has, so calling through one is safe. The list `ALL` feeds
//! detection, tests and benches: a kernel that is not in a table cannot be called at all.

mod lanes;
mod portable;
mod portable_int8;
mod tile;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod dot;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod dot_w8a8;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_int8;
#[cfg(target_arch = "x86_64")]
mod avx2_w8a8;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_int8;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_dotprod;

pub(crate) use tile::{Bytes, PackedTile, TILE_ROWS, W8A8Tile};

use crate::amplitudes::{Steps, TermSteps, Tile as AmplitudeTile};
use crate::matrix::ActivationScale;
use crate::ops::{Activation, Int8Add, Int8FixedAdd, Norm};
use crate::quantize::{QuantizedRowMut, QuantizedView, TokenView};
use crate::simd::Element;
use crate::simd::attend::Query;
use crate::simd::gemm::Tile;
use crate::simd::int8::channels::Band;
use crate::simd::int8::columns::Columns;
use crate::simd::int8::dense::Dense;
use crate::simd::int8::depthwise::{Plane, Run};
use crate::simd::int8::finish::CopyRows;
use crate::simd::int8::places::Places;
use crate::simd::planes::Rows;

/// The kernels of one instruction set. Each may be called only on a CPU that has it.
#[allow(clippy::type_complexity, reason = "the signatures of kernels, each used once")]
pub(crate) struct Table {
    name: &'static str,
    /// Whether this CPU has the instructions.
    supported: fn() -> bool,
    /// The most rows of activations that `packed_tile` takes.
    packed_tokens: usize,
    /// Whether 5- and 6-bit quants are kept in bit planes, which are smaller, rather than in bytes.
    bit_planes: bool,
    packed_tile: unsafe fn(&PackedTile<'_>, QuantizedView<'_>, &mut [f32]),
    w8a8_tile: unsafe fn(&W8A8Tile<'_>, TokenView<'_>, &mut [f32]),
    /// How products with several tokens are better done in 16 bits, if they are.
    w8a8_words: Option<W8A8Words>,
    quantize_token: QuantizeToken,
    quantize_row: unsafe fn(&[f32], QuantizedRowMut<'_>),
    norm_row: unsafe fn(&Norm<'_>, &[f32], &mut [f32]),
    softmax: unsafe fn(&mut [f32]),
    maximum: unsafe fn(&[f32]) -> f32,
    exp_sum: unsafe fn(&mut [f32], f32) -> f32,
    scale: unsafe fn(&mut [f32], f32),
    add: unsafe fn(&[f32], &mut [f32]),
    activate: unsafe fn(Activation, &mut [f32]),
    gate: unsafe fn(Activation, &mut [f32], &[f32]),
    rotate: unsafe fn(&mut [f32], &[f32], &[f32], bool),
    hadamard: unsafe fn(&mut [f32], usize),
    widen: unsafe fn(Element, &[u8], &mut [f32]),
    narrow: unsafe fn(&[f32], &mut [u16]),
    dot_rows: unsafe fn(Element, &[u8], &[f32], &mut [f32]),
    gemm_tile: unsafe fn(Tile<'_>),
    attend: unsafe fn(Query<'_>),
    correlate: unsafe fn(&[f32], &[usize], &[f32], f32, &mut [f32]),
    correlate_taps: unsafe fn(&[f32], &[usize], &[f32], &mut [f32]),
    inner_products: unsafe fn(&Rows<'_>) -> [[f32; 4]; 4],
    int8_columns: unsafe fn(&Columns<'_>, &mut [u8]),
    int8_plane: unsafe fn(&Plane<'_>, Run<'_>),
    int8_places: unsafe fn(&Places<'_>),
    int8_band: unsafe fn(&Band<'_>, &mut [u8]),
    int8_quads: unsafe fn([&[i8]; 4], &mut [u8]),
    int8_dense: unsafe fn(&Dense<'_>, &mut [i16]),
    int8_row_sums: unsafe fn(&[i8], &mut [i32]),
    int8_clamp: unsafe fn(&[i16], [i8; 2], &mut [i8], &mut [u8]),
    int8_copy_rows: unsafe fn(CopyRows<'_>),
    int8_quantize: unsafe fn(&[f32], f32, f32, &mut [i8]),
    int8_fixed_add: unsafe fn(&Int8FixedAdd, [&[i8]; 2], &mut [i8]),
    int8_add: unsafe fn(&Int8Add, [Option<&[i8]>; 2], &mut [i8]),
    amplitudes_f32: Amplitudes<f32>,
    amplitudes_f64: Amplitudes<f64>,
}

/// The kernels of an instruction set on amplitudes of one precision, and how many go side by side.
pub(crate) struct Amplitudes<T> {
    pub(crate) lanes: usize,
    pub(crate) run: RunSteps<T>,
    pub(crate) expectations: unsafe fn(TermSteps<'_, T>, &[T], usize, usize, &mut [T]),
    pub(crate) multiply: unsafe fn(TermSteps<'_, T>, &[T], usize, &mut [T]),
    pub(crate) squares: unsafe fn(&[T], &mut [T]),
}

/// Runs the steps of a program on a tile.
type RunSteps<T> = unsafe fn(Steps<'_, T>, AmplitudeTile<T>, Option<AmplitudeTile<T>>, usize, &mut [T]);

impl crate::amplitudes::Kernel for f32 {
    fn kernels(kernels: Kernels) -> &'static Amplitudes<Self> {
        &kernels.0.amplitudes_f32
    }
}

impl crate::amplitudes::Kernel for f64 {
    fn kernels(kernels: Kernels) -> &'static Amplitudes<Self> {
        &kernels.0.amplitudes_f64
    }
}

/// Quantizes a row of activations with one scale.
type QuantizeToken = unsafe fn(&[f32], ActivationScale, &mut [i8]) -> (f32, i32);
/// Products of 8-bit weights and activations that have both been widened to 16 bits before.
struct W8A8Words {
    panel_len: fn(usize) -> usize,
    widen_tokens: unsafe fn(&[i8], &mut [i16]) -> [i32; WORD_TOKENS],
    widen_tile: unsafe fn(&W8A8Tile<'_>, &mut [i16]),
    tile: unsafe fn(&[i16], &[f32; TILE_ROWS], &WordTokens<'_>, &mut [f32]),
}

/// Tokens that are widened and multiplied together.
pub(crate) const WORD_TOKENS: usize = 4;

/// [`WORD_TOKENS`] tokens as [`WordKernels::widen_tokens`] leaves them.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) struct WordTokens<'a> {
    /// As many words as all tokens have columns.
    pub(crate) quants: &'a [i16],
    /// One scale a token.
    pub(crate) scales: &'a [f32; WORD_TOKENS],
    /// What `widen_tokens` returned.
    pub(crate) sums: &'a [i32; WORD_TOKENS],
}

/// Proof that a table has products in 16 bits, and the way to them.
#[derive(Clone, Copy)]
pub(crate) struct WordKernels(&'static W8A8Words);

impl WordKernels {
    /// Words that a panel of so many columns takes.
    pub(crate) fn panel_len(self, cols: usize) -> usize {
        (self.0.panel_len)(cols)
    }

    /// Widens [`WORD_TOKENS`] rows of activations, in the order that `tile` reads, and returns a number for each that it wants.
    pub(crate) fn widen_tokens(self, quants: &[i8], out: &mut [i16]) -> [i32; WORD_TOKENS] {
        // SAFETY: `self` comes from a `Kernels`, so this CPU has the table's instructions; so below.
        unsafe { (self.0.widen_tokens)(quants, out) }
    }

    /// Widens a tile to a panel, in the order that `tile` reads.
    pub(crate) fn widen_tile(self, tile: &W8A8Tile<'_>, panel: &mut [i16]) {
        // SAFETY: as above.
        unsafe { (self.0.widen_tile)(tile, panel) }
    }

    /// As [`Kernels::w8a8_tile`] for a widened tile and [`WORD_TOKENS`] tokens.
    pub(crate) fn tile(self, panel: &[i16], scales: &[f32; TILE_ROWS], x: &WordTokens<'_>, out: &mut [f32]) {
        // SAFETY: as above.
        unsafe { (self.0.tile)(panel, scales, x, out) }
    }
}

/// Every table of this architecture, fastest first. The last one runs everywhere.
static ALL: &[&Table] = &[
    #[cfg(target_arch = "x86_64")]
    &avx512::TABLE,
    #[cfg(target_arch = "x86_64")]
    &avx_vnni::TABLE,
    #[cfg(target_arch = "x86_64")]
    &avx2::TABLE,
    #[cfg(target_arch = "aarch64")]
    &neon_dotprod::TABLE,
    #[cfg(target_arch = "aarch64")]
    &neon::TABLE,
    &portable::TABLE,
];

/// Proof that this CPU has an instruction set, and the kernels written for it.
#[derive(Clone, Copy)]
pub struct Kernels(&'static Table);

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)*) => {
        $(
            $(#[$doc])*
            #[inline]
            pub(crate) fn $name(self, $($arg: $ty),*) $(-> $ret)? {
                // SAFETY: `self` exists, so this CPU has the table's instructions.
                unsafe { (self.0.$name)($($arg),*) }
            }
        )*
    };
}

impl Kernels {
    /// The fastest kernels of this CPU.
    pub fn detect() -> Self {
        Self(ALL.iter().find(|table| (table.supported)()).copied().unwrap_or(&portable::TABLE))
    }

    /// All kernels that run on this CPU, fastest first; the last are the portable reference.
    pub fn available() -> Vec<Self> {
        ALL.iter().filter(|table| (table.supported)()).map(|table| Self(table)).collect()
    }

    /// The portable kernels, which define what the others must compute.
    pub fn portable() -> Self {
        Self(&portable::TABLE)
    }

    /// The name of the instruction set.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The most rows of activations one call of `packed_tile` takes.
    pub(crate) fn packed_tokens(self) -> usize {
        self.0.packed_tokens
    }

    /// Whether 5- and 6-bit quants are kept in bit planes.
    pub(crate) fn bit_planes(self) -> bool {
        self.0.bit_planes
    }

    /// The kernels that multiply 8-bit weights with several tokens in 16 bits, where these are faster than `w8a8_tile`.
    pub(crate) fn w8a8_words(self) -> Option<WordKernels> {
        self.0.w8a8_words.as_ref().map(WordKernels)
    }

    forward! {
        /// `out[t][r] = tile[r] . x[t]` for the 16 rows of a tile and all rows of `x`, at most `packed_tokens`.
        packed_tile(tile: &PackedTile<'_>, x: QuantizedView<'_>, out: &mut [f32]);
        /// `out[t][r] = tile[r] . x[t]` for the 16 rows of a tile and all rows of `x`: the integer sum as a float, times the product
        /// of the two scales.
        w8a8_tile(tile: &W8A8Tile<'_>, x: TokenView<'_>, out: &mut [f32]);
        /// Quantizes one row of activations with one scale; the scale and the sum of the quants.
        quantize_token(x: &[f32], scale: ActivationScale, out: &mut [i8]) -> (f32, i32);
        /// Quantizes one row of activations with a scale per block.
        quantize_row(x: &[f32], out: QuantizedRowMut<'_>);
        /// `out = norm(x)`.
        norm_row(norm: &Norm<'_>, x: &[f32], out: &mut [f32]);
        /// Softmax in place.
        softmax(x: &mut [f32]);
        /// The largest element.
        maximum(x: &[f32]) -> f32;
        /// `x = exp(x - shift)`; the sum.
        exp_sum(x: &mut [f32], shift: f32) -> f32;
        /// `x *= factor`.
        scale(x: &mut [f32], factor: f32);
        /// `y += x`.
        add(x: &[f32], y: &mut [f32]);
        /// `x = act(x)`.
        activate(kind: Activation, x: &mut [f32]);
        /// `gate = act(gate) * up`.
        gate(kind: Activation, gate: &mut [f32], up: &[f32]);
        /// Rotary position embedding of one head.
        rotate(x: &mut [f32], cos: &[f32], sin: &[f32], interleaved: bool);
        /// Rotates blocks of a row by the Hadamard matrix.
        hadamard(x: &mut [f32], block: usize);
        /// Converts to floats.
        widen(element: Element, from: &[u8], out: &mut [f32]);
        /// Converts floats to half precision.
        narrow(x: &[f32], out: &mut [u16]);
        /// `out[r] = rows[r] . x`.
        dot_rows(element: Element, rows: &[u8], x: &[f32], out: &mut [f32]);
        /// One tile of a float matrix product.
        gemm_tile(tile: Tile<'_>);
        /// Attention of one query.
        attend(query: Query<'_>);
        /// Sums over the taps of a window at every place of a plane.
        correlate(x: &[f32], offsets: &[usize], weights: &[f32], start: f32, out: &mut [f32]);
        /// Sums over the places of a plane for every tap of a window.
        correlate_taps(x: &[f32], offsets: &[usize], g: &[f32], sums: &mut [f32]);
        /// Inner products of four rows with four rows.
        inner_products(rows: &Rows<'_>) -> [[f32; 4]; 4];
        /// Rows of bytes times columns of an image of bytes.
        int8_columns(job: &Columns<'_>, panel: &mut [u8]);
        /// A plane of bytes, convolved.
        int8_plane(plane: &Plane<'_>, out: Run<'_>);
        /// Places of an image, its channels side by side, times panels of weights.
        int8_places(job: &Places<'_>);
        /// Rows of a result, its channels side by side, convolved channel by channel.
        int8_band(job: &Band<'_>, scratch: &mut [u8]);
        /// Quads of four sources, 128 added to every byte.
        int8_quads(from: [&[i8]; 4], to: &mut [u8]);
        /// Rows of bytes times a column of bytes.
        int8_dense(job: &Dense<'_>, out: &mut [i16]);
        /// The sums of rows of bytes of equal length.
        int8_row_sums(rows: &[i8], out: &mut [i32]);
        /// Words as bytes within bounds, and a bit for each that was within.
        int8_clamp(words: &[i16], bounds: [i8; 2], y: &mut [i8], mask: &mut [u8]);
        /// Copies rows of bytes.
        int8_copy_rows(job: CopyRows<'_>);
        /// Floats that are numbers to bytes with a zero point.
        int8_quantize(x: &[f32], scale: f32, zero: f32, y: &mut [i8]);
        /// Adds bytes in integers.
        int8_fixed_add(add: &Int8FixedAdd, terms: [&[i8]; 2], y: &mut [i8]);
        /// Adds bytes; `None` is a term that `y` holds.
        int8_add(add: &Int8Add, terms: [Option<&[i8]>; 2], y: &mut [i8]);
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernels({})", self.name())
    }
}

/// One function of a table: a generic kernel of [`crate::simd`] instantiated with the features of an instruction set.
macro_rules! kernel {
    ([$features:literal] $token:expr; $name:ident = $generic:path, ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?) => {
        #[target_feature(enable = $features)]
        unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            $generic($token, $($arg),*)
        }
    };
    ([] $token:expr; $name:ident = $generic:path, ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?) => {
        unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            $generic($token, $($arg),*)
        }
    };
}

/// A module with the kernels on amplitudes of one precision. Tables of the same vectors share it.
macro_rules! amplitude_kernels {
    ($module:ident, $real:ty, $features:tt $token:expr) => {
        pub(super) mod $module {
            #[allow(unused_imports)]
            use super::*;
            use crate::amplitudes::{self, Steps, TermSteps, Tile};
            use crate::isa::Amplitudes;

            crate::isa::amplitude_kernel!($features $token; run = amplitudes::run, (steps: Steps<'_, $real>, ket: Tile<$real>, bra: Option<Tile<$real>>, base: usize, sums: &mut [$real]));
            crate::isa::amplitude_kernel!($features $token; expectations = amplitudes::expectations, (terms: TermSteps<'_, $real>, state: &[$real], first: usize, end: usize, sums: &mut [$real]));
            crate::isa::amplitude_kernel!($features $token; multiply = amplitudes::multiply, (terms: TermSteps<'_, $real>, state: &[$real], first: usize, out: &mut [$real]));
            crate::isa::amplitude_kernel!($features $token; squares = amplitudes::squares, (state: &[$real], out: &mut [$real]));

            pub(in crate::isa) const KERNELS: Amplitudes<$real> = Amplitudes {
                lanes: crate::isa::lanes_of::<$real, _>(&$token),
                run,
                expectations,
                multiply,
                squares,
            };
        }
    };
}

/// As [`kernel!`] for generic functions that are themselves unsafe.
macro_rules! amplitude_kernel {
    ([$features:literal] $token:expr; $name:ident = $generic:path, ($($arg:ident: $ty:ty),*)) => {
        #[target_feature(enable = $features)]
        unsafe fn $name($($arg: $ty),*) {
            // SAFETY: as the caller promises.
            unsafe { $generic($token, $($arg),*) }
        }
    };
    ([] $token:expr; $name:ident = $generic:path, ($($arg:ident: $ty:ty),*)) => {
        unsafe fn $name($($arg: $ty),*) {
            // SAFETY: as the caller promises.
            unsafe { $generic($token, $($arg),*) }
        }
    };
}

/// The lanes of a token's vectors.
const fn lanes_of<T: crate::amplitudes::Real, S: crate::amplitudes::lanes::Lanes<T>>(_token: &S) -> usize {
    S::LANES
}

/// Fills a table: the floating-point kernels of [`crate::simd`] for a vector token, and the integer kernel that the instruction set
/// defines itself.
macro_rules! table {
    (
        name: $name:literal, features: $features:tt, supported: $supported:expr, token: $token:expr,
        packed_tokens: $packed_tokens:expr, packed_tile: $packed_tile:path, bit_planes: $bit_planes:expr,
        w8a8_tile: $w8a8_tile:path, w8a8_words: $w8a8_words:expr, hadamard: $hadamard_features:tt $hadamard_token:expr,
        int8: $int8_features:tt $int8_token:expr,
        amplitudes: $amplitudes_f32:path, $amplitudes_f64:path $(,)?
    ) => {
        use crate::isa::{Table, kernel};
        use crate::matrix::ActivationScale;
        use crate::ops::{Activation, Int8Add, Int8FixedAdd, Norm};
        use crate::quantize::QuantizedRowMut;
        use crate::simd::{Element, attend, gate, gemm, hadamard as walsh, int8, norm, planes, quantize, rows};

        kernel!($features $token; quantize_row = quantize::quantize_row, (x: &[f32], out: QuantizedRowMut<'_>));
        kernel!($features $token; quantize_token = quantize::quantize_token, (x: &[f32], scale: ActivationScale, out: &mut [i8]) -> (f32, i32));
        kernel!($features $token; norm_row = norm::norm_row, (norm: &Norm<'_>, x: &[f32], out: &mut [f32]));
        kernel!($features $token; softmax = norm::softmax, (x: &mut [f32]));
        kernel!($features $token; maximum = norm::maximum, (x: &[f32]) -> f32);
        kernel!($features $token; exp_sum = norm::exp_sum, (x: &mut [f32], shift: f32) -> f32);
        kernel!($features $token; scale = norm::scale, (x: &mut [f32], factor: f32));
        kernel!($features $token; add = norm::add, (x: &[f32], y: &mut [f32]));
        kernel!($features $token; activate = gate::activate, (kind: Activation, x: &mut [f32]));
        kernel!($features $token; gate = gate::gate, (kind: Activation, gate: &mut [f32], up: &[f32]));
        kernel!($features $token; rotate = gate::rotate, (x: &mut [f32], cos: &[f32], sin: &[f32], interleaved: bool));
        kernel!($hadamard_features $hadamard_token; hadamard = walsh::hadamard, (x: &mut [f32], block: usize));
        kernel!($features $token; widen = rows::widen, (element: Element, from: &[u8], out: &mut [f32]));
        kernel!($features $token; narrow = rows::narrow, (x: &[f32], out: &mut [u16]));
        kernel!($features $token; dot_rows = rows::dot_rows, (element: Element, rows: &[u8], x: &[f32], out: &mut [f32]));
        kernel!($features $token; gemm_tile = gemm::gemm_tile, (tile: gemm::Tile<'_>));
        kernel!($features $token; attend = attend::attend, (query: attend::Query<'_>));
        kernel!($features $token; correlate = planes::correlate, (x: &[f32], offsets: &[usize], weights: &[f32], start: f32, out: &mut [f32]));
        kernel!($features $token; correlate_taps = planes::correlate_taps, (x: &[f32], offsets: &[usize], g: &[f32], sums: &mut [f32]));
        kernel!($features $token; inner_products = planes::inner_products, (rows: &planes::Rows<'_>) -> [[f32; 4]; 4]);
        kernel!($int8_features $int8_token; int8_columns = int8::columns::multiply, (job: &int8::columns::Columns<'_>, panel: &mut [u8]));
        kernel!($int8_features $int8_token; int8_plane = int8::depthwise::convolve, (plane: &int8::depthwise::Plane<'_>, out: int8::depthwise::Run<'_>));
        kernel!($int8_features $int8_token; int8_places = int8::places::multiply, (job: &int8::places::Places<'_>));
        kernel!($int8_features $int8_token; int8_band = int8::channels::convolve, (job: &int8::channels::Band<'_>, scratch: &mut [u8]));
        kernel!($int8_features $int8_token; int8_quads = int8::finish::quads, (from: [&[i8]; 4], to: &mut [u8]));
        kernel!($int8_features $int8_token; int8_dense = int8::dense::multiply, (job: &int8::dense::Dense<'_>, out: &mut [i16]));
        kernel!($int8_features $int8_token; int8_row_sums = int8::finish::row_sums, (rows: &[i8], out: &mut [i32]));
        kernel!($int8_features $int8_token; int8_clamp = int8::finish::clamp, (words: &[i16], bounds: [i8; 2], y: &mut [i8], mask: &mut [u8]));
        kernel!($int8_features $int8_token; int8_copy_rows = int8::finish::copy_rows, (job: int8::finish::CopyRows<'_>));
        kernel!($features $token; int8_quantize = int8::quantize::quantize, (x: &[f32], scale: f32, zero: f32, y: &mut [i8]));
        kernel!($int8_features $int8_token; int8_fixed_add = int8::add::fixed, (add: &Int8FixedAdd, terms: [&[i8]; 2], y: &mut [i8]));
        kernel!($features $token; int8_add = int8::add::add, (add: &Int8Add, terms: [Option<&[i8]>; 2], y: &mut [i8]));

        pub(super) static TABLE: Table = Table {
            name: $name,
            supported: $supported,
            packed_tokens: $packed_tokens,
            bit_planes: $bit_planes,
            packed_tile: $packed_tile,
            w8a8_tile: $w8a8_tile,
            w8a8_words: $w8a8_words,
            quantize_token,
            quantize_row,
            norm_row,
            softmax,
            maximum,
            exp_sum,
            scale,
            add,
            activate,
            gate,
            rotate,
            hadamard,
            widen,
            narrow,
            dot_rows,
            gemm_tile,
            attend,
            correlate,
            correlate_taps,
            inner_products,
            int8_columns,
            int8_plane,
            int8_places,
            int8_band,
            int8_quads,
            int8_dense,
            int8_row_sums,
            int8_clamp,
            int8_copy_rows,
            int8_quantize,
            int8_fixed_add,
            int8_add,
            amplitudes_f32: $amplitudes_f32,
            amplitudes_f64: $amplitudes_f64,
        };
    };
}
use {amplitude_kernel, amplitude_kernels, kernel, table};
