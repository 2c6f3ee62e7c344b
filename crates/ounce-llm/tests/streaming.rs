//! Streams held against the semantics of the released StreamingLLM (`conformance/streaming/make_golden.py`), against dense attention and
//! against themselves.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

use ounce_kernels::ThreadPool;
use ounce_llm::cache::{KvType, Stream};
use ounce_llm::checkpoint::LoadOptions;
use ounce_llm::generate::{GenerateOptions, Generator};
use ounce_llm::model::Model;
use ounce_llm::sampling::{Sampler, SamplerOptions};
use ounce_llm::session::{Session, SessionError, SessionOptions};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn load(path: &Path) -> Arc<Model> {
    let options = LoadOptions { in_f32: true, ..Default::default() };
    let pool = &mut ThreadPool::new(2);
    Arc::new(Model::load_with(path, options, pool, &mut |_| ()).unwrap_or_else(|e| panic!("{path:?}: {e}")))
}

fn tiny(case: &str) -> Arc<Model> {
    load(&golden().join("decoder").join(case))
}

fn session(model: &Arc<Model>, stream: Option<Stream>, threads: usize) -> Session {
    let options = SessionOptions { kv: KvType::F32, stream, context: None };
    Session::new(model.clone(), ThreadPool::new(threads), options).unwrap()
}

fn stream(sinks: usize, window: usize, chunk: usize) -> Option<Stream> {
    Some(Stream { sinks, window, chunk })
}

fn tokens(count: usize) -> Vec<u32> {
    (0..count as u32).map(|i| (i * i + 7 * i / 3) % 61).collect()
}

/// Logits of every token, fed in the parts that `sizes` names, over and over.
fn logits(session: &mut Session, tokens: &[u32], sizes: &[usize]) -> Vec<f32> {
    let (mut all, mut rest, mut sizes) = (Vec::new(), tokens, sizes.iter().cycle());
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        session.feed_all(part, &mut |_, logits| all.extend_from_slice(logits)).unwrap();
        rest = after;
    }
    all
}

fn losses(logits: &[f32], tokens: &[u32]) -> Vec<f64> {
    let rows = logits.chunks_exact(logits.len() / tokens.len());
    let loss = |(row, &next): (&[f32], &u32)| {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|x| f64::from(x - largest).exp()).sum();
        total.ln() + f64::from(largest) - f64::from(row[next as usize])
    };
    rows.zip(&tokens[1..]).map(loss).collect()
}

fn largest_difference<T: Copy + Into<f64>, U: Copy + Into<f64>>(a: &[T], b: &[U]) -> f64 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| ((*a).into() - (*b).into()).abs());
    // A NaN must not pass as a small difference.
    differences.fold(0.0, |max, d| if d <= max { max } else { d })
}

/// Sizes of sinks and window, and the losses with them.
type Losses = (usize, usize, Vec<f32>);

/// The arrays of a golden file: tokens, and losses by sizes of sinks and window.
fn expected(case: &str) -> (Vec<u32>, Vec<Losses>) {
    let bytes = std::fs::read(golden().join(format!("streaming/{case}.safetensors"))).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let words = |name: &str| -> Vec<[u8; 4]> {
        file.tensor(name).unwrap().data().chunks_exact(4).map(|word| word.try_into().unwrap()).collect()
    };
    let mut arrays = Vec::new();
    for name in file.names() {
        if let Some((start, recent)) = name.split_once('-') {
            let losses = words(name).into_iter().map(f32::from_le_bytes).collect();
            arrays.push((start.parse().unwrap(), recent.parse().unwrap(), losses));
        }
    }
    (words("tokens").into_iter().map(u32::from_le_bytes).collect(), arrays)
}

/// Compares losses with those of the original, which evicts one token at a time. Of the first `loose` tokens more may be between them.
fn compare(model: &Arc<Model>, case: &str, loose: usize) {
    let (tokens, arrays) = expected(case);
    assert!(!arrays.is_empty());
    for (sinks, window, expected) in arrays {
        let mut session = session(model, stream(sinks, window, 1), 2);
        let found = losses(&logits(&mut session, &tokens, &[7, 1, 40]), &tokens);
        let (first, rest) = found.split_at(loose);
        let difference = largest_difference(first, &expected[..loose]);
        assert!(difference < 5e-3, "{case} {sinks}+{window}, first: {difference}");
        let difference = largest_difference(rest, &expected[loose..]);
        assert!(difference < 1e-3, "{case} {sinks}+{window}: {difference}");
        assert_eq!(session.held(), sinks + window + 1);
        assert_eq!(session.position(), tokens.len());
    }
}

