//! Texts in a batch against the same texts alone, on tiny random checkpoints: whatever else is in a step, wherever prompts are cut.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

use ounce_kernels::ThreadPool;
use ounce_llm::batch::{Batch, BatchError, BatchOptions, Feed, Output, Phase, Wanted};
use ounce_llm::sampling::Pcg32;
use ounce_llm::{KvType, Model, SessionError, Stream};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn model(case: &str) -> Arc<Model> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(case);
    let file = folder.join("model.gguf");
    let path = if file.exists() { file } else { folder };
    Arc::new(Model::load(&path, &mut ThreadPool::new(2), &mut |_| ()).unwrap())
}

fn options(texts: usize) -> BatchOptions {
    BatchOptions { texts, step_tokens: 64, context: None, kv: KvType::F16, stream: None }
}

/// The rows that a step gives, by feed and token.
fn step(batch: &mut Batch, pool: &mut ThreadPool, feeds: &[Feed<'_>]) -> Vec<(usize, usize, Vec<f32>)> {
    let rows = Mutex::new(Vec::new());
    batch
        .step(pool, feeds, &|feed, token, output| {
            let row = match output {
                Output::Logits(row) => row.to_vec(),
                Output::Hidden(row) => row.to_vec(),
            };
            rows.lock().unwrap().push((feed, token, row));
        })
        .unwrap();
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(feed, token, _)| (*feed, *token));
    rows
}

/// A text: what is read, and the tokens that are decoded after it.
struct Text {
    prompt: Vec<u32>,
    decoded: Vec<u32>,
}

impl Text {
    fn random(random: &mut Pcg32, vocab_size: usize, prompt: u32, decoded: u32) -> Self {
        let mut tokens = |n| (0..n).map(|_| random.below(vocab_size as u32)).collect();
        Self { prompt: tokens(prompt), decoded: tokens(decoded) }
    }

    /// The logits after the prompt and after every decoded token, with nothing else in the batch.
    fn alone(&self, model: &Arc<Model>, stream: Option<Stream>) -> Vec<Vec<f32>> {
        let mut pool = ThreadPool::new(1);
        let mut batch = Batch::new(model.clone(), BatchOptions { stream, ..options(1) }).unwrap();
        let mut logits = Vec::new();
        let mut left = &self.prompt[..];
        while !left.is_empty() {
            let (tokens, rest) = left.split_at(left.len().min(64).min(batch.room(0)));
            left = rest;
            let wanted = if left.is_empty() { Wanted::Last } else { Wanted::Nothing };
            let feed = Feed { text: 0, tokens, phase: Phase::Prefill, wanted };
            logits.extend(step(&mut batch, &mut pool, &[feed]).into_iter().map(|(_, _, row)| row));
        }
        for token in &self.decoded {
            let tokens = std::slice::from_ref(token);
            let feed = Feed { text: 0, tokens, phase: Phase::Decode, wanted: Wanted::Last };
            logits.extend(step(&mut batch, &mut pool, &[feed]).into_iter().map(|(_, _, row)| row));
        }
        logits
    }
}

