//! Hugging Face folders.

use super::floats::{append, converted, pieces, safetensors_type};
use super::plan::{Content, Layout, Map, NormRole, Present, Slot, root_of, slots, writable};
use super::rows::{gather, order, pick};
use super::{ExportError, FolderFormat, HeadExport, LinearKind, Origin};
use super::{config_json, folder_files};
use crate::checkpoint::{LoadError, Source, Tensor};
use crate::compress::CompressedWeight;
use crate::config::RopeStyle;
use crate::decoder::weights::{Layer, NormWeights};
use ounce_formats::ggml::GgmlType;
use ounce_formats::hugging_face::{FolderWriter, SafetensorsType};
use ounce_formats::quantized::{Activations, GroupQuantized, LinearFormat, LinearScheme, pack};
use ounce_quant::{Granularity, QuantizedMatrix, Scheme};
use std::path::{Path, PathBuf};

/// Columns that share a scale in a head of 8 bits, where they divide its width.
const HEAD_GROUP: usize = 128;

/// Outputs that AutoAWQ packs into a word.
const AWQ_ROWS: usize = 8;

/// A Hugging Face folder being written.
pub(crate) struct FolderExport<'a> {
    pub(super) writer: FolderWriter,
    path: PathBuf,
    pub(super) origin: Origin<'a>,
    pub(super) format: FolderFormat,
    pub(super) layout: Layout,
    slots: Vec<Slot>,
    root: &'static str,
    /// The layer that is due.
    next: usize,
    /// The head is the embedding.
    pub(super) tied: bool,
    pub(super) head: Option<LinearScheme>,
    /// Modules with a matrix that is kept in floats.
    pub(super) kept: Vec<String>,
    /// Modules that read rotated inputs, with the columns of a block.
    pub(super) rotated: Vec<(String, usize)>,
    /// Type of the embedding, which tells what the floats are meant to be run in.
    pub(super) float: GgmlType,
}

impl<'a> FolderExport<'a> {
    /// Begins a folder that will take the name `path`: writes embedding, final norm and head.
    ///
    /// # Errors
    /// A target that exists, a model or a head that this format cannot express, a source that cannot be read.
    pub(crate) fn create(
        path: &Path,
        origin: Origin<'a>,
        format: FolderFormat,
        head: HeadExport,
    ) -> Result<Self, ExportError> {
        let Origin { checkpoint, config, names } = origin;
        writable(config, "a Hugging Face folder")?;
        if head == HeadExport::Int8 && !matches!(format, FolderFormat::CompressedTensors(_)) {
            return Err(ExportError::Unsupported {
                what: "a head of 8 bits".into(),
                target: if matches!(format, FolderFormat::AutoAwq { .. }) { "AutoAWQ" } else { "floats" },
                advice: "leave the head as it is, or write compressed-tensors or GGUF",
            });
        }
        let from = root_of(checkpoint, names);
        let found = Present::find(checkpoint, config, names, from);
        let (names, root, norm_offset, biases) = match checkpoint.source() {
            Source::Folder(_) => (names, from, config.norm_offset, found),
            Source::Gguf(_) => {
                let kind = config_json::kind(config)?;
                let root = kind.names.roots.first().copied().unwrap_or_default();
                (kind.names, root, kind.norm_offset, kind.biases(found)?)
            }
        };
        let layout = Layout {
            names,
            rope_style: RopeStyle::HalfSplit,
            norm_offset,
            fused_qkv: names.q.is_empty(),
            merged_experts: false,
            biases,
        };
        let embedding = source_tensor(origin, &stems(from, origin.names.embedding))?;
        let float = match (&format, embedding.ty) {
            (FolderFormat::Float(ty), _) => *ty,
            (_, GgmlType::BF16) => GgmlType::BF16,
            _ => GgmlType::F16,
        };
        let heads = stems("", origin.names.head);
        let tied = config
            .tied
            .unwrap_or_else(|| !heads.iter().any(|stem| checkpoint.holds(&format!("{stem}.weight"))));
        let slots = slots(config, &layout);
        if matches!(format, FolderFormat::AutoAwq { .. }) {
            check_awq_rows(&slots, &format!("{root}{}0.", layout.names.layers))?;
        }
        let mut export = Self {
            writer: FolderWriter::create(path)?,
            path: path.to_owned(),
            origin,
            format,
            layout,
            slots,
            root,
            next: 0,
            tied,
            head: None,
            kept: Vec::new(),
            rotated: Vec::new(),
            float,
        };
        export.ends(&embedding, head)?;
        Ok(export)
    }