#[test]
fn losses_are_those_of_the_original() {
    let mut cases = 0;
    for entry in std::fs::read_dir(golden().join("streaming")).unwrap() {
        let path = entry.unwrap().path();
        let case = path.file_stem().unwrap().to_str().unwrap();
        if golden().join("decoder").join(case).exists() {
            compare(&tiny(case), case, 0);
            cases += 1;
        }
    }
    assert_eq!(cases, 9);
}

#[test]
fn losses_of_a_real_model_are_those_of_the_original() {
    let file = "SmolLM2-135M-Instruct.Q4_1.gguf";
    let Some(path) = std::env::var_os("OUNCE_TEST_MODELS").map(|folder| Path::new(&folder).join(file)) else {
        eprintln!("skipped: OUNCE_TEST_MODELS names no folder");
        return;
    };
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return;
    }
    // The first tokens of a text excite this model so much that orders of summing show, with dense attention as with a stream.
    compare(&load(&path), "smollm2", 50);
}

#[test]
fn until_the_window_is_full_a_stream_is_dense_attention_bit_for_bit() {
    for case in ["llama", "mistral-window", "gemma3", "falcon-40b", "gpt-neox", "mpt-clipped"] {
        let model = tiny(case);
        let tokens = tokens(50);
        let dense = logits(&mut session(&model, None, 2), &tokens, &[50]);
        let streamed = logits(&mut session(&model, stream(4, 36, 10), 2), &tokens, &[50]);
        assert_eq!(dense, streamed, "{case}");
    }
}

#[test]
fn evictions_depend_neither_on_how_tokens_are_fed_nor_on_threads() {
    for case in ["llama", "mixtral", "gemma3", "gpt-neox", "mpt"] {
        let model = tiny(case);
        let tokens = tokens(230);
        for options in [stream(4, 20, 8), stream(0, 9, 3), stream(2, 5, 40), stream(9, 1, 1)] {
            let whole = logits(&mut session(&model, options, 2), &tokens, &[230]);
            for sizes in [&[1][..], &[64], &[3, 17, 1, 1, 50]] {
                let parts = logits(&mut session(&model, options, 2), &tokens, sizes);
                let difference = largest_difference(&whole, &parts);
                assert!(difference < 1e-4, "{case} {options:?} {sizes:?}: {difference}");
            }
            for threads in [1, 3] {
                let other = logits(&mut session(&model, options, threads), &tokens, &[230]);
                assert_eq!(whole, other, "{case} {options:?} {threads} threads");
            }
        }
    }
}

/// Rotations depend on differences of positions alone, so a stream behaves after a million tokens as it does after a thousand.
#[test]
fn positions_far_into_a_text_lose_no_precision() {
    let model = tiny("llama");
    let options = stream(4, 12, 8);
    // One layer's keys and values depend on the token alone, but the second layer's on what the first attended to; a period of the text
    // that exceeds what anything held has seen makes both repeat.
    let period = tokens(64);
    let mut early = session(&model, options, 1);
    let mut late = session(&model, options, 1);
    for _ in 0..4 {
        logits(&mut early, &period, &[64]);
    }
    for _ in 0..2000 {
        late.feed(&period, &mut |_| true).unwrap();
    }
    let (a, b) = (logits(&mut early, &period, &[64]), logits(&mut late, &period, &[64]));
    assert!(late.position() > 128_000);
    let difference = largest_difference(&a, &b);
    assert!(difference < 1e-4, "{difference}");
}

#[test]
fn what_is_held_can_be_taken_back() {
    let model = tiny("llama");
    let text = tokens(100);
    let mut stream = session(&model, stream(4, 16, 4), 2);
    logits(&mut stream, &text, &[100]);
    assert!(!stream.is_full());
    assert_eq!((stream.position(), stream.context()), (100, 24));
    let held = stream.held();
    assert!((20..=24).contains(&held));

    // Within the window.
    let last = logits(&mut stream, &[5], &[1]);
    assert_eq!(stream.truncate(100), 100);
    assert!(largest_difference(&last, &logits(&mut stream, &[5], &[1])) < 1e-6);

    // What lies before it is gone; the sinks are still a beginning of the text, and not the worse for having been turned.
    assert_eq!(stream.truncate(50), 4);
    assert_eq!((stream.position(), stream.held()), (4, 4));
    let again = logits(&mut stream, &text[4..20], &[16]);
    let mut dense = session(&model, None, 2);
    let plain = logits(&mut dense, &text[..20], &[20]);
    assert!(largest_difference(&again, &plain[4 * 61..]) < 1e-4);

    logits(&mut stream, &text, &[100]);
    assert_eq!(stream.truncate(3), 3);
    stream.reset();
    assert_eq!((stream.position(), stream.held()), (0, 0));
    assert!(largest_difference(&logits(&mut stream, &text[..20], &[20]), &plain) < 1e-5);
}

