//! A long text read in several ways.

use crate::failure::Result;
use crate::measure::memory::rss_bytes;
use clap::ValueEnum;
use ounce_llm::cache::Stream;
use ounce_llm::evaluate::{self, Stretch};
use ounce_llm::session::Session;
use serde::Serialize;
use std::ops::ControlFlow;
use std::time::Duration;

/// How a long text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reading {
    /// Everything is kept, up to the context that the model was made for
    Dense,
    /// Only the last tokens are kept, as many as with sinks
    Window,
    /// The last tokens are read anew for every token that is predicted; measured for some of them
    Recompute,
    /// The first and the last tokens are kept
    Sinks,
}

impl Reading {
    /// Its name in tables and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Window => "window",
            Self::Recompute => "recompute",
            Self::Sinks => "sinks",
        }
    }
}

/// What is measured.
pub(crate) struct Settings {
    pub(crate) stream: Stream,
    /// Tokens fed at once.
    pub(crate) slice: usize,
    /// Tokens of one row of the result.
    pub(crate) every: usize,
    /// One of so many tokens is measured with [`Reading::Recompute`].
    pub(crate) recompute_every: usize,
}

/// What was found in some consecutive tokens.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// Tokens of the text up to the end of this row.
    pub(crate) tokens: usize,
    /// Tokens that were scored in this row.
    pub(crate) scored: usize,
    pub(crate) mean_nll: f64,
    pub(crate) perplexity: f64,
    pub(crate) ms_per_token: f64,
    /// Tokens held at the end of this row.
    pub(crate) held: usize,
    /// Memory that is resident at the end of this row, where the system tells.
    pub(crate) rss_bytes: Option<u64>,
}

/// One way of reading and what came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    pub(crate) reading: Reading,
    pub(crate) perplexity: f64,
    pub(crate) ms_per_token: f64,
    pub(crate) rows: Vec<Row>,
}

impl Measured {
    /// Mean loss of the rows that end beyond `from` and no later than `to` tokens, as perplexity.
    pub(crate) fn perplexity_between(&self, from: usize, to: usize) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.tokens > from && row.tokens <= to);
        let (sum, count) =
            rows.fold((0.0, 0), |(sum, n), row| (sum + row.mean_nll * row.scored as f64, n + row.scored));
        (count > 0).then(|| (sum / count as f64).exp())
    }
}

/// Empties the session and makes it keep what this way of reading keeps.
pub(crate) fn enter(session: &mut Session, reading: Reading, stream: Stream) -> Result<()> {
    let stream = match reading {
        Reading::Dense | Reading::Recompute => None,
        Reading::Window => Some(Stream { sinks: 0, window: stream.sinks + stream.window, ..stream }),
        Reading::Sinks => Some(stream),
    };
    Ok(session.restart(stream)?)
}

/// Reads `tokens` in one way. `progress` gets every row as it is done.
pub(crate) fn measure(
    session: &mut Session,
    tokens: &[u32],
    reading: Reading,
    settings: &Settings,
    progress: &mut dyn FnMut(&Row),
) -> Result<Measured> {
    let Settings { stream, slice, every, recompute_every } = *settings;
    let mut rows: Vec<Row> = Vec::new();
    let (mut losses, mut time, mut held, mut end) = (Vec::new(), Duration::ZERO, 0, 0);
    let mut finish = |end: usize, losses: &mut Vec<f32>, time: &mut Duration, held: usize| {
        if losses.is_empty() {
            return;
        }
        let mean_nll = losses.iter().copied().map(f64::from).sum::<f64>() / losses.len() as f64;
        let row = Row {
            tokens: end,
            scored: losses.len(),
            mean_nll,
            perplexity: mean_nll.exp(),
            ms_per_token: time.as_secs_f64() * 1e3 / losses.len() as f64,
            held,
            rss_bytes: rss_bytes(),
        };
        progress(&row);
        rows.push(row);
        losses.clear();
        *time = Duration::ZERO;
    };
    let mut each = |stretch: Stretch<'_>| {
        // A stretch belongs to the row in which it ends.
        end = stretch.first + stretch.losses.len();
        losses.extend_from_slice(stretch.losses);
        time += stretch.elapsed;
        held = stretch.held;
        let skipped = if reading == Reading::Recompute { recompute_every } else { slice };
        if end % every < skipped {
            finish(end, &mut losses, &mut time, held);
        }
        ControlFlow::Continue(())
    };
    enter(session, reading, stream)?;
    match reading {
        Reading::Recompute => {
            let window = stream.sinks + stream.window;
            evaluate::recompute(session, tokens, window, recompute_every, &mut each)?;
        }
        _ => evaluate::stream(session, tokens, slice, &mut each)?,
    }
    finish(end, &mut losses, &mut time, held);
    let scored: usize = rows.iter().map(|row| row.scored).sum();
    let mean = |value: fn(&Row) -> f64| {
        rows.iter().map(|row| value(row) * row.scored as f64).sum::<f64>() / scored.max(1) as f64
    };
    Ok(Measured {
        reading,
        perplexity: mean(|row| row.mean_nll).exp(),
        ms_per_token: mean(|row| row.ms_per_token),
        rows,
    })
}
