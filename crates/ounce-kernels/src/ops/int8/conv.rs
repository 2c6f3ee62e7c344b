//! A convolution of bytes: pointwise on the image as it is, dense on a single place, depthwise plane by plane, all others on planes that are padded first.

use super::{Scale, depthwise};
use crate::Team;
use crate::ops::ConvGeometry;
use crate::ops::phases::Phases;
use crate::pool::{SharedMut, bytes_at_least};
use crate::simd::int8::columns::{Columns, MAX_COLUMNS, Planes, Results, panel_len};
use crate::simd::int8::copy_run;
use crate::simd::int8::dense::Dense;

/// Products that are worth a task of their own.
const TASK: usize = 1 << 17;

/// What is convolved.
#[derive(Clone, Copy, Debug)]
pub struct Int8Conv<'a> {
    /// The geometry.
    pub geometry: ConvGeometry,
    /// The image.
    pub x: &'a [i8],
    /// The byte that stands for 0 in the image, and for padding.
    pub x_zero: i32,
    /// The kernel.
    pub w: &'a [i8],
    /// `[outputs]`, added to the sums.
    pub bias: &'a [i32],
    /// The number that stands for 0 in the result.
    pub y_zero: i32,
}

/// Where results go, and as what.
#[derive(Debug)]
pub enum Int8Output<'a> {
    /// Bytes within bounds, the lower first.
    Bytes(&'a mut [i8], [i8; 2]),
    /// Words that saturate, for [`super::int8_clamp`].
    Words(&'a mut [i16]),
}

impl Int8Output<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(y, _) => y.len(),
            Self::Words(y) => y.len(),
        }
    }
}

/// Floats of scratch memory for [`int8_conv`], or `None` if it does not take this geometry: where windows reach far beyond the image.
pub fn int8_conv_scratch(g: &ConvGeometry) -> Option<usize> {
    if depthwise::fits(g) {
        return Some(g.outputs);
    }
    let bytes = if g.is_pointwise() {
        if g.places_len() == 1 { g.depth().next_multiple_of(64) } else { 0 }
    } else {
        Phases::of(g)?.len.checked_mul(g.channels)?
    };
    Some(g.outputs + bytes.div_ceil(4))
}

/// `y = scale(sum (x - x_zero) w + bias) + y_zero` for every place and output channel, `[batch, outputs, height, width]`. Sums wrap around in 32 bits; those of at most 32768 products
/// without a bias cannot.
///
/// `scale` gives the factor of an output channel. Every table gives the same bits.
///
/// # Panics
/// If lengths do not fit the geometry, or it is none that [`int8_conv_scratch`] accepts.
pub fn int8_conv(
    team: &mut Team<'_>,
    conv: &Int8Conv<'_>,
    scale: &(dyn Fn(usize) -> Scale + Sync),
    mut out: Int8Output<'_>,
    scratch: &mut [f32],
) {
    let g = &conv.geometry;
    assert_eq!(conv.x.len(), g.batch * g.channels * g.image_len());
    assert_eq!(out.len(), g.batch * g.outputs * g.places_len());
    assert!(conv.w.len() == g.outputs * g.depth() && conv.bias.len() == g.outputs);
    if out.len() == 0 {
        return;
    }
    let (starts, scratch) = scratch.split_at_mut(g.outputs);
    let starts: &mut [i32] = bytemuck::cast_slice_mut(starts);
    start(team, conv, starts);
    if depthwise::fits(g) {
        return depthwise::convolve(team, conv, scale, starts, out);
    }
    let scratch: &mut [u8] = bytemuck::cast_slice_mut(scratch);
    let (image_len, len) = (g.channels * g.image_len(), g.outputs * g.places_len());
    for n in 0..g.batch {
        let x = &conv.x[n * image_len..][..image_len];
        let mut part = match &mut out {
            Int8Output::Bytes(y, bounds) => Int8Output::Bytes(&mut y[n * len..][..len], *bounds),
            Int8Output::Words(y) => Int8Output::Words(&mut y[n * len..][..len]),
        };
        image(team, conv, x, scale, starts, &mut part, scratch);
    }
}

/// What sums of unsigned products start from: the bias, less what 128 and the zero point add.
fn start(team: &mut Team<'_>, conv: &Int8Conv<'_>, starts: &mut [i32]) {
    let depth = conv.geometry.depth();
    let kernels = team.kernels();
    let rows = (TASK / depth).max(1);
    team.for_each_chunk_mut(starts, rows, |chunk, starts| {
        let first = chunk * rows;
        kernels.int8_row_sums(&conv.w[first * depth..][..starts.len() * depth], starts);
        for (start, bias) in starts.iter_mut().zip(&conv.bias[first..]) {
            *start = bias.wrapping_sub((128 + conv.x_zero).wrapping_mul(*start));
        }
    });
}

