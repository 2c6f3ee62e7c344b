//! Streams: the arguments that say what is kept of a text without end, and the measurement along one.

mod measure;
mod report;

pub(crate) use measure::{Measured, Reading, Settings, enter, measure};
pub(crate) use report::{csv, figure, table};

use crate::cli::{Kv, at_least_one};
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

/// How much of a text is kept, and how: as much as the context holds, or a stream.
#[derive(Debug, Args)]
pub(crate) struct Kept {
    /// Tokens that a text may have, prompts and answers together [default: what the model was made for, at most 32768]
    #[arg(long, value_name = "N", value_parser = at_least_one(), conflicts_with_all = ["sinks", "window", "evict"])]
    pub(crate) ctx: Option<usize>,
    /// Talk without end in constant memory: keep only the last N tokens (1020 if only --sinks or --evict is given), and the system message
    #[arg(long, value_name = "N", value_parser = at_least_one())]
    window: Option<usize>,
    #[command(flatten)]
    sinks: Sinks,
    /// How keys and values are kept
    #[arg(long, value_enum, default_value_t = Kv::F16)]
    pub(crate) kv: Kv,
}

impl Kept {
    /// The stream, if one was asked for.
    pub(crate) fn stream(&self) -> Option<Stream> {
        (self.window.is_some() || self.sinks.is_given()).then(|| self.sinks.stream(self.window))
    }
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
