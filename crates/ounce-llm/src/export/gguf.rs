//! GGUF files.

use super::floats::check_range;
use super::folder::{bias, matrix_shape, norm_of, source_tensor, unfit};
use super::plan::{Content, Layout, Map, Present, Slot, root_of, slots, writable};
use super::rows::{gather, order};
use super::{ExportError, HeadExport, LinearKind, Origin, blocks, gguf_header};
use crate::arch::names;
use crate::checkpoint::Source;
use crate::compress::CompressedWeight;
use crate::decoder::weights::Layer;
use ounce_formats::ggml::GgmlType;
use ounce_formats::gguf::TensorStream;
use std::path::{Path, PathBuf};

/// A GGUF file being written.
pub(crate) struct GgufExport<'a> {
    stream: TensorStream,
    path: PathBuf,
    origin: Origin<'a>,
    layout: Layout,
    slots: Vec<Slot>,
    /// The layer that is due.
    next: usize,
    /// What follows the layers.
    tail: Vec<End>,
}

/// A tensor that belongs to no layer.
pub(super) struct End {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) ty: GgmlType,
    pub(super) content: EndContent,
}

/// Where the values of an [`End`] come from.
pub(super) enum EndContent {
    /// The source's tensor of this name, converted if it is of another type.
    Source(String),
    Values(Vec<f32>),
}

impl<'a> GgufExport<'a> {
    /// Begins a file that will take the name `path`: writes metadata, tokenizer and embedding. `types` says how each matrix of each layer
    /// will be stored; [`stored_type`] of it and the columns is what really is. The router of a mixture is always F32, and Falcon's
    /// query, key and value are one tensor of the type of the query.
    ///
    /// # Errors
    /// A target that exists, a model, tokenizer or type that GGUF cannot express, a source that cannot be read.
    pub(crate) fn create(
        path: &Path,
        origin: Origin<'a>,
        types: &dyn Fn(usize, LinearKind) -> GgmlType,
        head: HeadExport,
    ) -> Result<Self, ExportError> {
        if path.exists() {
            return Err(ExportError::Exists { path: path.to_owned() });
        }
        let Origin { checkpoint, config, names: source_names } = origin;
        writable(config, "GGUF")?;
        let rope_style = match checkpoint.source() {
            Source::Gguf(_) => config.rope_style,
            Source::Folder(_) => super::metadata::architecture(config)?.1,
        };
        let layout = Layout {
            names: &names::GGUF,
            rope_style,
            norm_offset: 0.0,
            fused_qkv: config.architecture == "falcon",
            merged_experts: true,
            biases: Present::find(checkpoint, config, source_names, root_of(checkpoint, source_names)),
        };
        let slots = slots(config, &layout);
        let layer_types: Vec<Vec<GgmlType>> = (0..config.layers.len())
            .map(|layer| slots.iter().map(|slot| type_of(slot, |kind| types(layer, kind))).collect())
            .collect();
        let main = most_common(&slots, &layer_types);
        let mut writer = gguf_header::header(path, origin, layout.biases, main)?;
        let (front, tail) = gguf_header::ends(origin, head)?;
        for end in &front {
            writer.tensor(&end.name, &end.shape, end.ty)?;
        }
        for (layer, types) in layer_types.iter().enumerate() {
            let prefix = format!("{}{layer}.", layout.names.layers);
            for (slot, ty) in slots.iter().zip(types) {
                writer.tensor(&slot.name(&prefix), &slot.shape, *ty)?;
            }
        }
        for end in &tail {
            writer.tensor(&end.name, &end.shape, end.ty)?;
        }
        let stream = writer.create(path)?;
        let mut export = Self { stream, path: path.to_owned(), origin, layout, slots, next: 0, tail };
        for end in &front {
            export.end(end)?;
        }
        Ok(export)
    }

    fn end(&mut self, end: &End) -> Result<(), ExportError> {
        match &end.content {
            EndContent::Values(values) => Ok(self.stream.quantize(values)?),
            EndContent::Source(name) => {
                let stem = name.strip_suffix(".weight").unwrap_or(name).to_owned();
                let tensor = match self.origin.checkpoint.tensor(name)? {
                    Some(tensor) => tensor,
                    None => source_tensor(self.origin, &[stem])?,
                };
                if tensor.ty == end.ty {
                    return Ok(self.stream.write(tensor.bytes())?);
                }
                super::floats::pieces(&tensor, |values| {
                    check_range(&end.name, values, end.ty)?;
                    Ok(self.stream.quantize(values)?)
                })
            }
        }
    }

    /// Writes a layer: blocks of the announced types, or floats and groups, which are quantized to them here by rounding to nearest (groups
    /// that a type can hold exactly lose nothing). Rows are in the order of the source. Layers come in order.
    ///
    /// # Errors
    /// A weight of another type or shape, [`ExportError::Order`].
    pub(crate) fn layer(&mut self, index: usize, layer: &Layer<CompressedWeight>) -> Result<(), ExportError> {
        if index != self.next || index >= self.origin.config.layers.len() {
            return Err(ExportError::Order { expected: self.next, found: format!("layer {index}") });
        }
        let prefix = format!("{}{index}.", self.layout.names.layers);
        let slots = std::mem::take(&mut self.slots);
        for slot in &slots {
            let name = slot.name(&prefix);
            match slot.content {
                Content::Norm(role) => self.vector(slot, &name, &norm_of(&name, role, layer)?.weight)?,
                Content::NormBias(role) => {
                    let norm = norm_of(&name, role, layer)?;
                    let zeros = || vec![0.0; norm.weight.len()];
                    self.vector(slot, &name, &norm.bias.clone().unwrap_or_else(zeros))?;
                }
                Content::Bias(map) => {
                    let bias = bias(&name, map, &slot.shape, layer, |map| {
                        order(self.origin.config, &self.layout, map)
                    })?;
                    self.vector(slot, &name, &bias)?;
                }
                Content::Weight(map) => self.weight(&name, map, &slot.shape, layer)?,
            }
        }
        self.slots = slots;
        self.next += 1;
        Ok(())
    }

