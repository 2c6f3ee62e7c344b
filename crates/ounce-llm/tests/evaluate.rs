//! Perplexity and divergence against a slow twin that feeds one token at a time, on a tiny random checkpoint.
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

use ounce_kernels::ThreadPool;
use ounce_llm::cache::KvType;
use ounce_llm::evaluate::{self, EvaluateError, Protocol};
use ounce_llm::model::Model;
use ounce_llm::session::{Session, SessionOptions};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

const WINDOW: usize = 12;

fn session(case: &str) -> Session {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decoder").join(case);
    let mut pool = ThreadPool::new(1);
    let model = Model::load(&folder, &mut pool, &mut |_| ()).unwrap();
    Session::new(
        Arc::new(model),
        pool,
        SessionOptions { context: Some(WINDOW), kv: KvType::F32, ..Default::default() },
    )
    .unwrap()
}

fn tokens(session: &Session, n: usize) -> Vec<u32> {
    let vocab = session.model().config().vocab_size;
    (0..n).map(|i| ((i * 31 + i * i * 7) % vocab) as u32).collect()
}

/// Log-probabilities of every token after each of `window`, one decode step at a time.
fn log_probabilities(session: &mut Session, window: &[u32]) -> Vec<Vec<f64>> {
    session.reset();
    window
        .iter()
        .map(|&token| {
            let logits = session.feed(&[token], &mut |_| true).unwrap();
            let total: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
            logits.iter().map(|&l| f64::from(l) - total.ln()).collect()
        })
        .collect()
}

fn go(_: evaluate::Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The first token that is scored in a window, and whether windows begin with the token that begins a text.
fn rules(protocol: Protocol) -> (usize, bool) {
    match protocol {
        Protocol::Hf { .. } => (1, false),
        Protocol::LlamaCpp { window } => (window / 2 + 1, true),
    }
}

#[test]
fn perplexity_equals_the_slow_twin() {
    let mut session = session("llama");
    let tokens = tokens(&session, 3 * WINDOW + 5);
    for protocol in [Protocol::HF.with_window(WINDOW), Protocol::LLAMA_CPP.with_window(WINDOW)] {
        let (first, replaces) = rules(protocol);
        let mut nll = Vec::new();
        for window in tokens.chunks_exact(WINDOW) {
            let mut window = window.to_vec();
            let tokenizer = session.model().tokenizer();
            if let Some(bos) = tokenizer.bos().filter(|_| replaces && tokenizer.adds_bos()) {
                window[0] = bos;
            }
            let logs = log_probabilities(&mut session, &window);
            nll.extend((first..WINDOW).map(|i| -logs[i - 1][window[i] as usize]));
        }
        let expected = (nll.iter().sum::<f64>() / nll.len() as f64).exp();
        let measured = evaluate::perplexity(&mut session, &tokens, protocol, None, &mut go).unwrap();
        assert_eq!((measured.chunks, measured.tokens), (3, nll.len() as u64));
        assert!((measured.perplexity / expected - 1.0).abs() < 1e-4, "{measured:?} {expected}");
        assert!(measured.standard_error > 0.0);
        let one = evaluate::perplexity(&mut session, &tokens, protocol, Some(1), &mut go).unwrap();
        assert_eq!(one.chunks, 1);
    }
}

#[test]
fn divergence_equals_the_slow_twin() {
    let (mut model, mut against) = (session("llama"), session("qwen2"));
    let tokens = tokens(&model, 2 * WINDOW);
    let protocol = Protocol::HF.with_window(WINDOW);
    let (mut kl, mut same) = (Vec::new(), 0);
    for window in tokens.chunks_exact(WINDOW) {
        let q = log_probabilities(&mut model, window);
        let p = log_probabilities(&mut against, window);
        for (p, q) in p.iter().zip(&q).take(WINDOW - 1) {
            kl.push(p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>());
            let best = |x: &[f64]| (0..x.len()).max_by(|&a, &b| x[a].total_cmp(&x[b])).unwrap();
            same += usize::from(best(p) == best(q));
        }
    }
    let measured = evaluate::divergence(&mut model, &mut against, &tokens, protocol, None, &mut go).unwrap();
    let mean = kl.iter().sum::<f64>() / kl.len() as f64;
    let max = kl.iter().copied().fold(0.0, f64::max);
    assert!((measured.kl - mean).abs() < 1e-4 * mean.max(1.0), "{} {mean}", measured.kl);
    assert!((measured.kl_max - max).abs() < 1e-4 * max.max(1.0));
    assert!((measured.top1 - same as f64 / kl.len() as f64).abs() < 1e-9);
    let alone = evaluate::perplexity(&mut model, &tokens, protocol, None, &mut go).unwrap();
    assert!((measured.model.perplexity / alone.perplexity - 1.0).abs() < 1e-6);
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let mut session = session("llama");
    let tokens = tokens(&session, 100);
    let mut measure = |window, tokens: &[u32]| {
        evaluate::perplexity(&mut session, tokens, Protocol::Hf { window }, None, &mut go).unwrap_err()
    };
    assert!(matches!(measure(WINDOW + 1, &tokens), EvaluateError::WindowTooLarge { .. }));
    assert!(matches!(measure(WINDOW, &tokens[..3]), EvaluateError::TextTooShort { tokens: 3, .. }));
    assert!(matches!(measure(1, &tokens), EvaluateError::WindowTooSmall { .. }));
}

#[test]
fn breaking_off_gives_what_was_done() {
    let mut session = session("llama");
    let tokens = tokens(&session, 5 * WINDOW);
    let stop = &mut |state: evaluate::Progress| {
        if state.done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let protocol = Protocol::HF.with_window(WINDOW);
    let part = evaluate::perplexity(&mut session, &tokens, protocol, None, stop).unwrap();
    let two = evaluate::perplexity(&mut session, &tokens, protocol, Some(2), &mut go).unwrap();
    assert_eq!(part, two);
}
