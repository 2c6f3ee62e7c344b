//! A whole model, layer by layer.

use super::awq;
use super::block::{self, BlockLoss};
use super::calibration::{Calibration, sequences};
use super::layer::{WorkingLayer, floats};
use super::observe::Observers;
use super::plan::{Plan, Rounder};
use super::report::{CompressProgress, CompressReport, LayerReport, LinearReport, Phase};
use super::smooth;
use super::{
    Activations, CompressError, CompressOptions, CompressedWeight, Inspect, Method, SEQUENCE, Target,
};
use crate::arch;
use crate::checkpoint::{Checkpoint, Source, WeightLoader};
use crate::decoder::{self, Layer, LinearId};
use crate::export::{FolderExport, FolderFormat, GgufExport, HeadExport, Origin};
use crate::tokenizer::Tokenizer;
use ounce_formats::ggml::GgmlType;
use ounce_kernels::{Team, ThreadPool};
use ounce_quant::feedback::Feedback;
use ounce_quant::loss::{error_of, output_energy};
use ounce_quant::smoothquant::tensor_scale;
use ounce_quant::{Inputs, Rounding as _};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Shares of the work on a layer that calibration and search take, for the progress.
const CALIBRATE: f64 = 0.6;
const SEARCH: f64 = 0.3;

/// Is told how far the work is, and says whether to go on.
pub type OnProgress<'a> = &'a mut dyn FnMut(CompressProgress) -> ControlFlow<()>;

/// Compresses the model at `source` (a GGUF file or a folder) into `target`, which must not exist.
///
/// `text` is read by the model to see what flows through it; only [`Method::Nearest`] with float or per-token activations does without. One
/// layer in floats, the residual stream of the calibration text and the Gram matrices of one layer are in memory at a time. Nothing
/// is left at the target unless all is written.
///
/// # Errors
/// [`CompressError`].
pub fn compress(
    source: &Path,
    target: &Path,
    options: &CompressOptions,
    text: Option<&str>,
    pool: &mut ThreadPool,
    progress: OnProgress<'_>,
) -> Result<CompressReport, CompressError> {
    let checkpoint = Checkpoint::open(source)?;
    let (config, names) = arch::describe(&checkpoint).map_err(crate::LoadError::from)?;
    let plan = Plan::new(&config, options)?;
    let origin = Origin { checkpoint: &checkpoint, config: &config, names };
    let mut export = Export::create(target, origin, &plan, options)?;
    let mut report = layers(source, origin, &plan, options, text, pool, progress, &mut |index, layer| {
        export.layer(index, &layer)
    })?;
    report.bytes = export.finish()?;
    Ok(report)
}