    /// Writes what stands before and after the layers, and whatever else a folder holds.
    fn ends(&mut self, embedding: &Tensor, head: HeadExport) -> Result<(), ExportError> {
        let (from, names) = (self.layout.names, self.origin.names);
        let to = |part: &[&str]| part.first().map(|stem| format!("{}{stem}", self.root));
        let module = match self.origin.checkpoint.source() {
            Source::Gguf(_) => {
                let norm = stems("", names.final_norm);
                let (embedding_name, norm_name) = (to(from.embedding), to(from.final_norm));
                self.convert(&weight(embedding_name.as_deref()), embedding)?;
                let mut values = source_tensor(self.origin, &norm)?.dequantize();
                values.iter_mut().for_each(|w| *w -= self.layout.norm_offset);
                self.vector(&weight(norm_name.as_deref()), &values)?;
                for stem in norm {
                    if let Some(bias) = self.origin.checkpoint.tensor(&format!("{stem}.bias"))? {
                        let name = format!("{}.bias", norm_name.clone().unwrap_or_default());
                        self.vector(&name, &bias.dequantize())?;
                    }
                }
                from.head.first().copied().unwrap_or_default().to_owned()
            }
            Source::Folder(_) => {
                let found = stems("", names.head)
                    .into_iter()
                    .find(|stem| self.origin.checkpoint.holds(&format!("{stem}.weight")));
                let default = || names.head.first().copied().unwrap_or_default().to_owned();
                let module = found.unwrap_or_else(default);
                self.copy_ends(&module, embedding, head)?;
                module
            }
        };
        let gguf = matches!(self.origin.checkpoint.source(), Source::Gguf(_));
        match head {
            HeadExport::Int8 if self.tied => {
                self.int8_head(&module, embedding)?;
                self.tied = false;
            }
            HeadExport::Int8 => {
                let tensor = source_tensor(self.origin, &stems("", names.head))?;
                self.int8_head(&module, &tensor)?;
            }
            HeadExport::AsIs => {
                if gguf && !self.tied {
                    let tensor = source_tensor(self.origin, &stems("", names.head))?;
                    self.convert(&format!("{module}.weight"), &tensor)?;
                }
                self.kept.push(module);
            }
        }
        Ok(())
    }

    /// Copies all tensors of a folder that belong to no layer of the decoder, the head only if it stays as it is.
    fn copy_ends(&mut self, head: &str, embedding: &Tensor, kind: HeadExport) -> Result<(), ExportError> {
        let Source::Folder(folder) = self.origin.checkpoint.source() else { return Ok(()) };
        if self.origin.checkpoint.scheme(head).is_some() && !self.tied {
            return Err(ExportError::Unsupported {
                what: "a head that is quantized in the source".into(),
                target: "a folder",
                advice: "start from the model before it was quantized",
            });
        }
        let head_weight = format!("{head}.weight");
        let layers = format!("{}{}", self.root, self.origin.names.layers);
        for name in folder.names() {
            let in_layers = name.strip_prefix(&layers).is_some_and(|rest| {
                let number = rest.split('.').next().and_then(|number| number.parse::<usize>().ok());
                number.is_some_and(|number| number < self.origin.config.layers.len())
            });
            if in_layers || (name == head_weight && (kind == HeadExport::Int8 || self.tied)) {
                continue;
            }
            let Some(view) = folder.tensor(name) else { continue };
            let float = [SafetensorsType::F32, SafetensorsType::F16, SafetensorsType::BF16];
            let tensor = match self.origin.checkpoint.tensor(name) {
                Ok(Some(tensor)) if float.contains(&view.dtype()) => tensor,
                _ => {
                    self.writer.tensor_bytes(name, view.dtype(), view.shape(), view.bytes())?;
                    continue;
                }
            };
            if tensor.shape.len() < 2 {
                self.vector(name, &tensor.dequantize())?;
                continue;
            }
            self.convert(name, &tensor)?;
            if let Some(module) = name.strip_suffix(".weight").filter(|_| name != embedding.name) {
                self.kept.push(module.to_owned());
            }
        }
        Ok(())
    }

