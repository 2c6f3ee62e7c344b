//! A layer whose weights are being changed.

use super::groups::{Fold, ScalingGroup, folded_rows};
use crate::config::Config;
use crate::decoder::{Layer, LinearId, Site};
use ounce_kernels::ops::{self, Rotation};
use ounce_kernels::{Matrix, Team};
use ounce_quant::Inputs;
use std::collections::BTreeMap;

/// A layer in floats, with the statistics of the inputs of its maps.
pub(super) struct WorkingLayer<'a> {
    pub(super) config: &'a Config,
    pub(super) index: usize,
    pub(super) weights: Layer<Vec<f32>>,
    /// Empty without calibration.
    pub(super) inputs: BTreeMap<Site, Inputs>,
    /// Sites whose inputs are rotated; weights and statistics are those of the rotated inputs.
    pub(super) rotations: BTreeMap<Site, Rotation>,
}

/// A copy of a layer's floats.
pub(super) fn floats(layer: Layer<Matrix>) -> Layer<Vec<f32>> {
    let copied = layer.try_map(&mut |_, matrix: Matrix| {
        Ok::<_, std::convert::Infallible>(matrix.as_f32().map(<[f32]>::to_vec).unwrap_or_default())
    });
    match copied {
        Ok(layer) => layer,
        Err(never) => match never {},
    }
}

impl WorkingLayer<'_> {
    /// The weights of a map, `[rows, cols]`; empty if the layer has no such map.
    pub(super) fn weights(&self, id: LinearId) -> &[f32] {
        self.weights.linear(id).map(|linear| linear.weight.as_slice()).unwrap_or_default()
    }

    /// Input features of a map.
    pub(super) fn cols(&self, id: LinearId) -> usize {
        match id {
            LinearId::O => self.config.q_width(),
            LinearId::Down | LinearId::ExpertDown(_) => self.config.feed_forward,
            _ => self.config.hidden,
        }
    }

    /// The maps that are quantized.
    pub(super) fn quantized(&self) -> Vec<LinearId> {
        let all = self.weights.linears().into_iter().map(|(id, _)| id);
        all.filter(|id| *id != LinearId::Router).collect()
    }

    /// Multiplies the columns of the group's maps with `scales`, divides what comes before them and the statistics of their inputs.
    pub(super) fn apply(&mut self, group: &ScalingGroup, scales: &[f32]) {
        for id in group.linears.iter().chain(&group.passengers) {
            if let Some(linear) = self.weights.linear_mut(*id) {
                for row in linear.weight.chunks_exact_mut(scales.len()) {
                    row.iter_mut().zip(scales).for_each(|(w, s)| *w *= s);
                }
            }
        }
        match group.fold {
            Fold::AttentionNorm => divide_norm(Some(&mut self.weights.attention_norm), scales),
            Fold::FeedForwardNorm => divide_norm(self.weights.feed_forward_norm.as_mut(), scales),
            Fold::Rows(id) => {
                let cols = self.cols(id);
                if let Some(linear) = self.weights.linear_mut(id) {
                    let rows = folded_rows(self.config, id, linear.weight.len() / cols);
                    for (row, column) in linear.weight.chunks_exact_mut(cols).zip(&rows) {
                        row.iter_mut().for_each(|w| *w /= scales[*column]);
                    }
                    if let Some(bias) = &mut linear.bias {
                        bias.iter_mut().zip(&rows).for_each(|(b, column)| *b /= scales[*column]);
                    }
                }
            }
        }
        let ids: Vec<LinearId> = group.linears.iter().chain(&group.passengers).copied().collect();
        for site in sites(&ids) {
            if let Some(inputs) = self.inputs.get_mut(&site) {
                *inputs = inputs.divided_by(scales);
            }
        }
    }

    /// Rotates the inputs of `ids`, all the maps of their sites, and their weights to match.
    pub(super) fn rotate(&mut self, team: &mut Team<'_>, ids: &[LinearId], rotation: Rotation) {
        for &id in ids {
            let cols = self.cols(id);
            if let Some(linear) = self.weights.linear_mut(id) {
                ops::rotate(team, &mut linear.weight, cols, rotation);
            }
        }
        for site in sites(ids) {
            if let Some(inputs) = self.inputs.get_mut(&site) {
                *inputs = inputs.rotated(team, rotation);
            }
            self.rotations.insert(site, rotation);
        }
    }
}

/// The sites of maps, each once.
fn sites(ids: &[LinearId]) -> Vec<Site> {
    let mut sites: Vec<Site> = ids.iter().map(|id| id.site()).collect();
    sites.sort();
    sites.dedup();
    sites
}

fn divide_norm(norm: Option<&mut crate::decoder::NormWeights>, scales: &[f32]) {
    if let Some(norm) = norm {
        norm.weight.iter_mut().zip(scales).for_each(|(w, s)| *w /= s);
        if let Some(bias) = &mut norm.bias {
            bias.iter_mut().zip(scales).for_each(|(b, s)| *b /= s);
        }
    }
}
