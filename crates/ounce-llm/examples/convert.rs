//! Writes a model in another container: `convert SOURCE TARGET folder|gguf TYPE`.

use ounce_formats::ggml::GgmlType;
use ounce_kernels::{ThreadPool, available_threads};
use ounce_llm::export::{Container, convert};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, container, ty] = &arguments[..] else {
        return Err("usage: convert SOURCE TARGET folder|gguf TYPE".into());
    };
    let ty = GgmlType::from_name(ty).ok_or("unknown type")?;
    let container = match container.as_str() {
        "folder" => Container::Folder(ty),
        "gguf" => Container::Gguf(ty),
        _ => return Err("the container is folder or gguf".into()),
    };
    let mut pool = ThreadPool::new(available_threads());
    let bytes = convert(source.as_ref(), target.as_ref(), container, &mut pool, &mut |_, _| ())?;
    println!("{bytes} bytes");
    Ok(())
}