    /// Writes a matrix of the source in floats.
    fn convert(&mut self, name: &str, tensor: &Tensor) -> Result<(), ExportError> {
        let ty = match (&self.format, tensor.ty) {
            (FolderFormat::Float(ty), _) => *ty,
            (_, GgmlType::BF16) => GgmlType::BF16,
            _ => GgmlType::F16,
        };
        let bytes = converted(name, tensor, ty)?;
        Ok(self.writer.tensor_bytes(name, safetensors_type(ty), &tensor.shape, &bytes)?)
    }

    /// Writes the head in groups of 8 bits.
    fn int8_head(&mut self, module: &str, tensor: &Tensor) -> Result<(), ExportError> {
        let [rows, cols] = tensor.shape[..] else {
            return Err(unfit(&tensor.name, "a matrix", format!("shape {:?}", tensor.shape)));
        };
        let group = Scheme::fitting_group(&[cols], HEAD_GROUP);
        let granularity = group.map_or(Granularity::Channel, Granularity::Group);
        let scheme = Scheme { bits: 8, symmetric: true, granularity };
        let (mut quants, mut scales, mut rest) = (Vec::with_capacity(rows * cols), Vec::new(), Vec::new());
        // Pieces need not end where rows do.
        pieces(tensor, |values| {
            rest.extend_from_slice(values);
            let whole = rest.len() / cols * cols;
            let part = QuantizedMatrix::nearest(&rest[..whole], cols, scheme)
                .map_err(|source| unfit(module, "groups that fit", source.to_string()))?;
            rest.drain(..whole);
            quants.extend_from_slice(&part.quants);
            scales.extend_from_slice(&part.scales);
            Ok(())
        })?;
        let weight = GroupQuantized {
            rows,
            cols,
            group: group.unwrap_or(cols),
            bits: 8,
            symmetric: true,
            quants: &quants,
            scales: &scales,
            zeros: &[],
        };
        for tensor in pack(module, &weight, LinearFormat::PackQuantized, None)? {
            self.writer.tensor(&tensor)?;
        }
        self.head = Some(LinearScheme {
            format: LinearFormat::PackQuantized,
            bits: 8,
            group,
            symmetric: true,
            activations: Activations::Float,
        });
        Ok(())
    }

    /// Writes a layer, with its matrices in floats or, as the format says, in groups. Rows are in the order of the source, norms as the
    /// decoder applies them. Layers come in order.
    ///
    /// # Errors
    /// A weight of another kind or shape, a float beyond the range of its type, [`ExportError::Order`].
    pub(crate) fn layer(&mut self, index: usize, layer: &Layer<CompressedWeight>) -> Result<(), ExportError> {
        if index != self.next || index >= self.origin.config.layers.len() {
            return Err(ExportError::Order { expected: self.next, found: format!("layer {index}") });
        }
        let prefix = format!("{}{}{index}.", self.root, self.layout.names.layers);
        let slots = std::mem::take(&mut self.slots);
        for slot in &slots {
            let name = slot.name(&prefix);
            match slot.content {
                Content::Norm(role) => self.norm(&name, role, layer)?,
                Content::NormBias(role) => {
                    let norm = norm_of(&name, role, layer)?;
                    let zeros = || vec![0.0; norm.weight.len()];
                    self.vector(&name, &norm.bias.clone().unwrap_or_else(zeros))?;
                }
                Content::Weight(map) => {
                    let module = format!("{prefix}{}", slot.stem);
                    self.weight(&module, map, &slot.shape, layer)?;
                }
                Content::Bias(map) => {
                    let bias = bias(&name, map, &slot.shape, layer, |map| {
                        order(self.origin.config, &self.layout, map)
                    })?;
                    self.vector(&name, &bias)?;
                }
            }
        }
        self.slots = slots;
        self.next += 1;
        Ok(())
    }

    fn norm(
        &mut self,
        name: &str,
        role: NormRole,
        layer: &Layer<CompressedWeight>,
    ) -> Result<(), ExportError> {
        let mut values = norm_of(name, role, layer)?.weight.clone();
        values.iter_mut().for_each(|w| *w -= self.layout.norm_offset);
        self.vector(name, &values)
    }

