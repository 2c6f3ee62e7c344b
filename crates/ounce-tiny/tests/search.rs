//! Searches for schemes against exact answers.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use ounce_random::Pcg32;
use ounce_tiny::contribution::{Contributions, Point, Prediction, Setting};
use ounce_tiny::scheme::{Scheme, TrainedWeight};
use ounce_tiny::search::{SearchOptions, evolve, random};

const SHARES: [f64; 3] = [0.25, 0.5, 1.0];

/// A network of which contributions and costs in memory are made up; costs add up.
struct Problem {
    convs: usize,
    prediction: Prediction,
    of_biases: Vec<usize>,
    of_weights: Vec<[usize; 3]>,
}

impl Problem {
    fn new(convs: usize, seed: u64) -> Self {
        let mut random = Pcg32::new(seed);
        let setting = Setting {
            network: String::new(),
            data: String::new(),
            size: 1,
            classes: Vec::new(),
            train: 1,
            validation: 1,
            epochs: 1,
            batch: 1,
            rate: 1.0,
            bias_rate: 1.0,
            seed: 0,
        };
        let mut found = Contributions::new(setting, convs, convs);
        for k in 0..=convs {
            let accuracy = 0.6 * k as f64 / (k as f64 + 4.0) + random.uniform(0.0, 0.02);
            found.record(Point::Biases(k), accuracy);
        }
        let base = found.accuracy(Point::Biases(convs)).unwrap();
        for conv in 0..convs {
            let all = random.uniform(-0.01, 0.05);
            for share in SHARES {
                let accuracy = base + all * f64::sqrt(share) + random.uniform(-0.005, 0.005);
                found.record(Point::Weights(TrainedWeight { conv, share }), accuracy);
            }
        }
        let of_biases = (0..convs).map(|_| 1 + random.below(6) as usize).collect();
        let of_weights = (0..convs).map(|_| {
            let all = 4 + random.below(40) as usize;
            SHARES.map(|share| 1 + (all as f64 * share) as usize)
        });
        let of_weights = of_weights.collect();
        Self { convs, prediction: Prediction::of(&found).unwrap(), of_biases, of_weights }
    }

    fn cost(&self, scheme: &Scheme) -> usize {
        scheme.check(self.convs).unwrap();
        let biases: usize = self.of_biases[self.convs - scheme.biases..].iter().sum();
        let weight = |w: &TrainedWeight| {
            self.of_weights[w.conv][SHARES.iter().position(|share| *share == w.share).unwrap()]
        };
        biases + scheme.weights.iter().map(weight).sum::<usize>()
    }

    fn search(&self, budget: usize, seed: u64, evaluations: usize) -> [Option<ounce_tiny::search::Found>; 2] {
        let options = SearchOptions { evaluations, seed, ..SearchOptions::default() };
        let fits = |scheme: &Scheme| Ok::<_, Infallible>(self.cost(scheme) <= budget);
        let Ok(evolved) = evolve(&self.prediction, &options, fits);
        let Ok(drawn) = random(&self.prediction, &options, fits);
        [evolved, drawn]
    }

    /// The best accuracy of all schemes, each tried.
    fn exhaustive(&self, budget: usize) -> Option<f64> {
        let mut best: Option<f64> = None;
        for biases in 0..=self.convs {
            let mut schemes = vec![Scheme::bias_only(biases)];
            for choice in self.prediction.choices().iter().filter(|c| c.conv >= self.convs - biases) {
                for at in 0..schemes.len() {
                    for (share, _) in &choice.shares {
                        let mut scheme = schemes[at].clone();
                        scheme.weights.push(TrainedWeight { conv: choice.conv, share: *share });
                        schemes.push(scheme);
                    }
                }
            }
            let fitting = schemes.iter().filter(|scheme| self.cost(scheme) <= budget);
            best = fitting.map(|scheme| self.prediction.accuracy(scheme)).chain(best).reduce(f64::max);
        }
        best
    }

    /// The same by dynamic programming over the memory that is left.
    fn exact(&self, budget: usize) -> Option<f64> {
        let of = |biases: usize| {
            let left = budget.checked_sub(self.cost(&Scheme::bias_only(biases)))?;
            let mut best = vec![0.0; left + 1];
            for choice in self.prediction.choices().iter().filter(|c| c.conv >= self.convs - biases) {
                let before = best.clone();
                for (share, gain) in &choice.shares {
                    let at = SHARES.iter().position(|known| known == share).unwrap();
                    let cost = self.of_weights[choice.conv][at];
                    for room in cost..=left {
                        best[room] = f64::max(best[room], before[room - cost] + gain);
                    }
                }
            }
            Some(self.prediction.accuracy(&Scheme::bias_only(biases)) + best[left])
        };
        (0..=self.convs).filter_map(of).reduce(f64::max)
    }
}

#[test]
fn small_networks_are_solved() {
    for seed in 0..20 {
        let problem = Problem::new(5, seed);
        for budget in [0, 3, 20, 60, 1000] {
            let best = problem.exhaustive(budget).unwrap();
            assert!((problem.exact(budget).unwrap() - best).abs() < 1e-12);
            for found in problem.search(budget, seed, 5000) {
                let found = found.unwrap();
                assert!(problem.cost(&found.scheme) <= budget);
                assert!(
                    (found.accuracy - best).abs() < 1e-12,
                    "seed {seed}, budget {budget}: {found:?}, {best}"
                );
                assert_eq!(found.accuracy, problem.prediction.accuracy(&found.scheme));
            }
        }
    }
}

#[test]
fn large_networks_are_solved_too_and_better_than_by_chance() {
    for seed in 0..3 {
        let problem = Problem::new(24, seed);
        for budget in [60, 120, 240] {
            let best = problem.exact(budget).unwrap();
            let [evolved, drawn] = problem.search(budget, seed, 10_000).map(Option::unwrap);
            println!(
                "{budget}: exact {best:.6}, evolved {:.6}, drawn {:.6}",
                evolved.accuracy, drawn.accuracy
            );
            assert!(
                evolved.accuracy <= best + 1e-12 && evolved.accuracy > best - 1e-9,
                "seed {seed}, budget {budget}"
            );
            // Where chance finds the best one too, there is nothing better.
            assert!(evolved.accuracy > drawn.accuracy || drawn.accuracy > best - 1e-12);
            assert!(evolved.evaluations <= 10_000 && drawn.evaluations <= 10_000);
            assert!(evolved.progress.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
            assert_eq!(Some(&evolved), problem.search(budget, seed, 10_000)[0].as_ref());
        }
    }
}

#[test]
fn nothing_fits_no_memory_and_errors_end_a_search() {
    let problem = Problem::new(5, 1);
    let options = SearchOptions::default();
    let nothing = |_: &Scheme| Ok::<_, Infallible>(false);
    assert_eq!(evolve(&problem.prediction, &options, nothing), Ok(None));
    assert_eq!(random(&problem.prediction, &options, nothing), Ok(None));
    assert_eq!(evolve(&problem.prediction, &options, |_: &Scheme| Err("no")), Err("no"));
    let one = SearchOptions { evaluations: 1, population: 0, ..options };
    assert!(evolve(&problem.prediction, &one, |_: &Scheme| Ok::<_, Infallible>(true)).unwrap().is_some());
}
