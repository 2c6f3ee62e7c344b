//! Arithmetic on shapes: strides, broadcasting, walks over indices.

use std::ops::{Deref, DerefMut};

use crate::error::OpError;

/// The most axes of a value.
pub const MAX_RANK: usize = 8;

/// A number for every axis, kept without allocation.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Dims {
    extents: [usize; MAX_RANK],
    rank: usize,
}

impl Deref for Dims {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.extents[..self.rank]
    }
}

impl DerefMut for Dims {
    fn deref_mut(&mut self) -> &mut [usize] {
        &mut self.extents[..self.rank]
    }
}

impl FromIterator<usize> for Dims {
    /// The first [`MAX_RANK`] numbers.
    fn from_iter<I: IntoIterator<Item = usize>>(numbers: I) -> Self {
        let mut dims = Self::default();
        for (number, extent) in numbers.into_iter().zip(&mut dims.extents) {
            *extent = number;
            dims.rank += 1;
        }
        dims
    }
}

/// The distance in elements between neighbours along every axis of a row-major array.
pub fn strides(shape: &[usize]) -> Dims {
    let mut strides: Dims = shape.iter().map(|_| 1).collect();
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The shape that two shapes broadcast to by NumPy's rules.
///
/// # Errors
/// If two extents differ and neither is 1.
pub fn broadcast(a: &[usize], b: &[usize]) -> Result<Dims, OpError> {
    let rank = a.len().max(b.len());
    let extent =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (extent(a, axis), extent(b, axis)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(OpError::Broadcast { a: a.to_vec(), b: b.to_vec() }),
        })
        .collect()
}

/// Strides by which an array of shape `from` is read along the axes of `to`, which it broadcasts to: 0 where it is repeated.
pub fn broadcast_strides(from: &[usize], to: &[usize]) -> Dims {
    let own = strides(from);
    let missing = to.len() - from.len();
    (0..to.len())
        .map(|axis| match axis.checked_sub(missing) {
            Some(axis) if from[axis] != 1 => own[axis],
            _ => 0,
        })
        .collect()
}

/// Calls `visit(position, offsets)` for every index of `shape` in order, with the offsets that the given strides give it.
pub fn walk<const N: usize>(
    shape: &[usize],
    strides: [&[usize]; N],
    mut visit: impl FnMut(usize, [usize; N]),
) {
    if shape.contains(&0) {
        return;
    }
    let mut position = 0;
    walk_axis(shape, strides, [0; N], &mut position, &mut visit);
}

fn walk_axis<const N: usize>(
    shape: &[usize],
    strides: [&[usize]; N],
    offsets: [usize; N],
    position: &mut usize,
    visit: &mut impl FnMut(usize, [usize; N]),
) {
    let Some((extent, shape)) = shape.split_first() else {
        visit(*position, offsets);
        *position += 1;
        return;
    };
    let mut offsets = offsets;
    let inner = strides.map(|s| &s[1..]);
    for _ in 0..*extent {
        walk_axis(shape, inner, offsets, position, visit);
        for (offset, strides) in offsets.iter_mut().zip(&strides) {
            *offset = offset.wrapping_add(strides[0]);
        }
    }
}

/// Extents before, at and after an axis: `[outer, axis, inner]`, whose product is the number of elements.
pub fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

/// An axis is below the rank.
///
/// # Errors
/// If it is not.
pub fn check_axis(axis: usize, rank: usize) -> Result<(), OpError> {
    if axis < rank { Ok(()) } else { Err(OpError::Axis { axis, rank }) }
}
