//! Reading the tables of a model, from the outside in.

use super::error::{Broken, Fault, Parsed};
use super::flatbuffer::{Flat, Table, Vector};
use super::model::{Model, Operator, Quantization, Subgraph, Tensor, TensorList, TensorType};
use super::operation::{self, OperatorCode};

const VERSION: u32 = 3;
/// Offsets of buffers up to this mean that the data stands in the table.
const BUFFER_IN_FILE: u64 = 1;

pub(super) fn model(bytes: &[u8]) -> Parsed<Model<'_>> {
    let flat = Flat::new(bytes);
    let root = flat.table(0)?;
    let version = root.u32(0)?;
    if version != VERSION {
        return Err(Broken::new(root.at, Fault::Version(version)));
    }
    let operator_codes = list(&root, 1, "operator code", operator_code)?;
    let buffers = list(&root, 4, "buffer", |table, _| buffer(&flat, table))?;
    let context = Context { flat: &flat, operator_codes: &operator_codes, buffers: &buffers };
    let subgraphs = list(&root, 2, "subgraph", |table, _| context.subgraph(table))?;
    let metadata = list(&root, 6, "metadata", |table, _| {
        let number = table.u32(1)?;
        index("buffer", number.into(), buffers.len(), table.at)?;
        Ok((table.text(0)?, number as usize))
    })?;
    Ok(Model { description: root.text(3)?, operator_codes, subgraphs, buffers, metadata })
}

/// Reads each table of a vector, with an error that says which.
fn list<'f, 'a, T>(
    table: &Table<'f, 'a>,
    slot: usize,
    what: &str,
    mut read: impl FnMut(&Table<'f, 'a>, usize) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    let tables = table.tables(slot)?;
    let mut items = Vec::with_capacity(tables.len());
    for (i, table) in tables.enumerate() {
        let item = table.map_err(Broken::from).and_then(|table| read(&table, i));
        items.push(item.map_err(|broken| broken.within(|| format!("{what} {i}")))?);
    }
    Ok(items)
}

fn index(what: &'static str, index: i64, count: usize, at: usize) -> Parsed<()> {
    match usize::try_from(index) {
        Ok(number) if number < count => Ok(()),
        _ => Err(Broken::new(at, Fault::Index { what, index, count })),
    }
}

fn operator_code<'a>(table: &Table<'_, 'a>, _: usize) -> Parsed<OperatorCode<'a>> {
    // Codes up to 127 stand in the first field in old files, in both in new ones.
    let builtin = i32::from(table.i8(0)?).max(table.i32(3, 0)?);
    Ok(OperatorCode { builtin, custom: table.text(1)?, version: table.i32(2, 1)? })
}

fn buffer<'a>(flat: &Flat<'a>, table: &Table<'_, 'a>) -> Parsed<&'a [u8]> {
    let (offset, size) = (table.u64(1)?, table.u64(2)?);
    if offset <= BUFFER_IN_FILE {
        return Ok(table.bytes(0)?);
    }
    // Files above 2 GB have their buffers behind the tables.
    let end = offset.checked_add(size).and_then(|end| usize::try_from(end).ok());
    let data = end.and_then(|end| flat.bytes().get(offset as usize..end));
    data.ok_or_else(|| {
        let remaining = flat.bytes().len().saturating_sub(usize::try_from(offset).unwrap_or(usize::MAX));
        let fault = super::error::FlatFault::Truncated { needed: size, remaining };
        Broken::new(table.at, fault.into())
    })
}

struct Context<'c, 'a> {
    flat: &'c Flat<'a>,
    operator_codes: &'c [OperatorCode<'a>],
    buffers: &'c [&'a [u8]],
}

