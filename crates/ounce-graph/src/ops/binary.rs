//! Functions of two numbers, applied to every pair of elements of two inputs that broadcast.

use ounce_kernels::Team;

use super::{Unary, UnaryKind};
use crate::autodiff::Gradient;
use crate::error::{GraphError, OpError};
use crate::host;
use crate::io::Io;
use crate::operator::{Operator, expect_floats};
use crate::shape::{broadcast, broadcast_strides, walk};
use crate::types::TensorType;

/// Which function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BinaryKind {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a b`
    Mul,
    /// `a / b`
    Div,
    /// `a^b`
    Pow,
    /// The larger.
    Max,
    /// The smaller.
    Min,
    /// 1 where `a > b`, else 0. Its gradient is zero.
    Greater,
}

use BinaryKind as K;

impl BinaryKind {
    /// The function's value.
    #[inline(always)]
    pub fn value(self, a: f32, b: f32) -> f32 {
        match self {
            K::Add => a + b,
            K::Sub => a - b,
            K::Mul => a * b,
            K::Div => a / b,
            K::Pow => a.powf(b),
            K::Max => a.max(b),
            K::Min => a.min(b),
            K::Greater => f32::from(u8::from(a > b)),
        }
    }

    /// The function's name.
    pub fn name(self) -> &'static str {
        match self {
            K::Add => "add",
            K::Sub => "sub",
            K::Mul => "mul",
            K::Div => "div",
            K::Pow => "pow",
            K::Max => "max",
            K::Min => "min",
            K::Greater => "greater",
        }
    }
}

/// A function of two numbers, applied to every pair of elements of two inputs in f32, which broadcast by NumPy's rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binary {
    /// Which function.
    pub kind: BinaryKind,
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Vec<TensorType>, OpError> {
        expect_floats(inputs, 2)?;
        Ok(vec![TensorType::f32(&broadcast(&inputs[0].shape, &inputs[1].shape)?)])
    }

    fn reference(&self, io: &mut Io<'_, '_>) {
        let y = io.take_f32(0);
        let (a, b) = (io.f32_unless_overwritten(0), io.f32_unless_overwritten(1));
        let shape = io.output_shape(0);
        let strides = [broadcast_strides(io.shape(0), shape), broadcast_strides(io.shape(1), shape)];
        walk(shape, [&strides[0], &strides[1]], |i, [ai, bi]| {
            // An overwritten input has the shape of the output.
            let (a, b) = (a.map_or(y[i], |a| a[ai]), b.map_or(y[i], |b| b[bi]));
            y[i] = self.kind.value(a, b);
        });
    }

    fn execute(&self, team: &mut Team<'_>, _scratch: &mut [f32], io: &mut Io<'_, '_>) {
        match self.kind {
            K::Add => run(team, io, |a, b| a + b),
            K::Sub => run(team, io, |a, b| a - b),
            K::Mul => run(team, io, |a, b| a * b),
            K::Div => run(team, io, |a, b| a / b),
            kind => run(team, io, |a, b| kind.value(a, b)),
        }
    }

    fn gradient(&self, gradient: &mut Gradient<'_>) -> Result<(), GraphError> {
        let g = gradient.upstream_first()?;
        let (a, b, y) = (gradient.input(0), gradient.input(1), gradient.output(0));
        if gradient.needs(0) {
            let da = match self.kind {
                K::Add | K::Sub => g,
                K::Mul => gradient.binary(K::Mul, g, b)?,
                K::Div => gradient.binary(K::Div, g, b)?,
                K::Pow => {
                    let one = gradient.graph().scalar(1.0);
                    let exponent = gradient.binary(K::Sub, b, one)?;
                    let power = gradient.binary(K::Pow, a, exponent)?;
                    let slope = gradient.binary(K::Mul, power, b)?;
                    gradient.binary(K::Mul, g, slope)?
                }
                K::Max => masked(gradient, g, a, b)?,
                K::Min => masked(gradient, g, b, a)?,
                K::Greater => return Err(gradient.refuse("a comparison is constant almost everywhere")),
            };
            gradient.add_broadcast(0, da)?;
        }
        if gradient.needs(1) {
            let db = match self.kind {
                K::Add => g,
                K::Sub => gradient.apply(Unary { kind: UnaryKind::Neg }, &[g])?,
                K::Mul => gradient.binary(K::Mul, g, a)?,
                K::Div => {
                    let ratio = gradient.binary(K::Div, y, b)?;
                    let product = gradient.binary(K::Mul, g, ratio)?;
                    gradient.apply(Unary { kind: UnaryKind::Neg }, &[product])?
                }
                K::Pow => {
                    let log = gradient.apply(Unary { kind: UnaryKind::Log }, &[a])?;
                    let slope = gradient.binary(K::Mul, y, log)?;
                    gradient.binary(K::Mul, g, slope)?
                }
                K::Max => masked(gradient, g, b, a)?,
                K::Min => masked(gradient, g, a, b)?,
                K::Greater => return Err(gradient.refuse("a comparison is constant almost everywhere")),
            };
            gradient.add_broadcast(1, db)?;
        }
        Ok(())
    }

    fn overwrites(&self, inputs: &[TensorType]) -> Vec<usize> {
        let Ok(shape) = broadcast(&inputs[0].shape, &inputs[1].shape) else { return Vec::new() };
        (0..2).filter(|i| *inputs[*i].shape == *shape).collect()
    }
}