/// Compresses all layers and hands them to `sink` in order.
#[expect(clippy::too_many_arguments, reason = "what `compress` was told, and what it made of it")]
pub(crate) fn layers(
    source: &Path,
    origin: Origin<'_>,
    plan: &Plan,
    options: &CompressOptions,
    text: Option<&str>,
    pool: &mut ThreadPool,
    progress: OnProgress<'_>,
    sink: &mut dyn FnMut(usize, Layer<CompressedWeight>) -> Result<(), CompressError>,
) -> Result<CompressReport, CompressError> {
    let Origin { checkpoint, config, names } = origin;
    pool.region(|team| {
        let mut quiet = |_| ();
        let mut loader = WeightLoader::new(checkpoint, team, &mut quiet).in_f32();
        let embedding = decoder::load_ends(config, names, &mut loader)?.embedding;
        let needs_text = options.method != Method::Nearest || options.activations == Activations::PerTensor;
        let mut calibration = match text.filter(|_| needs_text) {
            None if needs_text => return Err(CompressError::NoText),
            None => None,
            Some(text) => {
                let tokenizer = match checkpoint.source() {
                    Source::Gguf(file) => Tokenizer::from_gguf(file.metadata())?,
                    Source::Folder(_) => Tokenizer::from_folder(source)?,
                };
                let length = options.sequence.unwrap_or(SEQUENCE.min(config.context));
                let tokens = sequences(&tokenizer, text, options.samples, length)?;
                Some(Calibration::new(team, config, &embedding, &tokens, length)?)
            }
        };
        let mut report = CompressReport {
            architecture: config.architecture,
            method: match options.method {
                Method::Nearest => "rtn",
                Method::Awq { .. } => "awq",
                Method::SmoothQuant { .. } => "smoothquant",
            },
            weights: plan.describe(),
            activations: match options.activations {
                Activations::Float => "float",
                Activations::PerToken => "int8 per token",
                Activations::PerTensor => "int8 per tensor",
            },
            bits_per_weight: 0.0,
            quantized_weights: 0,
            calibration_tokens: calibration.as_ref().map_or(0, |c| c.tokens(config.hidden)),
            bytes: 0,
            layers: Vec::new(),
        };
        let mut bits = 0.0;
        let layers = config.layers.len();
        for index in 0..layers {
            let mut tell = |phase: Phase, share: f64| {
                let share = (index as f64 + share) / layers as f64;
                match progress(CompressProgress { layers_done: index, layers, phase, share }) {
                    ControlFlow::Continue(()) => Ok(()),
                    ControlFlow::Break(()) => Err(CompressError::Stopped),
                }
            };
            let load = |team: &mut Team<'_>| {
                let mut quiet = |_| ();
                let mut loader = WeightLoader::new(checkpoint, team, &mut quiet).in_f32();
                decoder::load_layer(config, names, &mut loader, index)
            };
            let layer = load(team)?;
            let inspects = matches!(options.method, Method::Awq { inspect: Inspect::Block, .. });
            let mut before = None;
            let mut inputs = BTreeMap::new();
            if let Some(calibration) = &mut calibration {
                let mut observers =
                    Observers::new(config, &layer, options, calibration.tokens(config.hidden));
                before = inspects.then(|| block::before(calibration, config));
                calibration.run(team, config, index, &layer, Some(&mut observers), &mut |share| {
                    tell(Phase::Calibrate, CALIBRATE * share)
                })?;
                inputs = observers.finish(team, index)?;
            }
            tell(Phase::Search, if calibration.is_some() { CALIBRATE } else { 0.0 })?;
            let blocks = match (&mut calibration, before) {
                (Some(calibration), Some(x)) => {
                    let layer = load(team)?;
                    Some(BlockLoss::new(team, config, index, layer, calibration, x))
                }
                _ => None,
            };
            let working =
                WorkingLayer { config, index, weights: floats(layer), inputs, rotations: BTreeMap::new() };
            let (layer, linears) = compress_layer(team, working, plan, options, blocks, &mut |phase| {
                tell(phase, CALIBRATE + SEARCH)
            })?;
            for linear in &linears.linears {
                let weights = (linear.shape[0] * linear.shape[1]) as u64;
                report.quantized_weights += weights;
            }
            bits += stored_bits(&layer);
            report.layers.push(linears);
            sink(index, layer)?;
        }
        report.weights = described(plan, &report.layers);
        report.bits_per_weight = bits / report.quantized_weights.max(1) as f64;
        Ok(report)
    })
}

