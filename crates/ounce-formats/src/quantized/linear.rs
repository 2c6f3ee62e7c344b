//! Reading one quantized linear map.

use half::{bf16, f16};

use super::layout::{Dimensions, Layout, Part, layout, middle};
use super::{Activations, LinearFormat, LinearScheme, QuantizedError};
use crate::hugging_face::{Folder, SafetensorsType, TensorView};

/// One quantized linear map of an open folder. Shapes, types and lengths are checked at open; then rows can be unpacked on any thread.
#[derive(Clone, Debug)]
pub struct QuantizedLinear<'a> {
    dimensions: Dimensions,
    /// Columns per scale in the result.
    group: usize,
    activations: Activations,
    input_scale: Option<f32>,
    bytes: usize,
    layout: Layout,
    quants: &'a [u8],
    /// `None` if all are the middle.
    zeros: Option<&'a [u8]>,
    scales: &'a [u8],
    scale_type: SafetensorsType,
}

/// The tensors of one module.
struct Tensors<'a, 'm> {
    folder: &'a Folder,
    module: &'m str,
}

const SCALE_TYPES: &str = "F16, BF16 or F32";

impl<'a> QuantizedLinear<'a> {
    /// Opens the tensors of `module`, such as `model.layers.0.self_attn.q_proj`. `None` if the folder holds no packed tensors of this
    /// module: perhaps it has a float `weight`.
    ///
    /// # Errors
    /// Tensors that are missing or not as the scheme says, and columns in an order of their own (`g_idx` of GPTQ's `desc_act`).
    pub fn open(
        folder: &'a Folder,
        module: &str,
        scheme: &LinearScheme,
    ) -> Result<Option<Self>, QuantizedError> {
        let tensors = Tensors { folder, module };
        check_scheme(scheme)?;
        let Some(dimensions) = tensors.dimensions(scheme)? else {
            return Ok(None);
        };
        let mut layout = layout(scheme.format, dimensions);
        let quants = tensors.part(&layout.quants)?;
        let zeros = layout.zeros.as_ref().map(|part| tensors.part(part)).transpose()?;
        let scales = tensors.scales(&mut layout, scheme)?;
        tensors.check_order(&dimensions)?;
        let input_scale = match scheme.activations {
            Activations::Int8PerTensor => Some(tensors.input_scale()?),
            _ => None,
        };
        let sizes = [Some(quants), zeros, Some(scales.bytes())].into_iter().flatten().map(<[u8]>::len);
        let mut linear = Self {
            dimensions,
            group: greatest_common_divisor(dimensions.group, dimensions.cols),
            activations: scheme.activations,
            input_scale,
            bytes: sizes.sum(),
            layout,
            quants,
            zeros,
            scales: scales.bytes(),
            scale_type: scales.dtype(),
        };
        linear.dimensions.symmetric = scheme.symmetric && linear.zeros_are_middle();
        if linear.dimensions.symmetric {
            linear.zeros = None;
        }
        Ok(Some(linear))
    }

    /// Outputs.
    pub fn rows(&self) -> usize {
        self.dimensions.rows
    }

    /// Inputs.
    pub fn cols(&self) -> usize {
        self.dimensions.cols
    }

    /// Columns per scale that [`unpack_rows`](Self::unpack_rows) writes. Divides [`cols`](Self::cols) whatever the file's group is; scales
    /// of groups that do not are repeated.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Bits of a quant, at most 8.
    pub fn bits(&self) -> u8 {
        self.dimensions.bits
    }

    /// All zeros are `2^(bits - 1)`: the scheme says so, and so do the zeros in the file if there are any.
    pub fn symmetric(&self) -> bool {
        self.dimensions.symmetric
    }

    /// What becomes of the inputs.
    pub fn activations(&self) -> Activations {
        self.activations
    }

    /// The fixed scale of the inputs; there is one if and only if activations are [`Activations::Int8PerTensor`].
    pub fn input_scale(&self) -> Option<f32> {
        self.input_scale
    }

    /// Size of quants, zeros and scales in the file.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// One row: [`unpack_rows`](Self::unpack_rows) with the slices of one row.
    ///
    /// # Panics
    /// As [`unpack_rows`](Self::unpack_rows).
    pub fn unpack_row(&self, row: usize, quants: &mut [u8], scales: &mut [f32], zeros: &mut [u8]) {
        self.unpack_rows(row, quants, scales, zeros);
    }

