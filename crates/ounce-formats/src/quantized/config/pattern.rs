//! Which modules a part of a configuration is about.

use fancy_regex::{Regex, RegexBuilder};

use super::QuantizedError;
use super::fields::shortened;

/// Bounds on patterns, so that a configuration cannot make compiling them costly. Real ones have a handful of short ones.
const MAX_LEN: usize = 1000;
const MAX_BYTES: usize = 1 << 20;
const MAX_STEPS: usize = 100_000;

/// Tells modules by their names.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Every linear map.
    All,
    /// The module of this name.
    Name(String),
    /// Modules whose name contains this.
    Part(String),
    /// Modules whose name begins with a match, as in Python's `re.match`.
    Regex(Box<Regex>),
}

impl Pattern {
    pub(super) fn regex(pattern: &str) -> Result<Self, QuantizedError> {
        let compiled = (pattern.len() <= MAX_LEN).then(|| {
            RegexBuilder::new(&format!(r"\A(?:{pattern})"))
                .delegate_size_limit(MAX_BYTES)
                .backtrack_limit(MAX_STEPS)
                .build()
        });
        match compiled {
            Some(Ok(regex)) => Ok(Self::Regex(Box::new(regex))),
            _ => Err(QuantizedError::Unsupported {
                what: format!("the pattern \"{}\"", shortened(pattern)),
                advice: "it is no regular expression, or is too complex a one",
            }),
        }
    }

    pub(super) fn matches(&self, module: &str) -> bool {
        match self {
            Self::All => true,
            Self::Name(name) => name == module,
            Self::Part(part) => module.contains(part.as_str()),
            // Out of steps counts as no match.
            Self::Regex(regex) => regex.is_match(module).unwrap_or(false),
        }
    }

    /// Patterns of higher precision go before others.
    pub(super) fn precision(&self) -> u8 {
        match self {
            Self::All => 0,
            Self::Part(_) | Self::Regex(_) => 1,
            Self::Name(_) => 2,
        }
    }
}