    /// Writes a norm or a bias, which beside quantized matrices stays in single precision: it is small, and what scaling has left in it
    /// would be rounded once more.
    fn vector(&mut self, name: &str, values: &[f32]) -> Result<(), ExportError> {
        let ty = match self.format {
            FolderFormat::Float(ty) => ty,
            _ => GgmlType::F32,
        };
        let mut bytes = Vec::new();
        append(name, values, ty, &mut bytes)?;
        Ok(self.writer.tensor_bytes(name, safetensors_type(ty), &[values.len()], &bytes)?)
    }

    fn weight(
        &mut self,
        module: &str,
        map: Map,
        shape: &[usize],
        layer: &Layer<CompressedWeight>,
    ) -> Result<(), ExportError> {
        let order = order(self.origin.config, &self.layout, map);
        let (rows, cols) = matrix_shape(shape);
        let parts: Vec<_> = map.of(layer).into_iter().map(|linear| &linear.weight).collect();
        let weight = gather(&parts, cols, order.as_deref())
            .map_err(|found| unfit(module, &format!("a matrix {shape:?}"), found))?;
        match &*weight {
            CompressedWeight::Float(values) => {
                let name = format!("{module}.weight");
                if values.len() != rows * cols {
                    return Err(unfit(
                        &name,
                        &format!("shape {shape:?}"),
                        format!("{} values", values.len()),
                    ));
                }
                let mut bytes = Vec::new();
                append(&name, values, self.float, &mut bytes)?;
                self.writer.tensor_bytes(&name, safetensors_type(self.float), shape, &bytes)?;
                let router = map == Map::One(LinearKind::Router);
                self.kept.push(if router { self.router_pattern(module) } else { module.to_owned() });
            }
            CompressedWeight::Grouped { matrix, input_scale, rotation } => {
                let format = self.check_groups(module, matrix, *input_scale)?;
                if let Some(rotation) = rotation {
                    if !matches!(self.format, FolderFormat::CompressedTensors(_)) {
                        let found = "weights of rotated inputs".to_owned();
                        return Err(unfit(module, "weights of inputs as they are", found));
                    }
                    self.rotated.push((module.to_owned(), rotation.block()));
                }
                let weight = GroupQuantized {
                    rows,
                    cols,
                    group: matrix.group,
                    bits: matrix.scheme.bits,
                    symmetric: matrix.scheme.symmetric,
                    quants: &matrix.quants,
                    scales: &matrix.scales,
                    zeros: &matrix.zeros,
                };
                for tensor in pack(module, &weight, format, *input_scale)? {
                    self.writer.tensor(&tensor)?;
                }
            }
            CompressedWeight::Blocks { ty, .. } => {
                return Err(unfit(module, "floats or groups", format!("blocks of {ty}")));
            }
        }
        Ok(())
    }

    /// What stands in the list of modules that are not quantized for the routers of all layers.
    fn router_pattern(&self, module: &str) -> String {
        match &self.format {
            FolderFormat::AutoAwq { .. } => {
                self.layout.names.router.first().copied().unwrap_or(module).to_owned()
            }
            _ => module.to_owned(),
        }
    }

    /// Checks that groups are those that the configuration of the folder will speak of.
    fn check_groups(
        &self,
        module: &str,
        matrix: &QuantizedMatrix,
        input_scale: Option<f32>,
    ) -> Result<LinearFormat, ExportError> {
        let whole = |group: Option<usize>| group.unwrap_or(matrix.cols);
        let found = || {
            let kind = if matrix.scheme.symmetric { "symmetric" } else { "asymmetric" };
            let fixed = if input_scale.is_some() { ", inputs of a fixed scale" } else { "" };
            format!("{kind} quants of {} bits in groups of {}{fixed}", matrix.scheme.bits, matrix.group)
        };
        match &self.format {
            FolderFormat::Float(ty) => Err(unfit(module, &format!("floats, to be stored as {ty}"), found())),
            FolderFormat::AutoAwq { group } => {
                if matrix.scheme.bits != 4 || matrix.group != whole(*group) || input_scale.is_some() {
                    let expected = format!("quants of 4 bits in groups of {}", whole(*group));
                    return Err(unfit(module, &expected, found()));
                }
                Ok(LinearFormat::AwqGemm)
            }
            FolderFormat::CompressedTensors(scheme) => {
                let fixed = scheme.activations == Activations::Int8PerTensor;
                let fits = matrix.scheme.bits == scheme.bits
                    && matrix.scheme.symmetric == scheme.symmetric
                    && matrix.group == whole(scheme.group)
                    && input_scale.is_some() == fixed;
                if !fits {
                    return Err(unfit(module, &format!("the scheme of the folder, {scheme:?}"), found()));
                }
                Ok(scheme.format)
            }
        }
    }

