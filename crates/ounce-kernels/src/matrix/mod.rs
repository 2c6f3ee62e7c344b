//! Weight matrices in the layouts that the kernels read.

mod arena;
mod float;
mod packed;
mod w8a8;

use std::fmt;

pub(crate) use arena::{Arena, advise_huge_pages};
pub(crate) use float::FloatMatrix;
pub(crate) use packed::PackedMatrix;
pub(crate) use w8a8::{TokenForm, W8A8Matrix};

use crate::ops::{BlockError, Rotation};
use crate::{SharedBytes, Team};

/// The number format of a float matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FloatType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// bfloat16.
    BF16,
}

/// How the quants of a packed matrix are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quants {
    /// Unsigned 4-bit quants, 0..=15.
    U4 {
        /// Every minimum is -8 times the scale and none is stored.
        symmetric: bool,
    },
    /// Signed 8-bit quants.
    I8 {
        /// Groups have a minimum.
        mins: bool,
        /// The smallest quant that occurs.
        lowest: i8,
        /// The largest quant that occurs. Where the two are less than 64 apart, products are faster.
        highest: i8,
    },
}

/// The shape and layout of a matrix to be packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PackSpec {
    /// Output features.
    pub rows: usize,
    /// Input features, a multiple of 32 and of `group`.
    pub cols: usize,
    /// Columns that share a scale: 16, or a multiple of 32.
    pub group: usize,
    /// How quants are stored.
    pub quants: Quants,
}

/// One row of a quantized matrix, to be filled: `w[c] = scales[c / group] * quants[c] + mins[c / group]`.
#[derive(Debug)]
pub struct QuantRow<'a> {
    /// `[cols]`
    pub quants: &'a mut [i8],
    /// `[cols / group]`
    pub scales: &'a mut [f32],
    /// `[cols / group]`, or empty where the layout stores no minimums.
    pub mins: &'a mut [f32],
}

/// How the activations of a product with 8-bit weights are quantized: symmetric, `x = scale * q`, `|q| <= 127`, rounded to nearest.
///
/// A token whose activations hold an infinity or NaN has no meaningful quants; its products are NaN.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ActivationScale {
    /// One scale per token: the largest magnitude of its features, divided by 127.
    PerToken,
    /// One scale for all tokens, found beforehand. What lies beyond 127 times the scale is clamped.
    Fixed(f32),
}

/// The shape of a matrix of 8-bit weights with one scale per row, and how its inputs are quantized.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct W8A8Spec {
    /// Output features.
    pub rows: usize,
    /// Input features, at most 131072.
    pub cols: usize,
    /// The scale of the activations.
    pub activations: ActivationScale,
    /// Activations are rotated before they are quantized; the weights are those of the rotated activations.
    pub rotation: Option<Rotation>,
}

/// Why a matrix could not be made.
#[derive(Clone, PartialEq, Debug)]
pub enum MatrixError {
    /// The number of bytes does not fit the shape.
    Size {
        /// Rows and columns asked for.
        shape: [usize; 2],
        /// Bytes that this shape takes, if it is representable at all.
        expected: Option<usize>,
        /// Bytes given.
        found: usize,
    },
    /// The group is neither 16 nor a multiple of 32, or does not divide the columns.
    Group {
        /// Columns of the matrix.
        cols: usize,
        /// Columns that share a scale.
        group: usize,
    },
    /// A sum of so many products of bytes could overflow 32 bits.
    Width {
        /// Columns asked for.
        cols: usize,
        /// The most columns of this layout.
        most: usize,
    },
    /// The activations cannot be rotated in such blocks.
    Rotation(BlockError),
    /// The fixed scale of the activations is not a positive number.
    FixedScale {
        /// The scale given.
        found: f32,
    },
}

impl fmt::Display for MatrixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MatrixError::Size { shape: [rows, cols], expected: Some(expected), found } => {
                write!(f, "a {rows} x {cols} matrix takes {expected} bytes, found {found}")
            }
            MatrixError::Size { shape: [rows, cols], expected: None, .. } => {
                write!(f, "a {rows} x {cols} matrix does not fit this machine's address space")
            }
            MatrixError::Group { cols, group } => write!(
                f,
                "groups of {group} columns do not fit {cols} columns: the group must be 16 or a multiple of 32 and divide \
                 the columns, which must be a multiple of 32"
            ),
            MatrixError::Width { cols, most } => {
                write!(
                    f,
                    "{cols} columns are too many for 32-bit sums of 8-bit products, which take at most {most}"
                )
            }
            MatrixError::Rotation(error) => error.fmt(f),
            MatrixError::FixedScale { found } => {
                write!(f, "the fixed scale of the activations must be positive and finite, found {found}")
            }
        }
    }
}

