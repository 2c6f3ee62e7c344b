//! Logits of every case, fed at once, in parts and one by one.

use super::{cases, expected, feed, feed_all, largest_difference, model, session};

/// Weights are exact in f32, only the order of sums differs.
const TOLERANCE: f32 = 1e-4;
/// Products with quantized weights quantize activations to 8 bits; logits span about 6.
const QUANTIZED_TOLERANCE: f32 = 0.15;

fn tolerance(case: &str) -> f32 {
    if case.contains("quantized") { QUANTIZED_TOLERANCE } else { TOLERANCE }
}

#[test]
fn logits_agree_with_transformers() {
    let mut failures = Vec::new();
    for case in cases() {
        let (model, expected) = (model(&case), expected(&case));
        let vocab = model.config().vocab_size;
        let mut session = session(&model, 2);
        let mut check = |way: &str, found: &[f32], rows: std::ops::Range<usize>| {
            let difference =
                largest_difference(found, &expected.logits[rows.start * vocab..rows.end * vocab]);
            if difference > tolerance(&case) || difference.is_nan() {
                failures.push(format!("{case}, {way}: {difference}"));
            }
        };
        let tokens = &expected.tokens;
        let n = tokens.len();

        check("at once", &feed_all(&mut session, tokens), 0..n);

        session.reset();
        for (index, &token) in tokens.iter().enumerate() {
            check("one by one", &feed(&mut session, &[token]), index..index + 1);
        }

        for split in [1, 7, 16, n - 1] {
            session.reset();
            check("first part", &feed(&mut session, &tokens[..split]), split - 1..split);
            check("second part", &feed_all(&mut session, &tokens[split..]), split..n);
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_architecture_has_a_case() {
    let mut left: Vec<_> = ounce_llm::arch::ARCHITECTURES.iter().map(|row| row.name).collect();
    for case in cases() {
        left.retain(|name| *name != model(&case).config().architecture);
    }
    assert!(left.is_empty(), "no golden checkpoint of {left:?}");
}

#[test]
fn threads_do_not_change_a_bit() {
    for case in cases() {
        let (model, expected) = (model(&case), expected(&case));
        let run = |threads: usize| {
            let mut session = session(&model, threads);
            let mut logits = feed_all(&mut session, &expected.tokens[..9]);
            for &token in &expected.tokens[9..] {
                logits.extend(feed(&mut session, &[token]));
            }
            logits
        };
        let one = run(1);
        for threads in [2, 3] {
            assert!(
                one.iter().zip(run(threads)).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{case}, {threads}"
            );
        }
    }
}
