//! C programs that call kernels on given data, run here and under QEMU, and compared with what Rust computed.
#![allow(dead_code, clippy::expect_used)]

pub(crate) mod emitted;
pub(crate) mod float_twin;
pub(crate) mod learning;
pub(crate) mod twin;

use std::path::Path;
use std::process::Command;

use ounce_tiny::runtime;
use ounce_tiny::simulate::{BOARD_HEADER, BOARD_HOST, Build, Run, Target, Tool, missing_tools};

/// Random numbers: a 64-bit linear congruence, its upper half.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        low + (self.next() % (high - low + 1) as u32) as i32
    }

    pub(crate) fn i8s(&mut self, count: i32) -> Vec<i8> {
        (0..count).map(|_| self.between(-128, 127) as i8).collect()
    }

    pub(crate) fn i32s(&mut self, count: i32, most: i32) -> Vec<i32> {
        (0..count).map(|_| self.between(-most, most)).collect()
    }

    /// From -1 to 1, with all bits of a float in use.
    pub(crate) fn f32s(&mut self, count: i32) -> Vec<f32> {
        (0..count).map(|_| (f64::from(self.next()) / f64::from(1u32 << 30) - 1.0) as f32).collect()
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.next() as usize % of.len()]
    }
}

/// A type of C with its values.
pub(crate) trait Element: Copy {
    const C_TYPE: &'static str;
    fn literal(self) -> String;
    fn bytes(self) -> Vec<u8>;
}

macro_rules! element {
    ($($ty:ty, $name:literal, $literal:expr;)*) => {
        $(impl Element for $ty {
            const C_TYPE: &'static str = $name;
            fn literal(self) -> String {
                $literal(self)
            }
            fn bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
        })*
    };
}

element! {
    i8, "int8_t", |x: i8| x.to_string();
    u8, "uint8_t", |x: u8| format!("{x}U");
    u16, "uint16_t", |x: u16| format!("{x}U");
    i32, "int32_t", |x: i32| if x == i32::MIN { "(-2147483647 - 1)".into() } else { x.to_string() };
    u32, "uint32_t", |x: u32| format!("{x}U");
    f32, "float", |x: f32| format!("{x:e}f");
}

/// A program in the making: data, calls, and what they must leave behind.
#[derive(Default)]
pub(crate) struct Program {
    declarations: String,
    body: String,
    cases: usize,
    names: usize,
    expected: Vec<(String, Vec<u8>)>,
}

impl Program {
    fn declare<T: Element>(&mut self, constant: &str, values: &[T]) -> String {
        self.names += 1;
        let name = format!("v{}", self.names);
        let literals: Vec<String> = values.iter().map(|value| value.literal()).collect();
        // An array of nothing is no C.
        let literals = if literals.is_empty() { "0".into() } else { literals.join(", ") };
        self.declarations += &format!("static {constant}{} {name}[] = {{{literals}}};\n", T::C_TYPE);
        name
    }

    /// A constant array; its name.
    pub(crate) fn constant<T: Element>(&mut self, values: &[T]) -> String {
        self.declare("const ", values)
    }

    /// An array that the kernel changes.
    pub(crate) fn variable<T: Element>(&mut self, values: &[T]) -> String {
        self.declare("", values)
    }

    /// An array that the kernel fills; it begins with something else than the result.
    pub(crate) fn result<T: Element>(&mut self, count: usize) -> String {
        self.names += 1;
        let name = format!("v{}", self.names);
        self.declarations += &format!("static {} {name}[{}];\n", T::C_TYPE, count.max(1));
        self.body += &format!("    (void)memset({name}, 0x55, sizeof {name});\n");
        name
    }

    /// Scratch of `size`, an expression of C.
    pub(crate) fn scratch(&mut self, size: &str) -> String {
        self.names += 1;
        let name = format!("v{}", self.names);
        self.declarations += &format!("static uint64_t {name}[({size} + 7) / 8];\n");
        name
    }

