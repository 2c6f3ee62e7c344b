//! The statistics of the inputs of a layer's maps.

use super::{Activations, CompressError, CompressOptions};
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
pub(super) struct Observers {
    sites: BTreeMap<Site, InputObserver>,
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
        Self { sites }
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
    // The error of rounded inputs cannot be had from their moments.
    let int8 = options.activations != Activations::Float;
    let fits = experts.saturating_mul(width * width * 4) <= MOST_GRAM_BYTES || experts == 1;
    Keep {
        gram_rows: if (int8 && !options.feeds_back()) || !fits {
            0
        } else {
            options.gram_tokens.max(2 * width).min(expected_rows)
        },
        sample_rows: if int8 || !fits { SAMPLE } else { 0 },
        expected_rows,
    }
}

impl Tap for Observers {
    fn wants(&self, site: Site) -> bool {
        self.sites.contains_key(&site)
    }

    fn input(&mut self, team: &mut Team<'_>, site: Site, x: &[f32]) {
        if let Some(observer) = self.sites.get_mut(&site) {
            observer.observe(team, x);
        }
    }
}
