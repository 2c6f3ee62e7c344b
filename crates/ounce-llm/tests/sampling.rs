//! The sampler against a slow twin that sorts everything, against closed forms, and on broken logits.
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

use ounce_llm::sampling::{NoCandidate, Past, Pcg32, Sampler, SamplerOptions};
use proptest::prelude::*;

/// The distribution that the documented chain draws from, computed the long way in f64.
fn distribution(options: &SamplerOptions, logits: &[f32], past: Past<'_>) -> Vec<f64> {
    let mut logits: Vec<f64> = logits.iter().copied().map(f64::from).collect();
    let all: Vec<u32> = past.prompt.iter().chain(past.generated).copied().collect();
    let window = if options.penalty_window == 0 { all.len() } else { options.penalty_window.min(all.len()) };
    for (id, logit) in logits.iter_mut().enumerate() {
        if all[all.len() - window..].contains(&(id as u32)) {
            let penalty = f64::from(options.repetition_penalty);
            *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
        }
        let times = past.generated.iter().filter(|&&t| t == id as u32).count() as f64;
        *logit -= times * f64::from(options.frequency_penalty);
        *logit -= f64::from(u8::from(times > 0.0)) * f64::from(options.presence_penalty);
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    if options.temperature == 0.0 {
        order.truncate(1);
    }
    if options.top_k > 0 {
        order.truncate(options.top_k);
    }
    let max = logits[order[0]];
    let total: f64 = order.iter().map(|&i| (logits[i] - max).exp()).sum();
    if options.top_p < 1.0 {
        let mut sum = 0.0;
        let kept = order.iter().position(|&i| {
            sum += (logits[i] - max).exp();
            sum >= f64::from(options.top_p) * total
        });
        order.truncate(kept.map_or(order.len(), |k| k + 1));
    }
    order.retain(|&i| (logits[i] - max).exp() >= f64::from(options.min_p));
    let temperature = if options.temperature == 0.0 { 1.0 } else { f64::from(options.temperature) };
    let mut probabilities = vec![0.0; logits.len()];
    for &i in &order {
        probabilities[i] = ((logits[i] - max) / temperature).exp();
    }
    let total: f64 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|p| *p /= total);
    probabilities
}

/// Draws `n` tokens and returns Pearson's chi-square statistic and its degrees of freedom; panics on a token of
/// probability zero.
fn chi_square(options: SamplerOptions, logits: &[f32], past: Past<'_>, n: u32) -> (f64, usize) {
    let expected = distribution(&options, logits, past);
    let mut sampler = Sampler::new(options).unwrap();
    let mut counts = vec![0_u32; logits.len()];
    for _ in 0..n {
        counts[sampler.sample(logits, past).unwrap() as usize] += 1;
    }
    let mut statistic = 0.0;
    let mut cells = 0;
    let mut rare = (0.0, 0.0);
    for (&count, &p) in counts.iter().zip(&expected) {
        assert!(p > 0.0 || count == 0, "drew a token that the filters exclude");
        let mean = p * f64::from(n);
        if mean >= 5.0 {
            statistic += (f64::from(count) - mean).powi(2) / mean;
            cells += 1;
        } else {
            rare.0 += f64::from(count);
            rare.1 += mean;
        }
    }
    if rare.1 > 5.0 {
        statistic += (rare.0 - rare.1) * (rare.0 - rare.1) / rare.1;
        cells += 1;
    }
    (statistic, cells - 1)
}

/// Five standard deviations above the mean of the chi-square distribution with `freedom` degrees: far beyond chance.
fn bound(freedom: usize) -> f64 {
    let freedom = freedom as f64;
    freedom + 5.0 * (2.0 * freedom).sqrt() + 10.0
}

fn random_logits(n: usize, seed: u64, spread: f64) -> Vec<f32> {
    let mut random = Pcg32::new(seed);
    (0..n).map(|_| ((random.next_f64() - 0.5) * spread) as f32).collect()
}

#[test]
fn draws_follow_the_documented_distribution() {
    let base = SamplerOptions { seed: 7, ..SamplerOptions::default() };
    let past = Past { prompt: &[1, 2, 3, 3], generated: &[5, 6, 5, 9], spared: &[] };
    let cases = [
        base.clone(),
        SamplerOptions { temperature: 0.5, ..base.clone() },
        SamplerOptions { temperature: 2.5, top_k: 10, ..base.clone() },
        SamplerOptions { top_p: 0.7, ..base.clone() },
        SamplerOptions { min_p: 0.2, temperature: 1.5, ..base.clone() },
        SamplerOptions { top_k: 30, top_p: 0.9, min_p: 0.05, temperature: 0.8, ..base.clone() },
        SamplerOptions { repetition_penalty: 1.3, penalty_window: 5, ..base.clone() },
        SamplerOptions { presence_penalty: 0.5, frequency_penalty: 0.4, ..base.clone() },
        SamplerOptions { repetition_penalty: 0.8, penalty_window: 0, frequency_penalty: -0.3, ..base },
    ];
    let logits = random_logits(60, 3, 8.0);
    for options in cases {
        let (statistic, freedom) = chi_square(options.clone(), &logits, past, 20_000);
        assert!(statistic < bound(freedom), "{options:?}: chi-square {statistic:.1} at {freedom} degrees");
    }
}