/// Eight texts through four places, which are joined, read in slices of random length, decoded and left in between.
fn texts_together(
    case: &str,
    stream: Option<Stream>,
    lengths: (u32, u32),
    same: impl Fn(&[f32], &[f32]) -> bool,
) {
    let model = model(case);
    let mut random = Pcg32::new(7);
    let vocab_size = model.config().vocab_size;
    let mut texts: Vec<Text> = (0..8)
        .map(|_| {
            let (prompt, decoded) = (1 + random.below(lengths.0), random.below(lengths.1));
            Text::random(&mut random, vocab_size, prompt, decoded)
        })
        .collect();
    // One begins as another.
    let shared = texts[0].prompt[..texts[0].prompt.len() / 2].to_vec();
    texts[5].prompt.splice(..0, shared.iter().copied());
    let expected: Vec<_> = texts.iter().map(|text| text.alone(&model, stream)).collect();

    let mut pool = ThreadPool::new(2);
    let mut batch = Batch::new(model, BatchOptions { stream, ..options(4) }).unwrap();
    let mut waiting: Vec<usize> = (0..8).rev().collect();
    let mut places: [Option<(usize, usize)>; 4] = [None; 4];
    let mut found = vec![Vec::new(); 8];
    while !waiting.is_empty() || places.iter().any(Option::is_some) {
        for place in 0..4 {
            if places[place].is_none()
                && random.below(2) == 0
                && let Some(text) = waiting.pop()
            {
                batch.truncate(&mut pool, place, 0);
                let with_first = |place: &Option<(usize, usize)>| place.is_some_and(|(text, _)| text == 0);
                let mut read = 0;
                if text == 5
                    && let Some(first) = places.iter().position(with_first)
                {
                    let most = shared.len().min(batch.shareable(first, place));
                    read = batch.share(&mut pool, first, place, most);
                }
                places[place] = Some((text, read));
            }
        }
        let mut feeds = Vec::new();
        let mut left = 64 - 4;
        for (place, held) in places.iter_mut().enumerate() {
            let Some((number, read)) = held else { continue };
            let text = &texts[*number];
            if let Some(rest) = text.prompt.get(*read..).filter(|rest| !rest.is_empty()) {
                let most = rest.len().min(left).min(batch.room(place));
                let n = (1 + random.below(most as u32) as usize).min(most);
                left -= n;
                *read += n;
                let wanted = if n == rest.len() { Wanted::Last } else { Wanted::Nothing };
                feeds
                    .push((*number, Feed { text: place, tokens: &rest[..n], phase: Phase::Prefill, wanted }));
            } else if let Some(token) = text.decoded.get(*read - text.prompt.len()) {
                *read += 1;
                let tokens = std::slice::from_ref(token);
                feeds.push((
                    *number,
                    Feed { text: place, tokens, phase: Phase::Decode, wanted: Wanted::Last },
                ));
            } else {
                *held = None;
            }
        }
        let only: Vec<_> = feeds.iter().map(|(_, feed)| *feed).collect();
        for (feed, _, row) in step(&mut batch, &mut pool, &only) {
            found[feeds[feed].0].push(row);
        }
    }
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.len(), expected.len());
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(same(found, expected), "{case}: text {number}, output {at}");
        }
    }
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-3)
}

#[test]
fn quantized_texts_are_the_same_bit_for_bit() {
    for case in [
        "quantized/awq-llama",
        "quantized/w8a8-llama",
        "quantized/w8a8-static-gemma3",
        "decoder/llama-quantized-gguf",
    ] {
        texts_together(case, None, (40, 10), |a, b| a == b);
    }
}

#[test]
fn float_texts_of_every_architecture_are_the_same() {
    for case in
        ["llama", "gemma3", "mistral-window", "mixtral", "falcon-40b", "mpt", "opt", "gpt-neox", "qwen2"]
    {
        texts_together(&format!("decoder/{case}"), None, (20, 10), close);
    }
}

#[test]
fn streams_evict_on_their_own() {
    let stream = Some(Stream { sinks: 3, window: 12, chunk: 4 });
    texts_together("quantized/awq-llama", stream, (60, 40), |a, b| a == b);
    texts_together("decoder/mpt", stream, (60, 40), close);
}

#[test]
fn all_logits_and_hidden_states_can_be_asked_for() {
    let model = model("quantized/awq-llama");
    let mut pool = ThreadPool::new(2);
    let mut batch = Batch::new(model.clone(), options(3)).unwrap();
    let tokens: Vec<u32> = (0..20).collect();
    let feed = |text, wanted| Feed { text, tokens: &tokens, phase: Phase::Prefill, wanted };
    let rows = step(
        &mut batch,
        &mut pool,
        &[feed(0, Wanted::Hidden), feed(1, Wanted::Every), feed(2, Wanted::Last)],
    );
    assert_eq!(
        rows.iter().map(|(feed, ..)| *feed).collect::<Vec<_>>(),
        [vec![0; 20], vec![1; 20], vec![2]].concat()
    );
    assert!(rows[..20].iter().all(|(_, _, row)| row.len() == model.config().hidden));
    assert_eq!(rows[39].2, rows[40].2);
    for (n, (_, token, row)) in rows[20..40].iter().enumerate() {
        assert_eq!(n, *token);
        let text = Text { prompt: tokens[..=n].to_vec(), decoded: Vec::new() };
        assert_eq!(&text.alone(&model, None)[0], row);
    }
}

