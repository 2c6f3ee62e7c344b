//! The fields that completions and chat completions share: how tokens are chosen and where a text ends.

use super::body::object;
use super::error::ApiError;
use crate::engine::job::Generate;
use crate::server::{Options, Served};
use ounce_llm::sampling::SamplerOptions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most stop strings of a request.
const STOPS: usize = 16;
/// The longest stop string, in bytes.
const STOP_BYTES: usize = 1024;
/// The most choices of a request.
const CHOICES: usize = 64;
/// The largest weight in `logit_bias`, as in OpenAI's API.
const BIAS: f32 = 100.0;

/// How tokens are chosen and where a text ends. Unknown fields are ignored.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct SamplingFields {
    /// Above 1 more varied, below 1 more predictable; 0 takes the most likely token. Default 1.
    #[schema(minimum = 0.0, maximum = 2.0)]
    temperature: Option<f32>,
    /// Choose among the most likely tokens that together reach this probability. Default 1.
    #[schema(exclusive_minimum = 0.0, maximum = 1.0)]
    top_p: Option<f32>,
    /// Choose among so many of the most likely tokens; 0: all. Not in OpenAI's API.
    #[schema(minimum = 0)]
    top_k: Option<u32>,
    /// Choose among tokens at least this share as likely as the most likely one. Not in OpenAI's API.
    #[schema(minimum = 0.0, maximum = 1.0)]
    min_p: Option<f32>,
    /// Divides the logits of tokens among the last 64; 1 is off. Not in OpenAI's API.
    #[schema(exclusive_minimum = 0.0, maximum = 10.0)]
    repetition_penalty: Option<f32>,
    /// Subtracted from the logit of every token of the answer so far.
    #[schema(minimum = -2.0, maximum = 2.0)]
    presence_penalty: Option<f32>,
    /// Subtracted from a token's logit for every time it stands in the answer so far.
    #[schema(minimum = -2.0, maximum = 2.0)]
    frequency_penalty: Option<f32>,
    /// Added to the logits of tokens, by id.
    logit_bias: Option<BTreeMap<String, f32>>,
    /// The same seed gives the same answer. Choices after the first count on from it.
    seed: Option<i64>,
    /// End the text before any of these.
    stop: Option<Stop>,
    /// How many answers to give.
    #[schema(minimum = 1, maximum = 64)]
    n: Option<u32>,
    /// Send the answer piece by piece, as server-sent events.
    stream: Option<bool>,
    /// What to send besides.
    #[serde(deserialize_with = "object")]
    stream_options: Option<StreamOptions>,
}

/// Where a text ends.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Stop {
    One(String),
    Several(Vec<String>),
}

/// What a stream sends besides.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct StreamOptions {
    /// End with a piece that counts tokens.
    include_usage: Option<bool>,
}

impl SamplingFields {
    pub(crate) fn stream(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub(crate) fn include_usage(&self) -> bool {
        self.stream_options.and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// The seed of the first choice, drawn if none is given, and the number of choices.
    pub(crate) fn choices(&self) -> Result<(u64, usize), ApiError> {
        let n = self.n.unwrap_or(1) as usize;
        if !(1..=CHOICES).contains(&n) {
            return Err(ApiError::field("n", format!("n is {n}; it must be 1 to {CHOICES}")));
        }
        Ok((self.seed.map_or_else(crate::random::number, |seed| seed as u64), n))
    }

    /// How to generate with this seed.
    pub(crate) fn generate(
        &self,
        served: &Served,
        options: &Options,
        seed: u64,
        max_tokens: Option<u32>,
        logprobs: Option<usize>,
    ) -> Result<Generate, ApiError> {
        let within = |name: &str, value: f32, low: f32, high: f32| {
            if (low..=high).contains(&value) {
                Ok(value)
            } else {
                Err(ApiError::field(name, format!("{name} is {value}; it must be {low} to {high}")))
            }
        };
        let sampler = SamplerOptions {
            temperature: within("temperature", self.temperature.unwrap_or(1.0), 0.0, 2.0)?,
            top_k: self.top_k.unwrap_or(0) as usize,
            top_p: within("top_p", self.top_p.unwrap_or(1.0), 0.0, 1.0)?,
            min_p: within("min_p", self.min_p.unwrap_or(0.0), 0.0, 1.0)?,
            repetition_penalty: within(
                "repetition_penalty",
                self.repetition_penalty.unwrap_or(1.0),
                0.0,
                10.0,
            )?,
            penalty_window: 64,
            presence_penalty: within("presence_penalty", self.presence_penalty.unwrap_or(0.0), -2.0, 2.0)?,
            frequency_penalty: within("frequency_penalty", self.frequency_penalty.unwrap_or(0.0), -2.0, 2.0)?,
            seed,
        };
        sampler
            .validate()
            .map_err(|error| ApiError::field(error.option.replace([' ', '-'], "_"), error.to_string()))?;
        Ok(Generate {
            sampler,
            bias: self.bias(served)?,
            stop: self.stops()?,
            max_tokens: max_tokens.map_or(options.max_tokens, |n| (n as usize).min(options.max_tokens)),
            logprobs,
            score_prompt: false,
            constraint: None,
            keep_special: false,
        })
    }

    fn bias(&self, served: &Served) -> Result<Vec<(u32, f32)>, ApiError> {
        let vocab_size = served.model.config().vocab_size;
        let entry = |(token, &bias): (&String, &f32)| {
            let id = token.parse::<u32>().ok().filter(|&id| (id as usize) < vocab_size);
            match id {
                Some(id) if (-BIAS..=BIAS).contains(&bias) => Ok((id, bias)),
                Some(_) => Err(ApiError::field(
                    "logit_bias",
                    format!("the bias of token {token} is {bias}; it must be -{BIAS} to {BIAS}"),
                )),
                None => Err(ApiError::field(
                    "logit_bias",
                    format!("{token:?} is not a token id; they are the numbers below {vocab_size}"),
                )),
            }
        };
        self.logit_bias.iter().flatten().map(entry).collect()
    }

    fn stops(&self) -> Result<Vec<String>, ApiError> {
        let stops = match &self.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![stop.clone()],
            Some(Stop::Several(stops)) => stops.clone(),
        };
        if stops.len() > STOPS || stops.iter().any(|stop| stop.len() > STOP_BYTES) {
            let message = format!("at most {STOPS} stop strings of at most {STOP_BYTES} bytes are allowed");
            return Err(ApiError::field("stop", message));
        }
        Ok(stops)
    }
}