/// `g` where `a > b`, half of it where they are equal.
fn masked(
    gradient: &mut Gradient<'_>,
    g: crate::ValueId,
    a: crate::ValueId,
    b: crate::ValueId,
) -> Result<crate::ValueId, GraphError> {
    let above = gradient.binary(K::Greater, a, b)?;
    let below = gradient.binary(K::Greater, b, a)?;
    let (one, half) = (gradient.graph().scalar(1.0), gradient.graph().scalar(0.5));
    let difference = gradient.binary(K::Sub, above, below)?;
    let shifted = gradient.binary(K::Add, difference, one)?;
    let mask = gradient.binary(K::Mul, shifted, half)?;
    gradient.binary(K::Mul, g, mask)
}

/// How an input of a broadcast is read along the innermost run of elements.
#[derive(Clone, Copy)]
pub(crate) enum Read {
    /// Element by element, over the whole output.
    Whole,
    /// One element for every run of so many, the elements repeating after so many runs.
    Runs { run: usize, count: usize },
    /// Something else.
    Strided,
}

/// Recognises inputs that repeat whole trailing extents (a scalar, a bias per channel, a row).
pub(crate) fn read(from: &[usize], to: &[usize]) -> Read {
    if from.iter().product::<usize>() == to.iter().product::<usize>() {
        return Read::Whole;
    }
    let kept = from.iter().rposition(|extent| *extent != 1).map_or(0, |last| last + 1);
    let trailing = from.len() - kept;
    let run: usize = to[to.len() - trailing..].iter().product();
    let leading = from.iter().take_while(|extent| **extent == 1).count().min(kept);
    let own = &from[leading..kept];
    let matching = to[..to.len() - trailing].ends_with(own);
    if matching { Read::Runs { run, count: own.iter().product() } } else { Read::Strided }
}

fn run(team: &mut Team<'_>, io: &mut Io<'_, '_>, f: impl Fn(f32, f32) -> f32 + Sync) {
    let shape = io.output_shape(0);
    let reads = [read(io.shape(0), shape), read(io.shape(1), shape)];
    let (a, b) = (io.f32_unless_overwritten(0), io.f32_unless_overwritten(1));
    match (reads, a, b) {
        ([Read::Whole, Read::Whole], ..) => super::unary::zip_inputs_parallel(team, io, f),
        ([Read::Whole, Read::Runs { run, count }], a, Some(b)) => {
            let y = io.take_f32(0);
            by_runs(team, y, a, (run, count, b), f);
        }
        ([Read::Runs { run, count }, Read::Whole], Some(a), b) => {
            let y = io.take_f32(0);
            by_runs(team, y, b, (run, count, a), |whole, repeated| f(repeated, whole));
        }
        _ => {
            let y = io.take_f32(0);
            let strides = [broadcast_strides(io.shape(0), shape), broadcast_strides(io.shape(1), shape)];
            walk(shape, [&strides[0], &strides[1]], |i, [ai, bi]| {
                let (a, b) = (a.map_or(y[i], |a| a[ai]), b.map_or(y[i], |b| b[bi]));
                y[i] = f(a, b);
            });
        }
    }
}

/// `y = f(whole, repeated)`, where every element of `repeated` stands for a run.
fn by_runs(
    team: &mut Team<'_>,
    y: &mut [f32],
    whole: Option<&[f32]>,
    (run, count, repeated): (usize, usize, &[f32]),
    f: impl Fn(f32, f32) -> f32 + Sync,
) {
    host::pieces(team, y, |first, y| {
        let mut done = 0;
        // The run that comes next, and how many of its elements are behind.
        let (mut number, mut behind) = (first / run.max(1) % count.max(1), first % run.max(1));
        while done < y.len() {
            let at = first + done;
            let len = (run - behind).min(y.len() - done);
            if run == 1 {
                // A row that repeats.
                let begin = at % count;
                let len = (count - begin).min(y.len() - done);
                let (y, repeated) = (&mut y[done..done + len], &repeated[begin..begin + len]);
                match whole {
                    Some(whole) => y
                        .iter_mut()
                        .zip(whole[at..].iter().zip(repeated))
                        .for_each(|(y, (w, r))| *y = f(*w, *r)),
                    None => y.iter_mut().zip(repeated).for_each(|(y, r)| *y = f(*y, *r)),
                }
                done += len;
                continue;
            }
            let r = repeated[number];
            (number, behind) = (if number + 1 == count { 0 } else { number + 1 }, 0);
            let y = &mut y[done..done + len];
            match whole {
                Some(whole) => y.iter_mut().zip(&whole[at..]).for_each(|(y, w)| *y = f(*w, r)),
                None => y.iter_mut().for_each(|y| *y = f(*y, r)),
            }
            done += len;
        }
    });
}
