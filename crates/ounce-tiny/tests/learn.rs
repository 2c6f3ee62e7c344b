//! Training loops on pictures that are made here.

#![allow(clippy::unwrap_used)]

mod support;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use ounce_data::Picture;
use ounce_graph::ops::Rounding;
use ounce_tiny::learn::{Checkpoint, Event, Examples, LearnError, LearnOptions, Learner, Prepared, learn};
use ounce_tiny::scheme::Scheme;
use ounce_tiny::step::{Network, StepOptions};
use support::Random;
use support::learning::{scheme, small, whole};

/// Noise that is red (class 0), green (1) or blue (2). The network's clamps are no activation functions, so it tells colours, not shapes.
fn picture(index: usize) -> Picture {
    let mut random = Random(index as u64 * 97 + 5);
    let pixels = (0..11 * 11 * 3).map(|at| {
        let value = if at % 3 == index % 3 { 160 } else { 110 };
        (value + random.between(-60, 60)) as u8
    });
    Picture::from_rgb(11, 11, pixels.collect()).unwrap()
}

fn network() -> Network {
    whole(&small(&mut Random(7), 5)).with_classes(3, 1).unwrap()
}

fn prepared(first: usize, batch: usize) -> Prepared {
    Prepared::new(&network(), first, batch).unwrap()
}

fn examples(prepared: &Prepared, from: usize, count: usize, mirrored: bool, threads: usize) -> Examples {
    let labels = (from..from + count).map(|index| index as i32 % 3).collect();
    let load = move |index: usize| Ok(picture(from + index));
    Examples::compute(prepared, labels, mirrored, threads, &load, &|_| ControlFlow::Continue(())).unwrap()
}

const OPTIONS: LearnOptions = LearnOptions { epochs: 4, rate: 0.05, bias_rate: 0.02, warmup: 1, seed: 3 };