    /// Writes configuration, tokenizer and template and gives the folder its name. Returns the bytes of all files.
    ///
    /// # Errors
    /// [`ExportError::Order`] if layers are missing, a tokenizer that cannot be written, the system's errors.
    pub(crate) fn finish(mut self) -> Result<u64, ExportError> {
        if self.next != self.origin.config.layers.len() {
            return Err(ExportError::Order { expected: self.next, found: "the end".into() });
        }
        folder_files::write(&mut self)?;
        let Self { writer, path, .. } = self;
        writer.finish()?;
        let sizes = std::fs::read_dir(&path).and_then(|entries| {
            entries.map(|entry| entry.and_then(|entry| entry.metadata()).map(|data| data.len())).sum()
        });
        sizes.map_err(|source| ExportError::Io { path, source })
    }
}

/// Refuses matrices whose outputs AutoAWQ cannot pack, before any work is done.
fn check_awq_rows(slots: &[Slot], prefix: &str) -> Result<(), ExportError> {
    for slot in slots {
        let (rows, _) = matrix_shape(&slot.shape);
        let packed = matches!(slot.content, Content::Weight(map) if map != Map::One(LinearKind::Router));
        if packed && !rows.is_multiple_of(AWQ_ROWS) {
            let module = format!("{prefix}{}", slot.stem);
            let found = format!("{rows}; write compressed-tensors");
            return Err(unfit(
                &module,
                &format!("a multiple of {AWQ_ROWS} outputs, which AutoAWQ packs together"),
                found,
            ));
        }
    }
    Ok(())
}

fn stems(root: &str, part: &[&str]) -> Vec<String> {
    part.iter().map(|stem| format!("{root}{stem}")).collect()
}

fn weight(module: Option<&str>) -> String {
    format!("{}.weight", module.unwrap_or_default())
}

/// The weight under the first of some names that the source holds.
pub(super) fn source_tensor(origin: Origin<'_>, stems: &[String]) -> Result<Tensor, ExportError> {
    for stem in stems {
        if let Some(tensor) = origin.checkpoint.tensor(&format!("{stem}.weight"))? {
            return Ok(tensor);
        }
    }
    Err(LoadError::MissingTensor { name: stems.join(".weight or ") + ".weight", expected: Vec::new() }.into())
}

/// Rows and columns, leading dimensions counted as rows.
pub(super) fn matrix_shape(shape: &[usize]) -> (usize, usize) {
    shape.split_last().map_or((1, 1), |(&cols, rows)| (rows.iter().product(), cols))
}

pub(super) fn unfit(name: &str, expected: &str, found: String) -> ExportError {
    ExportError::Weight { name: name.to_owned(), expected: expected.to_owned(), found }
}

pub(super) fn norm_of<'l>(
    name: &str,
    role: NormRole,
    layer: &'l Layer<CompressedWeight>,
) -> Result<&'l NormWeights, ExportError> {
    role.of(layer).ok_or_else(|| unfit(name, "a norm", "a layer without it".into()))
}

/// The bias of a map in the order of the target; zeros for a map that has none.
pub(super) fn bias(
    name: &str,
    map: Map,
    shape: &[usize],
    layer: &Layer<CompressedWeight>,
    order: impl FnOnce(Map) -> Option<Vec<usize>>,
) -> Result<Vec<f32>, ExportError> {
    let linears = map.of(layer);
    let mut all: Vec<f32> = Vec::new();
    for linear in &linears {
        if let Some(bias) = &linear.bias {
            all.extend_from_slice(bias);
        }
    }
    if all.is_empty() {
        all = vec![0.0; shape.iter().product()];
    }
    if all.len() != shape.iter().product::<usize>() {
        return Err(unfit(name, &format!("shape {shape:?}"), format!("{} values", all.len())));
    }
    match order(map) {
        None => Ok(all),
        Some(order) => pick(&all, 1, &order).map_err(|found| unfit(name, &format!("shape {shape:?}"), found)),
    }
}
