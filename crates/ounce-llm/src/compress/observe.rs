//! The statistics of the inputs of a layer's maps.

use super::{CompressError, CompressOptions, Method};
use crate::config::Config;
use crate::decoder::{Layer, LinearId, Site, Tap};
use ounce_kernels::{Matrix, Team};
use ounce_quant::{InputObserver, Inputs, Keep};
use std::collections::BTreeMap;

/// Largest memory of the Gram matrices of a mixture's experts of one kind, in bytes; beyond it errors are measured on samples.
const MOST_GRAM_BYTES: usize = 1 << 30;
/// Tokens kept where errors are measured on samples.
const SAMPLE: usize = 512;

/// Gathers the statistics while a layer runs.
///
/// In the Gram matrices a token counts by the inverse of the mean square of its residual stream after the layer. The next normalisation
/// divides by just that, so this makes the error relative to what the following layers see; and without it the few tokens with massive
/// activations (Sun et al., 2024), whose stream is thousands of times larger, would drown all others. Queries, keys and values are read by other
/// tokens, so there all count alike.
pub(super) struct Observers {
    hidden: usize,
    sites: BTreeMap<Site, InputObserver>,
    /// Inputs of the sequence at hand.
    seen: Vec<(Site, Vec<f32>)>,
}

impl Observers {
    /// Observers of all maps of `layer` that are quantized, for `tokens` tokens in all.
    pub(super) fn new(
        config: &Config,
        layer: &Layer<Matrix>,
        options: &CompressOptions,
        tokens: usize,
    ) -> Self {
        let mut sites = BTreeMap::new();
        for (id, linear) in layer.linears() {
            if id != LinearId::Router {
                let width = linear.weight.cols();
                sites.entry(id.site()).or_insert_with(|| {
                    InputObserver::new(width, keep(config, id.site(), width, options, tokens))
                });
            }
        }
        Self { hidden: config.hidden, sites, seen: Vec::new() }
    }

    /// The statistics.
    ///
    /// # Errors
    /// [`CompressError::NotFinite`].
    pub(super) fn finish(
        self,
        team: &mut Team<'_>,
        layer: usize,
    ) -> Result<BTreeMap<Site, Inputs>, CompressError> {
        let mut all = BTreeMap::new();
        for (site, observer) in self.sites {
            let inputs = observer.finish(team);
            if !inputs.mean_abs.iter().chain(&inputs.max_abs).all(|x| x.is_finite()) {
                return Err(CompressError::NotFinite { layer, linear: format!("{site:?}") });
            }
            all.insert(site, inputs);
        }
        Ok(all)
    }
}

fn keep(config: &Config, site: Site, width: usize, options: &CompressOptions, tokens: usize) -> Keep {
    let (experts, expected_rows) = match (site, config.experts) {
        (Site::Expert(_) | Site::ExpertDown(_), Some(experts)) => {
            (experts.count, (tokens * experts.used / experts.count).max(1))
        }
        _ => (1, tokens),
    };
    let smooth = matches!(options.method, Method::SmoothQuant { .. });
    let fits = experts.saturating_mul(width * width * 4) <= MOST_GRAM_BYTES || experts == 1;
    Keep {
        gram_rows: if smooth || !fits { 0 } else { options.gram_tokens.max(2 * width).min(expected_rows) },
        sample_rows: if smooth || !fits { SAMPLE } else { 0 },
        expected_rows,
    }
}

impl Tap for Observers {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains_key(&site)
    }

    fn input(&mut self, _: &mut Team<'_>, site: Site, x: &[f32]) {
        self.seen.push((site, x.to_vec()));
    }

    fn output(&mut self, team: &mut Team<'_>, x: &[f32]) {
        let weight = |x: &[f32]| x.len() as f32 / x.iter().map(|x| x * x).sum::<f32>().max(f32::MIN_POSITIVE);
        let weights: Vec<f32> = x.chunks_exact(self.hidden).map(weight).collect();
        for (site, x) in std::mem::take(&mut self.seen) {
            if let Some(observer) = self.sites.get_mut(&site) {
                let weights = match site {
                    Site::AttentionOutput | Site::FeedForward | Site::Down => weights.as_slice(),
                    Site::Attention | Site::Expert(_) | Site::ExpertDown(_) => &[],
                };
                observer.observe(team, &x, weights);
            }
        }
    }
}
