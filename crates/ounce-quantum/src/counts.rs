//! Outcomes of measurements and how often they were seen.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// The values of all classical bits after one run.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Outcome {
    bits: usize,
    words: Vec<u64>,
}

impl Outcome {
    /// All bits 0.
    pub fn new(bits: usize) -> Self {
        Self { bits, words: vec![0; bits.div_ceil(64)] }
    }

    /// The outcome whose bits are those of a number; bits beyond 64 are 0.
    pub fn from_index(bits: usize, index: u64) -> Self {
        let mut outcome = Self::new(bits);
        if let Some(word) = outcome.words.first_mut() {
            *word = if bits < 64 { index & ((1 << bits) - 1) } else { index };
        }
        outcome
    }

    /// Reads a text such as `011`, whose rightmost character is bit 0; spaces, which Qiskit puts between registers, and underscores are passed over.
    pub fn parse(text: &str) -> Option<Self> {
        let bits: Option<Vec<bool>> =
            text.chars().rev().filter(|c| !matches!(c, ' ' | '_')).map(bit).collect();
        let bits = bits?;
        let mut outcome = Self::new(bits.len());
        bits.into_iter().enumerate().for_each(|(at, value)| outcome.set(at, value));
        Some(outcome)
    }

    /// Reads a hexadecimal number such as `0x1f`; `None` if it does not fit `bits` bits.
    pub fn parse_hex(bits: usize, text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x")?;
        let mut outcome = Self::new(bits);
        for (place, digit) in digits.chars().rev().enumerate() {
            let digit = digit.to_digit(16)?;
            for at in (0..4).filter(|at| digit >> at & 1 == 1) {
                let bit = 4 * place + at;
                if bit >= bits {
                    return None;
                }
                outcome.set(bit, true);
            }
        }
        (!digits.is_empty()).then_some(outcome)
    }

    /// Bits.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// The value of a bit; `false` beyond the last.
    pub fn get(&self, bit: usize) -> bool {
        self.words.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// Sets a bit.
    ///
    /// # Panics
    /// If there is no such bit.
    pub fn set(&mut self, bit: usize, value: bool) {
        assert!(bit < self.bits);
        let word = &mut self.words[bit / 64];
        *word = *word & !(1 << (bit % 64)) | u64::from(value) << (bit % 64);
    }

    /// Whether an odd number of these bits is 1.
    pub fn parity(&self, bits: &[usize]) -> bool {
        bits.iter().filter(|&&bit| self.get(bit)).count() % 2 == 1
    }

    /// Its bits in words of 64, bit 0 being the least significant of the first.
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }
}

impl Ord for Outcome {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bits.cmp(&other.bits).then_with(|| self.words.iter().rev().cmp(other.words.iter().rev()))
    }
}

impl PartialOrd for Outcome {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Outcome {
    /// Bit 0 is the rightmost character.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.bits).rev().try_for_each(|bit| f.write_str(if self.get(bit) { "1" } else { "0" }))
    }
}

fn bit(character: char) -> Option<bool> {
    match character {
        '0' => Some(false),
        '1' => Some(true),
        _ => None,
    }
}

/// Why counts could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CountsError {
    /// Not the JSON that is expected.
    #[error(
        "{0}; expected an object such as {{\"counts\": {{\"00\": 512, \"11\": 488}}}} or {{\"counts\": {{\"0x0\": 512, \"0x3\": 488}}}}"
    )]
    Json(String),
    /// A key that is no outcome of the circuit.
    #[error(
        "the outcome \"{key}\" is neither {bits} characters 0 and 1 nor a hexadecimal number of {bits} bits"
    )]
    Outcome {
        /// The key.
        key: String,
        /// Bits of the circuit.
        bits: usize,
    },
    /// No shot at all, or more than can be counted.
    #[error("the counts add up to {0}; a circuit must be run at least once and at most 2^53 times")]
    Shots(u128),
}

/// How often each outcome was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    bits: usize,
    counts: BTreeMap<Outcome, u64>,
}

impl Counts {
    /// No outcomes yet, of so many bits.
    pub fn new(bits: usize) -> Self {
        Self { bits, counts: BTreeMap::new() }
    }

    /// Adds an outcome, seen `times`. One with another number of bits is not counted.
    pub fn add(&mut self, outcome: Outcome, times: u64) {
        if outcome.bits == self.bits && times > 0 {
            *self.counts.entry(outcome).or_default() += times;
        }
    }

