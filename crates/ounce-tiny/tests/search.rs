//! Searches for schemes against exact answers.

#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use ounce_random::Pcg32;
use ounce_tiny::contribution::{Contributions, Point, Prediction, Setting};
use ounce_tiny::scheme::{Scheme, TrainedWeight};
use ounce_tiny::search::{Found, SearchOptions, Verdict, evolve, random};

const SHARES: [f64; 3] = [0.25, 0.5, 1.0];

/// A network of which contributions and costs in memory are made up; costs add up.
struct Problem {
    convs: usize,
    prediction: Prediction,
    of_biases: Vec<usize>,
    of_weights: Vec<[usize; 3]>,
}

impl Problem {
    fn setting() -> Setting {
        Setting {
            network: String::new(),
            data: String::new(),
            size: 1,
            classes: Vec::new(),
            train: 1,
            // So many that chance takes nothing off the gains.
            validation: 1_000_000_000,
            epochs: 1,
            batch: 1,
            rate: 1.0,
            bias_rate: 1.0,
            seed: 0,
        }
    }

    fn new(convs: usize, seed: u64) -> Self {
        let mut random = Pcg32::new(seed);
        let mut found = Contributions::new(Self::setting(), convs, convs);
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

    fn search(&self, budget: usize, seed: u64, evaluations: usize) -> [Option<Found>; 2] {
        let options = SearchOptions { evaluations, seed, ..SearchOptions::default() };
        let fits = |scheme: &Scheme| {
            let cost = self.cost(scheme);
            let fits = if cost <= budget { Verdict::Fits(cost as u64) } else { Verdict::TooLarge };
            Ok::<_, Infallible>(fits)
        };
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
    let nothing = |_: &Scheme| Ok::<_, Infallible>(Verdict::TooLarge);
    assert_eq!(evolve(&problem.prediction, &options, nothing), Ok(None));
    assert_eq!(random(&problem.prediction, &options, nothing), Ok(None));
    assert_eq!(evolve(&problem.prediction, &options, |_: &Scheme| Err("no")), Err("no"));
    let one = SearchOptions { evaluations: 1, population: 0, ..options };
    let all = |_: &Scheme| Ok::<_, Infallible>(Verdict::Fits(0));
    assert!(evolve(&problem.prediction, &one, all).unwrap().is_some());
}

/// However few may be tried, what is found fits: to begin with, the classifier alone.
#[test]
fn few_evaluations_find_something_that_fits() {
    for seed in 0..20 {
        let problem = Problem::new(24, seed);
        for evaluations in [0, 1, 2] {
            for found in problem.search(60, seed, evaluations).map(Option::unwrap) {
                assert!(problem.cost(&found.scheme) <= 60 && found.evaluations <= evaluations.max(1));
                if evaluations < 2 {
                    assert_eq!(found.scheme, Scheme::bias_only(0));
                }
            }
        }
    }
}

#[test]
fn a_search_that_is_stopped_gives_the_best_so_far() {
    let problem = Problem::new(24, 3);
    let options = SearchOptions::default();
    let mut asked = 0;
    let found = evolve(&problem.prediction, &options, |scheme: &Scheme| {
        asked += 1;
        Ok::<_, Infallible>(if asked <= 100 {
            Verdict::Fits(problem.cost(scheme) as u64)
        } else {
            Verdict::Stop
        })
    });
    let found = found.unwrap().unwrap();
    assert_eq!((asked, found.evaluations), (101, 100));
    assert_eq!(found.memory, problem.cost(&found.scheme) as u64);
    let stopped = |_: &Scheme| Ok::<_, Infallible>(Verdict::Stop);
    assert_eq!(random(&problem.prediction, &options, stopped), Ok(None));
}

/// Biases of 3 to 6 convolutions are equally good, and so are the weights of each: the least of them is found.
#[test]
fn of_equals_the_smallest_is_taken() {
    let mut found = Contributions::new(Problem::setting(), 6, 6);
    for (biases, accuracy) in [(0, 0.1), (3, 0.5), (6, 0.5)] {
        found.record(Point::Biases(biases), accuracy);
    }
    for conv in 0..6 {
        found.record(Point::Weights(TrainedWeight { conv, share: 1.0 }), 0.6);
    }
    let prediction = Prediction::of(&found).unwrap();
    // One weight has room, that of convolution 4 takes least; each bias takes something.
    let cost = |scheme: &Scheme| -> u64 {
        let of_weight = |weight: &TrainedWeight| [90, 80, 70, 60, 50, 60][weight.conv];
        scheme.weights.iter().map(of_weight).sum::<u64>() + scheme.biases as u64
    };
    let fits = |scheme: &Scheme| {
        let cost = cost(scheme);
        Ok::<_, Infallible>(if cost <= 100 { Verdict::Fits(cost) } else { Verdict::TooLarge })
    };
    let least = Scheme { biases: 3, weights: vec![TrainedWeight { conv: 4, share: 1.0 }] };
    for seed in 0..10 {
        let options = SearchOptions { seed, evaluations: 2000, ..SearchOptions::default() };
        for search in [evolve(&prediction, &options, fits), random(&prediction, &options, fits)] {
            let found = search.unwrap().unwrap();
            assert_eq!((&found.scheme, found.memory), (&least, 53), "seed {seed}");
        }
    }
}
