//! A fuzz run as long as you like: `cargo run --release -p ounce-formats --example fuzz -- PARSER COUNT [SEED]`.
//! PARSER is gguf, safetensors, index, config, folder, quantized, blocks, onnx, tflite, pickle, checkpoint, or all. Debug assertions are worth having:
//! `CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true` turns them on, `CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true` overflow checks.

#[path = "../tests/fuzzing/mod.rs"]
mod fuzzing;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "all".to_owned());
    let count = arguments.next().map_or(Ok(100_000), |count| count.parse())?;
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let mut known = false;
    for target in fuzzing::TARGETS.iter().filter(|target| name == "all" || target.name == name) {
        known = true;
        let report = fuzzing::run(target, count, seed);
        println!(
            "{:12} {} inputs, {} accepted; most memory {} bytes, {:.1} times the input beyond 64 KiB; slowest {:?}",
            target.name, report.runs, report.accepted, report.peak, report.ratio, report.slowest
        );
    }
    if known { Ok(()) } else { Err(format!("no parser is called {name}").into()) }
}