/// One image.
fn image(
    team: &mut Team<'_>,
    conv: &Int8Conv<'_>,
    x: &[i8],
    scale: &(dyn Fn(usize) -> Scale + Sync),
    starts: &[i32],
    out: &mut Int8Output<'_>,
    scratch: &mut [u8],
) {
    let g = &conv.geometry;
    let places = g.places_len();
    if g.is_pointwise() && places == 1 && g.groups == 1 {
        return dense(team, conv, x, scale, starts, out, scratch);
    }
    let planes = if g.is_pointwise() {
        Planes { x, phases: Phases::flat(places), kernel: [1, 1], width: places }
    } else {
        pad(team, conv, x, bytemuck::cast_slice_mut(scratch))
    };
    let (cg, og, depth) = (g.channels / g.groups, g.outputs / g.groups, g.depth());
    let bounds = if let Int8Output::Bytes(_, bounds) = out { *bounds } else { [0; 2] };
    let (mut no_bytes, mut no_words) = (Vec::new(), Vec::new());
    let (bytes, words): (&mut [i8], &mut [i16]) = match out {
        Int8Output::Bytes(y, _) => (y, &mut no_words),
        Int8Output::Words(y) => (&mut no_bytes, y),
    };
    let as_bytes = !bytes.is_empty();
    let (bytes, words) = (SharedMut::new(bytes), SharedMut::new(words));
    let results = if as_bytes { Results::Bytes(&bytes, bounds) } else { Results::Words(&words) };
    // Tasks are some columns of some rows of a group.
    let blocks = places.div_ceil(MAX_COLUMNS);
    let tasks = (2 * team.threads()).min(blocks.max(1));
    let together = if team.threads() == 1 {
        blocks
    } else {
        (TASK / (MAX_COLUMNS * og * depth).max(1)).clamp(1, blocks.div_ceil(tasks))
    };
    let across = blocks.div_ceil(together);
    let down = if team.threads() == 1 || across * g.groups >= 2 * team.threads() {
        1
    } else {
        (MAX_COLUMNS.min(places) * og * depth / TASK).clamp(1, team.threads())
    };
    let rows = og.div_ceil(down).next_multiple_of(4);
    let down = og.div_ceil(rows);
    let kernels = team.kernels();
    team.run_with_buffers(g.groups * across * down, |task, buffers| {
        let (group, block) = (task / (across * down), task % (across * down));
        let (first, row) = (block / down * together * MAX_COLUMNS, block % down * rows);
        let panel = bytes_at_least(&mut buffers.lines, panel_len(depth));
        let own =
            Planes { x: &planes.x[group * cg * planes.phases.len..][..cg * planes.phases.len], ..planes };
        let job = Columns {
            planes: own,
            w: &conv.w[group * og * depth..][..og * depth],
            depth,
            starts: &starts[group * og..][..og],
            number: group * og,
            rows: row..og.min(row + rows),
            columns: first..places.min(first + together * MAX_COLUMNS),
            scale,
            zero: conv.y_zero,
            out: results,
            stride: places,
        };
        kernels.int8_columns(&job, panel);
    });
}

/// The planes of an image with padding around, each cut into phases, in `scratch`.
fn pad<'a>(team: &mut Team<'_>, conv: &Int8Conv<'_>, x: &[i8], scratch: &'a mut [i8]) -> Planes<'a> {
    let g = &conv.geometry;
    #[allow(clippy::expect_used)]
    let phases = Phases::of(g).expect("the caller asked whether the geometry is accepted");
    let scratch = &mut scratch[..g.channels * phases.len];
    let zero = conv.x_zero as i8;
    let together = (TASK / phases.len).clamp(1, g.channels.div_ceil(team.threads()));
    team.for_each_chunk_mut(scratch, together * phases.len, |chunk, out| {
        for (i, out) in out.chunks_exact_mut(phases.len).enumerate() {
            let plane = &x[(chunk * together + i) * g.image_len()..][..g.image_len()];
            out.fill(zero);
            phases.fill(g, plane, out, copy_run::<0>, |x| x);
        }
    });
    Planes { x: scratch, phases, kernel: g.kernel, width: g.places[1] }
}

/// A single place: rows of weights times one column.
fn dense(
    team: &mut Team<'_>,
    conv: &Int8Conv<'_>,
    x: &[i8],
    scale: &(dyn Fn(usize) -> Scale + Sync),
    starts: &[i32],
    out: &mut Int8Output<'_>,
    column: &mut [u8],
) {
    const ROWS: usize = 64;
    let g = &conv.geometry;
    let depth = g.depth();
    let column = &mut column[..depth.next_multiple_of(64)];
    column.fill(0);
    copy_run::<128>(x, bytemuck::cast_slice_mut(&mut column[..depth]));
    let column = &*column;
    let kernels = team.kernels();
    let multiply = |first: usize, words: &mut [i16]| {
        let w = &conv.w[first * depth..][..words.len() * depth];
        kernels.int8_dense(
            &Dense { w, depth, x: column, starts: &starts[first..], first, scale, zero: conv.y_zero },
            words,
        );
    };
    match out {
        Int8Output::Words(y) => {
            team.for_each_chunk_mut(y, ROWS, |chunk, y| multiply(chunk * ROWS, y));
        }
        Int8Output::Bytes(y, [low, high]) => team.for_each_chunk_mut(y, ROWS, |chunk, y| {
            let mut words = [0i16; ROWS];
            multiply(chunk * ROWS, &mut words[..y.len()]);
            for (y, word) in y.iter_mut().zip(words) {
                *y = word.clamp((*low).into(), (*high).into()) as i8;
            }
        }),
    }
}