/// How weights are stored; of GGUF types each with the number of its maps, where the one asked for does not fit all.
fn described(plan: &Plan, layers: &[LayerReport]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for linear in layers.iter().flat_map(|layer| &layer.linears) {
        *counts.entry(&linear.stored).or_default() += 1;
    }
    if !matches!(plan, Plan::Blocks(_)) || counts.is_empty() {
        return plan.describe();
    }
    let mut kinds: Vec<_> = counts.into_iter().collect();
    kinds.sort_by_key(|&(kind, count)| (std::cmp::Reverse(count), kind));
    match kinds[..] {
        [(only, _)] => only.to_owned(),
        _ => {
            kinds.iter().map(|(kind, count)| format!("{kind} ({count} maps)")).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Scales, rounds and describes one layer.
fn compress_layer(
    team: &mut Team<'_>,
    mut layer: WorkingLayer<'_>,
    plan: &Plan,
    options: &CompressOptions,
    blocks: Option<BlockLoss<'_>>,
    tell: &mut dyn FnMut(Phase) -> Result<(), CompressError>,
) -> Result<(Layer<CompressedWeight>, LayerReport), CompressError> {
    let int8 = options.activations != Activations::Float;
    let ids = layer.quantized();
    let mut before = BTreeMap::new();
    for &id in &ids {
        let rounder = plan.rounder(layer.cols(id));
        let error = match layer.inputs.contains_key(&id.site()) {
            false => None,
            true if int8 => Some(smooth::error(team, &layer, id, options.activations)),
            true => awq::nearest_error(team, &layer, id, &rounder),
        };
        let energy = energy(team, &layer, id, int8);
        before.insert(id, (error, energy, weight_error(team, &layer, id, &rounder)));
    }
    let scales = match options.method {
        Method::Nearest => Vec::new(),
        Method::Awq { .. } => awq::scale(team, &mut layer, plan, blocks),
        Method::SmoothQuant { alpha, rotate } => {
            smooth::smooth(team, &mut layer, alpha, rotate, options.activations)
        }
    };
    tell(Phase::Round)?;
    let feeds = options.feeds_back() && matches!(plan, Plan::Groups { .. });
    let mut feedback = None;
    let mut compressed = BTreeMap::new();
    let mut linears = Vec::new();
    for id in ids {
        let (error_before, energy_before, weight_error_before) = before[&id];
        // Rows that a scale was folded into have other outputs now.
        let energy_after = energy(team, &layer, id, int8);
        if feedback.as_ref().is_none_or(|(site, _)| *site != id.site()) {
            // One decomposition serves the maps of a site, which follow one another.
            feedback = None;
            if let (true, Some(inputs)) = (feeds, layer.inputs.get(&id.site())) {
                feedback = Feedback::new(team, inputs).map(|feedback| (id.site(), feedback));
            }
        }
        let feedback = feedback.as_ref().map(|(_, feedback)| feedback);
        let (weight, clipped) = store(team, &layer, id, plan, options, feedback)?;
        let error_after = match layer.inputs.get(&id.site()) {
            None => None,
            Some(_) if int8 => smooth::stored_error(team, &layer, id, &weight, options.activations),
            Some(_) => stored_error(team, &layer, id, &weight),
        };
        let relative = |error: Option<f64>, energy: f64| match (error, int8) {
            (Some(error), false) => Some(if energy > 0.0 { error / energy } else { 0.0 }),
            // Relative already.
            (error, _) => error,
        };
        let cols = layer.cols(id);
        linears.push(LinearReport {
            linear: id.to_string(),
            shape: [layer.weights(id).len() / cols, cols],
            stored: match &weight {
                CompressedWeight::Float(_) => "float".to_owned(),
                CompressedWeight::Grouped { .. } => plan.describe(),
                CompressedWeight::Blocks { ty, .. } => ty.name().to_owned(),
            },
            error_before: relative(error_before, energy_before),
            error_after: relative(error_after, energy_after),
            weight_error_before,
            clipped,
            rotation: layer.rotations.get(&id.site()).map(|rotation| rotation.block()),
        });
        compressed.insert(id, weight);
    }
    let index = layer.index;
    let done = layer.weights.try_map(&mut |id, floats| {
        Ok::<_, CompressError>(compressed.remove(&id).unwrap_or(CompressedWeight::Float(floats)))
    })?;
    Ok((done, LayerReport { layer: index, linears, scales }))
}

/// A map as it will be stored, and whether ranges were narrowed.
fn store(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    id: LinearId,
    plan: &Plan,
    options: &CompressOptions,
    feedback: Option<&Feedback>,
) -> Result<(CompressedWeight, bool), CompressError> {
    let cols = layer.cols(id);
    let rounder = plan.rounder(cols);
    let nearest = match rounder {
        Rounder::Blocks(ty) => return Ok((best_blocks(team, layer, id, ty)?, false)),
        Rounder::Groups(nearest) => nearest,
    };
    let scheme_error = |source| CompressError::Scheme { layer: layer.index, linear: id.to_string(), source };
    let clip = matches!(options.method, Method::Awq { clip: true, .. });
    let stored = awq::quantize(team, layer, id, &nearest, clip, feedback).map_err(scheme_error)?;
    let input_scale = match options.activations {
        Activations::PerTensor => layer.inputs.get(&id.site()).map(tensor_scale),
        _ => None,
    };
    let rotation = layer.rotations.get(&id.site()).copied();
    Ok((CompressedWeight::Grouped { matrix: stored.matrix, input_scale, rotation }, stored.clipped))
}

/// A map in blocks of a GGUF type: with scales that leave the smallest error in the weights, or the smallest weighted by the mean squares of
/// the inputs (ggml's importance), whichever leaves the smaller error in the outputs.
fn best_blocks(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    id: LinearId,
    ty: GgmlType,
) -> Result<CompressedWeight, CompressError> {
    let (weights, cols) = (layer.weights(id), layer.cols(id));
    let plain = blocks(team, weights, cols, ty, None)?;
    let importance = layer.inputs.get(&id.site()).and_then(Inputs::mean_square);
    let Some(importance) = importance else { return Ok(plain) };
    let weighted = blocks(team, weights, cols, ty, Some(&importance))?;
    let plain_error = stored_error(team, layer, id, &plain);
    let better = stored_error(team, layer, id, &weighted) < plain_error;
    Ok(if better { weighted } else { plain })
}

/// A map in blocks of a GGUF type, for columns of this importance `[cols]`.
fn blocks(
    team: &mut Team<'_>,
    weights: &[f32],
    cols: usize,
    ty: GgmlType,
    importance: Option<&[f32]>,
) -> Result<CompressedWeight, CompressError> {
    let mut rows = vec![Vec::new(); weights.len() / cols];
    let failed = std::sync::Mutex::new(None);
    team.for_each_chunk_mut(&mut rows, 1, |row, out| {
        if let Err(error) = ty.quantize_weighted(&weights[row * cols..][..cols], importance, &mut out[0])
            && let Ok(mut failed) = failed.lock()
        {
            *failed = Some(error);
        }
    });
    match failed.into_inner() {
        Ok(Some(error)) => Err(CompressError::Options(error.to_string())),
        _ => Ok(CompressedWeight::Blocks { ty, bytes: rows.concat() }),
    }
}

/// The mean squared output of a map; 0 without calibration, and for 8-bit inputs, whose errors are relative already.
fn energy(team: &mut Team<'_>, layer: &WorkingLayer<'_>, id: LinearId, int8: bool) -> f64 {
    let inputs = layer.inputs.get(&id.site()).filter(|_| !int8);
    inputs.map_or(0.0, |inputs| output_energy(team, inputs, layer.weights(id)))
}

/// The error of the outputs of a map as it is stored.
fn stored_error(
    team: &mut Team<'_>,
    layer: &WorkingLayer<'_>,
    id: LinearId,
    weight: &CompressedWeight,
) -> Option<f64> {
    let inputs = layer.inputs.get(&id.site())?;
    Some(error_of(team, inputs, layer.weights(id), |row, out| weight.dequantize_row(row, out)))
}

/// `|w' - w|^2 / |w|^2` for weights rounded to nearest.
fn weight_error(team: &mut Team<'_>, layer: &WorkingLayer<'_>, id: LinearId, rounder: &Rounder) -> f64 {
    let (weights, cols) = (layer.weights(id), layer.cols(id));
    let mut sums = vec![(0.0f64, 0.0f64); weights.len() / cols];
    team.for_each_chunk_mut(&mut sums, 16, |chunk, sums| {
        let mut rounded = vec![0.0; cols];
        for (index, sum) in sums.iter_mut().enumerate() {
            let weights = &weights[(chunk * 16 + index) * cols..][..cols];
            rounder.round_row(weights, &mut rounded);
            *sum = ounce_quant::loss::squares(weights, &rounded);
        }
    });
    let (error, all) = sums.iter().fold((0.0, 0.0), |(error, all), sum| (error + sum.0, all + sum.1));
    if all > 0.0 { error / all } else { 0.0 }
}

/// Bits that the quantized maps of a layer take.
fn stored_bits(layer: &Layer<CompressedWeight>) -> f64 {
    let bits = |weight: &CompressedWeight| match weight {
        CompressedWeight::Float(_) => 0.0,
        CompressedWeight::Grouped { matrix, .. } => matrix.bits_per_weight() * matrix.quants.len() as f64,
        CompressedWeight::Blocks { bytes, .. } => 8.0 * bytes.len() as f64,
    };
    layer.linears().into_iter().map(|(_, linear)| bits(&linear.weight)).sum()
}

/// The file or folder being written.
enum Export<'a> {
    Folder(Box<FolderExport<'a>>),
    Gguf(Box<GgufExport<'a>>),
}

impl<'a> Export<'a> {
    fn create(
        target: &Path,
        origin: Origin<'a>,
        plan: &Plan,
        options: &CompressOptions,
    ) -> Result<Self, CompressError> {
        let head = if options.int8_head { HeadExport::Int8 } else { HeadExport::AsIs };
        let scheme = plan.linear_scheme(options);
        let format = match (options.target, scheme) {
            (Target::Gguf(ty), _) => {
                return Ok(Self::Gguf(Box::new(GgufExport::create(target, origin, &|_, _| ty, head)?)));
            }
            (Target::AutoAwq, scheme) => {
                FolderFormat::AutoAwq { group: scheme.and_then(|scheme| scheme.group) }
            }
            (Target::CompressedTensors, Some(scheme)) => FolderFormat::CompressedTensors(scheme),
            (Target::CompressedTensors, None) => FolderFormat::Float(GgmlType::F16),
        };
        Ok(Self::Folder(Box::new(FolderExport::create(target, origin, format, head)?)))
    }

    fn layer(&mut self, index: usize, layer: &Layer<CompressedWeight>) -> Result<(), CompressError> {
        match self {
            Self::Folder(export) => export.layer(index, layer)?,
            Self::Gguf(export) => export.layer(index, layer)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<u64, CompressError> {
        Ok(match self {
            Self::Folder(export) => export.finish()?,
            Self::Gguf(export) => export.finish()?,
        })
    }
}