impl std::error::Error for MatrixError {}

/// A weight matrix `[rows, cols]` (output by input features, as PyTorch's `Linear.weight`).
#[derive(Debug)]
pub struct Matrix {
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Float(FloatMatrix),
    Packed(PackedMatrix),
    W8A8(W8A8Matrix),
}

impl Matrix {
    /// A matrix over little-endian, row-major floats. The bytes are borrowed where they are aligned for their type, else copied.
    ///
    /// # Errors
    /// [`MatrixError::Size`] if the number of bytes is not rows times columns times the size of an element.
    pub fn from_float(
        ty: FloatType,
        rows: usize,
        cols: usize,
        bytes: SharedBytes,
    ) -> Result<Self, MatrixError> {
        Ok(Self { kind: Kind::Float(FloatMatrix::new(ty, rows, cols, bytes)?) })
    }

    /// A matrix over row-major floats, which it takes over without a copy.
    ///
    /// # Errors
    /// [`MatrixError::Size`] if there are not rows times columns values.
    pub fn from_f32(rows: usize, cols: usize, values: Vec<f32>) -> Result<Self, MatrixError> {
        Ok(Self { kind: Kind::Float(FloatMatrix::from_f32(rows, cols, values)?) })
    }

    /// The elements row by row, `rows * cols` of them, if this is a matrix of single-precision floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.kind {
            Kind::Float(matrix) => matrix.as_f32(),
            Kind::Packed(_) | Kind::W8A8(_) => None,
        }
    }

    /// Packs a quantized matrix. `fill(row, parts)` is called once for every row, on any thread. Scales and minimums are kept in half
    /// precision (relative to the largest of 16 rows, so that none is lost to a small exponent).
    ///
    /// # Errors
    /// [`MatrixError::Group`] if the group does not fit, [`MatrixError::Size`] if the matrix is too large to address.
    pub fn pack(
        team: &mut Team<'_>,
        spec: PackSpec,
        fill: impl Fn(usize, QuantRow<'_>) + Sync,
    ) -> Result<Self, MatrixError> {
        Ok(Self { kind: Kind::Packed(PackedMatrix::pack(team, spec, fill)?) })
    }

    /// Packs a matrix of signed bytes with one scale per row, `w[r][c] = scale[r] * quant[r][c]`. `fill(row, quants)` fills the
    /// `cols` quants of a row and returns its scale; it is called once for every row, on any thread.
    ///
    /// Products are summed exactly, in integers, over all columns, and only then multiplied with the scales of the row and of the
    /// token.
    ///
    /// # Errors
    /// [`MatrixError::Width`] above 131072 columns, where sums could overflow; [`MatrixError::FixedScale`] if the scale of the
    /// activations is fixed but not positive; [`MatrixError::Rotation`] if its blocks do not divide the columns; [`MatrixError::Size`] if the matrix is too large to address.
    pub fn pack_w8a8(
        team: &mut Team<'_>,
        spec: W8A8Spec,
        fill: impl Fn(usize, &mut [i8]) -> f32 + Sync,
    ) -> Result<Self, MatrixError> {
        Ok(Self { kind: Kind::W8A8(W8A8Matrix::pack(team, spec, fill)?) })
    }

    /// Output features.
    pub fn rows(&self) -> usize {
        match &self.kind {
            Kind::Float(matrix) => matrix.rows,
            Kind::Packed(matrix) => matrix.rows,
            Kind::W8A8(matrix) => matrix.rows,
        }
    }

    /// Input features.
    pub fn cols(&self) -> usize {
        match &self.kind {
            Kind::Float(matrix) => matrix.cols,
            Kind::Packed(matrix) => matrix.cols,
            Kind::W8A8(matrix) => matrix.cols,
        }
    }

    /// Bytes that one product with a vector reads.
    pub fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Float(matrix) => matrix.data().len(),
            Kind::Packed(matrix) => matrix.bytes(),
            Kind::W8A8(matrix) => matrix.bytes(),
        }
    }

    /// The layout's name, such as `f16` or `u4 g32 min`.
    pub fn layout_name(&self) -> String {
        match &self.kind {
            Kind::Float(matrix) => matrix.element_name().into(),
            Kind::Packed(matrix) => matrix.layout_name(),
            Kind::W8A8(matrix) => matrix.layout_name(),
        }
    }
}
