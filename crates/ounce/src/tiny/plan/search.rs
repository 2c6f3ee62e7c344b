//! The search for a scheme.

use super::{Report, Training};
use crate::chat::Interrupt;
use crate::cli::at_least_one;
use crate::failure::{Context as _, Failure, Result};
use crate::output::{self, note};
use clap::Args;
use ounce_tiny::contribution::{Contributions, Prediction, Setting};
use ounce_tiny::emit::Budget;
use ounce_tiny::plan::{PlanError, Planner};
use ounce_tiny::scheme::{Scheme, extra_memory};
use ounce_tiny::search::{Found, SearchOptions, Verdict, evolve, random};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How a scheme is searched for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Search for a scheme")]
pub(crate) struct Search {
    /// Search for the scheme that contributions say is the most accurate within --sram and --flash
    #[arg(long, requires = "contributions")]
    search: bool,
    /// Instead of --sram and --flash, what training may take beyond inference by the formula that published budgets are stated in
    #[arg(long, value_name = "KB", requires = "search", value_parser = kilobytes)]
    budget_kb: Option<f64>,
    /// Write it to this file
    #[arg(short, long, value_name = "FILE", requires = "search")]
    output: Option<PathBuf>,
    /// Of how many schemes it is asked whether they fit [default: 10000, or 2000 where that is found out by compiling them]
    #[arg(long, value_name = "N", requires = "search", value_parser = at_least_one())]
    evaluations: Option<usize>,
    /// Where the search begins
    #[arg(long, value_name = "N", requires = "search", default_value_t = 0)]
    search_seed: u64,
}

/// What a search found.
#[derive(Debug, Serialize)]
pub(crate) struct Searched {
    pub(crate) accuracy: f64,
    pub(crate) evaluations: usize,
    /// What was found by chance with as many evaluations.
    pub(crate) accuracy_by_chance: Option<f64>,
    /// Whether it was broken off, this being the best so far.
    pub(crate) stopped: bool,
    #[serde(skip)]
    pub(crate) scheme: Scheme,
}

/// A number of kilobytes, 0 or above.
fn kilobytes(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number.filter(|number| *number >= 0.0).ok_or_else(|| "a number, 0 or above".to_owned())
}

impl Search {
    /// Whether there is something to search for.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.search
    }

    /// Searches, if asked to. Once interrupted it gives the best so far.
    pub(crate) fn run(
        &self,
        planner: &Planner,
        contributions: Option<&Contributions>,
        budget: &Budget,
        interrupt: &Interrupt,
    ) -> Result<Option<Searched>> {
        let (true, Some(contributions)) = (self.search, contributions) else { return Ok(None) };
        if let Some(path) = &self.output {
            output::check_writable(path)?;
        }
        let prediction = Prediction::of(contributions).map_err(|error| Failure::from_error(&error))?;
        let usual = if self.budget_kb.is_some() { 10_000 } else { 2000 };
        let evaluations = self.evaluations.unwrap_or(usual);
        let options = SearchOptions { evaluations, seed: self.search_seed, ..SearchOptions::default() };
        let fits = |scheme: &Scheme| -> Result<Verdict, PlanError> {
            // About the least it is asked in any case, so that there is something to give.
            if interrupt.pressed() && *scheme != Scheme::bias_only(0) {
                return Ok(Verdict::Stop);
            }
            let Some(most) = self.budget_kb else { return planner.fits(scheme, budget) };
            let extra = extra_memory(planner.layers(), scheme);
            Ok(if extra.kib() <= most { Verdict::Fits(extra.bits()) } else { Verdict::TooLarge })
        };
        let cannot = || "the search failed".to_owned();
        let found = evolve(&prediction, &options, fits).context(cannot)?.ok_or_else(|| {
            Failure::new("no scheme fits: the network and its classifier take more already")
                .hint("give more memory, or a smaller --size")
        })?;
        let Found { scheme, accuracy, evaluations, .. } = found;
        let stopped = interrupt.pressed();
        if stopped {
            note(format_args!("stopped after {evaluations} schemes; this is the best of them"));
        }
        let drawn = random(&prediction, &options, fits).context(cannot)?;
        // Of a search by chance that was broken off nothing follows.
        let accuracy_by_chance = drawn.filter(|_| !interrupt.pressed()).map(|drawn| drawn.accuracy);
        Ok(Some(Searched { accuracy, evaluations, accuracy_by_chance, stopped, scheme }))
    }

    /// The file of a scheme that was found, with what is known about it.
    pub(crate) fn file(
        &self,
        report: &Report,
        training: &Training,
        setting: &Setting,
        budget: &Budget,
    ) -> String {
        let limit = match self.budget_kb {
            Some(most) => format!(
                "at most {most} KB beyond inference, by the formula that published budgets are stated in"
            ),
            None => format!("SRAM of at most {} and flash of at most {} bytes", budget.sram, budget.flash),
        };
        let [rows, columns] = report.size;
        let (need, searched) = (&training.need, report.search.as_ref());
        let (evaluations, stopped) = searched.map_or((0, false), |found| (found.evaluations, found.stopped));
        let stopped = if stopped { " before it was stopped" } else { "" };
        format!(
            "# Searched for {}: {limit}.\n\
             # Predicted accuracy {:.2} %, by contributions measured on {} pictures of {}; {evaluations} schemes tried{stopped}, seed {}.\n\
             # {:.1} KB beyond inference; as emitted for {rows} x {columns} pictures: SRAM {} bytes, flash {} bytes.\n{}",
            report.network,
            100.0 * training.predicted_accuracy.unwrap_or_default(),
            setting.train,
            setting.data,
            self.search_seed,
            training.extra_kb,
            need.sram_bytes,
            need.flash_bytes,
            training.scheme.to_text()
        )
    }

    /// Where the scheme goes.
    pub(crate) fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }
}
