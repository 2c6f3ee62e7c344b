//! Pooling.

use ounce_graph::ops::{Pool2d, PoolKind, Reduce, ReduceKind, Window};

use super::super::call::{Attributes, Built, Call};
use super::super::error::Fault;
use super::convolution::{as_image, auto_pad, from_image, image, pair, window};
use super::{Operator, int_of};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new(
        "AveragePool",
        &["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"],
        average_pool,
    )
    .checked(auto_pad),
    Operator::new("GlobalAveragePool", &[], |call| global(call, ReduceKind::Mean)),
    Operator::new("GlobalMaxPool", &[], |call| global(call, ReduceKind::Max)),
    Operator::new(
        "MaxPool",
        &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"],
        |call| pool(call, PoolKind::Max),
    )
    .checked(max_pool),
];

fn max_pool(attributes: Attributes<'_>) -> Result<(), String> {
    auto_pad(attributes)?;
    int_of(attributes, "storage_order", &[0])
}

fn average_pool<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let counts_padding = call.attributes().flag("count_include_pad", false)?;
    pool(call, if counts_padding { PoolKind::Average } else { PoolKind::AverageInside })
}

fn pool<'m>(call: &mut Call<'_, 'm>, kind: PoolKind) -> Built<'m> {
    let attributes = call.attributes();
    let (axes, image) = image(&call.shape(0)?)?;
    if attributes.ints("kernel_shape")?.is_none() {
        return Err(Fault::attribute("kernel_shape", "is missing"));
    }
    let kernel = pair(attributes, "kernel_shape", axes, 1)?;
    let mut window = window(attributes, axes, image, kernel)?;
    let padded = window;
    if attributes.flag("ceil_mode", false)? {
        (0..2).for_each(|axis| round_up(&mut window, axis, image[axis], kernel[axis]));
    }
    // The mean counts the padding that is asked for, not what rounding up adds to it.
    if kind == PoolKind::Average && window != padded {
        return Err(Fault::attribute(
            "ceil_mode",
            "windows beyond the padding cannot count it: set count_include_pad to 0",
        ));
    }
    let x = call.real(0)?;
    let x = as_image(call, x)?;
    let y = call.apply(Pool2d { kind, kernel, window }, &[x])?;
    let y = from_image(call, y, axes)?;
    call.made(y)
}

/// Pads so that a last window which begins inside the image or its padding before is counted.
fn round_up(window: &mut Window, axis: usize, image: usize, kernel: usize) {
    let stride = window.stride[axis];
    let span = kernel.saturating_sub(1).saturating_mul(window.dilation[axis]).saturating_add(1);
    let padded = image.saturating_add(window.before[axis]).saturating_add(window.after[axis]);
    let Some(room) = padded.checked_sub(span) else { return };
    if stride == 0 || room.is_multiple_of(stride) {
        return;
    }
    let last = (room / stride + 1).saturating_mul(stride);
    if last < image.saturating_add(window.before[axis]) {
        window.after[axis] = window.after[axis].saturating_add(stride - room % stride);
    }
}

fn global<'m>(call: &mut Call<'_, 'm>, kind: ReduceKind) -> Built<'m> {
    let rank = call.shape(0)?.len();
    if rank < 3 {
        return Err(Fault::Shape(format!("a value of {rank} axes has nothing to pool")));
    }
    let x = call.real(0)?;
    let y = call.apply(Reduce { kind, axes: (2..rank).collect(), keep_dims: true }, &[x])?;
    call.made(y)
}
