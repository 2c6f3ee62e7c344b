//! Reads every ONNX model of a folder and writes it to another: `cargo run -p ounce-formats --example onnx_rewrite -- FROM TO`.
//! Prints the name of each and `ok` or what is wrong. `conformance/onnx/check.py` compares the folders.

use std::path::Path;

use ounce_formats::onnx::Onnx;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folders: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &folders[..] else { return Err("two folders are needed".into()) };
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|e| e == "onnx")) else {
            continue;
        };
        let file = Onnx::open(&path)?;
        let outcome = file
            .model()
            .map_err(|error| error.to_string())
            .and_then(|model| model.save(&Path::new(to).join(name)).map_err(|error| error.to_string()));
        println!("{}\t{}", name.display(), outcome.err().unwrap_or_else(|| "ok".to_owned()));
    }
    Ok(())
}