    /// Unpacks rows from `first` on: quants `[n, cols]`, scales and zeros `[n, cols / group]`, where `n` follows from the length of `quants`.
    /// Zeros are written for symmetric schemes too; `zeros` may be empty if they are not wanted. Formats that interleave rows
    /// (AWQ, GPTQ) are read many times faster in runs of 8 or 16 rows from a multiple of 8 on than row by row.
    ///
    /// # Panics
    /// If the lengths do not belong together or there are not so many rows.
    pub fn unpack_rows(&self, first: usize, quants: &mut [u8], scales: &mut [f32], zeros: &mut [u8]) {
        let Dimensions { rows, cols, bits, group: file_group, .. } = self.dimensions;
        let (n, groups) = (quants.len() / cols, cols / self.group);
        assert!(first <= rows && n <= rows - first, "rows from {first} on, {n}, of {rows}");
        assert_eq!(quants.len(), n * cols, "quants of {n} rows of {cols}");
        assert_eq!(scales.len(), n * groups, "scales of {n} rows of {groups} groups");
        assert!(zeros.is_empty() || zeros.len() == n * groups, "zeros of {n} rows of {groups} groups");
        self.layout.quants.storage.unpack(self.quants, first, quants);
        let file_groups = |i: usize| i * self.group / file_group;
        for (row, scales) in scales.chunks_exact_mut(groups).enumerate() {
            for (i, scale) in scales.iter_mut().enumerate() {
                *scale = self.scale(first + row, file_groups(i));
            }
        }
        if zeros.is_empty() {
            return;
        }
        let (Some(bytes), Some(part)) = (self.zeros, &self.layout.zeros) else {
            return zeros.fill(middle(bits));
        };
        let stored = part.storage.cols();
        if stored == groups {
            return part.storage.unpack(bytes, first, zeros);
        }
        let mut file_zeros = vec![0; n * stored];
        part.storage.unpack(bytes, first, &mut file_zeros);
        for (zeros, file_zeros) in zeros.chunks_exact_mut(groups).zip(file_zeros.chunks_exact(stored)) {
            for (i, zero) in zeros.iter_mut().enumerate() {
                *zero = file_zeros[file_groups(i)];
            }
        }
    }

    fn scale(&self, row: usize, group: usize) -> f32 {
        let at = row * self.layout.scales.row_stride + group * self.layout.scales.group_stride;
        float(self.scales, self.scale_type, at)
    }

    /// Whether all zeros in the file, if there are any, are the middle.
    fn zeros_are_middle(&self) -> bool {
        let (Some(bytes), Some(part)) = (self.zeros, &self.layout.zeros) else { return true };
        let (groups, middle) = (self.dimensions.groups(), middle(self.dimensions.bits));
        // Eight rows at once, for the sake of the formats that interleave them.
        let mut zeros = vec![0; 8 * part.storage.cols()];
        (0..self.dimensions.rows).step_by(8).all(|first| {
            let rows = (self.dimensions.rows - first).min(8);
            let zeros = &mut zeros[..rows * part.storage.cols()];
            part.storage.unpack(bytes, first, zeros);
            zeros.chunks(part.storage.cols()).all(|row| row[..groups].iter().all(|&zero| zero == middle))
        })
    }
}

