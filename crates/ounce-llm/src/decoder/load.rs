//! Weights from a checkpoint, by the names of its architecture's row.
#![expect(clippy::single_range_in_vec_init, reason = "rows are chosen by ranges, a single one being common")]

use super::weights::{Embedding, FeedForward, GatedWeights, Layer, Linear, NormWeights, Table, Weights};
use crate::arch::names::{Names, Part, QkvOrder};
use crate::checkpoint::{
    HeadPrecision, LoadError, MatrixSource, Tensor, WeightLoader, bias_names, weight_names,
};
use crate::config::{Bias, Block, Config, EmbeddingScale, Experts, NormKind, Positions};
use ounce_formats::ggml::GgmlType;
use std::ops::Range;

/// What a decoder has beside its layers.
pub(crate) struct Ends<'l> {
    pub(crate) embedding: Embedding,
    pub(crate) final_norm: NormWeights,
    /// `[vocab, hidden]`, not read yet: [`WeightLoader::read_head`] makes it a matrix.
    pub(crate) head: MatrixSource<'l>,
}

/// Loads every weight that the configuration names.
///
/// # Errors
/// A missing or misshapen tensor, a type that cannot be computed with.
pub(crate) fn load(
    config: &Config,
    names: &Names,
    loader: &mut WeightLoader,
    head_precision: HeadPrecision,
) -> Result<Weights, LoadError> {
    let Ends { embedding, final_norm, head } = load_ends(config, names, loader)?;
    let head = loader.read_head(&head, head_precision)?;
    let layers = (0..config.layers.len())
        .map(|index| load_layer(config, names, loader, index))
        .collect::<Result<_, _>>()?;
    loader.finish();
    Ok(Weights { embedding, layers, final_norm, head })
}

/// Loads one layer alone.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_layer(
    config: &Config,
    names: &Names,
    loader: &mut WeightLoader,
    index: usize,
) -> Result<Layer, LoadError> {
    let prefix = format!("{}{}{index}.", find_root(names, loader), names.layers);
    LayerLoader { config, names, loader, prefix }.layer()
}

/// Loads what stands before and after the layers. Embedding and head stay in the file.
///
/// # Errors
/// As [`load`].
pub(crate) fn load_ends<'l>(
    config: &Config,
    names: &Names,
    loader: &mut WeightLoader<'l, '_>,
) -> Result<Ends<'l>, LoadError> {
    let root = find_root(names, loader);
    let top = |part: Part| -> Vec<String> { part.iter().map(|stem| format!("{root}{stem}")).collect() };
    let (vocab, hidden) = (config.vocab_size, config.hidden);

    let tensor = loader.tensor(&weight_names(&top(names.embedding)), &[vocab, hidden])?;
    let scale = embedding_scale(&tensor, config);
    let positions = match config.positions {
        Positions::Learned { offset } => {
            let shape = [config.context + offset, hidden];
            let tensor = loader.tensor(&weight_names(&top(names.positions)), &shape)?;
            Some(table(&tensor, offset..shape[0], hidden)?)
        }
        Positions::Rotary | Positions::Alibi(_) => None,
    };
    let embedding = Embedding { tokens: table(&tensor, 0..vocab, hidden)?, scale, positions };
    let heads: Vec<String> = names.head.iter().map(|stem| stem.to_string()).collect();
    let tied = config.tied.unwrap_or_else(|| !loader.holds(&heads));
    let head = if tied { MatrixSource::of(tensor) } else { loader.source(&heads, &[vocab, hidden])? };
    let final_norm = norm(config, loader, &top(names.final_norm), hidden)?;
    Ok(Ends { embedding, final_norm, head })
}

/// The prefix under which this checkpoint keeps the embedding; the first one if none does, for the error that follows.
fn find_root(names: &Names, loader: &WeightLoader) -> &'static str {
    let holds = |root: &str| {
        let stems: Vec<_> = names.embedding.iter().map(|stem| format!("{root}{stem}")).collect();
        loader.find(&weight_names(&stems)).is_some()
    };
    names.roots.iter().find(|root| holds(root)).or(names.roots.first()).copied().unwrap_or_default()
}

