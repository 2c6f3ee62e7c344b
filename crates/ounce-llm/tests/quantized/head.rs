//! The precision of the output matrix.

use super::{FLOAT_HEAD, feed_all, largest_difference, model, session, tokens};
use ounce_llm::{HeadPrecision, LoadOptions};

#[test]
fn quantized_folders_get_a_head_of_8_bits() {
    for case in ["awq-llama", "gptq-qwen2-8bit", "w8a8-llama"] {
        let float = model(case, FLOAT_HEAD);
        let auto = model(case, LoadOptions::default());
        // 61 rows fill 4 tiles of 16; 64 columns take 64 bytes and 2 scales of 2 bytes in place of 128 bytes.
        assert_eq!(float.weight_bytes() - auto.weight_bytes(), 61 * 128 - 64 * 68, "{case}");
        let tokens = tokens(case);
        let [a, b] = [&float, &auto].map(|model| feed_all(&mut session(model, 2), &tokens));
        let difference = largest_difference(&a, &b);
        assert!(difference > 0.0 && difference < 0.05, "{case}: {difference}");
    }
}

#[test]
fn odd_columns_stay_in_floats() {
    let case = "compressed-llama-odd";
    let int8 = LoadOptions { head: HeadPrecision::Int8, in_f32: false };
    assert_eq!(model(case, int8).weight_bytes(), model(case, FLOAT_HEAD).weight_bytes());
}

#[test]
fn single_precision_takes_four_bytes_a_weight() {
    let model = model("awq-llama", super::IN_F32);
    let layer = 64 * 64 * 2 + 32 * 64 * 2 + 96 * 64 * 3;
    assert_eq!(model.weight_bytes(), 4 * (2 * layer + 61 * 64));
}