    /// Bits of an outcome.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// All outcomes that were seen, ascending as binary numbers, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&Outcome, u64)> {
        self.counts.iter().map(|(outcome, &times)| (outcome, times))
    }

    /// How often an outcome was seen.
    pub fn get(&self, outcome: &Outcome) -> u64 {
        self.counts.get(outcome).copied().unwrap_or(0)
    }

    /// How often anything was seen.
    pub fn shots(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The mean of -1 to the number of ones among these bits: the estimate of the expectation value of Z on them. 0 without shots.
    pub fn parity(&self, bits: &[usize]) -> f64 {
        let signed = |(outcome, &times): (&Outcome, &u64)| {
            if outcome.parity(bits) { -(times as f64) } else { times as f64 }
        };
        let sum: f64 = self.counts.iter().map(signed).sum();
        sum / self.shots().max(1) as f64
    }

    /// `{"counts": {"00": 512, ...}}`.
    pub fn to_json(&self) -> Value {
        let counts: Map<String, Value> =
            self.iter().map(|(outcome, times)| (outcome.to_string(), times.into())).collect();
        serde_json::json!({ "counts": counts })
    }

    /// Reads counts of outcomes of `bits` bits: an object of counts by outcome, alone or as `counts`, or within the `data` of an entry of Qiskit's `results`. An
    /// outcome is written in binary, bit 0 rightmost, or in hexadecimal after `0x`.
    ///
    /// # Errors
    /// If the text is no such JSON, or an outcome does not fit.
    pub fn from_json(text: &str, bits: usize) -> Result<Self, CountsError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| CountsError::Json(error.to_string()))?;
        let places = ["/counts", "/data/counts", "/results/0/data/counts", ""];
        let found = places.iter().find_map(|place| value.pointer(place)?.as_object());
        let object = found.ok_or_else(|| CountsError::Json("no object of counts".into()))?;
        let mut counts = Self::new(bits);
        let mut shots = 0u128;
        for (key, times) in object {
            let hexadecimal = || Outcome::parse_hex(bits, key);
            let outcome = Outcome::parse(key).filter(|outcome| outcome.bits == bits).or_else(hexadecimal);
            let outcome = outcome.ok_or_else(|| CountsError::Outcome { key: shortened(key), bits })?;
            let times = times.as_u64().ok_or_else(|| {
                CountsError::Json(format!("the count of \"{}\" is no whole number", shortened(key)))
            })?;
            shots += u128::from(times);
            if shots > 1 << 53 {
                return Err(CountsError::Shots(shots));
            }
            counts.add(outcome, times);
        }
        if shots == 0 {
            return Err(CountsError::Shots(0));
        }
        Ok(counts)
    }
}

/// A text for a message, cut if it is long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_written_with_bit_0_rightmost() {
        let mut outcome = Outcome::new(70);
        outcome.set(0, true);
        outcome.set(68, true);
        let text = outcome.to_string();
        assert!(text.starts_with("010") && text.ends_with("001") && text.len() == 70);
        assert_eq!(Outcome::parse(&text), Some(outcome.clone()));
        assert_eq!(Outcome::parse_hex(70, "0x100000000000000001"), Some(outcome.clone()));
        assert!(outcome.get(68) && !outcome.get(69) && !outcome.get(700));
        assert!(outcome.parity(&[0]) && !outcome.parity(&[0, 68]));
        assert!(Outcome::from_index(70, 5) < outcome);
        assert_eq!(Outcome::from_index(3, 0b1101).to_string(), "101");
        assert_eq!(Outcome::parse("10 01"), Outcome::parse("1001"));
    }

    #[test]
    fn counts_are_read_in_every_form() {
        let expected = {
            let mut counts = Counts::new(2);
            counts.add(Outcome::from_index(2, 0), 3);
            counts.add(Outcome::from_index(2, 3), 1);
            counts
        };
        for text in [
            r#"{"counts": {"00": 3, "11": 1}}"#,
            r#"{"00": 3, "11": 1}"#,
            r#"{"0x0": 3, "0x3": 1}"#,
            r#"{"results": [{"data": {"counts": {"0x0": 3, "0x3": 1}}}], "success": true}"#,
        ] {
            assert_eq!(Counts::from_json(text, 2).as_ref(), Ok(&expected), "{text}");
        }
        assert_eq!(Counts::from_json(&expected.to_json().to_string(), 2), Ok(expected.clone()));
        assert_eq!((expected.shots(), expected.parity(&[0]), expected.parity(&[0, 1])), (4, 0.5, 1.0));
    }

    #[test]
    fn what_are_no_counts_is_refused() {
        for text in [
            "[]",
            "{",
            r#"{"counts": {"000": 1}}"#,
            r#"{"0x4": 1}"#,
            r#"{"00": -1}"#,
            r#"{"00": 0}"#,
            r#"{"00": 18446744073709551615}"#,
            r#"{"0x": 1}"#,
        ] {
            assert!(Counts::from_json(text, 2).is_err(), "{text}");
        }
    }
}
