//! TorchQuantum's layer templates (`layer_name_dict`) and the design spaces of QuantumNAS, QuantumNAT and QOC.

use super::{Layer, Pattern, Template};
use crate::gate::{Gate, Standard as G};

/// Names of a template: that of TorchQuantum, and that of the design space, or nothing.
type Row = (&'static str, &'static str, fn() -> Template);

static ROWS: &[Row] = &[
    ("u3cu3_0", "U3+CU3", || blocks(vec![Layer::each(G::U3), Layer::ring(controlled(G::U3))])),
    ("cu3_0", "", || blocks(vec![chain(controlled(G::U3))])),
    ("seth_0", "ZZ+RY", || blocks(vec![Layer::ring(G::Rzz), Layer::each(G::Ry)])),
    ("seth_1", "", || blocks(vec![Layer::ring(G::Rzz), Layer::each(G::Ry), Layer::ring(G::Rzz)])),
    ("seth_2", "", || blocks(vec![Layer::ring(G::Rzz)])),
    ("rzz_0", "", || blocks(vec![Layer::ring(G::Rzz)])),
    ("barren_0", "RXYZ", || {
        let block = [rotations(), vec![chain(controlled(G::Z))]].concat();
        Template { before: vec![Layer::each(G::SqrtH)], block, after: Vec::new() }
    }),
    ("farhi_0", "ZX+XX", || blocks(vec![Layer::ring(G::Rzx), Layer::ring(G::Rxx)])),
    ("maxwell_0", "RXYZ+U1+CU3", || maxwell(G::H)),
    ("super_maxwell_0", "", || maxwell(G::T)),
    ("rxyzcx_0", "", || blocks([rotations(), vec![Layer::ring(controlled(G::X))]].concat())),
    ("ibm_basis_0", "IBMQ basis", || {
        let [rz, x, sx] = [G::Rz, G::X, G::Sx].map(Layer::each);
        blocks(vec![rz.clone(), x, rz.clone(), sx, rz, Layer::ring(controlled(G::X))])
    }),
    ("cxrzsx_0", "", || Template {
        before: vec![Layer::each(G::Rz), chain(controlled(G::X))],
        block: vec![Layer::each(G::Rz), Layer::each(G::Sx)],
        after: vec![Layer::each(G::Rz)],
    }),
    ("zzxx_0", "ZZ+XX", || blocks(vec![Layer::ring(G::Rzz), Layer::ring(G::Rxx)])),
    ("ryrycx", "", || blocks(vec![Layer::each(G::Ry), on(controlled(G::X), &[[0, 1]])])),
    ("ryryrycxcxcx", "", || {
        blocks(vec![Layer::each(G::Ry), on(controlled(G::X), &[[0, 1], [1, 2], [2, 0]])])
    }),
    ("ryryry", "", || blocks(vec![Layer::each(G::Ry)])),
    ("ryryryswapswap", "", || blocks(vec![Layer::each(G::Ry), on(G::Swap, &[[0, 1], [1, 2]])])),
    ("swapswap", "", || blocks(vec![on(G::Swap, &[[0, 1], [1, 2]])])),
];

/// Names of all templates: of TorchQuantum's and of the design spaces.
pub fn template_names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().flat_map(|row| [row.0, row.1]).filter(|name| !name.is_empty())
}

pub(super) fn template(name: &str) -> Option<Template> {
    let known = template_names().any(|own| own == name);
    ROWS.iter().find(|row| known && (row.0 == name || row.1 == name)).map(|row| row.2())
}

fn blocks(block: Vec<Layer>) -> Template {
    Template::of(block)
}

fn controlled(gate: G) -> Gate {
    Gate::from(gate).controlled(1)
}

fn chain(gate: Gate) -> Layer {
    Layer::new(gate, Pattern::Chain { jump: 1 })
}

fn on(gate: impl Into<Gate>, pairs: &[[usize; 2]]) -> Layer {
    Layer::new(gate, Pattern::Explicit(pairs.iter().map(|pair| pair.to_vec()).collect()))
}

fn rotations() -> Vec<Layer> {
    [G::Rx, G::Ry, G::Rz].map(Layer::each).to_vec()
}

/// The third fixed gate is Hadamard in TorchQuantum's layers, T in its search for circuits.
fn maxwell(third: G) -> Template {
    blocks(vec![
        Layer::each(G::Rx),
        Layer::each(G::S),
        Layer::ring(controlled(G::X)),
        Layer::each(G::Ry),
        Layer::each(G::T),
        Layer::ring(G::Swap),
        Layer::each(G::Rz),
        Layer::each(third),
        Layer::ring(G::SqrtSwap),
        Layer::each(G::P),
        Layer::ring(controlled(G::U3)),
    ])
}
