//! Search by evolution, and by chance alone for comparison.

use super::genome::{Genome, below};
use super::{Found, Search, SearchOptions, Verdict};
use crate::contribution::Prediction;
use crate::scheme::Scheme;
use std::collections::HashSet;

/// Searches by evolution: schemes of a population are mutated and crossed, what does not fit is shrunk until it does, and the best stay. Only of
/// schemes that would stay it is asked whether they fit. A population in which nothing changes any more makes way for another. `None` if nothing fits.
///
/// # Errors
/// Those of `fits`.
pub fn evolve<E>(
    prediction: &Prediction,
    options: &SearchOptions,
    fits: impl FnMut(&Scheme) -> Result<Verdict, E>,
) -> Result<Option<Found>, E> {
    let Some(mut search) = Search::new(prediction, options, fits)? else { return Ok(None) };
    let size = options.population.max(2);
    let mut population: Vec<(f64, Genome)> = Vec::new();
    let mut members = HashSet::new();
    let (mut barren, mut idle) = (0, 0);
    // A small space is exhausted long before the evaluations are.
    while !search.exhausted() && idle < IDLE {
        let (mut born, before) = (0, search.known.len());
        let worst = population.last().map_or(f64::NEG_INFINITY, |(accuracy, _)| *accuracy);
        for _ in 0..size {
            let child = if population.len() < size {
                Genome::random(prediction, &mut search.random)
            } else {
                let [first, second] = [(); 2].map(|()| pick(&population, &mut search.random).clone());
                match below(&mut search.random, 3) {
                    0 => first.mutated(prediction, options.mutation, &mut search.random),
                    1 => first.exchanged(prediction, &mut search.random),
                    _ => first.crossed(&second, prediction, &mut search.random),
                }
            };
            if members.contains(&child) {
                continue;
            }
            let least = if population.len() < size { f64::NEG_INFINITY } else { worst };
            let Some((accuracy, child)) = search.repair(child, least)? else { continue };
            if members.insert(child.clone()) {
                population.push((accuracy, child));
                born += 1;
            }
        }
        barren = if born == 0 { barren + 1 } else { 0 };
        idle = if search.known.len() == before { idle + 1 } else { 0 };
        population.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, gone) in population.drain(size.min(population.len())..) {
            members.remove(&gone);
        }
        if barren == BARREN {
            // It will not get out of here; the best is known.
            population.clear();
            members.clear();
            barren = 0;
        }
    }
    Ok(search.found())
}

/// Generations without a member that stays, after which another population is begun.
const BARREN: usize = 12;

/// Generations without a scheme that is new after which a search ends.
const IDLE: usize = 20;

/// The better of two members.
fn pick<'a>(population: &'a [(f64, Genome)], random: &mut ounce_random::Pcg32) -> &'a Genome {
    let at = below(random, population.len()).min(below(random, population.len()));
    &population[at].1
}

/// Searches by chance: draws schemes and shrinks them until they fit. `None` if nothing fits.
///
/// # Errors
/// Those of `fits`.
pub fn random<E>(
    prediction: &Prediction,
    options: &SearchOptions,
    fits: impl FnMut(&Scheme) -> Result<Verdict, E>,
) -> Result<Option<Found>, E> {
    let Some(mut search) = Search::new(prediction, options, fits)? else { return Ok(None) };
    let mut idle = 0;
    while !search.exhausted() && idle < IDLE * options.population.max(2) {
        let before = search.known.len();
        let genome = Genome::random(prediction, &mut search.random);
        search.repair(genome, f64::NEG_INFINITY)?;
        idle = if search.known.len() == before { idle + 1 } else { 0 };
    }
    Ok(search.found())
}