    /// Any declaration.
    pub(crate) fn declaration(&mut self, text: &str) {
        self.declarations += text;
        self.declarations.push('\n');
    }

    /// Adds a statement.
    pub(crate) fn call(&mut self, statement: &str) {
        self.body += &format!("    {statement}\n");
    }

    /// From here on the array `name` must begin with `values`.
    pub(crate) fn expect<T: Element>(&mut self, label: &str, name: &str, values: &[T]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.bytes()).collect();
        self.body += &format!("    (void)ounce_write(file, {name}, {}U);\n", bytes.len());
        self.expected.push((label.to_owned(), bytes));
    }

    /// Ends a case: a function of its own, so that compilers cope.
    pub(crate) fn end_case(&mut self) {
        let body = std::mem::take(&mut self.body);
        self.declarations += &format!("static void case{}(int32_t file)\n{{\n{body}}}\n", self.cases);
        self.cases += 1;
    }

    fn text(&self) -> String {
        let calls: String = (0..self.cases).map(|case| format!("    case{case}(file);\n")).collect();
        format!(
            "#include <string.h>\n#include \"ounce_tiny.h\"\n#include \"ounce_board.h\"\n{}\
             int ounce_main(void)\n{{\n    const int32_t file = ounce_open_write(\"results\");\n{calls}    \
             return (int)ounce_close(file);\n}}\n",
            self.declarations
        )
    }

    fn check(&self, folder: &Path, machine: &str) {
        let results = std::fs::read(folder.join("results")).expect("the program writes its results");
        let mut rest = &results[..];
        for (label, expected) in &self.expected {
            let (found, behind) = rest.split_at(expected.len().min(rest.len()));
            let first = found.iter().zip(expected).position(|(found, expected)| found != expected);
            assert!(
                found == expected,
                "{machine}: {label}: byte {first:?} of {}\nfound    {found:?}\nexpected {expected:?}",
                expected.len()
            );
            rest = behind;
        }
        assert!(rest.is_empty());
    }

    /// Runs the program here, with every access checked, and on every target in both forms.
    pub(crate) fn run_everywhere(&self) {
        self.run_here();
        if !simulation_is_possible() {
            return;
        }
        for target in Target::ALL {
            for plain in [false, true] {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let mut build = Build::new(target).ram(4 << 20).flash(4 << 20).text("main.c", self.text());
                if plain {
                    build = build.flag("-DOUNCE_TINY_PLAIN");
                }
                let image = build.compile(folder.path()).expect("the program compiles");
                let report = Run::new().execute(&image, folder.path()).expect("the program runs");
                assert_eq!(report.status, 0, "{}", report.output);
                self.check(folder.path(), &format!("{target:?}, plain: {plain}"));
            }
        }
    }

    fn run_here(&self) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
        for file in runtime::HEADERS.iter().chain(runtime::SOURCES).chain([&BOARD_HEADER, &BOARD_HOST]) {
            write(file.name, file.text);
        }
        write("main.c", &self.text());
        let compiled = Command::new(Tool::HostCompiler.program())
            .current_dir(folder.path())
            .args(runtime::REQUIRED_FLAGS)
            .args(runtime::WARNINGS)
            .args(["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I."])
            .args(runtime::SOURCES.iter().map(|file| file.name))
            .args([BOARD_HOST.name, "main.c", "-o", "program"])
            .output();
        let Ok(compiled) = compiled else {
            eprintln!("skipped: no C compiler (Debian: apt-get install gcc libc6-dev)");
            return;
        };
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let ran = Command::new(folder.path().join("program")).current_dir(folder.path()).output();
        let ran = ran.expect("the program starts");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        self.check(folder.path(), "this computer");
    }
}

/// Whether programs can be simulated here; says so if not.
pub(crate) fn simulation_is_possible() -> bool {
    let missing = missing_tools();
    for tool in &missing {
        eprintln!("skipped: no {} (Debian: apt-get install {})", tool.program(), tool.packages());
    }
    missing.is_empty()
}