impl<'a> Tensors<'a, '_> {
    fn name(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.module)
    }

    fn find(&self, suffix: &str) -> Option<TensorView<'a>> {
        self.folder.tensor(&self.name(suffix))
    }

    fn need(&self, suffix: &str, because: &'static str) -> Result<TensorView<'a>, QuantizedError> {
        self.find(suffix).ok_or_else(|| QuantizedError::Missing { tensor: self.name(suffix), because })
    }

    fn shape_error(&self, view: &TensorView<'_>, expected: String, because: &'static str) -> QuantizedError {
        let (tensor, found) = (view.name().to_owned(), view.shape().to_vec());
        QuantizedError::Shape { tensor, found, expected, because }
    }

    /// What the shapes of the quants say, or `None` if they are not there.
    fn dimensions(&self, scheme: &LinearScheme) -> Result<Option<Dimensions>, QuantizedError> {
        let bits = usize::from(scheme.bits);
        let suffix = match scheme.format {
            LinearFormat::PackQuantized => "weight_packed",
            LinearFormat::IntQuantized => "weight",
            _ => "qweight",
        };
        let Some(view) = self.find(suffix) else { return Ok(None) };
        if scheme.format == LinearFormat::IntQuantized && view.dtype() != SafetensorsType::I8 {
            return Ok(None);
        }
        let &[a, b] = view.shape() else {
            return Err(self.shape_error(&view, "two dimensions".to_owned(), "it is a matrix"));
        };
        let (rows, cols) = match scheme.format {
            LinearFormat::AwqGemm => (b.saturating_mul(8), a),
            LinearFormat::AwqGemv => (a, b.saturating_mul(8)),
            LinearFormat::Gptq | LinearFormat::GptqV2 => (b, a.saturating_mul(32) / bits),
            LinearFormat::PackQuantized => self.weight_shape()?,
            LinearFormat::IntQuantized => (a, b),
        };
        // Nothing is in no proportion to the file: every row and column has a quant in it, once the shapes are found to fit.
        if rows == 0 || cols == 0 || rows.checked_mul(cols).is_none() {
            return Err(self.shape_error(&view, "at least one row and column".to_owned(), "it is a matrix"));
        }
        let dense = rows.saturating_mul((cols.saturating_mul(bits)).div_ceil(32));
        let padded =
            scheme.format == LinearFormat::PackQuantized && 32 % bits != 0 && Some(dense) != a.checked_mul(b);
        let group = scheme.group.unwrap_or(cols).min(cols);
        let symmetric = scheme.symmetric;
        Ok(Some(Dimensions { rows, cols, group, bits: scheme.bits, symmetric, padded }))
    }

    /// The two numbers in `weight_shape`.
    fn weight_shape(&self) -> Result<(usize, usize), QuantizedError> {
        let view = self.need("weight_shape", "it tells how many rows and columns weight_packed has")?;
        let numbers: Vec<i64> = match view.dtype() {
            SafetensorsType::I64 => {
                view.bytes().as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect()
            }
            SafetensorsType::I32 => {
                view.bytes().as_chunks().0.iter().map(|&b| i32::from_le_bytes(b).into()).collect()
            }
            found => {
                let tensor = view.name().to_owned();
                return Err(QuantizedError::Type { tensor, found, expected: "I64 or I32" });
            }
        };
        match numbers[..] {
            [rows, cols] => Ok((rows.try_into().unwrap_or(0), cols.try_into().unwrap_or(0))),
            _ => Err(self.shape_error(&view, "[2]".to_owned(), "it holds rows and columns")),
        }
    }

    fn part(&self, part: &Part) -> Result<&'a [u8], QuantizedError> {
        let view = self.need(part.suffix, "a module quantized in this format has it")?;
        let (dtype, shape) = (part.storage.dtype(), part.storage.shape());
        // Some tools write words as u32.
        let unsigned = dtype == SafetensorsType::I32 && view.dtype() == SafetensorsType::U32;
        if view.dtype() != dtype && !unsigned {
            let tensor = view.name().to_owned();
            return Err(QuantizedError::Type { tensor, found: view.dtype(), expected: dtype.name() });
        }
        if view.shape() != shape {
            return Err(self.shape_error(
                &view,
                format!("{shape:?}"),
                "by the quants, the bits and the group",
            ));
        }
        Ok(view.bytes())
    }

    /// The scales. Their strides become 0 if there is one scale for the whole matrix.
    fn scales(&self, layout: &mut Layout, scheme: &LinearScheme) -> Result<TensorView<'a>, QuantizedError> {
        let scales = &mut layout.scales;
        let view = self.need(scales.suffix, "a quantized module has scales")?;
        float_type(&view)?;
        let compressed = matches!(scheme.format, LinearFormat::PackQuantized | LinearFormat::IntQuantized);
        if view.shape() == scales.shape {
            return Ok(view);
        }
        if compressed && scheme.group.is_none() {
            if view.shape() == [scales.shape[0]] {
                return Ok(view);
            }
            if view.shape().iter().all(|&d| d == 1) {
                (scales.row_stride, scales.group_stride) = (0, 0);
                return Ok(view);
            }
        }
        Err(self.shape_error(&view, format!("{:?}", scales.shape), "by the quants, the bits and the group"))
    }

    /// Columns must be in groups one after the other.
    fn check_order(&self, dimensions: &Dimensions) -> Result<(), QuantizedError> {
        let Some(view) = self.find("g_idx").or_else(|| self.find("weight_g_idx")) else { return Ok(()) };
        if view.dtype() != SafetensorsType::I32 {
            let tensor = view.name().to_owned();
            return Err(QuantizedError::Type { tensor, found: view.dtype(), expected: "I32" });
        }
        if view.shape() != [dimensions.cols] {
            return Err(self.shape_error(&view, format!("[{}]", dimensions.cols), "by the columns"));
        }
        let order = view.bytes().as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes));
        // An order that has not been filled in is -1 everywhere.
        if order.clone().all(|group| group == -1) {
            return Ok(());
        }
        for (column, found) in order.enumerate() {
            let expected = column / dimensions.group;
            if usize::try_from(found) != Ok(expected) {
                let tensor = view.name().to_owned();
                return Err(QuantizedError::ActivationOrder {
                    tensor,
                    column,
                    found: found.into(),
                    expected,
                });
            }
        }
        Ok(())
    }

    fn input_scale(&self) -> Result<f32, QuantizedError> {
        let view = self.need("input_scale", "activations have a fixed scale")?;
        float_type(&view)?;
        if view.shape().iter().any(|&d| d != 1) {
            return Err(self.shape_error(&view, "[1]".to_owned(), "there is one scale for all inputs"));
        }
        let found = float(view.bytes(), view.dtype(), 0);
        if !found.is_finite() || found <= 0.0 {
            return Err(QuantizedError::InputScale { tensor: view.name().to_owned(), found });
        }
        Ok(found)
    }
}

