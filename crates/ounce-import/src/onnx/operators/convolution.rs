//! Convolutions.

use ounce_graph::ValueId;
use ounce_graph::ops::{Conv2d, ConvTranspose2d, Reshape, Window};

use super::super::call::{Attributes, Built, Call, extents};
use super::super::error::Fault;
use super::{Operator, one_of};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Conv", &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"], conv)
        .checked(auto_pad),
    Operator::new(
        "ConvTranspose",
        &[
            "auto_pad",
            "dilations",
            "group",
            "kernel_shape",
            "output_padding",
            "output_shape",
            "pads",
            "strides",
        ],
        conv_transpose,
    )
    .checked(auto_pad),
];

/// How a window is padded where the attributes do not say it in numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AutoPad {
    NotSet,
    SameUpper,
    SameLower,
    Valid,
}

pub(super) const AUTO_PADS: [&str; 4] = ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"];

pub(super) fn auto_pad(attributes: Attributes<'_>) -> Result<(), String> {
    one_of(attributes, "auto_pad", &AUTO_PADS)
}

impl AutoPad {
    pub(super) fn of(attributes: Attributes<'_>) -> Result<Self, Fault> {
        Ok(match attributes.text_or("auto_pad", "NOTSET")? {
            "SAME_UPPER" => Self::SameUpper,
            "SAME_LOWER" => Self::SameLower,
            "VALID" => Self::Valid,
            _ => Self::NotSet,
        })
    }

    /// Two parts of a padding.
    pub(super) fn share(self, total: usize) -> (usize, usize) {
        let half = total / 2;
        if self == Self::SameUpper { (half, total - half) } else { (total - half, half) }
    }
}

/// Values of one or two axes from an attribute; those of one axis are for the second of two.
pub(super) fn pair(
    attributes: Attributes<'_>,
    name: &'static str,
    axes: usize,
    default: usize,
) -> Result<[usize; 2], Fault> {
    let Some(ints) = attributes.ints(name)? else { return Ok([default; 2]) };
    let values = extents(ints).map_err(|fault| Fault::attribute(name, fault.to_string()))?;
    match (axes, &values[..]) {
        (1, [value]) => Ok([default, *value]),
        (2, [first, second]) => Ok([*first, *second]),
        _ => Err(Fault::attribute(name, format!("must have {axes} values, found {}", values.len()))),
    }
}

/// The window that a node's attributes describe, over an image and with a kernel of the given extents.
pub(super) fn window(
    attributes: Attributes<'_>,
    axes: usize,
    image: [usize; 2],
    kernel: [usize; 2],
) -> Result<Window, Fault> {
    let stride = pair(attributes, "strides", axes, 1)?;
    let dilation = pair(attributes, "dilations", axes, 1)?;
    let mut window = Window { stride, dilation, ..Window::default() };
    let auto = AutoPad::of(attributes)?;
    match auto {
        AutoPad::Valid => {}
        AutoPad::NotSet => {
            let pads = attributes.ints("pads")?.map(extents).transpose();
            match (axes, pads.map_err(|fault| Fault::attribute("pads", fault.to_string()))?.as_deref()) {
                (_, None) => {}
                (1, Some([left, right])) => (window.before[1], window.after[1]) = (*left, *right),
                (2, Some([top, left, bottom, right])) => {
                    (window.before, window.after) = ([*top, *left], [*bottom, *right]);
                }
                (_, Some(pads)) => {
                    return Err(Fault::attribute(
                        "pads",
                        format!("must have {} values, found {}", 2 * axes, pads.len()),
                    ));
                }
            }
        }
        AutoPad::SameUpper | AutoPad::SameLower => {
            for axis in 0..2 {
                if stride[axis] == 0 {
                    return Err(Fault::attribute("strides", "must be at least 1"));
                }
                let span = kernel[axis].saturating_sub(1).saturating_mul(dilation[axis]).saturating_add(1);
                let reach =
                    (image[axis].div_ceil(stride[axis]).saturating_sub(1)).saturating_mul(stride[axis]);
                let total = reach.saturating_add(span).saturating_sub(image[axis]);
                (window.before[axis], window.after[axis]) = auto.share(total);
            }
        }
    }
    Ok(window)
}

