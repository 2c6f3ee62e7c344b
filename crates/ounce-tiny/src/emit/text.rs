//! The text in C of a program.

use std::fmt::Write;

use super::interface::Argument;
use super::memory::Layout;
use super::program::{Function, Given, Slot, Statement, Tables};

/// The name of a function and its arguments.
fn prototype(prefix: &str, function: &Function) -> String {
    let input = |(input, _): &Given| {
        let between = if input.by_value { "" } else { "*" };
        let constant = if input.by_value { "" } else { "const " };
        format!("{constant}{} {between}{}", input.c_type(), input.name)
    };
    let inputs = function.inputs.iter().map(input);
    let outputs = function.outputs.iter().map(|(output, _)| format!("{} *{}", output.c_type(), output.name));
    let arguments = inputs.chain(outputs).collect::<Vec<_>>().join(", ");
    let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments };
    format!("void {prefix}_{}({arguments})", function.name)
}

/// The extents in the order of memory.
fn extents(argument: &Argument) -> String {
    let shape = match (argument.channels_last, &argument.ty.shape[..]) {
        (true, [_, c, h, w]) => vec![*h, *w, *c],
        (_, shape) => shape.to_vec(),
    };
    let words: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let words = if words.is_empty() { "1".to_owned() } else { words.join(" x ") };
    format!(
        "{words} {}{}",
        argument.c_type(),
        if argument.channels_last { ", rows, columns, channels" } else { "" }
    )
}

/// The header that a firmware includes.
pub(super) fn header(prefix: &str, functions: &[(Function, Layout)], arena: usize, state: usize) -> String {
    let upper = prefix.to_uppercase();
    let mut text = format!(
        "/* A network compiled by Ounce. All functions work in one arena, so that they must not run at the same time. */\n\
         #ifndef {upper}_H\n#define {upper}_H\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         /* Bytes of RAM: of the arena, and of the parameters that are trained. */\n\
         #define {upper}_ARENA_BYTES {arena}\n#define {upper}_STATE_BYTES {state}\n"
    );
    // Writing to a string does not fail.
    for (function, _) in functions {
        let _ = writeln!(text, "\n/*");
        for (role, arguments) in [("Takes", &function.inputs), ("Gives", &function.outputs)] {
            for (argument, _) in arguments {
                let _ = writeln!(text, " * {role} {}: {}.", argument.name, extents(argument));
            }
        }
        let _ = writeln!(text, " */\n{};", prototype(prefix, function));
        for (input, _) in function.inputs.iter().filter(|(input, _)| !input.by_value) {
            let (function, name, ty) = (&function.name, &input.name, input.c_type());
            let _ = writeln!(
                text,
                "\n/* Where {name} may be written before the call of {prefix}_{function}, to spare a buffer. The call overwrites it. */\n\
                 {ty} *{prefix}_{function}_{name}(void);"
            );
        }
    }
    text += "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
    text
}

/// The file of the functions.
pub(super) fn source(
    prefix: &str,
    functions: &[(Function, Layout)],
    tables: &Tables,
    arena: usize,
) -> String {
    let mut text = format!(
        "/* Calls alone, which are made small: the work is in the kernels. */\n#if defined(__GNUC__) && !defined(__clang__)\n#pragma GCC optimize (\"Os\")\n#endif\n\n\
         #include \"{prefix}.h\"\n\n#include <string.h>\n\n#include \"ounce_tiny.h\"\n#include \"{prefix}_weights.h\"\n\n\
         static union {{\n    uint64_t alignment;\n    uint8_t bytes[{}];\n}} arena;\n\n\
         static void *at(uint32_t offset)\n{{\n    return &arena.bytes[offset];\n}}\n\n{}",
        arena.max(8),
        tables.structs
    );
    for (function, layout) in functions {
        body(prefix, function, layout, &mut text);
    }
    text
}

fn body(prefix: &str, function: &Function, layout: &Layout, text: &mut String) {
    let place = |slot: Slot| format!("at({}U)", layout.offsets[slot.0]);
    for (input, slot) in &function.inputs {
        if let Some(slot) = *slot {
            let (ty, name, function) = (input.c_type(), &input.name, &function.name);
            let _ = writeln!(
                text,
                "\n{ty} *{prefix}_{function}_{name}(void)\n{{\n    return {};\n}}",
                place(slot)
            );
        }
    }
    let _ = writeln!(text, "\n{}\n{{", prototype(prefix, function));
    for (input, slot) in &function.inputs {
        if let Some(slot) = *slot {
            let (to, name, bytes) = (place(slot), &input.name, function.slots[slot.0]);
            let _ = writeln!(
                text,
                "    if ((const void *){name} != {to}) {{\n        (void)memcpy({to}, {name}, {bytes}U);\n    }}"
            );
        }
    }
    for (i, statement) in function.statements.iter().enumerate() {
        let share = layout.shared[i].map(|taken| &statement.shares[taken]);
        let _ = writeln!(text, "    /* {} */", statement.node.replace("*/", "* /").replace("/*", "/ *"));
        if let (Some((from, to, bytes)), None) = (statement.copy, share) {
            let _ = writeln!(text, "    (void)memcpy({}, {}, {bytes}U);", place(to), place(from));
        }
        let chosen = share.and_then(|share| share.text.as_ref()).unwrap_or(&statement.text);
        let _ = writeln!(text, "    {}", resolved(chosen, statement, layout, i));
    }
    for (output, slot) in &function.outputs {
        if let Some(slot) = *slot {
            let _ = writeln!(
                text,
                "    (void)memcpy({}, {}, {}U);",
                output.name,
                place(slot),
                function.slots[slot.0]
            );
        }
    }
    text.push_str("}\n");
}

/// A statement's text with the addresses of its operands.
fn resolved(text: &str, statement: &Statement, layout: &Layout, i: usize) -> String {
    let mut resolved = text.replace("$s$", &format!("at({}U)", layout.scratch[i]));
    for (at, operand) in statement.operands.iter().enumerate() {
        resolved = resolved.replace(&format!("${at}$"), &format!("at({}U)", layout.offsets[operand.slot.0]));
    }
    resolved
}

/// The header and the file of weights and tables.
pub(super) fn weights(prefix: &str, tables: &Tables) -> [String; 2] {
    let upper = prefix.to_uppercase();
    let header = format!(
        "#ifndef {upper}_WEIGHTS_H\n#define {upper}_WEIGHTS_H\n\n#include <stdint.h>\n\n{}\n#endif\n",
        tables.declarations
    );
    [header, format!("#include \"{prefix}_weights.h\"\n\n{}", tables.definitions)]
}
