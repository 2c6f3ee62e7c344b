//! Which trainings contributions are measured by.

use super::Contributions;
use crate::scheme::TrainedWeight;

/// One training.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Point {
    /// Of the biases of the last so many convolutions.
    Biases(usize),
    /// Of the weights of one convolution on top of [`Contributions::base`] biases.
    Weights(TrainedWeight),
}

/// The trainings of an analysis, in the order in which they are done: what matters most first, so that an unfinished analysis is of use.
#[derive(Clone, PartialEq, Debug)]
pub struct Grid(pub Vec<Point>);

/// A block of a mobile network has three convolutions.
const BLOCK: usize = 3;

impl Grid {
    /// Biases of the base, of none, and by blocks of three convolutions in between; then the weights of all convolutions that the base reaches, with all channels and with a quarter; then
    /// biases one by one and, beyond the base, by blocks, and the other shares.
    pub fn standard(convs: usize, base: usize) -> Self {
        let base = base.min(convs);
        let weights = |share: f64| {
            (convs - base..convs).rev().map(move |conv| Point::Weights(TrainedWeight { conv, share }))
        };
        let by_block =
            [base, 0].into_iter().chain((1..base).rev().filter(|biases| biases.is_multiple_of(BLOCK)));
        let one_by_one = (1..base).rev().filter(|biases| !biases.is_multiple_of(BLOCK));
        let beyond = (base + 1..convs).filter(|biases| (biases - base).is_multiple_of(BLOCK));
        let beyond = beyond.chain((base < convs).then_some(convs));
        let points = by_block.map(Point::Biases).chain(weights(1.0)).chain(weights(0.25));
        let rest = one_by_one.chain(beyond).map(Point::Biases);
        let mut points: Vec<Point> = points.chain(rest).chain(weights(0.5)).chain(weights(0.125)).collect();
        if base == 0 {
            points.remove(0);
        }
        Self(points)
    }

    /// How many biases are trained along with weights unless told otherwise: four sevenths of all, as the published schemes reach.
    pub fn base(convs: usize) -> usize {
        convs * 4 / 7
    }

    /// The trainings that are still to be done with so many seeds, with the number of the seed.
    pub fn missing(&self, found: &Contributions, seeds: usize) -> Vec<(Point, usize)> {
        let rounds = (0..seeds).flat_map(|seed| self.0.iter().map(move |point| (*point, seed)));
        rounds.filter(|(point, seed)| found.accuracies(*point).len() <= *seed).collect()
    }
}