fn embedding_scale(tensor: &Tensor, config: &Config) -> f32 {
    let root = (config.hidden as f32).sqrt();
    match (config.embedding_scale, tensor.ty) {
        (EmbeddingScale::One, _) => 1.0,
        (EmbeddingScale::SqrtHiddenRounded, GgmlType::BF16) => half::bf16::from_f32(root).to_f32(),
        (EmbeddingScale::SqrtHiddenRounded, GgmlType::F16) => half::f16::from_f32(root).to_f32(),
        _ => root,
    }
}

/// Some rows of a matrix of `width` columns.
fn table(tensor: &Tensor, rows: Range<usize>, width: usize) -> Result<Table, LoadError> {
    let row_bytes = tensor.row_bytes(width);
    let bytes = tensor.share(rows.start * row_bytes..rows.end * row_bytes);
    let bytes = bytes.ok_or_else(|| LoadError::TensorBytes {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        expected: row_bytes * rows.end,
        found: tensor.bytes().len(),
    })?;
    Ok(Table { bytes, ty: tensor.ty, row_bytes })
}

fn norm(
    config: &Config,
    loader: &mut WeightLoader,
    stems: &[String],
    width: usize,
) -> Result<NormWeights, LoadError> {
    let mut weight = loader.vector(&weight_names(stems), width)?;
    if config.norm_offset != 0.0 {
        weight.iter_mut().for_each(|w| *w += config.norm_offset);
    }
    let bias = match config.norm {
        NormKind::Rms => None,
        NormKind::Layer => bias(loader, stems, width, config.norm_bias)?,
    };
    Ok(NormWeights { kind: config.norm, weight, bias, eps: config.norm_eps })
}

fn bias(
    loader: &mut WeightLoader,
    stems: &[String],
    rows: usize,
    wanted: Bias,
) -> Result<Option<Vec<f32>>, LoadError> {
    let names = bias_names(stems);
    match wanted {
        Bias::None => Ok(None),
        Bias::IfPresent if loader.find(&names).is_none() => Ok(None),
        Bias::IfPresent | Bias::Required => loader.vector(&names, rows).map(Some),
    }
}

/// Loads the parts of one layer.
struct LayerLoader<'a, 'l, 't> {
    config: &'a Config,
    names: &'a Names,
    loader: &'a mut WeightLoader<'l, 't>,
    /// What stands before the names of this layer.
    prefix: String,
}

