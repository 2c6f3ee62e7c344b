//! Constrained decoding: which tokens may come next so that the whole text obeys a grammar.
//!
//! A [`ConstraintFactory`] is made once per tokenizer and holds its vocabulary as a trie of bytes. It compiles a [`Grammar`] into a
//! [`Constraint`], one per text, which is asked before every sample and told after it:
//!
//! ```no_run
//! # use ounce_llm::{constrain::{ConstraintFactory, Grammar}, sampling::{Past, Sampler, SamplerOptions}, tokenizer::Tokenizer};
//! # fn example(tokenizer: &Tokenizer, mut logits: Vec<f32>) -> Result<(), Box<dyn std::error::Error>> {
//! let factory = ConstraintFactory::new(tokenizer)?;
//! let schema = serde_json::json!({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]});
//! let mut constraint = factory.compile(&Grammar::json_schema(schema))?;
//! let mut sampler = Sampler::new(SamplerOptions::default())?;
//! while !constraint.is_complete() {
//!     constraint.mask(&mut logits)?;
//!     let token = sampler.sample(&logits, Past { prompt: &[], generated: &[], spared: &[] })?;
//!     constraint.accept(token)?;
//!     // Feed the token, get the next logits.
//! }
//! # Ok(()) }
//! ```
//!
//! Grammars work on bytes, so a token may hold any part of the text, a fraction of a character included. The work is done by the
//! `llguidance` library: an Earley parser whose lexemes are derivatives of regular expressions, computed when they are first needed. Nothing
//! is built ahead for the vocabulary, so a grammar never seen before costs a few milliseconds.
//!
//! # JSON
//!
//! The properties of an object come in the order of the schema. Between the parts of a value stands nothing, one or two blanks, or one
//! line break with at most 32 blanks of indentation ([`WHITESPACE`]): a small model that has lost its way would else emit white space for
//! ever. Strings and digits are bounded only by the schema and by the caller's limit on tokens. Draft 2020-12 and older
//! are understood; `$ref` must point into the schema itself by a plain path (`#/$defs/name`). Keywords that cannot be enforced
//! (`not`, `if`, `uniqueItems`, `contains` and some more) are errors, or with [`Grammar::lenient_json_schema`] only
//! [warnings](Constraint::warnings).
//!
//! # Limits
//!
//! Grammars may come from whoever can reach a server, so each step of the work is bounded; see [`limits`].

mod constraint;
mod error;
mod factory;
mod grammar;
pub mod limits;
mod multiples;
mod vocabulary;

pub use constraint::Constraint;
pub use error::{ConstraintError, GrammarError, VocabularyError};
pub use factory::ConstraintFactory;
pub(crate) use grammar::with_json_options;
pub use grammar::{Grammar, WHITESPACE};