#[test]
fn a_session_can_go_on_with_another_stream() {
    let model = tiny("llama");
    let text = tokens(60);
    let mut changing = session(&model, stream(1, 4, 1), 1);
    logits(&mut changing, &text, &[60]);
    changing.restart(stream(6, 20, 5)).unwrap();
    assert_eq!((changing.position(), changing.context()), (0, 31));
    let fresh = logits(&mut session(&model, stream(6, 20, 5), 1), &text, &[60]);
    assert_eq!(logits(&mut changing, &text, &[60]), fresh);
    assert!(changing.restart(stream(60, 20, 5)).is_err());
    assert_eq!(changing.position(), 60);
    changing.restart(None).unwrap();
    assert_eq!(changing.context(), 64);
}

#[test]
fn a_conversation_goes_on_in_a_stream_without_reading_anything_twice() {
    let model = tiny("llama");
    let mut generator = Generator::new(session(&model, stream(6, 20, 5), 1));
    let mut sampler = Sampler::new(SamplerOptions { temperature: 0.0, ..Default::default() }).unwrap();
    let options = GenerateOptions { max_tokens: Some(30), ..Default::default() };
    let mut say = |generator: &mut Generator, prompt: &[u32]| {
        generator.generate(prompt, &mut sampler, &options, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let mut text = tokens(100);
    let answer = say(&mut generator, &text);
    assert_eq!((answer.timings.kept, answer.timings.prefilled), (0, 100));

    text.extend(&answer.tokens);
    text.extend([3, 5, 8]);
    let next = say(&mut generator, &text);
    // The last token of an answer is sampled, but read only with what follows.
    assert_eq!(next.timings.kept + next.timings.prefilled, text.len());
    assert!(next.timings.prefilled <= 4, "{:?}", next.timings);

    // A history that changes where it was evicted is read again from the sinks on.
    text[40] ^= 1;
    assert_eq!(say(&mut generator, &text).timings.kept, 6);
    text[2] ^= 1;
    assert_eq!(say(&mut generator, &text).timings.kept, 2);
    generator.restart(stream(2, 10, 4)).unwrap();
    assert_eq!(say(&mut generator, &text).timings.kept, 0);
}

#[test]
fn impossible_streams_are_refused() {
    let model = tiny("llama");
    for options in [stream(4, 0, 1), stream(4, 8, 0), stream(4, 60, 1), stream(usize::MAX, 1, 1)] {
        let options = SessionOptions { stream: options, ..Default::default() };
        let error = Session::new(model.clone(), ThreadPool::new(1), options).err().unwrap();
        assert!(matches!(error, SessionError::Stream { limit: 64, .. }), "{error}");
    }
    assert!(session(&model, stream(0, 63, 1), 1).stream().is_some());
    // Learned positions are part of what is cached, and cannot be moved.
    let options = SessionOptions { stream: stream(4, 8, 1), ..Default::default() };
    let error = Session::new(tiny("opt"), ThreadPool::new(1), options).err().unwrap();
    assert!(matches!(error, SessionError::CannotStream { architecture: "opt" }), "{error}");
}

#[test]
fn smaller_caches_stay_close() {
    for case in ["llama", "mpt", "gemma3"] {
        let model = tiny(case);
        let text = tokens(150);
        let exact = logits(&mut session(&model, stream(4, 20, 4), 2), &text, &[150]);
        let mut last = (0.0, usize::MAX);
        for (kv, most) in [(KvType::F16, 0.02), (KvType::Q8, 0.2)] {
            let options = SessionOptions { stream: stream(4, 20, 4), kv, context: None };
            let mut smaller = Session::new(model.clone(), ThreadPool::new(2), options).unwrap();
            let difference = largest_difference(&exact, &logits(&mut smaller, &text, &[150]));
            assert!(difference > last.0 && difference < most, "{case} {kv:?}: {difference}");
            assert!(smaller.cache_bytes() < last.1, "{case} {kv:?}");
            last = (difference, smaller.cache_bytes());
        }
    }
}