fn quiet(_: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn five() -> Scheme {
    scheme(5, &[(3, 1.0), (4, 0.5), (6, 1.0)])
}

/// A training from its start to its end.
fn trained(batch: usize, threads: usize, rounding: Rounding) -> Checkpoint {
    let prepared = prepared(2, batch);
    let (train, test) =
        (examples(&prepared, 0, 90, true, threads), examples(&prepared, 500, 60, false, threads));
    let options = StepOptions::rounded(rounding);
    let mut learner = Learner::new(&prepared.network, &five(), &options, threads).unwrap();
    let options = LearnOptions { epochs: 12, rate: 0.2, bias_rate: 0.1, ..OPTIONS };
    learn(&mut learner, &train, Some(&test), &options, Checkpoint::default(), &mut quiet).unwrap()
}

#[test]
fn pictures_are_learned_whatever_the_threads() {
    for (batch, rounding) in [(1, Rounding::Stochastic { seed: 1 }), (8, Rounding::ErrorFeedback)] {
        let one = trained(batch, 1, rounding);
        let test = one.epochs.iter().map(|epoch| epoch.test.unwrap().accuracy).collect::<Vec<_>>();
        println!("{:?}", one.epochs);
        assert!(test[11] > 0.9, "{test:?}");
        assert!(one.epochs[11].loss < one.epochs[0].loss);
        assert_eq!(trained(batch, 2, rounding), one);
    }
}

#[test]
fn what_is_frozen_may_be_computed_before_or_not() {
    let run = |first: usize| {
        let prepared = prepared(first, 1);
        let train = examples(&prepared, 0, 30, false, 1);
        let mut learner = Learner::new(&prepared.network, &five(), &StepOptions::default(), 1).unwrap();
        learn(&mut learner, &train, None, &OPTIONS, Checkpoint::default(), &mut quiet).unwrap()
    };
    assert_eq!(run(0), run(2));
    // Two values where a residual passes the cut; the image itself where there is none.
    assert_eq!(examples(&prepared(2, 1), 0, 4, true, 1).bytes(), 4 * 2 * (16 + 6) * 36);
    assert_eq!(examples(&prepared(0, 1), 0, 4, false, 3).bytes(), 4 * 363);
}

#[test]
fn a_resumed_training_is_that_without_a_break() {
    let prepared = prepared(2, 2);
    let train = examples(&prepared, 0, 45, true, 1);
    for rounding in [Rounding::Stochastic { seed: 1 }, Rounding::ErrorFeedback] {
        let options = StepOptions::rounded(rounding);
        let learner = || Learner::new(&prepared.network, &five(), &options, 1).unwrap();
        let whole = learn(&mut learner(), &train, None, &OPTIONS, Checkpoint::default(), &mut quiet).unwrap();
        // Broken off in the middle of the third epoch.
        let mut steps = 0;
        let mut interrupted = |event: Event<'_>| {
            steps += usize::from(matches!(event, Event::Step { .. }));
            if steps == 23 + 23 + 11 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let start = Checkpoint { training: "colours".to_owned(), ..Checkpoint::default() };
        let broken = learn(&mut learner(), &train, None, &OPTIONS, start, &mut interrupted).unwrap();
        assert_eq!(broken.epochs.len(), 2);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        broken.write(&path).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        assert_eq!(read, broken);
        let resumed = learn(&mut learner(), &train, None, &OPTIONS, read, &mut quiet).unwrap();
        assert_eq!((resumed.parameters, resumed.epochs), (whole.parameters, whole.epochs));
    }
}

#[test]
fn a_network_keeps_what_it_has_learned() {
    for rounding in [Rounding::Stochastic { seed: 1 }, Rounding::ErrorFeedback] {
        let checkpoint = trained(1, 1, rounding);
        let network = network();
        let learned = network.with_parameters(&checkpoint.parameters).unwrap();
        // From the image on, with nothing of the training but the network.
        let prepared = Prepared::new(&learned, 0, 1).unwrap();
        let test = examples(&prepared, 500, 60, false, 1);
        let fresh = Learner::new(&prepared.network, &five(), &StepOptions::rounded(rounding), 1);
        assert_eq!(fresh.unwrap().evaluate(&test).unwrap(), checkpoint.epochs[11].test.unwrap());
        let fewer = network.with_classes(2, 1).unwrap();
        let error = fewer.with_parameters(&checkpoint.parameters).unwrap_err().to_string();
        assert!(error.contains("conv7"), "{error}");
    }
}

#[test]
fn what_belongs_to_another_training_is_refused() {
    let prepared = prepared(2, 1);
    let learner =
        |scheme: &Scheme| Learner::new(&prepared.network, scheme, &StepOptions::default(), 1).unwrap();
    let mut own = learner(&five());
    let other = learner(&Scheme::bias_only(2)).parameters().unwrap();
    let error = own.restore(&other).unwrap_err();
    assert!(matches!(&error, LearnError::Checkpoint(text) if text.contains("missing")), "{error}");
    let mut more = own.parameters().unwrap();
    more.insert("conv0.bias".to_owned(), more["conv3.bias"].clone());
    assert!(own.restore(&more).unwrap_err().to_string().contains("conv0.bias is not trained"));
    let whole = examples(&self::prepared(0, 1), 0, 3, false, 1);
    let error = own.evaluate(&whole).unwrap_err().to_string();
    assert!(error.contains("conv1") && error.contains("image"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, "no checkpoint").unwrap();
    Checkpoint::read(&path).unwrap_err();
}

#[test]
fn examples_survive_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("examples");
    let written = examples(&prepared(2, 1), 0, 5, true, 2);
    written.write(&path, "colours").unwrap();
    assert_eq!(Examples::read(&path, "colours").unwrap(), Some(written));
    assert_eq!(Examples::read(&path, "shapes").unwrap(), None);
    std::fs::write(&path, "no examples").unwrap();
    Examples::read(&path, "colours").unwrap_err();
}

#[test]
fn computing_examples_can_be_stopped() {
    let prepared = prepared(2, 1);
    let most = AtomicUsize::new(0);
    let progress = |done: usize| {
        most.fetch_max(done, Ordering::Relaxed);
        if done >= 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let load = |index: usize| Ok(picture(index));
    let stopped = Examples::compute(&prepared, vec![0; 100], false, 2, &load, &progress);
    assert!(matches!(stopped, Err(LearnError::Stopped)));
    assert!(most.into_inner() < 10);
}
