//! In what range values lie.

use ounce_graph::{DType, Executor, Graph, GraphError, PlanOptions, Slice, Source, Tensor, ValueId, plan};
use ounce_kernels::ThreadPool;

use super::QuantizeError;

/// How the range of a value is chosen from what it was for the samples.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Observer {
    /// From the least to the largest.
    MinMax,
    /// So that this share of all elements, such as 0.999, lies within; what lies beyond is clamped.
    Percentile(f64),
    /// So that the squared error of rounding and clamping is least.
    LeastSquares,
}

/// Bins of a histogram.
const BINS: usize = 2048;

/// What is known of a value.
#[derive(Clone, Debug)]
struct Seen {
    low: f32,
    high: f32,
    histogram: Vec<u64>,
}

impl Seen {
    fn bin(&self, x: f32) -> usize {
        let place = (f64::from(x) - f64::from(self.low)) / self.width();
        (place as usize).min(BINS - 1)
    }

    /// The width of a bin, above 0.
    fn width(&self) -> f64 {
        ((f64::from(self.high) - f64::from(self.low)) / BINS as f64).max(f64::MIN_POSITIVE)
    }

    fn percentile(&self, share: f64) -> (f32, f32) {
        let total: u64 = self.histogram.iter().sum();
        let beyond = ((1.0 - share.clamp(0.0, 1.0)) * total as f64) as u64;
        // What may be cut goes where most of a bin's width is gained: from both ends alike.
        let (mut first, mut last, mut cut) = (0, BINS - 1, 0);
        while first < last {
            let end = if self.histogram[first] <= self.histogram[last] { first } else { last };
            cut += self.histogram[end];
            if cut > beyond {
                break;
            }
            if end == first { first += 1 } else { last -= 1 }
        }
        let at = |bin: usize| (f64::from(self.low) + bin as f64 * self.width()) as f32;
        (at(first), at(last + 1))
    }

    fn least_squares(&self) -> (f32, f32) {
        let mut best = (f64::INFINITY, (self.low, self.high));
        // Both ends shrink alike; 0 is always within.
        for step in 0..64 {
            let ratio = 1.0 - step as f32 / 80.0;
            let (low, high) = (self.low.min(0.0) * ratio, self.high.max(0.0) * ratio);
            let error = self.error(low, high);
            if error < best.0 {
                best = (error, (low, high));
            }
        }
        best.1
    }

    /// The squared error of all elements if bytes reach from `low` to `high`.
    fn error(&self, low: f32, high: f32) -> f64 {
        let (low, high) = (f64::from(low), f64::from(high));
        let rounding = ((high - low) / 255.0).powi(2) / 12.0;
        let of_bin = |(bin, count): (usize, &u64)| {
            let x = f64::from(self.low) + (bin as f64 + 0.5) * self.width();
            let beyond = (low - x).max(x - high).max(0.0);
            *count as f64 * if beyond > 0.0 { beyond * beyond } else { rounding }
        };
        self.histogram.iter().enumerate().filter(|(_, count)| **count > 0).map(of_bin).sum()
    }
}

/// The values that are observed: all floats that are computed or come in.
fn observed(graph: &Graph) -> Vec<ValueId> {
    let computed = graph.nodes().iter().flat_map(|node| node.outputs.iter().copied());
    let all = graph.inputs().iter().copied().chain(computed);
    all.filter(|id| graph.ty(*id).dtype == DType::F32).collect()
}

/// The range of every value that is computed or comes in, by its place in the graph.
pub(super) fn ranges(
    graph: &Graph,
    samples: &[Vec<(&str, &Tensor)>],
    observer: Observer,
    pool: &mut ThreadPool,
) -> Result<Vec<Option<(f32, f32)>>, QuantizeError> {
    let ids = observed(graph);
    let mut probe = graph.clone();
    probe.clear_outputs();
    for id in &ids {
        if matches!(graph.value(*id).source, Source::Node { .. }) {
            probe.output(&id.index().to_string(), *id)?;
        }
    }
    let mut executor = Executor::new(&probe, &plan::plan(&probe, &PlanOptions::default())?)?;
    let mut seen: Vec<Option<Seen>> = vec![None; graph.values().len()];
    let mut visit = |update: &mut dyn FnMut(&mut Option<Seen>, &[f32])| -> Result<(), QuantizeError> {
        for sample in samples {
            for id in graph.inputs() {
                let name = &graph.value(*id).name;
                let missing = || GraphError::UnknownName {
                    kind: "input given",
                    name: name.clone(),
                    known: sample.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
                };
                let (_, data) = sample.iter().find(|(given, _)| given == name).ok_or_else(missing)?;
                executor.set_input(name, data)?;
            }
            executor.run(pool);
            for id in &ids {
                let value = graph.value(*id);
                let given = sample.iter().find(|(given, _)| *given == value.name).map(|(_, tensor)| *tensor);
                let data = match (&value.source, given.and_then(Tensor::as_f32)) {
                    (Source::Input, Some(data)) => data,
                    _ => match executor.output_slice(&id.index().to_string())? {
                        Slice::F32(data) => data,
                        _ => &[],
                    },
                };
                if !data.iter().all(|x| x.is_finite()) {
                    return Err(QuantizeError::NotFinite(value.name.clone()));
                }
                update(&mut seen[id.index()], data);
            }
        }
        Ok(())
    };
    visit(&mut |seen, data| {
        let seen =
            seen.get_or_insert(Seen { low: f32::INFINITY, high: f32::NEG_INFINITY, histogram: Vec::new() });
        data.iter().for_each(|x| (seen.low, seen.high) = (seen.low.min(*x), seen.high.max(*x)));
    })?;
    if observer != Observer::MinMax {
        visit(&mut |seen, data| {
            let Some(seen) = seen else { return };
            seen.histogram.resize(BINS, 0);
            data.iter().for_each(|x| {
                let bin = seen.bin(*x);
                seen.histogram[bin] += 1;
            });
        })?;
    }
    let range = |seen: Seen| match observer {
        Observer::MinMax => (seen.low, seen.high),
        Observer::Percentile(share) => seen.percentile(share),
        Observer::LeastSquares => seen.least_squares(),
    };
    Ok(seen.into_iter().map(|seen| seen.filter(|seen| seen.low <= seen.high).map(range)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(data: &[f32]) -> Seen {
        let (low, high) = data.iter().fold((f32::MAX, f32::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
        let mut seen = Seen { low, high, histogram: vec![0; BINS] };
        data.iter().for_each(|x| {
            let bin = seen.bin(*x);
            seen.histogram[bin] += 1;
        });
        seen
    }

    #[test]
    fn outliers_are_cut() {
        let mut data: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        data.push(100.0);
        let seen = seen(&data);
        let (low, high) = seen.percentile(0.999);
        assert!(low == 0.0 && high < 1.1, "{low} {high}");
        assert_eq!(seen.percentile(1.0), (0.0, 100.0));
        // One element a hundred times as large as the others is worth a tenth of the range.
        let (low, high) = seen.least_squares();
        assert!(low == 0.0 && high > 20.0 && high < 100.0, "{low} {high}");
    }

    #[test]
    fn equal_elements_have_a_range() {
        assert_eq!(seen(&[2.0; 5]).least_squares().0, 0.0);
        let (low, high) = seen(&[0.0; 5]).percentile(0.9);
        assert!(low <= high);
    }
}
