//! TorchQuantum's named encoders (`encoder_op_list_name_dict`), each as a description.

use super::Encoder;

struct Row {
    name: &'static str,
    qubits: usize,
    inputs: usize,
    description: &'static str,
}

const fn row(name: &'static str, qubits: usize, inputs: usize, description: &'static str) -> Row {
    Row { name, qubits, inputs, description }
}

static ROWS: &[Row] = &[
    row("1x1_ry", 1, 1, "ry"),
    row("2x1_ryry", 2, 2, "ry"),
    row("3x1_ryryry", 3, 3, "ry"),
    row("3x1_rxrxrx", 3, 3, "rx"),
    row("4_ry", 4, 4, "ry"),
    row("10_ry", 10, 10, "ry"),
    row("16_ry", 16, 16, "ry"),
    row("16x1_ry", 16, 16, "ry"),
    row("25_ry", 25, 25, "ry"),
    row("8x2_ry", 8, 16, "ry ry"),
    row("8x2_ryz", 8, 16, "ry rz"),
    row("15_ryrz", 15, 16, "ry rz"),
    row("25_ryrz", 21, 25, "ry rz"),
    row("6x6_ryrz", 21, 36, "ry rz"),
    row("6x6_ryrzrx", 16, 36, "ry rz rx"),
    row("10_ryzx", 4, 10, "ry rz rx"),
    row("4x4_ryzxy", 4, 16, "ry rz rx ry"),
    row("6x6_ryzxy", 10, 36, "ry rz rx ry"),
    row("8x8_ryzxyzxy", 10, 64, "ry rz rx ry rz rx ry"),
    row("10x10_ryzxyzxyzxy", 10, 100, "ry rz rx ry rz rx ry rz rx ry"),
    row("2x8_rxryrzrxryrzrxry", 2, 16, "rx ry rz rx ry rz rx ry"),
    row("2x8_ryzxyzxyz", 2, 16, "ry rz rx ry rz rx ry rz"),
    row("4x4_rzsx", 4, 16, "rz,sx rz,sx rz,sx rz,sx"),
    row("4x4_u3rx", 4, 16, "u3,rx"),
    row("4x4_u3_h_rx", 4, 16, "u3,rx@0 h u3,rx@1-3"),
];

/// Names of TorchQuantum's encoders.
pub fn encoder_names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.name)
}

pub(super) fn encoder(name: &str) -> Option<Encoder> {
    let row = ROWS.iter().find(|row| row.name == name)?;
    Encoder::described(row.qubits, row.inputs, row.description).ok()
}
