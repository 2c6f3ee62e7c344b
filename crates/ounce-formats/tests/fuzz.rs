//! A short fuzz run of every parser. A longer one: `cargo run --release -p ounce-formats --example fuzz -- gguf 1000000`.

mod fuzzing;

/// One test for all parsers, because the allocator counts for the whole process.
#[test]
fn parsers_survive_mutated_files() {
    for target in &fuzzing::TARGETS {
        let count = if matches!(target.name, "folder" | "quantized") { 2_000 } else { 20_000 };
        let report = fuzzing::run(target, count, 1);
        assert_eq!(report.runs, count);
        assert!(report.accepted > 0, "{}: nothing was accepted, so little was tested", target.name);
    }
}
