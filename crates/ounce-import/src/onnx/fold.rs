//! Arithmetic on constants, as models do with shapes.

use ounce_formats::onnx::ElementType;
use ounce_graph::shape::{broadcast, broadcast_strides, walk};

use super::constant::{Constant, Numbers, is_float};
use super::error::Fault;

/// The most elements of inputs that are computed with while importing; larger ones are left to the graph.
pub(super) const MOST: usize = 1 << 16;

/// A function of two numbers for integers and floats. `None` where it fails; `is_test` says that the result is a truth value.
pub(super) struct Arithmetic {
    pub(super) ints: fn(i64, i64) -> Option<i64>,
    pub(super) floats: fn(f32, f32) -> f32,
    pub(super) is_test: bool,
}

/// Applies a function to all pairs of elements of two constants that broadcast.
pub(super) fn binary(a: &Constant, b: &Constant, with: &Arithmetic) -> Result<Constant, Fault> {
    let shape = broadcast(&a.shape, &b.shape).map_err(|error| Fault::Shape(error.to_string()))?.to_vec();
    let strides = [broadcast_strides(&a.shape, &shape), broadcast_strides(&b.shape, &shape)];
    let mut pairs = Vec::new();
    walk(&shape, [&strides[0], &strides[1]], |_, at| pairs.push(at));
    let numbers = match (&a.numbers, &b.numbers) {
        (Numbers::Ints(a), Numbers::Ints(b)) => {
            let results = pairs.iter().map(|[i, j]| (with.ints)(a[*i], b[*j]));
            Numbers::Ints(results.collect::<Option<_>>().ok_or(Fault::Arithmetic)?)
        }
        (Numbers::Floats(a), Numbers::Floats(b)) => {
            let results = pairs.iter().map(|[i, j]| (with.floats)(a[*i], b[*j]));
            if with.is_test {
                Numbers::Ints(results.map(|x| i64::from(x != 0.0)).collect())
            } else {
                Numbers::Floats(results.collect())
            }
        }
        _ => return Err(Fault::Shape("integers and floats are mixed: cast one of them".to_owned())),
    };
    let element = if with.is_test { ElementType::Bool } else { a.element };
    Ok(Constant { element, shape, numbers })
}

/// Elements of `a` where the condition holds, of `b` elsewhere; all broadcast.
pub(super) fn select(condition: &Constant, a: &Constant, b: &Constant) -> Result<Constant, Fault> {
    let failed = |error: ounce_graph::OpError| Fault::Shape(error.to_string());
    let shape = broadcast(&a.shape, &b.shape).map_err(failed)?;
    let shape = broadcast(&condition.shape, &shape).map_err(failed)?.to_vec();
    let Numbers::Ints(holds) = &condition.numbers else {
        return Err(Fault::Element {
            input: 0,
            expected: "truth values",
            found: format!("{:?}", condition.element),
        });
    };
    let strides = [&condition.shape, &a.shape, &b.shape].map(|from| broadcast_strides(from, &shape));
    let mut places = Vec::new();
    walk(&shape, [&strides[0], &strides[1], &strides[2]], |_, at| places.push(at));
    let numbers = match (&a.numbers, &b.numbers) {
        (Numbers::Ints(a), Numbers::Ints(b)) => {
            Numbers::Ints(places.iter().map(|[c, i, j]| if holds[*c] != 0 { a[*i] } else { b[*j] }).collect())
        }
        (Numbers::Floats(a), Numbers::Floats(b)) => Numbers::Floats(
            places.iter().map(|[c, i, j]| if holds[*c] != 0 { a[*i] } else { b[*j] }).collect(),
        ),
        _ => return Err(Fault::Shape("integers and floats are mixed: cast one of them".to_owned())),
    };
    Ok(Constant { element: a.element, shape, numbers })
}

/// Applies a function to every float.
pub(super) fn unary(
    x: &Constant,
    ints: fn(i64) -> Option<i64>,
    floats: fn(f32) -> f32,
) -> Result<Constant, Fault> {
    let numbers = match &x.numbers {
        Numbers::Ints(all) => {
            Numbers::Ints(all.iter().map(|i| ints(*i)).collect::<Option<_>>().ok_or(Fault::Arithmetic)?)
        }
        Numbers::Floats(all) => Numbers::Floats(all.iter().map(|x| floats(*x)).collect()),
    };
    Ok(Constant { numbers, ..x.clone() })
}

/// The product of all elements, under a shape of one element.
pub(super) fn product(x: &Constant, shape: Vec<usize>) -> Result<Constant, Fault> {
    let numbers = match &x.numbers {
        Numbers::Ints(ints) => {
            let product = ints.iter().try_fold(1i64, |product, i| product.checked_mul(*i));
            Numbers::Ints(vec![product.ok_or(Fault::Arithmetic)?])
        }
        Numbers::Floats(floats) => Numbers::Floats(vec![floats.iter().product()]),
    };
    Ok(Constant { element: x.element, shape, numbers })
}

/// The range of an integer type; `None` for 64 bits and for floats.
fn range(element: ElementType) -> Option<(i64, i64)> {
    use ElementType as E;
    Some(match element {
        E::Int8 => (i8::MIN.into(), i8::MAX.into()),
        E::Uint8 => (0, u8::MAX.into()),
        E::Int16 => (i16::MIN.into(), i16::MAX.into()),
        E::Uint16 => (0, u16::MAX.into()),
        E::Int32 => (i32::MIN.into(), i32::MAX.into()),
        E::Uint32 => (0, u32::MAX.into()),
        _ => return None,
    })
}

/// Another element type. Integers must fit it; floats are cut towards zero.
pub(super) fn cast(x: &Constant, to: ElementType) -> Result<Constant, Fault> {
    let numbers = match (&x.numbers, is_float(to)) {
        (Numbers::Floats(floats), true) => Numbers::Floats(floats.clone()),
        (Numbers::Ints(ints), true) => Numbers::Floats(ints.iter().map(|i| *i as f32).collect()),
        (numbers, false) if to == ElementType::Bool => Numbers::Ints(match numbers {
            Numbers::Floats(floats) => floats.iter().map(|x| i64::from(*x != 0.0)).collect(),
            Numbers::Ints(ints) => ints.iter().map(|i| i64::from(*i != 0)).collect(),
        }),
        (numbers, false) => {
            let ints: Vec<i64> = match numbers {
                Numbers::Floats(floats) => floats.iter().map(|x| *x as i64).collect(),
                Numbers::Ints(ints) => ints.clone(),
            };
            if let Some((least, most)) = range(to)
                && let Some(beyond) = ints.iter().find(|i| !(least..=most).contains(*i))
            {
                return Err(Fault::Range(*beyond));
            }
            Numbers::Ints(ints)
        }
    };
    Ok(Constant { element: to, shape: x.shape.clone(), numbers })
}