impl LayerLoader<'_, '_, '_> {
    fn layer(&mut self) -> Result<Layer, LoadError> {
        let (names, Config { hidden, bias, block, .. }) = (self.names, self.config);
        let [q, k, v] = self.qkv()?;
        let sandwich = *block == Block::Sandwich;
        let shared_norm = *block == Block::Parallel { shared_norm: true };
        Ok(Layer {
            attention_norm: self.norm(names.attention_norm, *hidden)?,
            q,
            k,
            v,
            o: self.linear(names.o, *hidden, self.config.q_width(), bias.output)?,
            qk_norms: if self.config.qk_norm {
                let width = self.config.head_dim;
                Some((self.norm(names.q_norm, width)?, self.norm(names.k_norm, width)?))
            } else {
                None
            },
            post_attention_norm: self.norm_if(sandwich, names.post_attention_norm)?,
            feed_forward_norm: self.norm_if(!shared_norm, names.feed_forward_norm)?,
            feed_forward: self.feed_forward()?,
            post_feed_forward_norm: self.norm_if(sandwich, names.post_feed_forward_norm)?,
        })
    }

    /// Query, key and value maps, from three tensors or a fused one.
    fn qkv(&mut self) -> Result<[Linear; 3], LoadError> {
        let Config { hidden, heads, kv_heads, head_dim, .. } = *self.config;
        let (q_width, kv_width) = (self.config.q_width(), self.config.kv_width());
        let bias = self.config.bias.qkv;
        let fused = self.stems(self.names.qkv);
        if !self.names.q.is_empty() && !self.loader.holds(&fused) {
            return Ok([
                self.linear(self.names.q, q_width, hidden, bias)?,
                self.linear(self.names.k, kv_width, hidden, bias)?,
                self.linear(self.names.v, kv_width, hidden, bias)?,
            ]);
        }
        let rows = q_width + 2 * kv_width;
        let source = self.loader.source(&fused, &[rows, hidden])?;
        let biases = self.bias(&fused, rows, bias)?;
        let ranges: [Vec<Range<usize>>; 3] = match self.names.qkv_order {
            QkvOrder::Blocks => {
                [vec![0..q_width], vec![q_width..q_width + kv_width], vec![q_width + kv_width..rows]]
            }
            QkvOrder::Groups => {
                let queries = heads / kv_heads * head_dim;
                let part = |start: usize, width: usize| -> Vec<Range<usize>> {
                    let starts = (0..kv_heads).map(|group| group * (queries + 2 * head_dim) + start);
                    starts.map(|start| start..start + width).collect()
                };
                [part(0, queries), part(queries, head_dim), part(queries + head_dim, head_dim)]
            }
        };
        let mut linear = |ranges: &[Range<usize>]| -> Result<Linear, LoadError> {
            let weight = self.loader.read_rows(&source, ranges)?;
            let pick = |all: &Vec<f32>| ranges.iter().flat_map(|range| all[range.clone()].to_vec()).collect();
            Ok(Linear { weight, bias: biases.as_ref().map(pick) })
        };
        Ok([linear(&ranges[0])?, linear(&ranges[1])?, linear(&ranges[2])?])
    }

    fn feed_forward(&mut self) -> Result<FeedForward, LoadError> {
        let (names, Config { hidden, feed_forward, gated, .. }) = (self.names, self.config);
        let bias = self.config.bias.feed_forward;
        match self.config.experts {
            Some(Experts { count, .. }) => {
                let router = self.linear(names.router, count, *hidden, Bias::None)?;
                let experts =
                    (0..count).map(|expert| self.expert(expert, count)).collect::<Result<_, _>>()?;
                Ok(FeedForward::Experts { router, experts })
            }
            None if *gated => Ok(FeedForward::Gated(GatedWeights {
                gate: self.linear(names.gate, *feed_forward, *hidden, bias)?,
                up: self.linear(names.up, *feed_forward, *hidden, bias)?,
                down: self.linear(names.down, *hidden, *feed_forward, bias)?,
            })),
            None => Ok(FeedForward::Plain {
                up: self.linear(names.up, *feed_forward, *hidden, bias)?,
                down: self.linear(names.down, *hidden, *feed_forward, bias)?,
            }),
        }
    }

    fn expert(&mut self, expert: usize, count: usize) -> Result<GatedWeights, LoadError> {
        let (names, Config { hidden, feed_forward, .. }) = (self.names, self.config);
        let mut part = |part: Part, rows: usize, cols: usize| -> Result<Linear, LoadError> {
            let stems: Vec<_> = self.stems(part);
            let merged: Vec<_> = stems.iter().filter(|stem| !stem.contains("{}")).cloned().collect();
            let weight = if self.loader.holds(&merged) {
                let source = self.loader.source(&merged, &[count, rows, cols])?;
                self.loader.read_rows(&source, &[expert * rows..(expert + 1) * rows])?
            } else {
                let own: Vec<_> = stems.iter().map(|stem| stem.replace("{}", &expert.to_string())).collect();
                self.loader.matrix(&own, rows, cols)?
            };
            Ok(Linear { weight, bias: None })
        };
        Ok(GatedWeights {
            gate: part(names.expert_gate, *feed_forward, *hidden)?,
            up: part(names.expert_up, *feed_forward, *hidden)?,
            down: part(names.expert_down, *hidden, *feed_forward)?,
        })
    }

    fn stems(&self, part: Part) -> Vec<String> {
        part.iter().map(|stem| format!("{}{stem}", self.prefix)).collect()
    }

    fn linear(&mut self, part: Part, rows: usize, cols: usize, bias: Bias) -> Result<Linear, LoadError> {
        let stems = self.stems(part);
        let weight = self.loader.matrix(&stems, rows, cols)?;
        Ok(Linear { weight, bias: self.bias(&stems, rows, bias)? })
    }

    fn bias(&mut self, stems: &[String], rows: usize, wanted: Bias) -> Result<Option<Vec<f32>>, LoadError> {
        bias(self.loader, stems, rows, wanted)
    }

    fn norm(&mut self, part: Part, width: usize) -> Result<NormWeights, LoadError> {
        let stems = self.stems(part);
        norm(self.config, self.loader, &stems, width)
    }

    fn norm_if(&mut self, wanted: bool, part: Part) -> Result<Option<NormWeights>, LoadError> {
        if wanted { self.norm(part, self.config.hidden).map(Some) } else { Ok(None) }
    }
}
