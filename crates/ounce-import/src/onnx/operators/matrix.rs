//! Products of matrices.

use ounce_graph::ops::{BinaryKind, MatMul, Reshape};

use super::super::call::{Built, Call};
use super::super::error::Fault;
use super::Operator;

pub(super) const OPERATORS: &[Operator] = &[
    Operator::new("Gemm", &["alpha", "beta", "transA", "transB"], gemm),
    Operator::new("MatMul", &[], matmul),
];

fn gemm<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let attributes = call.attributes();
    let product = MatMul {
        transpose_a: attributes.flag("transA", false)?,
        transpose_b: attributes.flag("transB", false)?,
    };
    let (alpha, beta) = (attributes.float_or("alpha", 1.0)?, attributes.float_or("beta", 1.0)?);
    let inputs = [call.real(0)?, call.real(1)?];
    let mut y = call.apply(product, &inputs)?;
    if alpha != 1.0 {
        let alpha = call.graph().scalar(alpha);
        y = call.apply(BinaryKind::Mul, &[y, alpha])?;
    }
    if let Some(mut c) = call.optional(2)?.filter(|_| beta != 0.0) {
        if beta != 1.0 {
            let beta = call.graph().scalar(beta);
            c = call.apply(BinaryKind::Mul, &[c, beta])?;
        }
        let shape = call.shape_of(y);
        y = call.apply(BinaryKind::Add, &[y, c])?;
        if call.shape_of(y) != shape {
            return Err(Fault::Shape(format!(
                "input 2 must broadcast to {shape:?}, found {:?}",
                call.shape_of(c)
            )));
        }
    }
    call.made(y)
}

fn matmul<'m>(call: &mut Call<'_, 'm>) -> Built<'m> {
    let (mut a, mut b) = (call.real(0)?, call.real(1)?);
    let (row, column) = (call.shape_of(a), call.shape_of(b));
    if let [k] = row[..] {
        a = call.apply(Reshape { shape: vec![1, k] }, &[a])?;
    }
    if let [k] = column[..] {
        b = call.apply(Reshape { shape: vec![k, 1] }, &[b])?;
    }
    let mut y = call.apply(MatMul::default(), &[a, b])?;
    let mut shape = call.shape_of(y);
    if row.len() == 1 {
        shape.remove(shape.len() - 2);
    }
    if column.len() == 1 {
        shape.pop();
    }
    if shape != call.shape_of(y) {
        y = call.apply(Reshape { shape }, &[y])?;
    }
    call.made(y)
}
