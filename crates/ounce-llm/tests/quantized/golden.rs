//! Logits of every case.

use super::{
    CASES, FLOAT_HEAD, IN_F32, feed_all, feed_one_by_one, largest_difference, logits, model, session, tokens,
};

/// Weights are exact in f32, only the order of sums differs.
const TOLERANCE: f32 = 2e-5;
/// Weight-only kernels round inputs to 8 bits, 32 columns at a time: each input is off by up to 0.4 % of the largest of its block. Logits
/// span about 7.
const ROUNDED_INPUTS: f32 = 0.15;
/// Integer products of W8A8 are exact. An input that lies between two quants may be rounded to the other one where sums in another order
/// differ in the last bit; one quant of one input is less than a hundredth of its token's largest.
const INTEGERS: f32 = 0.03;

#[test]
fn dequantized_weights_are_those_of_the_reference() {
    for case in CASES {
        let mut session = session(&model(case, IN_F32), 2);
        let difference = largest_difference(&feed_all(&mut session, &tokens(case)), &logits(case, true));
        assert!(difference < TOLERANCE, "{case}: {difference}");
    }
}

#[test]
fn integer_kernels_agree_with_the_reference() {
    for case in CASES {
        let tolerance = match case {
            "compressed-llama-odd" => TOLERANCE,
            _ if case.starts_with("w8a8") => INTEGERS,
            _ => ROUNDED_INPUTS,
        };
        let (model, tokens, expected) = (model(case, FLOAT_HEAD), tokens(case), logits(case, false));
        let at_once = largest_difference(&feed_all(&mut session(&model, 2), &tokens), &expected);
        let one_by_one = largest_difference(&feed_one_by_one(&mut session(&model, 2), &tokens), &expected);
        assert!(at_once < tolerance && one_by_one < tolerance, "{case}: {at_once} and {one_by_one}");
    }
}

/// Otherwise the test above would pass with inputs in floats too.
#[test]
fn rounding_inputs_shows_in_w8a8() {
    for case in ["w8a8-llama", "w8a8-static-gemma3"] {
        let effect = largest_difference(&logits(case, false), &logits(case, true));
        let mut session = session(&model(case, FLOAT_HEAD), 1);
        let difference = largest_difference(&feed_all(&mut session, &tokens(case)), &logits(case, false));
        assert!(difference < effect / 2.0, "{case}: {difference} of {effect}");
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    for case in CASES {
        let (model, tokens) = (model(case, Default::default()), tokens(case));
        let run = |threads: usize| -> Vec<u32> {
            let mut session = session(&model, threads);
            let mut logits = feed_all(&mut session, &tokens[..9]);
            logits.extend(feed_one_by_one(&mut session, &tokens[9..]));
            logits.into_iter().map(f32::to_bits).collect()
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3), "{case}");
    }
}
