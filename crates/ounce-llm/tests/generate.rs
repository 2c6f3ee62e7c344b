//! Generation on a tiny random checkpoint: what is kept of an earlier prompt, and every way to end.
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

use ounce_kernels::ThreadPool;
use ounce_llm::cache::KvType;
use ounce_llm::generate::{Event, FinishReason, GenerateError, GenerateOptions, Generation, Generator};
use ounce_llm::model::Model;
use ounce_llm::sampling::{Sampler, SamplerOptions};
use ounce_llm::session::{Session, SessionOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn generator(context: usize) -> Generator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoder/llama");
    let mut pool = ThreadPool::new(1);
    let model = Model::load(&folder, &mut pool, &mut |_| ()).unwrap();
    let options = SessionOptions { context: Some(context), kv: KvType::F32, ..Default::default() };
    Generator::new(Session::new(Arc::new(model), pool, options).unwrap())
}

fn prompt(n: u32) -> Vec<u32> {
    (0..n).map(|i| 5 + (i * 7) % 40).collect()
}

fn options(max_tokens: usize, stop: &[&str]) -> GenerateOptions {
    GenerateOptions { max_tokens: Some(max_tokens), stop: stop.iter().map(|s| (*s).to_owned()).collect() }
}

fn run(generator: &mut Generator, prompt: &[u32], options: &GenerateOptions) -> Generation {
    let mut sampler = Sampler::new(SamplerOptions::greedy()).unwrap();
    let mut text = String::new();
    let generation = generator
        .generate(prompt, &mut sampler, options, &mut |event| {
            if let Event::Text(piece) = event {
                text.push_str(piece);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(generation.text, text);
    generation
}

#[test]
fn a_kept_prefix_changes_nothing_but_the_work() {
    let mut warm = generator(64);
    let first = run(&mut warm, &prompt(10), &options(6, &[]));
    assert_eq!((first.timings.kept, first.timings.prefilled), (0, 10));
    assert_eq!(first.finish, FinishReason::Length);

    let mut next = prompt(10);
    next.extend(&first.tokens);
    next.extend([9, 8, 7]);
    let continued = run(&mut warm, &next, &options(6, &[]));
    // The last sampled token was never fed.
    assert_eq!((continued.timings.kept, continued.timings.prefilled), (15, 4));
    assert_eq!(continued.tokens, run(&mut generator(64), &next, &options(6, &[])).tokens);

    // The same prompt again: its last token is read once more.
    let again = run(&mut warm, &next, &options(6, &[]));
    assert_eq!((again.timings.kept, again.timings.prefilled), (next.len() - 1, 1));
    assert_eq!(again.tokens, continued.tokens);

    // Another beginning: nothing is kept.
    let other = run(&mut warm, &[30, 31, 32], &options(2, &[]));
    assert_eq!(other.timings.kept, 0);
    warm.reset();
    assert_eq!(run(&mut warm, &prompt(10), &options(6, &[])).tokens, first.tokens);
}

#[test]
fn a_full_context_ends_the_text_and_a_long_prompt_is_refused() {
    let mut generator = generator(16);
    let generation = run(&mut generator, &prompt(10), &GenerateOptions::default());
    assert_eq!(generation.finish, FinishReason::Context);
    // Six positions for answers that are fed, and a last token that is not.
    assert_eq!(generation.tokens.len(), 7);
    assert_eq!(run(&mut generator, &prompt(16), &options(5, &[])).tokens.len(), 1);
    let mut sampler = Sampler::new(SamplerOptions::greedy()).unwrap();
    let mut refused = |prompt: &[u32]| {
        generator
            .generate(prompt, &mut sampler, &options(5, &[]), &mut |_| ControlFlow::Continue(()))
            .unwrap_err()
    };
    assert!(matches!(refused(&prompt(17)), GenerateError::PromptTooLong { prompt: 17, context: 16 }));
    assert!(matches!(refused(&[]), GenerateError::Session(_)));
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
    let mut generator = generator(64);
    let whole = run(&mut generator, &prompt(10), &options(30, &[])).text;
    let letters: Vec<char> = whole.chars().collect();
    assert!(letters.len() > 4, "{whole:?}");
    let stop: String = letters[2..4].iter().collect();
    let stopped = run(&mut generator, &prompt(10), &options(30, &[&stop]));
    assert_eq!(stopped.finish, FinishReason::Stop);
    assert_eq!(stopped.text, whole[..whole.find(&stop).unwrap()]);
}

#[test]
fn the_caller_can_break_off_at_any_event() {
    for limit in 1..6 {
        let mut generator = generator(64);
        let mut sampler = Sampler::new(SamplerOptions::greedy()).unwrap();
        let mut events = 0;
        let generation = generator
            .generate(&prompt(10), &mut sampler, &options(30, &[]), &mut |_| {
                events += 1;
                if events == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!((generation.finish, events), (FinishReason::Cancelled, limit));
        // What was read stays usable.
        let after = run(&mut generator, &prompt(10), &options(6, &[]));
        assert_eq!(after.tokens, run(&mut self::generator(64), &prompt(10), &options(6, &[])).tokens);
    }
}

#[test]
fn no_tokens_are_no_text() {
    let generation = run(&mut generator(64), &prompt(10), &options(0, &[]));
    assert!(generation.tokens.is_empty() && generation.text.is_empty());
    assert_eq!(generation.finish, FinishReason::Length);
}
