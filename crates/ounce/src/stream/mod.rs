//! Streams: the arguments that say what is kept of a text without end, and the measurement along one.

mod measure;
mod report;

pub(crate) use measure::{Measured, Reading, Settings, enter, measure};
pub(crate) use report::{csv, figure, table};

use crate::cli::at_least_one;
use clap::Args;
use ounce_llm::cache::Stream;

/// What is kept of a text that outgrows the window. The window itself is an argument of the command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sinks {
    /// First tokens of the text that are kept for ever [default: 4]
    #[arg(long, value_name = "N")]
    pub(crate) sinks: Option<usize>,
    /// Tokens that are forgotten at a time, once the window is full; 1 is what the authors of StreamingLLM did [default: 128]
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    pub(crate) evict: Option<usize>,
}

impl Sinks {
    /// Whether any of it was asked for.
    pub(crate) fn is_given(&self) -> bool {
        self.sinks.is_some() || self.evict.is_some()
    }

    /// The stream with this window.
    pub(crate) fn stream(&self, window: Option<usize>) -> Stream {
        let default = Stream::default();
        Stream {
            sinks: self.sinks.unwrap_or(default.sinks),
            window: window.unwrap_or(default.window),
            chunk: self.evict.unwrap_or(default.chunk),
        }
    }
}
