//! Circuits as SVG pictures.

use std::fmt::Write;

use super::columns::{Item, Mark, columns};
use crate::circuit::Circuit;

/// Distance of wires, and height of boxes, in pixels.
const WIRE: usize = 44;
const BOX: usize = 30;
/// Width of a character.
const CHARACTER: usize = 8;

/// A picture of at most `width` pixels, continued below where it is wider; without a width it is one row. It needs nothing but itself and takes the
/// colour of the text around it.
pub fn svg(circuit: &Circuit, width: Option<usize>) -> String {
    let indent = 24 + CHARACTER * circuit.qubits().saturating_sub(1).to_string().len() + CHARACTER;
    let columns = columns(circuit);
    let widths: Vec<usize> = columns.iter().map(|items| column_width(items)).collect();
    // Rows of columns, each as wide as may be.
    let mut rows: Vec<std::ops::Range<usize>> = Vec::new();
    let mut start = 0;
    while start < columns.len() || rows.is_empty() {
        let mut end = start;
        let mut used = indent + 20;
        while end < columns.len() && (end == start || width.is_none_or(|width| used + widths[end] <= width)) {
            used += widths[end];
            end += 1;
        }
        rows.push(start..end);
        start = end;
    }
    let total = |row: &std::ops::Range<usize>| indent + widths[row.clone()].iter().sum::<usize>() + 20;
    let picture_width = rows.iter().map(total).max().unwrap_or(indent);
    let row_height = WIRE * circuit.qubits() + WIRE / 2;
    let mut picture = Picture { body: String::new() };
    for (index, row) in rows.iter().enumerate() {
        let top = index * row_height + WIRE / 2;
        for wire in 0..circuit.qubits() {
            let y = top + wire * WIRE + WIRE / 2;
            picture.add(format_args!(
                r#"<text x="{}" y="{}" text-anchor="end">q{wire}</text><line x1="{indent}" y1="{y}" x2="{}" y2="{y}"/>"#,
                indent - CHARACTER,
                y + 5,
                total(row) - 10
            ));
        }
        let mut x = indent + 10;
        for column in row.clone() {
            let middle = x + widths[column] / 2;
            columns[column].iter().for_each(|item| picture.item(item, middle, top));
            x += widths[column];
        }
    }
    let height = rows.len() * row_height + WIRE / 2;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{picture_width}" height="{height}" viewBox="0 0 {picture_width} {height}" font-family="monospace" font-size="13" stroke="currentColor" fill="none"><style>text{{fill:currentColor;stroke:none}}rect{{fill:#dbe7f5}}.box{{fill:#102a43;text-anchor:middle}}</style>{}</svg>"#,
        picture.body
    ) + "\n"
}

fn column_width(items: &[Item]) -> usize {
    let marks = items.iter().flat_map(|item| &item.marks);
    marks.map(|(_, mark)| box_width(mark)).max().unwrap_or(BOX) + 14
}

fn label(mark: &Mark) -> String {
    match mark {
        Mark::Box(label) => label.clone(),
        Mark::Reset => "|0⟩".to_owned(),
        Mark::Measure(bit) => format!("M {bit}"),
        Mark::Control | Mark::Plus | Mark::Swap | Mark::Barrier => String::new(),
    }
}

fn box_width(mark: &Mark) -> usize {
    match label(mark).chars().count() {
        0 => BOX / 2,
        count => (count * CHARACTER + 12).max(BOX),
    }
}

struct Picture {
    body: String,
}

impl Picture {
    fn add(&mut self, shapes: std::fmt::Arguments<'_>) {
        // Writing into a text does not fail.
        let written = self.body.write_fmt(shapes);
        debug_assert!(written.is_ok());
    }

    fn item(&mut self, item: &Item, x: usize, top: usize) {
        let y = |wire: usize| top + wire * WIRE + WIRE / 2;
        let (first, last) = item.span();
        if item.joined && first < last {
            self.add(format_args!(r#"<line x1="{x}" y1="{}" x2="{x}" y2="{}"/>"#, y(first), y(last)));
        }
        for (wire, mark) in &item.marks {
            self.mark(mark, x, y(*wire));
        }
    }

    fn mark(&mut self, mark: &Mark, x: usize, y: usize) {
        match mark {
            Mark::Control => {
                self.add(format_args!(r#"<circle cx="{x}" cy="{y}" r="4" fill="currentColor"/>"#))
            }
            Mark::Plus => self.add(format_args!(
                r#"<circle cx="{x}" cy="{y}" r="9"/><path d="M{} {y}h18M{x} {}v18"/>"#,
                x - 9,
                y - 9
            )),
            Mark::Swap => self.add(format_args!(r#"<path d="M{} {}l12 12m-12 0l12-12"/>"#, x - 6, y - 6)),
            Mark::Barrier => self.add(format_args!(
                r#"<line x1="{x}" y1="{}" x2="{x}" y2="{}" stroke-dasharray="4 3"/>"#,
                y - WIRE / 2,
                y + WIRE / 2
            )),
            Mark::Box(_) | Mark::Reset | Mark::Measure(_) => {
                let width = box_width(mark);
                let text = escaped(&label(mark));
                self.add(format_args!(
                    r#"<rect x="{}" y="{}" width="{width}" height="{BOX}" rx="3"/><text class="box" x="{x}" y="{}">{text}</text>"#,
                    x - width / 2,
                    y - BOX / 2,
                    y + 5
                ));
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