#[test]
fn what_cannot_be_shared_is_left_as_it_is() {
    let model = model("quantized/awq-llama");
    let mut pool = ThreadPool::new(2);
    let stream = |sinks| Some(Stream { sinks, window: 12, chunk: 4 });
    let mut batch = Batch::new(model, BatchOptions { stream: stream(2), ..options(3) }).unwrap();
    batch.restart(1, stream(6)).unwrap();
    let tokens: Vec<u32> = (0..14).collect();
    let feed =
        |text, n: usize| Feed { text, tokens: &tokens[..n], phase: Phase::Prefill, wanted: Wanted::Last };
    step(&mut batch, &mut pool, &[feed(0, 14), feed(1, 5)]);
    // The first remembers two keys as they were, the second would need six.
    assert_eq!((batch.shareable(0, 1), batch.shareable(1, 0), batch.shareable(0, 2)), (2, 5, 14));
    assert_eq!(batch.share(&mut pool, 0, 1, 10), 5);
    assert_eq!(batch.share(&mut pool, 0, 0, 10), 14);
    assert_eq!(batch.share(&mut pool, 0, 2, 10), 10);
    assert_eq!(batch.share(&mut pool, 0, 2, 13), 13);
    step(&mut batch, &mut pool, &[feed(0, 4), feed(2, 5)]);
    let next = feed(0, 4);
    step(&mut batch, &mut pool, &[next]);
    assert!(batch.evicted(0) > 0);
    assert_eq!((batch.shareable(0, 2), batch.share(&mut pool, 0, 2, 14)), (0, 18));
}

#[test]
fn feeds_that_do_not_fit_are_refused_and_nothing_is_read() {
    let model = model("quantized/awq-llama");
    let mut pool = ThreadPool::new(1);
    let mut batch = Batch::new(model.clone(), BatchOptions { context: Some(8), ..options(2) }).unwrap();
    let feed = |text, tokens, phase| Feed { text, tokens, phase, wanted: Wanted::Last };
    let mut refused = |feeds: &[Feed<'_>]| batch.step(&mut pool, feeds, &|_, _, _| panic!()).unwrap_err();
    let good = feed(0, &[1, 2][..], Phase::Prefill);
    let reason = |error| match error {
        BatchError::Feed { reason, .. } => reason,
        error => panic!("{error}"),
    };
    assert_eq!(reason(refused(&[good, feed(2, &[1], Phase::Prefill)])), "there is no such text");
    assert_eq!(reason(refused(&[good, good])), "it is in the step already");
    assert_eq!(reason(refused(&[good, feed(1, &[1; 9], Phase::Prefill)])), "it has no room for that many");
    assert_eq!(reason(refused(&[good, feed(1, &[1, 2], Phase::Decode)])), "decoding takes one");
    assert_eq!(refused(&[good, feed(1, &[], Phase::Prefill)]), SessionError::NoTokens.into());
    assert!(matches!(
        refused(&[good, feed(1, &[u32::MAX], Phase::Prefill)]),
        BatchError::Session(SessionError::UnknownToken { index: 0, .. })
    ));
    assert_eq!((batch.position(0), batch.position(1)), (0, 0));
    let wrong = BatchOptions { step_tokens: 2, ..options(3) };
    assert!(matches!(Batch::new(model, wrong), Err(BatchError::Size { texts: 3, step_tokens: 2 })));
}