impl<'a> Context<'_, 'a> {
    fn subgraph(&self, table: &Table<'_, 'a>) -> Parsed<Subgraph<'a>> {
        let tensors = list(table, 0, "tensor", |table, _| {
            let name = table.text(3)?;
            self.tensor(table, name).map_err(|broken| broken.within(|| format!("\"{name}\"")))
        })?;
        let count = tensors.len();
        Ok(Subgraph {
            name: table.text(4)?,
            inputs: self.tensor_list(table, 1, count, false)?,
            outputs: self.tensor_list(table, 2, count, false)?,
            operators: list(table, 3, "operator", |table, _| self.operator(table, count))?,
            tensors,
        })
    }

    fn tensor_list(
        &self,
        table: &Table<'_, 'a>,
        slot: usize,
        count: usize,
        optional: bool,
    ) -> Parsed<TensorList<'a>> {
        let numbers: Vector<'a, i32> = table.vector(slot)?.unwrap_or_default();
        self.flat.look_at(numbers.len(), table.at)?;
        for number in numbers.iter().filter(|&number| !(optional && number == -1)) {
            index("tensor", number.into(), count, table.at)?;
        }
        Ok(TensorList(numbers))
    }

    fn operator(&self, table: &Table<'_, 'a>, tensors: usize) -> Parsed<Operator<'a>> {
        let number = table.u32(0)?;
        index("operator code", number.into(), self.operator_codes.len(), table.at)?;
        let code = self.operator_codes[number as usize];
        let read = || {
            Ok(Operator {
                code: number as usize,
                operation: operation::read(&code, table)?,
                inputs: self.tensor_list(table, 1, tensors, true)?,
                outputs: self.tensor_list(table, 2, tensors, false)?,
            })
        };
        read().map_err(|broken: Broken| broken.within(|| code.name().to_owned()))
    }

    fn tensor(&self, table: &Table<'_, 'a>, name: &'a str) -> Parsed<Tensor<'a>> {
        let fail = |fault| Broken::new(table.at, fault);
        let number = table.i8(1)?;
        let ty = usize::try_from(number).ok().and_then(|at| TensorType::ALL.get(at).copied());
        let ty = ty.ok_or_else(|| fail(Fault::Type(number)))?;
        let shape: Vector<'a, i32> = table.vector(0)?.unwrap_or_default();
        self.flat.look_at(shape.len(), table.at)?;
        if let Some(wrong) = shape.iter().find(|&dimension| dimension < 0) {
            return Err(fail(Fault::Dimension(wrong)));
        }
        if table.table(6)?.is_some() {
            return Err(fail(Fault::Unsupported("sparse tensors")));
        }
        let buffer = table.u32(2)?;
        index("buffer", buffer.into(), self.buffers.len(), table.at)?;
        let data = self.buffers[buffer as usize];
        let tensor = Tensor {
            name,
            ty,
            shape,
            shape_signature: table.vector(7)?,
            buffer: buffer as usize,
            quantization: table.table(4)?.map(|table| quantization(&table, shape)).transpose()?.flatten(),
            is_variable: table.bool(5)?,
        };
        if !data.is_empty() {
            let bits = match ty {
                TensorType::Int4 => Some(4),
                _ => ty.scalar().map(|scalar| 8 * scalar.bytes()),
            };
            let elements = || shape.iter().try_fold(1usize, |count, n| count.checked_mul(n as usize));
            let needed = bits.map(|bits| elements()?.checked_mul(bits).map(|bits| bits.div_ceil(8)));
            if let Some(needed) = needed.filter(|&needed| needed != Some(data.len())) {
                return Err(fail(Fault::Size { needed, given: data.len() }));
            }
        }
        Ok(tensor)
    }
}

fn quantization<'a>(table: &Table<'_, 'a>, shape: Vector<'a, i32>) -> Parsed<Option<Quantization<'a>>> {
    if table.u8(4)? != 0 {
        return Err(Broken::new(table.at, Fault::Unsupported("custom quantizations")));
    }
    let scales: Vector<'a, f32> = table.vector(2)?.unwrap_or_default();
    let zero_points: Vector<'a, i64> = table.vector(3)?.unwrap_or_default();
    let number = table.i32(6, 0)?;
    if scales.is_empty() {
        return Ok(None);
    }
    let dimension = usize::try_from(number).ok();
    let length = dimension.and_then(|dimension| shape.get(dimension)).map(|length| length as usize);
    let fits = (scales.len() == 1 || Some(scales.len()) == length)
        && (zero_points.is_empty() || zero_points.len() == scales.len());
    match dimension {
        Some(dimension) if fits => Ok(Some(Quantization { scales, zero_points, dimension })),
        _ => {
            let shape = shape.iter().take(8).map(|dimension| dimension.max(0) as usize).collect();
            let (scales, zero_points) = (scales.len(), zero_points.len());
            let fault = Fault::Quantization { scales, zero_points, shape, dimension: number };
            Err(Broken::new(table.at, fault))
        }
    }
}
