//! Circuits in box-drawing characters.

use super::columns::{Item, Mark, columns};
use crate::circuit::Circuit;

/// A drawing of at most `width` characters a line, continued below where it is wider; without a width it is one piece. A single gate
/// may be wider.
///
/// ```text
///      ┌───┐
/// q0: ─┤ H ├───■──────────
///      └───┘ ┌─┴─┐ ┌───┐
/// q1: ───────┤ X ├─┤M 0├──
///            └───┘ └───┘
/// ```
pub fn text(circuit: &Circuit, width: Option<usize>) -> String {
    let names: Vec<String> = (0..circuit.qubits()).map(|qubit| format!("q{qubit}: ")).collect();
    let indent = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let drawn: Vec<Column> =
        columns(circuit).iter().map(|items| Column::new(items, circuit.qubits())).collect();
    let mut text = String::new();
    let mut rest = &drawn[..];
    loop {
        let mut taken = 0;
        let mut used = indent + 2;
        while let Some(column) = rest.get(taken) {
            used += column.width;
            if taken > 0 && width.is_some_and(|width| used > width) {
                break;
            }
            taken += 1;
        }
        let (piece, after) = rest.split_at(taken);
        write_piece(&mut text, &names, indent, piece, !after.is_empty());
        if after.is_empty() {
            return text;
        }
        rest = after;
        text.push('\n');
    }
}

fn write_piece(text: &mut String, names: &[String], indent: usize, columns: &[Column], more: bool) {
    for (wire, name) in names.iter().enumerate() {
        for (row, rail) in [(0, ' '), (1, '─'), (2, ' ')] {
            let start = if row == 1 { name.clone() } else { String::new() };
            let blanks = indent - start.chars().count();
            let mut line = format!("{start}{}{rail}", " ".repeat(blanks));
            columns.iter().for_each(|column| line += &column.lines[3 * wire + row]);
            if row == 1 {
                line.push(if more { '»' } else { '─' });
            }
            let line = line.trim_end();
            // Lines between wires with nothing on them are left out.
            if row == 1 || !line.is_empty() {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
}

/// One column of a drawing: three lines for each wire, all of the same width.
struct Column {
    lines: Vec<String>,
    width: usize,
}

impl Column {
    fn new(items: &[Item], wires: usize) -> Self {
        let label = |mark: &Mark| match mark {
            Mark::Box(label) => format!(" {label} "),
            Mark::Plus => " X ".to_owned(),
            Mark::Reset => " |0> ".to_owned(),
            Mark::Measure(bit) => format!("M {bit}"),
            Mark::Control | Mark::Swap | Mark::Barrier => String::new(),
        };
        let widest =
            items.iter().flat_map(|item| &item.marks).map(|(_, mark)| label(mark).chars().count()).max();
        // Two sides of the box and one character of wire.
        let inner = widest.unwrap_or(0).max(1);
        let width = inner + 3;
        let mut lines: Vec<String> =
            (0..3 * wires).map(|line| if line % 3 == 1 { "─" } else { " " }.repeat(width)).collect();
        for item in items {
            let (first, last) = item.span();
            for (wire, mark) in &item.marks {
                let up = item.joined && *wire > first;
                let down = item.joined && *wire < last;
                draw(&mut lines[3 * wire..3 * wire + 3], mark, &label(mark), inner, up, down);
            }
            let marked = |wire: usize| item.marks.iter().any(|(own, _)| *own == wire);
            if item.joined {
                for wire in (first + 1..last).filter(|wire| !marked(*wire)) {
                    let side = |line: &str| line.repeat(inner / 2 + 1);
                    let rest = width - 2 * (inner / 2 + 1) - 1;
                    let cross =
                        |rail: &str, middle: &str| side(rail) + middle + &side(rail) + &rail.repeat(rest);
                    lines[3 * wire] = cross(" ", "│");
                    lines[3 * wire + 1] = cross("─", "┼");
                    lines[3 * wire + 2] = cross(" ", "│");
                }
            }
        }
        Self { lines, width }
    }
}

/// Draws a mark into the three lines of its wire.
fn draw(lines: &mut [String], mark: &Mark, label: &str, inner: usize, up: bool, down: bool) {
    // The middle of the column, where lines between wires run.
    let middle = inner / 2 + 1;
    let width = inner + 3;
    let line = |rail: char, at: char| -> String {
        (0..width).map(|x| if x == middle { at } else { rail }).collect()
    };
    let symbol = match mark {
        Mark::Control => Some('■'),
        Mark::Swap => Some('╳'),
        Mark::Barrier => Some('░'),
        _ => None,
    };
    if let Some(symbol) = symbol {
        let barrier = *mark == Mark::Barrier;
        let (above, below) = if barrier { ('░', '░') } else { ('│', '│') };
        lines[0] = line(' ', if up || barrier { above } else { ' ' });
        lines[1] = line('─', symbol);
        lines[2] = line(' ', if down || barrier { below } else { ' ' });
        return;
    }
    let length = label.chars().count();
    let before = middle - 1 - length / 2;
    let pad = |count: usize, rail: &str| rail.repeat(count);
    let after = width - before - length - 2;
    let edge = |left: char, right: char, joint: Option<char>| -> String {
        let at = middle - before - 1;
        let inside: String = (0..length).map(|x| if x == at { joint.unwrap_or('─') } else { '─' }).collect();
        format!("{}{left}{inside}{right}{}", pad(before, " "), pad(after, " "))
    };
    lines[0] = edge('┌', '┐', up.then_some('┴'));
    lines[1] = format!("{}┤{label}├{}", pad(before, "─"), pad(after, "─"));
    lines[2] = edge('└', '┘', down.then_some('┬'));
}
