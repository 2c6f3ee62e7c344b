//! Bounds on `multipleOf`, which the library computes with in 32 bits without looking at overflow.

use serde_json::Value as Json;

use super::GrammarError;

/// The largest common multiple of all `multipleOf` of a schema, in units of the finest of them: ten times this fits into 32 bits.
const MAX_COMMON_MULTIPLE: u64 = 400_000_000;

/// All `multipleOf` of a schema.
#[derive(Default)]
pub(super) struct Multiples(Vec<Multiple>);

/// A decimal number.
struct Multiple {
    digits: u64,
    /// How many of the digits stand behind the point.
    decimals: u32,
    text: String,
}

impl Multiples {
    /// Takes the value of a key `multipleOf` in. What is no positive number is left to the library.
    pub(super) fn add(&mut self, value: &Json) -> Result<(), GrammarError> {
        if !value.as_f64().is_some_and(|number| number > 0.0) {
            return Ok(());
        }
        let text = value.to_string();
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let decimals = decimals.trim_end_matches('0');
        let digits = format!("{whole}{decimals}").parse().map_err(|_| refusal(&text))?;
        self.0.push(Multiple { digits, decimals: decimals.len() as u32, text });
        Ok(())
    }

    /// Refuses them if their common multiple is too large: any of them may meet in an `allOf`.
    pub(super) fn check(&self) -> Result<(), GrammarError> {
        let decimals = self.0.iter().map(|multiple| multiple.decimals).max().unwrap_or(0);
        let mut common = 1_u64;
        for multiple in &self.0 {
            common = 10_u64
                .checked_pow(decimals - multiple.decimals)
                .and_then(|scale| multiple.digits.checked_mul(scale))
                .and_then(|scaled| (common / greatest_common_divisor(common, scaled)).checked_mul(scaled))
                .filter(|&common| common <= MAX_COMMON_MULTIPLE)
                .ok_or_else(|| refusal(&multiple.text))?;
        }
        Ok(())
    }
}

fn refusal(number: &str) -> GrammarError {
    let problem = format!(
        "multipleOf {number}: it, or the common multiple with the others of the schema, has too many digits"
    );
    GrammarError::Invalid { what: "JSON schema", problem }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
