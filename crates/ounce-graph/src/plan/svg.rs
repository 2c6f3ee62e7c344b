//! A picture of an arena over time.

use std::fmt::Write;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 40.0;
const COLOURS: [&str; 6] = ["#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#e15759"];

/// A piece of an arena.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// What lies there.
    pub name: String,
    /// Bytes.
    pub bytes: usize,
    /// The first step at which it is needed.
    pub birth: usize,
    /// The last, included.
    pub death: usize,
    /// Bytes from the arena's start.
    pub offset: usize,
}

/// An arena over time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// What lies in it.
    pub pieces: Vec<Piece>,
    /// Its bytes.
    pub arena_bytes: usize,
    /// The most bytes that are alive together.
    pub lower_bound: usize,
    /// The length of the time axis.
    pub steps: usize,
}

impl Picture {
    /// The drawing: steps from left to right, offsets from bottom to top, a rectangle for every piece.
    pub fn svg(&self) -> String {
        draw(self)
    }
}

fn draw(plan: &Picture) -> String {
    let steps = plan.steps.max(1) as f64;
    let bytes = plan.arena_bytes.max(1) as f64;
    let x = |step: usize| LEFT + step as f64 / steps * (WIDTH - LEFT);
    let y = |offset: usize| HEIGHT - BOTTOM - offset as f64 / bytes * (HEIGHT - BOTTOM - 10.0);
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">"#
    );
    let _ = writeln!(svg, r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>"##);
    for (i, buffer) in plan.pieces.iter().enumerate() {
        let (left, right) = (x(buffer.birth), x(buffer.death + 1));
        let (top, bottom) = (y(buffer.offset + buffer.bytes), y(buffer.offset));
        let colour = COLOURS[i % COLOURS.len()];
        let _ = writeln!(
            svg,
            r##"<rect x="{left:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" fill="{colour}" stroke="#ffffff" stroke-width="0.5"><title>{}: {} bytes at {}, steps {} to {}</title></rect>"##,
            right - left,
            bottom - top,
            escape(&buffer.name),
            buffer.bytes,
            buffer.offset,
            buffer.birth,
            buffer.death,
        );
    }
    for (at, label) in [(0, "0"), (plan.arena_bytes, "peak")] {
        let _ = writeln!(svg, r#"<text x="4" y="{:.1}">{label}</text>"#, y(at) + 4.0);
    }
    let bound = y(plan.lower_bound);
    let _ = writeln!(
        svg,
        r##"<line x1="{LEFT}" y1="{bound:.1}" x2="{WIDTH}" y2="{bound:.1}" stroke="#333333" stroke-dasharray="4 3"/>"##
    );
    let _ = writeln!(
        svg,
        r#"<text x="{LEFT}" y="{:.1}">{} steps; arena {} bytes, lower bound {} bytes (dashed)</text>"#,
        HEIGHT - 12.0,
        plan.steps,
        plan.arena_bytes,
        plan.lower_bound,
    );
    svg.push_str("</svg>\n");
    svg
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
