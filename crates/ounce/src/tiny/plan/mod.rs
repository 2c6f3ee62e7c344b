//! What `ounce tiny plan` finds out.

mod analysis;
mod figure;
mod search;
mod table;

pub(crate) use self::analysis::Analysis;
pub(crate) use self::search::{Search, Searched};
use ounce_tiny::emit::{Arena, Budget, Measured};
use ounce_tiny::plan::{PlanError, Planner};
use ounce_tiny::scheme::{Layer, Scheme, extra_memory};
use serde::Serialize;

/// The plan of a network and of the ways to train it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) network: String,
    /// Rows and columns of images.
    pub(crate) size: [usize; 2],
    /// Products of an inference.
    pub(crate) macs: u64,
    pub(crate) inference: Need,
    /// Convolutions, without the classifier.
    pub(crate) convolutions: usize,
    pub(crate) schemes: Vec<Training>,
    /// How the last of them was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<Searched>,
    pub(crate) layers: Vec<LayerRow>,
}

/// What a program takes, in bytes.
#[derive(Debug, Serialize)]
pub(crate) struct Need {
    pub(crate) arena_bytes: u64,
    /// What is needed of it together at the worst moment.
    pub(crate) arena_lower_bound_bytes: u64,
    /// What it would be if pieces were placed by their lifetimes, the longest first.
    pub(crate) arena_first_fit_bytes: u64,
    /// Trained parameters, in SRAM.
    pub(crate) state_bytes: u64,
    pub(crate) stack_bytes: u64,
    pub(crate) sram_bytes: u64,
    /// Weights and tables, first values of trained parameters, and at most so much code.
    pub(crate) flash_bytes: u64,
    pub(crate) fits: bool,
}

/// A way to train the network.
#[derive(Debug, Serialize)]
pub(crate) struct Training {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) scheme: Scheme,
    /// What training takes beyond inference by the original's formula, in units of 1024 bytes.
    pub(crate) extra_kb: f64,
    /// What contributions say of its accuracy, in `0..=1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) predicted_accuracy: Option<f64>,
    /// The program that infers and trains.
    #[serde(flatten)]
    pub(crate) need: Need,
}

/// A convolution.
#[derive(Debug, Serialize)]
pub(crate) struct LayerRow {
    pub(crate) number: usize,
    pub(crate) kind: &'static str,
    /// Channels, rows and columns of the image.
    pub(crate) input: [usize; 3],
    pub(crate) output: [usize; 3],
    /// Rows and columns.
    pub(crate) kernel: [usize; 2],
    pub(crate) macs: usize,
    pub(crate) weights: usize,
    /// What it takes to train the bias, by the original's formula.
    pub(crate) bias_kb: f64,
    /// What it takes to train all of the weight besides.
    pub(crate) weight_kb: f64,
}

impl Need {
    pub(crate) fn of(measured: &Measured, budget: &Budget) -> Self {
        let memory = &measured.memory;
        Self {
            arena_bytes: memory.arena,
            arena_lower_bound_bytes: memory.lower_bound,
            arena_first_fit_bytes: measured
                .arenas
                .iter()
                .map(|arena| arena.first_fit as u64)
                .max()
                .unwrap_or(0),
            state_bytes: memory.state,
            stack_bytes: budget.stack,
            sram_bytes: memory.sram(budget.stack),
            flash_bytes: memory.flash(),
            fits: budget.check(memory).is_ok(),
        }
    }

    /// What the packing loses against the lower bound, in percent.
    pub(crate) fn gap(&self) -> f64 {
        100.0 * (self.arena_bytes as f64 / self.arena_lower_bound_bytes.max(1) as f64 - 1.0)
    }
}

impl Training {
    /// Plans one scheme; the arena of the step too.
    pub(crate) fn plan(
        planner: &Planner,
        name: String,
        scheme: Scheme,
        budget: &Budget,
    ) -> Result<(Self, Option<Arena>), PlanError> {
        let measured = planner.training(&scheme)?;
        let need = Need::of(&measured, budget);
        let extra_kb = extra_memory(planner.layers(), &scheme).kib();
        Ok((
            Self { name, scheme, extra_kb, predicted_accuracy: None, need },
            measured.arenas.into_iter().next_back(),
        ))
    }
}

impl LayerRow {
    pub(crate) fn of(number: usize, layer: &Layer) -> Self {
        let [bias, weight] = layer.extra_memory();
        Self {
            number,
            kind: match layer {
                Layer { depthwise: true, .. } => "depthwise",
                Layer { kernel: [1, 1], .. } => "pointwise",
                _ => "dense",
            },
            input: layer.input,
            output: layer.output,
            kernel: layer.kernel,
            macs: layer.macs(),
            weights: layer.weights(),
            bias_kb: bias.kib(),
            weight_kb: weight.kib(),
        }
    }
}
