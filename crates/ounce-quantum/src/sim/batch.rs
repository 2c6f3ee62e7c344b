//! A batch of small states: samples side by side, the whole circuit on one group of them after another.
//!
//! A group has as many samples as a vector register has lanes. Its states lie amplitude by amplitude, real parts of all samples, then imaginary parts, so that
//! every gate is plain vector arithmetic, with coefficients of their own for samples whose angles depend on inputs. All gates of the circuit are done while
//! the group's states are in the cache; threads take groups.

use ounce_kernels::Buffer;
use ounce_kernels::Team;
use ounce_kernels::amplitudes::{Layout, Overlap, Program, Real};

use super::Initial;
use super::bind::Values;
use super::node::Node;
use super::observe::Terms;
use super::plan::{Pass, TileSize, passes};
use super::state::write_amplitudes;
use crate::backend::Request;
use crate::circuit::Symbol;

/// The states of all samples of a request after its circuit.
pub(super) struct Batch<'a, T> {
    request: &'a Request<'a>,
    nodes: &'a [Node],
    reversed: Vec<Node>,
    terms: &'a Terms,
    forward: Vec<Pass>,
    backward: Vec<Pass>,
    layout: Layout<T>,
    groups: Vec<Group<T>>,
}

/// Bytes of the tiles that the states of a group are cut into: they stay in the first-level cache while a pass works on them.
const TILE_BYTES: usize = 32 << 10;

/// Samples that are worked on together, and what came out.
struct Group<T> {
    state: Buffer<T>,
    /// A row of expectation values for each sample.
    values: Vec<f64>,
    parameters: Vec<f64>,
    inputs: Vec<f64>,
}

impl<'a, T: Real> Batch<'a, T> {
    /// Runs the circuit for all samples.
    pub(super) fn forward(
        team: &mut Team<'_>,
        request: &'a Request<'a>,
        nodes: &'a [Node],
        terms: &'a Terms,
        initial: &Initial<'_>,
    ) -> Self {
        let layout = Layout::samples(team.kernels());
        let groups = request.samples.div_ceil(layout.lanes());
        let groups = (0..groups).map(|_| Group {
            state: Buffer::zeroed(0),
            values: Vec::new(),
            parameters: Vec::new(),
            inputs: Vec::new(),
        });
        let size = |states: usize| {
            let rows = TILE_BYTES / (states * layout.row_len() * T::BYTES);
            TileSize { qubits: request.circuit.qubits(), lanes: 0, chunk: 0, tile: rows.ilog2() as usize }
        };
        let reversed: Vec<Node> = nodes.iter().rev().cloned().collect();
        let forward = passes(nodes, size(1), Node::mixed);
        let backward = passes(&reversed, size(2), Node::overlapped);
        let groups = groups.collect();
        let mut batch = Self { request, nodes, reversed, terms, forward, backward, layout, groups };
        let mut groups = std::mem::take(&mut batch.groups);
        team.for_each_chunk_mut(&mut groups, 1, |number, group| {
            batch.forward_group(number, &mut group[0], initial)
        });
        batch.groups = groups;
        batch
    }

    /// The samples of a group.
    fn samples(&self, number: usize) -> std::ops::Range<usize> {
        let lanes = self.layout.lanes();
        number * lanes..self.request.samples.min((number + 1) * lanes)
    }

    fn values(&self, number: usize) -> Values<'a> {
        let width = self.request.circuit.inputs();
        let samples = self.samples(number);
        let inputs = &self.request.inputs[samples.start * width..samples.end * width];
        Values { parameters: self.request.parameters, inputs, width }
    }

    fn forward_group(&self, number: usize, group: &mut Group<T>, initial: &Initial<'_>) {
        let samples = self.samples(number);
        group.state = Buffer::zeroed(self.layout.len(self.request.circuit.qubits()));
        match initial {
            Initial::Zero => group.state[..self.layout.lanes()].fill(T::from_f64(1.0)),
            Initial::Amplitudes(_) => {
                for (lane, sample) in samples.clone().enumerate() {
                    let amplitudes = initial.of(sample, 1 << self.request.circuit.qubits());
                    write_amplitudes(self.layout, &mut group.state, lane, amplitudes);
                }
            }
        }
        let values = self.values(number);
        for pass in &self.forward {
            let mut program = Program::new(self.layout, &pass.tile);
            pass.nodes.iter().for_each(|&node| self.nodes[node].push(&mut program, values));
            program.run(&mut group.state, None, &mut []);
        }
        let terms = self.terms.weighted(self.layout, |_, _| 1.0);
        let mut sums = vec![T::default(); self.terms.products.len() * self.layout.lanes()];
        terms.expectations(&group.state, 0..1 << self.request.circuit.qubits(), &mut sums);
        let width = self.request.observables.len();
        group.values = vec![0.0; samples.len() * width];
        for (product, &(_, observable)) in self.terms.of.iter().enumerate() {
            for (lane, sum) in sums[terms.sums_of(product)].iter().take(samples.len()).enumerate() {
                group.values[lane * width + observable] += sum.to_f64();
            }
        }
    }

    /// Expectation values: a row for each sample.
    pub(super) fn expectations(&self) -> Vec<f64> {
        self.groups.iter().flat_map(|group| group.values.iter().copied()).collect()
    }

    /// Gradients of `sum of cotangent * expectation value` with respect to parameters and inputs.
    pub(super) fn backward(mut self, team: &mut Team<'_>, cotangents: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let mut groups = std::mem::take(&mut self.groups);
        team.for_each_chunk_mut(&mut groups, 1, |number, group| {
            self.backward_group(number, &mut group[0], cotangents)
        });
        let mut parameters = vec![0.0; self.request.parameters.len()];
        let mut inputs = Vec::with_capacity(self.request.inputs.len());
        for group in &groups {
            parameters.iter_mut().zip(&group.parameters).for_each(|(sum, own)| *sum += own);
            inputs.extend_from_slice(&group.inputs);
        }
        (parameters, inputs)
    }

    fn backward_group(&self, number: usize, group: &mut Group<T>, cotangents: &[f64]) {
        let samples = self.samples(number);
        let width = self.request.observables.len();
        let terms = self.terms.weighted(self.layout, |observable, lane| {
            let sample = samples.start + lane;
            if sample < samples.end { cotangents[sample * width + observable] } else { 0.0 }
        });
        let mut bra = Buffer::zeroed(group.state.len());
        terms.apply(&group.state, 0, &mut bra);
        let values = self.values(number);
        let inputs = self.request.circuit.inputs();
        group.parameters = vec![0.0; self.request.parameters.len()];
        group.inputs = vec![0.0; samples.len() * inputs];
        for pass in &self.backward {
            let mut program = Program::new(self.layout, &pass.tile);
            let mut overlaps: Vec<(&Node, Overlap)> = Vec::new();
            for node in pass.nodes.iter().map(|&node| &self.reversed[node]) {
                overlaps.extend(node.push_overlap(&mut program).map(|overlap| (node, overlap)));
                node.push_inverse(&mut program, values);
            }
            let mut sums = vec![0.0; program.sums()];
            program.run(&mut group.state, Some(&mut bra), &mut sums);
            for (node, overlap) in &overlaps {
                for lane in 0..samples.len() {
                    node.add_gradients(overlap, &sums, lane, values, &mut |symbol, gradient| match symbol {
                        Symbol::Parameter(index) => group.parameters[index] += gradient,
                        Symbol::Input(index) => group.inputs[lane * inputs + index] += gradient,
                    });
                }
            }
        }
    }
}