    fn vector(&mut self, slot: &Slot, name: &str, values: &[f32]) -> Result<(), ExportError> {
        if slot.shape != [values.len()] {
            return Err(unfit(name, &format!("shape {:?}", slot.shape), format!("{} values", values.len())));
        }
        Ok(self.stream.quantize(values)?)
    }

    fn weight(
        &mut self,
        name: &str,
        map: Map,
        shape: &[usize],
        layer: &Layer<CompressedWeight>,
    ) -> Result<(), ExportError> {
        let (rows, cols) = matrix_shape(shape);
        let order = order(self.origin.config, &self.layout, map);
        let Some(ty) = self.stream.current().map(|(_, _, ty)| ty) else {
            return Err(unfit(name, "a tensor that was announced", "one more".into()));
        };
        let wrong = |found| unfit(name, &format!("{ty} of shape {shape:?}"), found);
        let parts: Vec<_> = map.of(layer).into_iter().map(|linear| &linear.weight).collect();
        // The experts of a mixture follow one another in one tensor; nothing need be copied for that.
        let pieces: Vec<&[&CompressedWeight]> = match map {
            Map::Experts(_) => parts.chunks(1).collect(),
            _ => vec![&parts[..]],
        };
        let rows = rows / pieces.len().max(1);
        for piece in pieces {
            let weight = gather(piece, cols, order.as_deref()).map_err(wrong)?;
            match &*weight {
                CompressedWeight::Blocks { ty: found, bytes } => {
                    let expected = ty.row_bytes(cols).map(|bytes| bytes * rows);
                    if *found != ty || Some(bytes.len()) != expected {
                        return Err(wrong(format!("{} bytes of {found}", bytes.len())));
                    }
                    self.stream.write(bytes)?;
                }
                CompressedWeight::Float(values) => {
                    if values.len() != rows * cols {
                        return Err(wrong(format!("{} values", values.len())));
                    }
                    check_range(name, values, ty)?;
                    self.stream.quantize(values)?;
                }
                CompressedWeight::Grouped { rotation: Some(_), .. } => {
                    return Err(wrong("weights of rotated inputs, which GGUF cannot express".into()));
                }
                CompressedWeight::Grouped { matrix, .. } => {
                    if (matrix.rows, matrix.cols) != (rows, cols) {
                        return Err(wrong(format!("groups of shape [{}, {}]", matrix.rows, matrix.cols)));
                    }
                    match blocks::exact(matrix, ty) {
                        Some(bytes) => self.stream.write(&bytes)?,
                        None => self.stream.quantize(&matrix.dequantize())?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what follows the layers and gives the file its name. Returns its bytes.
    ///
    /// # Errors
    /// [`ExportError::Order`] if layers are missing, the system's errors.
    pub(crate) fn finish(mut self) -> Result<u64, ExportError> {
        if self.next != self.origin.config.layers.len() {
            return Err(ExportError::Order { expected: self.next, found: "the end".into() });
        }
        for end in std::mem::take(&mut self.tail) {
            self.end(&end)?;
        }
        let path = self.path;
        if path.exists() {
            return Err(ExportError::Exists { path });
        }
        self.stream.finish()?;
        let size = std::fs::metadata(&path).map(|data| data.len());
        size.map_err(|source| ExportError::Io { path, source })
    }
}

/// The type in which a slot is stored.
fn type_of(slot: &Slot, types: impl Fn(LinearKind) -> GgmlType) -> GgmlType {
    match slot.content {
        Content::Weight(map) if map.kind() != LinearKind::Router => {
            stored_type(types(map.kind()), matrix_shape(&slot.shape).1)
        }
        _ => GgmlType::F32,
    }
}

/// The type of most weights of the layers.
fn most_common(slots: &[Slot], types: &[Vec<GgmlType>]) -> GgmlType {
    let count = |ty: GgmlType| -> usize {
        let of_layer = |types: &Vec<GgmlType>| -> usize {
            let stored = slots.iter().zip(types).filter(|(_, found)| **found == ty);
            stored.map(|(slot, _)| slot.shape.iter().product::<usize>()).sum()
        };
        types.iter().map(of_layer).sum()
    };
    GgmlType::ALL.into_iter().max_by_key(|ty| count(*ty)).unwrap_or(GgmlType::F32)
}

/// The type in which rows of `cols` weights are stored where `wanted` was asked for. Where blocks do not fit the rows, types of 256
/// weights give way to types of 32, and those to F16, as in llama.cpp's `tensor_type_fallback`: Q6_K to Q8_0, Q5_K to Q5_1, Q4_K, Q3_K
/// and Q2_K to Q5_0.
pub(crate) fn stored_type(wanted: GgmlType, cols: usize) -> GgmlType {
    if wanted.row_bytes(cols).is_some() {
        return wanted;
    }
    let next = match wanted {
        GgmlType::Q6K => GgmlType::Q8_0,
        GgmlType::Q5K => GgmlType::Q5_1,
        GgmlType::Q4K | GgmlType::Q3K | GgmlType::Q2K => GgmlType::Q5_0,
        _ => GgmlType::F16,
    };
    if next.row_bytes(cols).is_some() { next } else { GgmlType::F16 }
}
