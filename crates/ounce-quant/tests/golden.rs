//! The formulas of the original repositories, computed in torch by `conformance/quant/make_golden.py`.
#![allow(clippy::unwrap_used, reason = "a failing test panics, in its helpers too")]

use ounce_kernels::{Team, ThreadPool};
use ounce_quant::awq::{self, Candidate, Scaled, Search};
use ounce_quant::smoothquant::{self, round_activations, tensor_scale};
use ounce_quant::{Granularity, InputObserver, Inputs, Keep, QuantizedMatrix, Scheme};
use safetensors::SafeTensors;

const WIDTH: usize = 96;
const TOKENS: usize = 50;

struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Self {
        Self(std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/golden.safetensors")).unwrap())
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        self.tensors().tensor(name).unwrap().data().to_vec()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.bytes(name).as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    /// Names that begin with `prefix`, with the number that follows it.
    fn numbered(&self, prefix: &str) -> Vec<(String, f32)> {
        let tensors = self.tensors();
        let names = tensors.names().into_iter().filter_map(|name| {
            let number: f32 = name.strip_prefix(prefix)?.parse().ok()?;
            Some((name.to_owned(), number))
        });
        let mut names: Vec<_> = names.collect();
        names.sort_by(|a, b| a.1.total_cmp(&b.1));
        names
    }
}

fn inputs(golden: &Golden) -> Inputs {
    ThreadPool::new(1).region(|team| {
        let keep = Keep { gram_rows: 0, sample_rows: 0, expected_rows: TOKENS };
        let mut observer = InputObserver::new(WIDTH, keep);
        observer.observe(team, &golden.floats("x"));
        observer.finish(team)
    })
}

/// The largest relative difference.
fn difference(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(a, b)| f64::from(a / b - 1.0).abs()).fold(0.0, f64::max)
}

#[test]
fn rounding_to_nearest_is_that_of_the_repositories() {
    let golden = Golden::read();
    let weights = golden.floats("weights");
    let mut cases = 0;
    for (symmetric, kind) in [(false, "asym"), (true, "sym")] {
        for bits in 2..=8 {
            for group in [32, 64, 192] {
                let name = format!("{kind}-{bits}-{group}");
                if golden.tensors().tensor(&format!("{name}/quants")).is_err() {
                    continue;
                }
                cases += 1;
                let granularity = if group == 192 { Granularity::Channel } else { Granularity::Group(group) };
                let scheme = Scheme { bits, symmetric, granularity };
                let found = QuantizedMatrix::nearest(&weights, 192, scheme).unwrap();
                assert_eq!(found.scales, golden.floats(&format!("{name}/scales")), "{name}");
                assert_eq!(found.zeros, golden.bytes(&format!("{name}/zeros")), "{name}");
                assert_eq!(found.quants, golden.bytes(&format!("{name}/quants")), "{name}");
            }
        }
    }
    assert_eq!(cases, 21);
}

/// The search offers every candidate to the loss, so a loss that counts the distance from the expected scales must lead it to them.
#[test]
fn scales_of_awq_are_those_of_the_repositories() {
    let golden = Golden::read();
    let inputs = inputs(&golden);
    let weights = [golden.floats("linear.0"), golden.floats("linear.1")];
    let linears: Vec<_> = weights.iter().map(|weights| Scaled { weights, inputs: &inputs }).collect();
    let what = Search { linears: &linears, ties: None, group: 32 };
    type Make = fn(f32) -> Candidate;
    let kinds: [(&str, Make); 2] =
        [("awq.plain.", |ratio| Candidate::Plain { ratio }), ("awq.duo.", |ratio| Candidate::Duo { ratio })];
    for (prefix, make) in kinds {
        let cases = golden.numbered(prefix);
        assert_eq!(cases.len(), 6);
        for (name, ratio) in cases {
            let expected = golden.floats(&name);
            let found = ThreadPool::new(1).region(|team| {
                let mut distance = |_: &mut Team<'_>, scales: Option<&[f32]>| {
                    scales.map_or(f64::INFINITY, |scales| {
                        let logs = scales.iter().zip(&expected).map(|(a, b)| f64::from((a / b).ln()));
                        logs.map(|x| x * x).sum()
                    })
                };
                awq::search(team, &what, &mut distance)
            });
            let (Candidate::Plain { ratio: near } | Candidate::Duo { ratio: near }) = found.candidate else {
                panic!("{name}: {:?}", found.candidate);
            };
            assert!((near - ratio).abs() < 1e-6, "{name}: {:?}", found.candidate);
            assert_eq!(found.candidate, make(near), "{name}");
            assert!(difference(&found.scales, &expected) < 2e-5, "{name}");
        }
    }
}

#[test]
fn scales_of_smoothquant_are_those_of_the_repository() {
    let golden = Golden::read();
    let inputs = inputs(&golden);
    let weights = [golden.floats("linear.0"), golden.floats("linear.1")];
    let cases = golden.numbered("smooth.");
    assert_eq!(cases.len(), 4);
    for (name, alpha) in cases {
        let found = smoothquant::scales(&inputs.max_abs, &[&weights[0], &weights[1]], alpha);
        assert!(difference(&found, &golden.floats(&name)) < 1e-5, "{name}");
    }
}

#[test]
fn activations_are_rounded_as_in_the_repository() {
    let golden = Golden::read();
    let x = golden.floats("x");
    let whole = tensor_scale(&inputs(&golden));
    for (name, fixed) in [("x.per_token", None), ("x.per_tensor", Some(whole))] {
        let mut found = x.clone();
        found.chunks_exact_mut(WIDTH).for_each(|row| round_activations(row, fixed));
        assert_eq!(found, golden.floats(name), "{name}");
    }
}
