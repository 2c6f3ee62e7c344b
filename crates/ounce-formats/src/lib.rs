//! Model files in and out: GGUF, safetensors, Hugging Face folders.
//!
//! Files are memory-mapped ([`mmap`]) and tensors are ranges of the map: nothing is copied, and a model that is larger than the free
//! memory opens in milliseconds. Every length in a file is checked against the bytes that remain before anything is allocated for it, so
//! a hostile file costs an error and never memory. Errors name the place in the file, what stood there and what should have.
//!
//! * [`gguf`]: reader and writer of GGUF versions 2 and 3, with metadata.
//! * [`ggml`]: the block types of GGUF tensors: unpacking, dequantization, quantization.
//! * [`safetensors`]: reader and writer of one safetensors file.
//! * [`hugging_face`]: reader and writer of a model folder: `config.json`, tokenizer files, one or many safetensors files.
//! * [`quantized`]: the linear maps of quantized model folders: AutoAWQ, GPTQ, compressed-tensors.
#![deny(unsafe_code)]

pub mod ggml;
pub mod gguf;
pub mod hugging_face;
pub mod mmap;
pub mod quantized;
pub mod safetensors;

mod temporary;
