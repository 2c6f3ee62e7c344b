//! Rows of matrices, and elements of biases, in the order of another world.

use super::options::LinearKind;
use super::plan::{Layout, Map};
use crate::arch::names::QkvOrder;
use crate::compress::CompressedWeight;
use crate::config::{Config, RopeStyle};
use ounce_quant::QuantizedMatrix;
use std::borrow::Cow;

/// For each row of a tensor of the target the row of the maps that it is made of, stacked in the order of [`Map::of`]. `None` if nothing
/// changes.
pub(super) fn order(config: &Config, layout: &Layout, map: Map) -> Option<Vec<usize>> {
    match map {
        Map::One(LinearKind::Q) => rotation_order(config, config.heads, layout.rope_style),
        Map::One(LinearKind::K) => rotation_order(config, config.kv_heads, layout.rope_style),
        Map::Qkv if layout.names.qkv_order == QkvOrder::Groups => Some(group_order(config)),
        _ => None,
    }
}

/// From the source's pairing of the rows of each head to another.
fn rotation_order(config: &Config, heads: usize, target: RopeStyle) -> Option<Vec<usize>> {
    if config.rope_style == target {
        return None;
    }
    let head_dim = config.head_dim;
    let rotary = config.ropes.first().map_or(head_dim, |rope| rope.rotary_dim);
    let half = rotary / 2;
    let within = |row: usize| match target {
        _ if row >= rotary => row,
        RopeStyle::Interleaved => row % 2 * half + row / 2,
        RopeStyle::HalfSplit => row % half * 2 + row / half,
    };
    Some((0..heads * head_dim).map(|row| row / head_dim * head_dim + within(row % head_dim)).collect())
}

/// From all queries, all keys, all values to the heads of each group: its queries, its key, its value.
fn group_order(config: &Config) -> Vec<usize> {
    let (head_dim, queries) = (config.head_dim, config.heads / config.kv_heads * config.head_dim);
    let (q_width, kv_width) = (config.q_width(), config.kv_width());
    let group = |group: usize| {
        let key = q_width + group * head_dim;
        let value = key + kv_width;
        (group * queries..(group + 1) * queries).chain(key..key + head_dim).chain(value..value + head_dim)
    };
    (0..config.kv_heads).flat_map(group).collect()
}

/// Some matrices of `cols` columns as one, its rows in the given order of theirs. In words what is wrong if they do not belong together.
pub(super) fn gather<'w>(
    parts: &[&'w CompressedWeight],
    cols: usize,
    order: Option<&[usize]>,
) -> Result<Cow<'w, CompressedWeight>, String> {
    let stacked = match parts {
        [] => return Err("nothing".to_owned()),
        [one] => Cow::Borrowed(*one),
        [first, rest @ ..] => Cow::Owned(rest.iter().try_fold((*first).clone(), stack)?),
    };
    Ok(match order {
        None => stacked,
        Some(order) => Cow::Owned(select(&stacked, cols, order)?),
    })
}

fn stack(mut all: CompressedWeight, next: &&CompressedWeight) -> Result<CompressedWeight, String> {
    match (&mut all, next) {
        (CompressedWeight::Float(all), CompressedWeight::Float(next)) => all.extend_from_slice(next),
        (CompressedWeight::Blocks { ty, bytes }, CompressedWeight::Blocks { ty: other, bytes: next })
            if ty == other =>
        {
            bytes.extend_from_slice(next);
        }
        (
            CompressedWeight::Grouped { matrix, input_scale, rotation },
            CompressedWeight::Grouped { matrix: next, input_scale: other, rotation: turned },
        ) if matrix.scheme == next.scheme
            && matrix.group == next.group
            && input_scale == other
            && rotation == turned =>
        {
            matrix.rows += next.rows;
            matrix.quants.extend_from_slice(&next.quants);
            matrix.scales.extend_from_slice(&next.scales);
            matrix.zeros.extend_from_slice(&next.zeros);
        }
        _ => return Err("parts of one tensor that are stored in different ways".to_owned()),
    }
    Ok(all)
}

fn select(weight: &CompressedWeight, cols: usize, order: &[usize]) -> Result<CompressedWeight, String> {
    Ok(match weight {
        CompressedWeight::Float(values) => CompressedWeight::Float(pick(values, cols, order)?),
        CompressedWeight::Blocks { ty, bytes } => {
            let row_bytes = ty.row_bytes(cols).ok_or_else(|| format!("{ty} in rows of {cols}"))?;
            CompressedWeight::Blocks { ty: *ty, bytes: pick(bytes, row_bytes, order)? }
        }
        CompressedWeight::Grouped { matrix, input_scale, rotation } => {
            let groups = matrix.cols / matrix.group.max(1);
            let matrix = QuantizedMatrix {
                rows: order.len(),
                quants: pick(&matrix.quants, matrix.cols, order)?,
                scales: pick(&matrix.scales, groups, order)?,
                zeros: pick(&matrix.zeros, groups, order)?,
                ..*matrix
            };
            CompressedWeight::Grouped { matrix, input_scale: *input_scale, rotation: *rotation }
        }
    })
}

/// Rows of `width` elements in another order.
pub(super) fn pick<T: Copy>(values: &[T], width: usize, order: &[usize]) -> Result<Vec<T>, String> {
    if values.len() != width * order.len() {
        return Err(format!("{} elements in {} rows of {width}", values.len(), order.len()));
    }
    let mut out = Vec::with_capacity(values.len());
    for &row in order {
        out.extend_from_slice(&values[row * width..(row + 1) * width]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_are_inverse_to_each_other_and_spare_what_does_not_rotate() {
        let mut config = super::super::tests::config_of("llama");
        config.heads = 2;
        config.head_dim = 8;
        config.ropes[0].rotary_dim = 6;
        config.rope_style = RopeStyle::HalfSplit;
        let interleaved = rotation_order(&config, 2, RopeStyle::Interleaved).unwrap();
        assert_eq!(interleaved, [0, 3, 1, 4, 2, 5, 6, 7, 8, 11, 9, 12, 10, 13, 14, 15]);
        config.rope_style = RopeStyle::Interleaved;
        let back = rotation_order(&config, 2, RopeStyle::HalfSplit).unwrap();
        let twice: Vec<usize> = back.iter().map(|&row| interleaved[row]).collect();
        assert_eq!(twice, (0..16).collect::<Vec<_>>());
        assert!(rotation_order(&config, 2, RopeStyle::Interleaved).is_none());
    }
}
