//! What a program takes and gives, and a driver that feeds it from files.
//!
//! The driver ([`Emitted::driver`](super::Emitted::driver)) is a program for [`simulate`](crate::simulate): it reads the file `requests`, byte for byte a list of requests as
//! [`Signature::request`] makes them, calls the functions, and writes what they give to `answers`. Before and after every call it notes the count of instructions. The request
//! [`STATE`] has it write all trained parameters.

use std::fmt::Write;

use ounce_graph::{DType, Data, Tensor, TensorType};

use super::EmitError;

/// The request that asks for the trained parameters.
pub const STATE: u8 = 255;

/// An argument of a function, or a trained parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// As the graph calls it.
    pub label: String,
    /// Its name in C.
    pub name: String,
    /// Its type in the graph.
    pub ty: TensorType,
    /// Whether channels lie together: the graph's image `[1, C, H, W]` as HWC, its weight `[O, I, kh, kw]` as OHWI.
    pub channels_last: bool,
    /// Whether it is a single number, passed by value.
    pub by_value: bool,
}

impl Argument {
    /// The elements in the order of memory, little-endian.
    fn encode(&self, tensor: &Tensor) -> Vec<u8> {
        let order = self.order();
        match tensor.data() {
            Data::I8(data) => order.map(|at| data[at] as u8).collect(),
            Data::I32(data) => order.flat_map(|at| data[at].to_le_bytes()).collect(),
            Data::F32(data) => order.flat_map(|at| data[at].to_le_bytes()).collect(),
            Data::Bits(data) => data.clone(),
        }
    }

    /// The elements from the order of memory; `bytes` has as many as the type takes.
    fn decode(&self, bytes: &[u8]) -> Option<Tensor> {
        let mut tensor = Tensor::zeros(&self.ty);
        let words = bytes.as_chunks::<4>().0;
        use ounce_graph::SliceMut;
        match tensor.slice_mut() {
            SliceMut::I8(data) => self.order().zip(bytes).for_each(|(at, byte)| data[at] = *byte as i8),
            SliceMut::I32(data) => {
                self.order().zip(words).for_each(|(at, word)| data[at] = i32::from_le_bytes(*word))
            }
            SliceMut::F32(data) => {
                self.order().zip(words).for_each(|(at, word)| data[at] = f32::from_le_bytes(*word))
            }
            _ => return None,
        }
        Some(tensor)
    }

    /// For every element in the order of memory its place in the graph's order.
    fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (count, channels, places) = match (self.channels_last, &self.ty.shape[..]) {
            (true, [n, c, h, w]) => (*n, *c, h * w),
            _ => (1, 1, self.ty.elements()),
        };
        let image = channels * places;
        (0..count * image)
            .map(move |at| at / image * image + at % image % channels * places + at % image / channels)
    }

    pub(super) fn c_type(&self) -> &'static str {
        match self.ty.dtype {
            DType::F32 => "float",
            DType::I8 => "int8_t",
            DType::I32 => "int32_t",
            DType::Bits => "uint8_t",
        }
    }
}

/// A function of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// Its name, behind the program's.
    pub name: String,
    /// Its place among the functions.
    pub number: u8,
    /// What it takes.
    pub inputs: Vec<Argument>,
    /// What it gives.
    pub outputs: Vec<Argument>,
}

impl Signature {
    /// A request to call it with the given values, in the graph's order.
    ///
    /// # Errors
    /// If a value has another type.
    pub fn request(&self, values: &[&Tensor]) -> Result<Vec<u8>, EmitError> {
        let mut bytes = vec![self.number];
        for (i, argument) in self.inputs.iter().enumerate() {
            match values.get(i) {
                Some(tensor) if *tensor.ty() == argument.ty => bytes.extend(argument.encode(tensor)),
                found => {
                    let found = found.map_or_else(|| "nothing".to_owned(), |tensor| tensor.ty().to_string());
                    let reason = format!("it takes {}, found {found}", argument.ty);
                    let (function, name) = (self.name.clone(), argument.label.clone());
                    return Err(EmitError::Value { function, name, reason });
                }
            }
        }
        Ok(bytes)
    }

    /// What one call gave, in the order of the outputs and of the graph; `answers` is moved behind it. `None` if there is less.
    pub fn answer(&self, answers: &mut &[u8]) -> Option<Vec<Tensor>> {
        self.outputs.iter().map(|output| take(output, answers)).collect()
    }
}

/// A value at the beginning of some bytes.
pub(super) fn take(argument: &Argument, bytes: &mut &[u8]) -> Option<Tensor> {
    let (value, rest) = bytes.split_at_checked(argument.ty.bytes())?;
    *bytes = rest;
    argument.decode(value)
}

/// The driver's text.
pub(super) fn driver(prefix: &str, functions: &[Signature], states: &[Argument]) -> String {
    let mut text =
        format!("#include \"ounce_board.h\"\n#include \"{prefix}.h\"\n#include \"{prefix}_weights.h\"\n\n");
    for function in functions {
        call(prefix, function, &mut text);
    }
    text += "static void write_state(int32_t to)\n{\n    (void)to;\n";
    // Writing to a string does not fail.
    for state in states {
        let _ = writeln!(text, "    (void)ounce_write(to, {}, {}U);", state.name, state.ty.bytes());
    }
    text += "}\n\nint ounce_main(void)\n{\n    const int32_t from = ounce_open_read(\"requests\");\n    \
             const int32_t to = ounce_open_write(\"answers\");\n    uint8_t request;\n    \
             if ((from < 0) || (to < 0)) {\n        return 1;\n    }\n    \
             while (ounce_read(from, &request, 1U) == 1) {\n        switch (request) {\n";
    for function in functions {
        let _ = writeln!(
            text,
            "        case {}:\n            call_{}(from, to);\n            break;",
            function.number, function.name
        );
    }
    let _ = writeln!(text, "        case {STATE}:\n            write_state(to);\n            break;");
    text +=
        "        default:\n            return 2;\n        }\n    }\n    return (int)ounce_close(to);\n}\n";
    text
}

fn call(prefix: &str, function: &Signature, text: &mut String) {
    let name = &function.name;
    let _ = writeln!(text, "static void call_{name}(int32_t from, int32_t to)\n{{");
    let mut arguments = Vec::new();
    let mut reads = String::new();
    for input in &function.inputs {
        let (ty, argument, bytes) = (input.c_type(), &input.name, input.ty.bytes());
        if input.by_value {
            let _ = writeln!(text, "    {ty} {argument} = 0;");
            let _ = writeln!(reads, "    (void)ounce_read(from, &{argument}, {bytes}U);");
        } else {
            // Where the function wants it, so that it takes no memory of its own.
            let _ = writeln!(text, "    {ty} *const {argument} = {prefix}_{name}_{argument}();");
            let _ = writeln!(reads, "    (void)ounce_read(from, {argument}, {bytes}U);");
        }
        arguments.push(argument.as_str());
    }
    for output in &function.outputs {
        let count = output.ty.elements().max(1);
        let _ = writeln!(text, "    static {} {}[{count}];", output.c_type(), output.name);
        arguments.push(output.name.as_str());
    }
    let arguments = arguments.join(", ");
    let _ = writeln!(text, "{reads}    ounce_mark();\n    {prefix}_{name}({arguments});\n    ounce_mark();");
    for output in &function.outputs {
        let _ = writeln!(text, "    (void)ounce_write(to, {}, {}U);", output.name, output.ty.bytes());
    }
    text.push_str("    (void)from;\n    (void)to;\n}\n\n");
}
