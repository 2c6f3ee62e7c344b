//! Weight matrices in the layouts that the kernels read.

mod arena;
mod float;
mod packed;

use std::fmt;

pub(crate) use arena::Arena;
pub(crate) use float::FloatMatrix;
pub(crate) use packed::PackedMatrix;

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

/// Why a matrix could not be made.
#[derive(Clone, PartialEq, Eq, Debug)]
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
            Kind::Packed(_) => None,
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

    /// Output features.
    pub fn rows(&self) -> usize {
        match &self.kind {
            Kind::Float(matrix) => matrix.rows,
            Kind::Packed(matrix) => matrix.rows,
        }
    }

    /// Input features.
    pub fn cols(&self) -> usize {
        match &self.kind {
            Kind::Float(matrix) => matrix.cols,
            Kind::Packed(matrix) => matrix.cols,
        }
    }

    /// Bytes that one product with a vector reads.
    pub fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Float(matrix) => matrix.data().len(),
            Kind::Packed(matrix) => matrix.bytes(),
        }
    }

    /// The layout's name, such as `f16` or `u4 g32 min`.
    pub fn layout_name(&self) -> String {
        match &self.kind {
            Kind::Float(matrix) => matrix.element_name().into(),
            Kind::Packed(matrix) => matrix.layout_name(),
        }
    }
}

impl Matrix {
    /// Whether products need quantized activations.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.kind, Kind::Packed(_))
    }
}