/// Extents of an image of one or two axes: their number, and height and width.
pub(super) fn image(shape: &[usize]) -> Result<(usize, [usize; 2]), Fault> {
    match shape {
        [_, _, width] => Ok((1, [1, *width])),
        [_, _, height, width] => Ok((2, [*height, *width])),
        _ => Err(Fault::Shape(format!("images of one or two dimensions are supported, found {shape:?}"))),
    }
}

/// A row as an image of height 1; images as they are.
pub(super) fn as_image(call: &mut Call<'_, '_>, x: ValueId) -> Result<ValueId, Fault> {
    match call.shape_of(x)[..] {
        [n, c, width] => call.apply(Reshape { shape: vec![n, c, 1, width] }, &[x]),
        _ => Ok(x),
    }
}

/// Takes back what [`as_image`] did.
pub(super) fn from_image(call: &mut Call<'_, '_>, y: ValueId, axes: usize) -> Result<ValueId, Fault> {
    match call.shape_of(y)[..] {
        [n, c, 1, width] if axes == 1 => call.apply(Reshape { shape: vec![n, c, width] }, &[y]),
        _ => Ok(y),
    }
}

fn groups(attributes: Attributes<'_>) -> Result<usize, Fault> {
    let groups = attributes.int_or("group", 1)?;
    usize::try_from(groups)
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| Fault::attribute("group", "must be at least 1"))
}

/// Image, kernel and bias of a node, and the extents of the first two.
type Operands = (usize, [usize; 2], [usize; 2], Vec<ValueId>);

fn operands(call: &mut Call<'_, '_>) -> Result<Operands, Fault> {
    let (axes, extents) = image(&call.shape(0)?)?;
    let (kernel_axes, kernel) = image(&call.shape(1)?)?;
    if kernel_axes != axes {
        return Err(Fault::Shape(format!("a kernel of {kernel_axes} dimensions for an image of {axes}")));
    }
    let (x, w) = (call.real(0)?, call.real(1)?);
    let (x, w) = (as_image(call, x)?, as_image(call, w)?);
    let bias = call.optional(2)?;
    Ok((axes, extents, kernel, [Some(x), Some(w), bias].into_iter().flatten().collect()))
}

fn conv<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let (axes, image, kernel, inputs) = operands(call)?;
    let window = window(call.attributes(), axes, image, kernel)?;
    let groups = groups(call.attributes())?;
    let y = call.apply(Conv2d::new(window).grouped(groups), &inputs)?;
    let y = from_image(call, y, axes)?;
    call.made(y)
}

fn conv_transpose<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let (axes, image, kernel, inputs) = operands(call)?;
    let attributes = call.attributes();
    let groups = groups(attributes)?;
    let output_padding = pair(attributes, "output_padding", axes, 0)?;
    let auto = AutoPad::of(attributes)?;
    let is_same = matches!(auto, AutoPad::SameUpper | AutoPad::SameLower);
    let stride = pair(attributes, "strides", axes, 1)?;
    let dilation = pair(attributes, "dilations", axes, 1)?;
    let op = if attributes.ints("output_shape")?.is_some() || is_same {
        let wanted = match attributes.ints("output_shape")? {
            Some(_) => pair(attributes, "output_shape", axes, 1)?,
            None => [0, 1].map(|axis| image[axis].saturating_mul(stride[axis])),
        };
        let mut window = Window { stride, dilation, ..Window::default() };
        for axis in 0..2 {
            let span = kernel[axis].saturating_sub(1).saturating_mul(dilation[axis]).saturating_add(1);
            let reach = image[axis].saturating_sub(1).saturating_mul(stride[axis]);
            let whole = reach.saturating_add(span).saturating_add(output_padding[axis]);
            (window.before[axis], window.after[axis]) = auto.share(whole.saturating_sub(wanted[axis]));
        }
        ConvTranspose2d { window, groups, output: wanted }
    } else {
        let window = window(attributes, axes, image, kernel)?;
        ConvTranspose2d::with_output_padding(window, groups, image, kernel, output_padding)
            .map_err(|error| Fault::Shape(error.to_string()))?
    };
    let y = call.apply(op, &inputs)?;
    let y = from_image(call, y, axes)?;
    call.made(y)
}
