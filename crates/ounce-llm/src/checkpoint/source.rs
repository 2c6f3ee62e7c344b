//! Where a matrix lies in a checkpoint.

use super::{LoadError, Tensor, WeightLoader, weight_names};
use ounce_formats::quantized::QuantizedLinear;
use ounce_kernels::ops::Rotation;

/// A matrix in a checkpoint, found and checked but not read. Leading dimensions of a tensor of more than two count as rows.
pub(crate) struct MatrixSource<'l> {
    pub(super) name: String,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) content: Content<'l>,
}

/// How a matrix is stored.
pub(super) enum Content<'l> {
    /// One tensor of floats or of GGUF blocks.
    Tensor(Tensor),
    /// The packed tensors of a quantized linear map in a Hugging Face folder, and how its inputs are rotated.
    Quantized(QuantizedLinear<'l>, Option<Rotation>),
}

/// Last parts of the names of tensors that hold quants; `weight` may also be a float.
const QUANTS: [&str; 3] = ["weight", "qweight", "weight_packed"];

impl<'l> MatrixSource<'l> {
    /// The matrix that a tensor holds.
    pub(crate) fn of(tensor: Tensor) -> Self {
        let (cols, leading) = tensor.shape.split_last().map_or((1, &[][..]), |(&cols, rest)| (cols, rest));
        let rows = leading.iter().product();
        Self { name: tensor.name.clone(), rows, cols, content: Content::Tensor(tensor) }
    }

    fn quantized(module: &str, linear: QuantizedLinear<'l>, rotation: Option<Rotation>) -> Self {
        let (rows, cols) = (linear.rows(), linear.cols());
        Self { name: module.to_owned(), rows, cols, content: Content::Quantized(linear, rotation) }
    }

    /// Output features.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
}

impl<'l> WeightLoader<'l, '_> {
    /// Whether the checkpoint has a matrix under one of `stems`, in floats or quantized.
    pub(crate) fn holds(&self, stems: &[String]) -> bool {
        stems.iter().any(|stem| self.holds_one(stem))
    }

    fn holds_one(&self, stem: &str) -> bool {
        QUANTS.iter().any(|last| self.checkpoint.holds(&format!("{stem}.{last}")))
    }

    /// The matrix under the first of `stems` that the checkpoint holds, of the given shape; nothing is read.
    pub(crate) fn source(&self, stems: &[String], expected: &[usize]) -> Result<MatrixSource<'l>, LoadError> {
        let Some(stem) = stems.iter().find(|stem| self.holds_one(stem)) else {
            let name = weight_names(stems).join(" or ");
            return Err(LoadError::MissingTensor { name, expected: expected.to_vec() });
        };
        if let Some((folder, scheme)) = self.checkpoint.scheme(stem)
            && let Some(linear) = QuantizedLinear::open(folder, stem, scheme)?
        {
            let rotation = self.checkpoint.rotation(stem, linear.cols())?;
            let source = MatrixSource::quantized(stem, linear, rotation);
            let found = vec![source.rows, source.cols];
            return if found == expected {
                Ok(source)
            } else {
                Err(LoadError::TensorShape { name: stem.clone(), expected: expected.to_vec(), found })
            };
        }
        let name = format!("{stem}.weight");
        if !self.checkpoint.holds(&name) {
            return Err(LoadError::UndescribedQuants { module: stem.clone() });
        }
        if self.checkpoint.rotation(stem, expected.last().copied().unwrap_or(1))?.is_some() {
            return Err(LoadError::RotatedFloats { module: stem.clone() });
        }
        Ok(MatrixSource::of(self.tensor(&[name], expected)?))
    }
}