fn check_scheme(scheme: &LinearScheme) -> Result<(), QuantizedError> {
    let unsupported = |what: String, advice| Err(QuantizedError::Unsupported { what, advice });
    let bits = scheme.bits;
    match scheme.format {
        LinearFormat::AwqGemm | LinearFormat::AwqGemv if bits != 4 => {
            unsupported(format!("AWQ of {bits} bits"), "AWQ has 4")
        }
        LinearFormat::AwqGemv
            if scheme.group.is_some_and(|group| group < 128 && !matches!(group, 32 | 64)) =>
        {
            unsupported(
                format!("AWQ gemv in groups of {}", scheme.group.unwrap_or_default()),
                "32, 64 and 128 can be read",
            )
        }
        LinearFormat::Gptq | LinearFormat::GptqV2 if !matches!(bits, 2 | 3 | 4 | 8) => {
            unsupported(format!("GPTQ of {bits} bits"), "2, 3, 4 and 8 can be read")
        }
        _ if bits == 0 || bits > 8 => unsupported(format!("{bits} bits"), "1 to 8 can be read"),
        _ if scheme.group == Some(0) => unsupported("groups of 0 columns".to_owned(), "1 is the least"),
        _ => Ok(()),
    }
}

fn float_type(view: &TensorView<'_>) -> Result<(), QuantizedError> {
    match view.dtype() {
        SafetensorsType::F16 | SafetensorsType::BF16 | SafetensorsType::F32 => Ok(()),
        found => Err(QuantizedError::Type { tensor: view.name().to_owned(), found, expected: SCALE_TYPES }),
    }
}

/// The element at `at`; NaN if it is not there, which the checks at open rule out.
fn float(bytes: &[u8], ty: SafetensorsType, at: usize) -> f32 {
    match ty {
        SafetensorsType::F16 => bytes.as_chunks().0.get(at).map(|&b| f16::from_le_bytes(b).to_f32()),
        SafetensorsType::BF16 => bytes.as_chunks().0.get(at).map(|&b| bf16::from_le_bytes(b).to_f32()),
        _ => bytes.as_chunks().0.get(at).map(|&b| f32::from_le_bytes(b)),
    }
    .unwrap_or(f32::NAN)
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