#[test]
fn a_large_vocabulary_is_filtered_like_a_small_one() {
    // Nearly flat logits: top-p needs many thousands of candidates, so the search widens several times.
    let logits = random_logits(50_000, 11, 2.0);
    for options in [
        SamplerOptions { top_p: 0.6, ..SamplerOptions::default() },
        SamplerOptions { top_k: 3000, ..SamplerOptions::default() },
        SamplerOptions { top_k: 40, top_p: 0.5, ..SamplerOptions::default() },
    ] {
        let expected = distribution(&options, &logits, Past::default());
        let mut sampler = Sampler::new(options).unwrap();
        for _ in 0..100 {
            let token = sampler.sample(&logits, Past::default()).unwrap();
            assert!(expected[token as usize] > 0.0);
        }
    }
}

#[test]
fn equal_seeds_give_equal_tokens_and_other_seeds_others() {
    let logits = random_logits(500, 5, 4.0);
    let draw = |seed| {
        let mut sampler = Sampler::new(SamplerOptions { seed, ..SamplerOptions::default() }).unwrap();
        (0..50).map(|_| sampler.sample(&logits, Past::default()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn broken_logits_are_survived_or_refused() {
    let sample = |logits: &[f32], options| Sampler::new(options).unwrap().sample(logits, Past::default());
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    for options in [
        SamplerOptions::greedy(),
        SamplerOptions::default(),
        SamplerOptions {
            top_k: 2,
            top_p: 0.5,
            min_p: 0.1,
            repetition_penalty: 1.2,
            ..SamplerOptions::default()
        },
        SamplerOptions { top_p: 0.5, ..SamplerOptions::default() },
        SamplerOptions { temperature: 1e-30, ..SamplerOptions::default() },
        SamplerOptions { temperature: 1e30, min_p: 0.5, ..SamplerOptions::default() },
    ] {
        assert_eq!(sample(&[nan, 1.0, nan, -inf], options.clone()), Ok(1), "{options:?}");
        assert_eq!(sample(&[nan, -3.0, inf, 5.0], options.clone()), Ok(2), "{options:?}");
        assert_eq!(sample(&[nan, -inf], options.clone()), Err(NoCandidate(2)), "{options:?}");
        assert_eq!(sample(&[], options.clone()), Err(NoCandidate(0)), "{options:?}");
        assert_eq!(sample(&[f32::MIN], options.clone()), Ok(0), "{options:?}");
    }
}

#[test]
fn tokens_outside_the_vocabulary_are_not_penalised() {
    let options =
        SamplerOptions { repetition_penalty: 2.0, presence_penalty: 1.0, ..SamplerOptions::greedy() };
    let past = Past { prompt: &[99, 1], generated: &[77], spared: &[] };
    assert_eq!(Sampler::new(options).unwrap().sample(&[1.0, 1.5], past), Ok(0));
}

/// The token that ends a turn (here 2) stands in every prompt; the default penalty of a chat must not keep the model from ending its own.
#[test]
fn spared_tokens_are_not_penalised() {
    let options = SamplerOptions {
        repetition_penalty: 1.1,
        presence_penalty: 1.0,
        frequency_penalty: 1.0,
        ..SamplerOptions::greedy()
    };
    let sample = |spared: &[u32]| {
        let past = Past { prompt: &[2, 1, 2], generated: &[2, 1], spared };
        Sampler::new(options.clone()).unwrap().sample(&[4.0, 4.1, 4.2], past)
    };
    assert_eq!(sample(&[]), Ok(0));
    assert_eq!(sample(&[2]), Ok(2));
    assert_eq!(sample(&[0, 1, 2]), Ok(2));
}

#[test]
fn options_outside_their_range_are_refused() {
    let refused = [
        SamplerOptions { temperature: -1.0, ..SamplerOptions::default() },
        SamplerOptions { temperature: f32::NAN, ..SamplerOptions::default() },
        SamplerOptions { top_p: 0.0, ..SamplerOptions::default() },
        SamplerOptions { top_p: 1.1, ..SamplerOptions::default() },
        SamplerOptions { min_p: -0.1, ..SamplerOptions::default() },
        SamplerOptions { repetition_penalty: 0.0, ..SamplerOptions::default() },
        SamplerOptions { presence_penalty: f32::INFINITY, ..SamplerOptions::default() },
    ];
    for options in refused {
        assert!(Sampler::new(options.clone()).is_err(), "{options:?}");
    }
}

proptest! {
    /// Whatever the settings, a drawn token has a positive probability in the twin's distribution.
    #[test]
    fn draws_lie_in_the_support_of_the_twin(
        logits in prop::collection::vec(-6i8..6, 1..80),
        top_k in 0usize..90,
        top_p in 0.01f32..1.0,
        min_p in 0.011f32..0.99,
        temperature in prop_oneof![Just(0.0f32), 0.05f32..3.0],
        seed in any::<u64>(),
    ) {
        let logits: Vec<f32> = logits.into_iter().map(f32::from).collect();
        let options = SamplerOptions { temperature, top_k, top_p, min_p, seed, ..SamplerOptions::default() };
        let expected = distribution(&options, &logits, Past::default());
        let mut sampler = Sampler::new(options).unwrap();
        for _ in 0..8 {
            let token = sampler.sample(&logits, Past::default()).unwrap();
            prop_assert!(expected[token as usize] > 0.0);
        }
    }
}
