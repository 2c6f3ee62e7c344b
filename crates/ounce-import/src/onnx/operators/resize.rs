//! Resizing of images.

use ounce_graph::ops::{Coordinates, Resize, ResizeMode};

use super::super::call::{Attributes, Built, Call, axis, extents};
use super::super::error::Fault;
use super::{Operator, int_of, one_of};

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new(
        "Resize",
        &[
            "antialias",
            "axes",
            "coordinate_transformation_mode",
            "cubic_coeff_a",
            "exclude_outside",
            "extrapolation_value",
            "keep_aspect_ratio_policy",
            "mode",
            "nearest_mode",
        ],
        resize,
    )
    .checked(supported),
    Operator::new("Upsample", &["mode", "scales"], upsample).checked(mode),
];

fn mode(attributes: Attributes<'_>) -> Result<(), String> {
    one_of(attributes, "mode", &["nearest", "linear"])
}

fn supported(attributes: Attributes<'_>) -> Result<(), String> {
    mode(attributes)?;
    int_of(attributes, "antialias", &[0])?;
    one_of(
        attributes,
        "coordinate_transformation_mode",
        &["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"],
    )?;
    one_of(attributes, "keep_aspect_ratio_policy", &["stretch", "not_larger", "not_smaller"])?;
    if attributes.text_or("mode", "nearest").is_ok_and(|mode| mode == "nearest") {
        one_of(attributes, "nearest_mode", &["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])?;
    }
    Ok(())
}

fn upsample<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let scales = match call.attributes().floats("scales")? {
        Some(scales) => scales.to_vec(),
        None => call.floats(1)?,
    };
    let is_linear = call.attributes().text_or("mode", "nearest")? == "linear";
    let mode = if is_linear { ResizeMode::Bilinear } else { ResizeMode::NearestFloor };
    scaled(call, &scales, mode, Coordinates::Asymmetric)
}

/// Extents for given scales of all axes.
fn output(extent: usize, scale: f32) -> Result<usize, Fault> {
    let extent = (extent as f64 * f64::from(scale)).floor();
    if extent.is_finite() && (1.0..1e15).contains(&extent) {
        Ok(extent as usize)
    } else {
        Err(Fault::Arithmetic)
    }
}

fn scaled<'m>(
    call: &mut Call<'_, 'm>,
    scales: &[f32],
    mode: ResizeMode,
    coordinates: Coordinates,
) -> Built<'m> {
    let shape = call.shape(0)?;
    if scales.len() != shape.len() {
        return Err(Fault::Shape(format!("{} scales for {} axes", scales.len(), shape.len())));
    }
    let wanted = shape.iter().zip(scales).map(|(extent, scale)| output(*extent, *scale));
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    to(call, &wanted, Some(scales), mode, coordinates)
}

/// Resizes to given extents of all axes, of which only the last two may change.
fn to<'m>(
    call: &mut Call<'_, 'm>,
    wanted: &[usize],
    scales: Option<&[f32]>,
    mode: ResizeMode,
    coordinates: Coordinates,
) -> Built<'m> {
    let shape = call.shape(0)?;
    let ([n, c, _, _], [m, d, height, width]) = (&shape[..], wanted) else {
        return Err(Fault::Shape(format!("images [N, C, H, W] can be resized, found {shape:?}")));
    };
    if [n, c] != [m, d] {
        return Err(Fault::Shape(format!("height and width alone can be resized: {shape:?} to {wanted:?}")));
    }
    let x = call.real(0)?;
    let scale = scales.map(|scales| [scales[2], scales[3]]);
    let y = call.apply(Resize { mode, coordinates, output: [*height, *width], scale }, &[x])?;
    call.made(y)
}

fn resize<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let attributes = call.attributes();
    let is_linear = attributes.text_or("mode", "nearest")? == "linear";
    if call.opset() < 11 {
        let scales = call.floats(1)?;
        let mode = if is_linear { ResizeMode::Bilinear } else { ResizeMode::NearestFloor };
        return scaled(call, &scales, mode, Coordinates::Asymmetric);
    }
    let mode = match attributes.text_or("nearest_mode", "round_prefer_floor")? {
        _ if is_linear => ResizeMode::Bilinear,
        "floor" => ResizeMode::NearestFloor,
        "ceil" => ResizeMode::NearestCeil,
        "round_prefer_ceil" => ResizeMode::NearestRoundUp,
        _ => ResizeMode::NearestRound,
    };
    let coordinates = match attributes.text_or("coordinate_transformation_mode", "half_pixel")? {
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        _ => Coordinates::HalfPixel,
    };
    let shape = call.shape(0)?;
    let axes: Vec<usize> = match attributes.ints("axes")? {
        Some(axes) => axes.iter().map(|at| axis(*at, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect(),
    };
    if call.has(3) && !call.shape(3)?.contains(&0) {
        let sizes = extents(&call.ints(3)?)?;
        if sizes.len() != axes.len() {
            return Err(Fault::Shape(format!("{} sizes for {} axes", sizes.len(), axes.len())));
        }
        return sized(call, &axes, &sizes, mode, coordinates);
    }
    let given = call.floats(2)?;
    if given.len() != axes.len() {
        return Err(Fault::Shape(format!("{} scales for {} axes", given.len(), axes.len())));
    }
    let mut scales = vec![1.0; shape.len()];
    axes.iter().zip(&given).for_each(|(at, scale)| scales[*at] = *scale);
    scaled(call, &scales, mode, coordinates)
}

fn sized<'m>(
    call: &mut Call<'_, 'm>,
    axes: &[usize],
    sizes: &[usize],
    mode: ResizeMode,
    coordinates: Coordinates,
) -> Built<'m> {
    let shape = call.shape(0)?;
    let mut wanted = shape.clone();
    axes.iter().zip(sizes).for_each(|(at, size)| wanted[*at] = *size);
    let policy = call.attributes().text_or("keep_aspect_ratio_policy", "stretch")?;
    if policy == "stretch" {
        return to(call, &wanted, None, mode, coordinates);
    }
    // One scale for all axes: the least or the largest that the sizes ask for.
    let asked = axes.iter().zip(sizes).map(|(at, size)| *size as f32 / shape[*at] as f32);
    let scale =
        if policy == "not_larger" { asked.fold(f32::INFINITY, f32::min) } else { asked.fold(0.0, f32::max) };
    let mut scales = vec![1.0; shape.len()];
    for at in axes {
        scales[*at] = scale;
        let extent = (scale * shape[*at] as f32).round();
        wanted[*at] =
            if (1.0..1e15).contains(&extent) { extent as usize } else { return Err(Fault::Arithmetic) };
    }
    to(call, &wanted, Some(&scales), mode, coordinates)
}
