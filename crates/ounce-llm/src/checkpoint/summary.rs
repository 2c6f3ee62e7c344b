//! What is in a checkpoint, for people.

use super::{Checkpoint, Source};
use ounce_formats::hugging_face::Folder;
use ounce_formats::quantized::{Activations, LinearScheme, QuantizedLinear};
use ounce_kernels::ops::Rotation;
use std::collections::BTreeMap;

/// A tensor of a checkpoint. The packed tensors of a quantized linear map count as the one matrix that they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSummary {
    /// Its name in the file; for a quantized linear map the module's name with `.weight`.
    pub name: String,
    /// Its shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// The name of its type, such as `F16`, `Q4_K`, `int4 g128 zero` (4 bits, groups of 128 columns with zero points) or `int8 a8` (8 bits,
    /// a scale per row, activations of 8 bits; `rotated 64` if they are rotated in blocks of 64 first).
    pub ty: String,
    /// Its size in the file.
    pub bytes: u64,
    /// How it is packed, if it is a quantized linear map of a Hugging Face folder.
    pub scheme: Option<LinearScheme>,
}

/// Last parts of the names of the tensors that hold a quantized linear map.
const PACKED: [&str; 12] = [
    "weight",
    "qweight",
    "qzeros",
    "scales",
    "g_idx",
    "weight_packed",
    "weight_scale",
    "weight_zero_point",
    "weight_shape",
    "weight_g_idx",
    "input_scale",
    "input_zero_point",
];

impl Checkpoint {
    /// The tensors, in the order of the file.
    pub fn tensors(&self) -> Vec<TensorSummary> {
        match &self.source {
            Source::Gguf(file) => file
                .tensors()
                .iter()
                .map(|tensor| TensorSummary {
                    name: tensor.name.clone(),
                    shape: tensor.shape.clone(),
                    ty: tensor.ty.name().to_string(),
                    bytes: file.data(tensor).len() as u64,
                    scheme: None,
                })
                .collect(),
            Source::Folder(folder) => self.of_folder(folder),
        }
    }

    fn of_folder(&self, folder: &Folder) -> Vec<TensorSummary> {
        let mut summaries: Vec<TensorSummary> = Vec::new();
        // The place in the list of every quantized module met so far; `None` for modules that are not quantized or are damaged.
        let mut modules: BTreeMap<&str, Option<usize>> = BTreeMap::new();
        for name in folder.names() {
            let Some(tensor) = folder.tensor(name) else { continue };
            let bytes = tensor.bytes().len() as u64;
            let module =
                name.rsplit_once('.').filter(|(_, last)| PACKED.contains(last)).map(|(module, _)| module);
            let place = module.and_then(|module| {
                *modules.entry(module).or_insert_with(|| {
                    let (folder, scheme) = self.scheme(module)?;
                    let linear = QuantizedLinear::open(folder, module, scheme).ok()??;
                    let rotation = self.rotation(module, linear.cols()).ok()?;
                    summaries.push(of_linear(module, &linear, scheme, rotation));
                    Some(summaries.len() - 1)
                })
            });
            match place {
                Some(place) => summaries[place].bytes += bytes,
                None => summaries.push(TensorSummary {
                    name: name.to_string(),
                    shape: tensor.shape().to_vec(),
                    ty: tensor.dtype().name().to_string(),
                    bytes,
                    scheme: None,
                }),
            }
        }
        summaries
    }
}

/// A summary whose bytes are still to be counted.
fn of_linear(
    module: &str,
    linear: &QuantizedLinear,
    scheme: &LinearScheme,
    rotation: Option<Rotation>,
) -> TensorSummary {
    let (rows, cols, group) = (linear.rows(), linear.cols(), linear.group());
    let group = if group == cols { String::new() } else { format!(" g{group}") };
    let zero = if linear.symmetric() { "" } else { " zero" };
    let activations = if linear.activations() == Activations::Float { "" } else { " a8" };
    let rotated = rotation.map_or_else(String::new, |rotation| format!(" rotated {}", rotation.block()));
    let ty = format!("int{}{group}{zero}{activations}{rotated}", linear.bits());
    let scheme = Some(scheme.clone());
    TensorSummary { name: format!("{module}.weight"), shape: vec![rows, cols], ty, bytes: 0, scheme }
}
